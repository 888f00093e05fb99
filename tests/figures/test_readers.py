"""The readers: every format gives the numbers in its file, and what is none is refused with place and remedy."""

import json
import math
import os
import re
from pathlib import Path

import pandas as pd
import pytest

from overtraining.figures.llm.readers import FORMATS, read, read_file
from overtraining.figures.llm.readers.checkpoints import checkpoint
from overtraining.figures.llm.readers.files import MAX_BYTES
from overtraining.figures.llm.tidy import COLUMNS, Row, Unreadable, tidy_table, with_tokens
from overtraining.setting.errors import DomainError, SchemaError
from tests.figures import samples


def one(table: pd.DataFrame, **where: object) -> pd.Series:
    for name, value in where.items():
        table = table[table[name] == value]
    assert len(table) == 1, table
    return table.iloc[0]


def test_harness_03(tmp_path: Path) -> None:
    table, _ = read([samples.put(tmp_path / "r.json", samples.old())])
    assert len(table) == 5
    row = one(table, task="lambada", metric="ppl")
    assert (row.model, row.step, row.value, row.stderr) == ("lab/tiny", 2000.0, 44.125, 1.5)
    assert (row.unit, row.orientation, row.shots) == ("perplexity", "lower", 0.0)
    assert one(table, metric="likelihood_difference").value == 2.5
    assert (table.source == str(tmp_path / "r.json")).all()
    assert (table.stage == "base").all()


@pytest.mark.parametrize("as_object", [True, False])
def test_harness_04(tmp_path: Path, as_object: bool) -> None:
    table, _ = read([samples.put(tmp_path / "r.json", samples.new(as_object=as_object))])
    assert len(table) == 5
    row = one(table, task="sciq")
    assert (row.model, row.step, row.metric, row.value, row.stderr) == ("lab/tiny", 2000.0, "acc", 0.625, 0.0153)
    assert (row.shots, row["items"], row.orientation) == (5.0, 1000.0, "higher")
    assert one(table, metric="exact_match (strict-match)").stderr == 0.01
    assert math.isnan(one(table, metric="exact_match (flexible)").stderr)  # "N/A"
    assert one(table, metric="word_perplexity").orientation == "lower"  # null in the file, known by its name
    assert one(table, metric="vibes").orientation == "lower"  # only the file knows


def test_openlm(tmp_path: Path) -> None:
    table, _ = read([samples.put(tmp_path / "r.json", samples.openlm())])
    row = one(table)
    assert (row.model, row.task, row.metric, row.value) == ("web-d=64_l=2", "paloma_x", "loss", 3.25)
    assert row.stderr == pytest.approx(0.01, rel=1e-5)  # over sequences, not over tokens
    assert (row.tokens, row.params, row.annealed, row.learning_rate) == (1.6e9, 8e7, "yes", 3e-5)


def test_wandb(tmp_path: Path) -> None:
    table, _ = read([samples.put(tmp_path / "run.csv", samples.WANDB)])
    assert len(table) == 3
    row = one(table, task="c4", step=200.0)
    assert (row.model, row.metric, row.value, row.unit) == ("run", "CrossEntropyLoss", 3.75, "nats")
    assert (row.tokens, row.learning_rate) == (2e6, 0.0005)
    assert one(table, metric="bpb").task == "downstream_bpb/piqa"
    page, _ = read([samples.put(tmp_path / "page.csv", samples.WANDB_PAGE)])
    assert page[["model", "step", "value"]].values.tolist() == [
        ["run a", 10.0, 2.5], ["run a", 20.0, 2.25], ["run b", 20.0, 2.75],
    ]  # fmt: skip


def test_plain(tmp_path: Path) -> None:
    table, _ = read([samples.put(tmp_path / "mine.csv", samples.PLAIN)])
    assert len(table) == 3
    row = one(table, stage="fine-tuned")
    assert (row.tokens, row.strength, row.value, row.seed, row.orientation) == (1e9, 1e-5, 0.6, 0.0, "higher")
    assert math.isnan(one(table, tokens=2e9).stderr)


def test_a_written_table_reads_back(tmp_path: Path) -> None:
    """What is printed as a table is the plain CSV, so that it can be read again to the same bits."""
    files = [samples.put(tmp_path / f"{i}.json", c) for i, c in enumerate((samples.new(), samples.openlm()))]
    table, _ = read([*files, samples.put(tmp_path / "mine.csv", samples.PLAIN)])
    table.to_csv(tmp_path / "table.csv", index=False)
    again, _ = read([tmp_path / "table.csv"])
    pd.testing.assert_frame_equal(again, table)


def test_published_rows_are_plain() -> None:
    from overtraining.figures.llm.published_table import published

    table, _ = read([Path(__file__).parents[2] / "figures/llm/published.csv"])
    assert sorted(table.value) == sorted(published().value)


@pytest.mark.parametrize(
    ("name", "count", "format"),
    [
        ("lm_eval_v0.3_pythia-1.4b_step3000_0shot.trimmed.json", 15, "lm-eval-0.3"),
        ("lm_eval_v0.4.10_gemma-2b_afrixnli.trimmed.json", 2, "lm-eval-0.4"),
        ("openlm_model_record_rpj_d512_M32.json", 8, "openlm"),
        ("wandb_csv_olmo_ladder_190M-10xC.head.csv", 273, "wandb"),
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
    table, bad = read([tmp_path])
    assert not bad
    assert sorted(table[table.metric == "ppl"].step) == [1000.0, 2000.0, 4000.0]


@pytest.mark.parametrize(
    ("model", "file", "name", "step", "tokens"),
    [
        ("lab/tiny", "results_step3000.json", "lab/tiny", 3000, math.nan),
        ("runs/tiny/checkpoint-3000", "r.json", "runs/tiny", 3000, math.nan),
        ("runs/tiny", "checkpoint-3000/results_2025-01-02T03-04-05.json", "runs/tiny", 3000, math.nan),
        ("runs/tiny-step1000-tokens4B", "r.json", "runs/tiny", 1000, 4e9),
        ("olmo/stage1-step5000-tokens21B", "r.json", "olmo", 5000, 21e9),
        ("7b/step738000-unsharded", "r.json", "7b", 738000, math.nan),
    ],
)  # fmt: skip
def test_where_the_checkpoint_is_written(tmp_path: Path, model, file, name, step, tokens) -> None:
    row = read_file(samples.put(tmp_path / file, samples.old(model, step=None)))[0]
    assert (row.model, row.step) == (name, step)
    assert row.tokens == pytest.approx(tokens, nan_ok=True)


def test_no_checkpoint() -> None:
    for name in ("pythia-1.4b", "footstep7", "v2", "stepping"):
        assert not checkpoint(name).known


def test_the_checkpoint_by_flag(tmp_path: Path) -> None:
    path = samples.put(tmp_path / "r.json", samples.new(step=None))
    with pytest.raises(Unreadable, match=r"which checkpoint.*--step"):
        read([path])
    table, _ = read([path], step=70.0)
    assert (table.step == 70).all()
    assert (with_tokens(table, 1e6).tokens == 7e7).all()


def test_what_was_done_to_the_model(tmp_path: Path) -> None:
    for arguments, stage, done in (
        ("pretrained=a,revision=step5,peft=b", "fine-tuned", "fine-tuning"),
        ("pretrained=a,revision=step5,load_in_4bit=True", "perturbed", "quantization"),
        ("pretrained=a,revision=step5,load_in_4bit=False", "base", ""),
    ):
        content = samples.old()
        content["config"]["model_args"] = arguments
        row = read_file(samples.put(tmp_path / "r.json", content))[0]
        assert (row.stage, row.perturbation) == (stage, done)
    assert math.isnan(row.strength)


BROKEN = {
    "empty": ("", "no header"),
    "truncated": (json.dumps(samples.old())[:-40], r"line 1, column \d+: this is not JSON"),
    "twice": ('{"results": {"a": {"acc": 0.1, "acc": 0.2}}, "config": {}}', "'acc': it occurs twice"),
    "deep": ('{"results": ' + '{"a":' * 100_000 + "1" + "}" * 100_001, "nested too deeply"),
    "deep list": ("[" * 1_000_000, "nested too deeply"),
    "list": ("[1, 2]", "no JSON object"),
    "unknown": ('{"hello": 1}', "its format is not known"),
    "nothing measured": ('{"results": {}, "config": {}}', "no measurement"),
    "results no object": ('{"results": {"a": 3}, "config": {}}', "results.a: it is not an object"),
    "NaN": ('{"results": {"a": {"acc": NaN}}, "config": {}}', r"results.a.acc: nan is not a finite"),
    "beyond float64": ('{"results": {"a": {"ppl": 1e999}}, "config": {}}', "inf is not a finite"),
    "huge integer": ('{"results": {"a": {"ppl": 1%s}}, "config": {}}' % ("0" * 400), "beyond 1e30 is not a finite"),
    "huger integer": ('{"results": {"a": {"ppl": 1%s}}, "config": {}}' % ("0" * 5000), "exponent"),
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
    "wandb NaN": ("_step,eval/a/loss\n1,NaN\n", "line 2, eval/a/loss: 'NaN' is not a number"),
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


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"model\xe9")
    (tmp_path / "big").write_bytes(b"{" + b" " * MAX_BYTES)
    os.mkfifo(tmp_path / "pipe")
    for name, says in (("latin", "byte 5: this is not UTF-8"), ("big", "larger than"), ("pipe", "no such file"),
                       ("absent", "no such file")):  # fmt: skip
        with pytest.raises(Unreadable, match=says):
            read([tmp_path / name])
    with pytest.raises(DomainError, match=r"use lm-eval-0\.4"):
        read_file(tmp_path / "latin", "excel")


@pytest.mark.parametrize("format", FORMATS)
def test_a_forced_format_is_held_against_the_file(tmp_path: Path, format: str) -> None:
    files = {
        "lm-eval-0.4": samples.new(), "lm-eval-0.3": samples.old(), "openlm": samples.openlm(),
        "plain": samples.PLAIN, "wandb": samples.WANDB,
    }  # fmt: skip
    for name, content in files.items():
        path = samples.put(tmp_path / name, content)
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
    table, bad = read([tmp_path], skip_bad=True)
    assert len(table) == 5
    assert [error.what for error in bad] == [f"{tmp_path}/b.json, line 1, column 2"]
    nowhere = samples.put(tmp_path / "b.json", samples.new(step=None))  # one that does not say its checkpoint
    table, bad = read([tmp_path / "a.json", nowhere], skip_bad=True)
    assert (len(table), [error.what for error in bad]) == (5, [str(nowhere)])
    samples.put(tmp_path / "c.json", "{")
    with pytest.raises(Unreadable, match=r"2 of 3 files.*b\.json.*c\.json.*--skip-bad"):
        read([tmp_path])
    (tmp_path / "a.json").unlink()
    with pytest.raises(Unreadable, match="2 of 2"):
        read([tmp_path], skip_bad=True)


def test_contradictions(tmp_path: Path) -> None:
    """The same number twice counts once; two numbers for one measurement are refused, naming both files."""
    same = [samples.put(tmp_path / name, samples.old()) for name in ("a.json", "b.json")]
    assert len(read(same)[0]) == 5
    other = samples.old()
    other["results"]["sciq"]["acc"] = 0.75
    with pytest.raises(SchemaError, match=r"lab/tiny, sciq, acc, step 2000: .*a\.json says 0.625, .*c\.json says 0.75"):
        read([*same, samples.put(tmp_path / "c.json", other)])
    with pytest.raises(Unreadable, match="its name says step 7, its contents say step 2000"):
        read([samples.put(tmp_path / "step7.json", samples.old())])


def test_every_column_is_documented() -> None:
    """The page on the plain CSV names every column that may be in it."""
    text = (Path(__file__).parents[2] / "figures/llm/README.md").read_text()
    assert not [name for name in COLUMNS if f"`{name}`" not in text]


def test_the_table_keeps_its_types() -> None:
    table = tidy_table([Row("m", "t", "acc", 0.5, step=1.0)])
    assert list(table.columns) == list(COLUMNS)
    assert table["strength"].dtype.kind == "f"


def test_a_thousand_files(tmp_path: Path) -> None:
    for i in range(1000):
        samples.put(tmp_path / f"step{i}.json", samples.new(step=i, sciq={"acc,none": i / 1000}))
    table, _ = read([tmp_path])
    assert table.value.tolist() == [i / 1000 for i in range(1000)]
    assert table.step.tolist() == list(range(1000))


def test_the_csv_of_the_page_is_read(tmp_path: Path) -> None:
    """What the page tells people to write is what the reader takes."""
    page = (Path(__file__).parents[2] / "figures/llm/README.md").read_text()
    (text,) = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    table, _ = read([samples.put(tmp_path / "mine.csv", text)])
    assert table["value"].tolist() == [2.913, 0.71, 2.987, 2.979]
