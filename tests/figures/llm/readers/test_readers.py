"""All readers: real files, folders, forced formats, contradictions, and what is refused."""

import json
from pathlib import Path

import pandas as pd
import pytest

from overtraining.figures.llm.readers import FORMATS, read, read_file
from overtraining.figures.llm.tidy import Unreadable, with_tokens
from overtraining.setting.errors import SchemaError
from tests.figures.llm import samples


def test_a_written_table_reads_back(tmp_path: Path) -> None:
    """What is printed as a table is the plain CSV, so that it can be read again to the same bits."""
    files = [samples.put(tmp_path / f"{i}.json", c) for i, c in enumerate((samples.new(), samples.openlm()))]
    table = read([*files, samples.put(tmp_path / "mine.csv", samples.PLAIN)]).table
    table.to_csv(tmp_path / "table.csv", index=False)
    again = read([tmp_path / "table.csv"]).table
    pd.testing.assert_frame_equal(again, table)


@pytest.mark.parametrize(
    ("name", "count", "format"),
    [
        ("lm_eval_v0.3_pythia-1.4b_step3000_0shot.trimmed.json", 15, "lm-eval-0.3"),
        ("lm_eval_v0.4.10_gemma-2b_afrixnli.trimmed.json", 2, "lm-eval-0.4"),
        ("openlm_model_record_rpj_d512_M32.json", 8, "openlm"),
        ("wandb_csv_olmo_ladder_190M-10xC.head.csv", 273, "wide"),
    ],
)
def test_real_files_at_first_go(name: str, count: int, format: str) -> None:
    path = samples.shared("formats") / name
    rows = read_file(path)
    assert len(rows) == count
    assert repr(rows) == repr(read_file(path, format))
    assert all(row.orientation in ("higher", "lower") or row.metric == "pct_stereotype" for row in rows)


def test_a_folder_along_training(tmp_path: Path) -> None:
    for step in (1000, 2000, 4000):
        samples.put(tmp_path / "zero" / f"{step}.json", samples.old(step=step))
    samples.put(tmp_path / "zero" / "samples_sciq.jsonl", "{}\n{}")
    reading = read([tmp_path])
    table = reading.table
    assert not reading.skipped
    assert not reading.notes
    assert sorted(table[table.metric == "ppl"].step) == [1000.0, 2000.0, 4000.0]


def test_the_checkpoint_by_flag(tmp_path: Path) -> None:
    path = samples.put(tmp_path / "r.json", samples.new(step=None))
    with pytest.raises(Unreadable, match=r"which checkpoint.*--step"):
        read([path])
    table = read([path], step=70.0).table
    assert (table.step == 70).all()
    assert (with_tokens(table, 1e6).tokens == 7e7).all()


BROKEN = {
    "empty": ("", "no header"),
    "truncated": (json.dumps(samples.old())[:-40], r"line 1, column \d+: this is not JSON"),
    "twice": ('{"results": {"a": {"acc": 0.1, "acc": 0.2}}, "config": {}}', "'acc': it occurs twice"),
    "deep": ('{"results": ' + '{"a":' * 100_000 + "1" + "}" * 100_001, "nested more than"),
    "deep list": ("[" * 1_000_000, "nested more than"),
    "list": ("[1, 2]", "no JSON object"),
    "unknown": ('{"hello": 1}', "its format is not known"),
    "nothing measured": ('{"results": {}, "config": {}}', "no measurement"),
    "results no object": ('{"results": {"a": 3}, "config": {}}', "results.a: it is not an object"),
    "NaN": ('{"results": {"a": {"acc": NaN}}, "config": {}}', r"results.a.acc: nan is not a finite"),
    "beyond float64": ('{"results": {"a": {"ppl": 1e999}}, "config": {}}', "inf is not a finite"),
    "huge integer": ('{"results": {"a": {"ppl": 1%s}}, "config": {}}' % ("0" * 400), "which has 401 digits"),
    "huger integer": ('{"results": {"a": {"ppl": 1%s}}, "config": {}}' % ("0" * 5000), "which has 5,001 digits"),
    "text": ('{"results": {"a": {"acc": "0.5"}}, "config": {}}', r"results.a.acc: '0.5' is not a number"),
    "bool": ('{"results": {"a": {"acc": true}}, "config": {}}', "True is not a number"),
    "percent": ('{"results": {"a": {"acc": 41.2}}, "config": {}}', "41.2 is not a fraction.*divide percent"),
    "negative error": ('{"results": {"a": {"acc": 0.2, "acc_stderr": -1}}, "config": {}}', "error of.*negative"),
    "mixed, new": ('{"results": {"a": {"acc,none": 0.2, "acc": 0.2}}, "config": {}}', "do not mix versions"),
    "no metric": ('{"results": {"a": {",acc_stderr,none": 0.2}}, "config": {}}', "names no metric"),
    "openlm without tokens": ('{"results": [], "hyperparameters": {}}', "hyperparameters.tokens: it is missing"),
    "openlm without loss": (
        '{"results": [{}], "hyperparameters": {"tokens": 1, "params": 1}}', r"results\[0\]: it contains no loss"),
    "ragged": ("model,step,task,metric,value\nm,1,t,acc\n", "line 2: 4 cells where the header has 5"),
    "quotes": ('model,step,task,metric,value\nm,1,t,acc,"0.5\n', "not CSV"),
    "column twice": ("model,step,task,metric,value,value\n", "'value' occurs twice"),
    "typo": ("model,step,task,metric,value,std_err\nm,1,t,acc,0.5,0.1\n", "unknown column 'std_err'"),
    "no length": ("model,task,metric,value\nm,t,acc,0.5\n", "neither a column step nor"),
    "no length in a line": ("model,step,task,metric,value\nm,,t,acc,0.5\n", "line 2: neither step nor"),
    "not a number": ("model,step,task,metric,value\nm,1,t,acc,half\n", "line 2, value: 'half' is not a number"),
    "thousands": ("model,step,task,metric,value\nm,1_000,t,acc,0.5\n", "'1_000' is not a number"),
    "other digits": ("model,step,task,metric,value\nm,١,t,acc,0.5\n", "is not a number"),
    "percent in csv": ("model,step,task,metric,value\nm,1,t,acc,61\n", "line 2, value: 61 is not a fraction"),
    "stage": ("model,step,task,metric,value,stage\nm,1,t,acc,0.5,tuned\n", "line 2, stage: 'tuned' is unknown"),
    "done what": ("model,step,task,metric,value,stage\nm,1,t,acc,0.5,perturbed\n", "name what was done"),
    "negative tokens": ("model,tokens,task,metric,value\nm,-1,t,acc,0.5\n", "line 2, tokens: -1 is negative"),
    "wandb NaN only": ("_step,eval/a/loss\n1,NaN\n", "no measurement"),
    "wandb, one text": ("_step,eval/a/loss\n1,4\n2,high\n", "line 3, eval/a/loss: 'high' is not a number"),
    "wandb no step": ("_step,eval/a/loss\n,1\n", "line 2, _step: it is empty"),
    "binary": ("\x00\x01", "its format is not known"),
    "a cell of megabytes": ("model,step,task,metric,value\n" + "x" * 200_000 + ",1,t,acc,0.5\n", "not CSV"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_refused(tmp_path: Path, case: str) -> None:
    content, says = BROKEN[case]
    path = samples.put(tmp_path / "bad", content)
    with pytest.raises(Unreadable, match=says) as caught:
        read_file(path)
    assert str(path) in str(caught.value)
    assert "Instead: " in str(caught.value)


@pytest.mark.parametrize("format", FORMATS)
def test_a_forced_format_is_held_against_the_file(tmp_path: Path, format: str) -> None:
    files = {
        "lm-eval-0.4": samples.new(),
        "lm-eval-0.3": samples.old(),
        "openlm": samples.openlm(),
        "lighteval": samples.lighteval(),
        "openlm-eval": samples.openlm_eval(),
        "trainer-state": samples.trainer_state(),
        "olmes": {"tasks": [samples.olmes()]},
        "olmes-lines": json.dumps(samples.olmes()),
        "json-log": samples.JSON_LOG,
        "log": samples.LOG,
        "plain": samples.PLAIN,
        "tensorboard": samples.TENSORBOARD,
        "wide": samples.WANDB,
    }
    for name, content in files.items():
        path = samples.put(tmp_path / name, content)
        if {name, format} in ({"olmes", "olmes-lines"}, {"tensorboard", "wide"}):
            continue  # the same object in a file of its own, and a table that has a step
        if name == format:
            assert read_file(path, format)
        else:
            with pytest.raises(Unreadable):
                read_file(path, format)


def test_one_bad_file_in_a_folder(tmp_path: Path) -> None:
    samples.put(tmp_path / "a.json", samples.old(step=1))
    samples.put(tmp_path / "b.json", "{")
    with pytest.raises(Unreadable, match=r"b\.json, line 1"):
        read([tmp_path])
    reading = read([tmp_path], skip_bad=True)
    assert len(reading.table) == 5
    assert [error.what for error in reading.skipped] == [f"{tmp_path}/b.json, line 1, column 2"]
    nowhere = samples.put(tmp_path / "b.json", samples.new(step=None))  # one that does not say its checkpoint
    reading = read([tmp_path / "a.json", nowhere], skip_bad=True)
    assert (len(reading.table), [error.what for error in reading.skipped]) == (5, [str(nowhere)])
    samples.put(tmp_path / "c.json", "{")
    with pytest.raises(Unreadable, match=r"2 of 3 files.*b\.json.*c\.json.*--skip-bad"):
        read([tmp_path])
    (tmp_path / "a.json").unlink()
    with pytest.raises(Unreadable, match="2 of 2"):
        read([tmp_path], skip_bad=True)


def test_contradictions(tmp_path: Path) -> None:
    """The same number twice counts once; two numbers for one measurement are refused, naming both files."""
    same = [samples.put(tmp_path / name, samples.old()) for name in ("a.json", "b.json")]
    assert len(read(same).table) == 5
    other = samples.old()
    other["results"]["sciq"]["acc"] = 0.75
    with pytest.raises(SchemaError, match=r"lab/tiny, sciq, acc, step 2000: .*a\.json says 0.625, .*c\.json says 0.75"):
        read([*same, samples.put(tmp_path / "c.json", other)])
    with pytest.raises(Unreadable, match="its name says step 7, its contents say step 2000"):
        read([samples.put(tmp_path / "step7.json", samples.old())])


def test_a_thousand_files(tmp_path: Path) -> None:
    for i in range(1000):
        samples.put(tmp_path / f"step{i}.json", samples.new(step=i, sciq={"acc,none": i / 1000}))
    table = read([tmp_path]).table
    assert table.value.tolist() == [i / 1000 for i in range(1000)]
    assert table.step.tolist() == list(range(1000))
