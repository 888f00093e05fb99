"""Result files as people have them, through `overtraining llm`: what comes out, and what is said about the reading.

Most curves are best at step 8,000 of 1,000 … 32,000 (accuracies), or at 32,000 of 1,000 … 256,000 (losses).
"""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from overtraining.commands.app import app
from overtraining.setting.errors import Refusal
from tests.figures.llm.samples import put

STEPS = (1000, 2000, 4000, 8000, 16_000, 32_000)
ACCURACY = (0.5, 0.55, 0.6, 0.64, 0.6, 0.55)
LATE = tuple(1000 * 2**i for i in range(9))
LOSS = (4, 3.6, 3.3, 3.1, 2.95, 2.85, 2.9, 3.0, 3.15)
RISING = (0.5, 0.55, 0.6, 0.7, 0.74, 0.75)


def result(acc: float, model: str = "m", task: str = "t", stderr: Any = 0.01, **more: Any) -> dict[str, Any]:
    """Results of lm-evaluation-harness for one task."""
    return {
        "results": {task: {"acc,none": acc, "acc_stderr,none": stderr}},
        "config": {"model_args": f"pretrained={model}"},
        "lm_eval_version": "0.4.8",
    } | more


def table(header: str, columns: str = "{x},{y}") -> str:
    """A CSV of the losses."""
    return "\n".join(
        [header, *(columns.format(x=x, y=y, i=i) for i, (x, y) in enumerate(zip(LATE, LOSS, strict=True)))]
    )


class Said:
    """What one run of the command printed, and its answers by curve."""

    def __init__(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], *options: object) -> None:
        path = tmp_path.parent / f"{tmp_path.name}.json"
        app(["llm", str(tmp_path), "--json", str(path), *map(str, options)], standalone_mode=False)
        self.text = capsys.readouterr().out
        self.data = json.loads(path.read_text(encoding="utf-8"))
        self.answers = {f"{one['model']}, {one['task']}": one for one in self.data["answers"]}

    @property
    def best(self) -> dict[str, float]:
        return {name: one["turning_point"]["best"] for name, one in self.answers.items()}

    def note(self, part: str) -> bool:
        return any(part in note for note in self.data["notes"]) and part in self.text


def test_01_errors_of_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = dict.fromkeys((0, 1, 2, 4, 8, 16, 32, 64), 0.0) | dict(
        zip(STEPS, (0.3, 0.33, 0.35, 0.36, 0.355, 0.345), strict=True)
    )
    for step, acc in values.items():
        put(tmp_path / f"results_step{step}.json", result(acc, stderr=round((acc * (1 - acc) / 5000) ** 0.5, 5)))
    (one,) = Said(tmp_path, capsys).answers.values()
    assert one["errors_from"].startswith("as given; 8 of 14 from 4,999 test items")
    assert one["turning_point"]["rise"] == pytest.approx(0.015)
    assert one["turning_point"]["rise_stderr"] == pytest.approx(0.0095, abs=1e-4)
    assert not one["significant"]


def test_02_stages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i, acc in enumerate(ACCURACY, 1):
        put(tmp_path / f"a{i}.json", result(acc, f"m,revision=stage1-step{i}000-tokens{4 * i}B"))
        put(tmp_path / f"b{i}.json", result(acc + 0.1, f"m,revision=stage2-ingredient1-step{i}0-tokens{i}B"))
    said = Said(tmp_path, capsys)
    assert said.best == {"m, t": 1.6e10, "m, stage2-ingredient1, t": 4e9}
    assert said.note("stage2-ingredient1 counts its steps from 0 again and is a curve of its own (6 files)")


@pytest.mark.parametrize(
    ("names", "best"),
    [
        (["step1k", "step2k", "step4k", "step8k", "step16k", "step32k"], 8000),
        ([f"m-intermediate-step-{s}k-{2 * s}b" for s in (1, 2, 4, 8, 16, 32)], 1.6e10),
        ([f"ba{s}" for s in STEPS], 8000),
        ([f"{s}" for s in STEPS], 8000),
        ([f"step{s:,}" for s in STEPS], 8000),
        ([f"epoch-{i}" for i in range(6)], 3),
    ],
)
def test_03_names_of_checkpoints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: list[str], best: float
) -> None:
    for name, acc in zip(names, ACCURACY, strict=True):
        put(tmp_path / name / "results.json", result(acc, f"o/{name}" if name.startswith("m-") else "m"))
    assert list(Said(tmp_path, capsys).best.values()) == [best]


@pytest.mark.parametrize(
    ("case", "header", "columns", "curve", "says"),
    [
        ("04", "train/global_step,_step,eval/loss", "{x},{i},{y}", "run, loss", "train/global_step (not from _step)"),
        ("04b", "_step,trainer/global_step,val/loss", "{i},{x},{y}", "run, val", "trainer/global_step (not from"),
        ("07", "_step,eval/loss,eval/note", "{x},{y},ok", "run, loss", "columns of text are left out: eval/note"),
        ("07b", "_step,eval/loss,eval/b/loss", "{x},{y},NaN", "run, loss", "9 cell(s) of eval/b/loss hold no number"),
        ("08", "Training step,a - eval/loss,a - eval/loss__MIN", "{x},{y},{y}", "a, loss", "column Training step"),
        ("small", "step,val_loss", "{x},{y}", "run, val", "step from column step"),
    ],
)  # fmt: skip
def test_04_07_08_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str, header: str, columns: str, curve: str, says: str
) -> None:
    put(tmp_path / "run.csv", table(header, columns))
    said = Said(tmp_path, capsys)
    assert said.best == {curve: 32_000}, case
    assert said.note(says)


def test_05_olmo_core(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = "_step,eval/lm/c4/CE loss,eval/downstream/a (BPB),eval/downstream/h (accuracy)"
    header += ",throughput/total tokens,optim/LR (group 0)"
    lines = [f"{x},{y},{y / 3},{1 - y / 5},{x * 4000},{1 / x}" for x, y in zip(LATE, LOSS, strict=True)]
    put(tmp_path / "run.csv", "\n".join([header, *lines]))
    said = Said(tmp_path, capsys)
    assert set(said.best.values()) == {32_000 * 4000}
    assert {name: one["unit"] for name, one in said.answers.items()} == {
        "run, lm/c4": "nats", "run, downstream/a": "bits per byte", "run, downstream/h": "fraction"}  # fmt: skip
    assert "confounded in this run: the learning rate goes from 0.001" in said.text
    assert said.note("tokens from column throughput/total tokens")


def test_06_columns_of_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "run.csv", table("_step,eval/piqa/loss,eval/piqa/loss_stderr", "{x},{y},0.004"))
    said = Said(tmp_path, capsys)
    (one,) = said.answers.values()
    assert one["stderr"] == [0.004] * 9
    assert one["errors_from"].startswith("as given")
    assert said.note("WARNING: column _step of Weights & Biases may count calls of its log")


def test_09_lighteval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for model, course in (("a", ACCURACY), ("b", RISING)):
        for step, acc in zip(STEPS, course, strict=True):
            entries = {"acc": acc, "acc_stderr": 0.01}
            content = {"config_general": {"model_name": f"org/{model}"}, "versions": {"lighteval|piqa|0": 0}}
            content["results"] = {"lighteval|piqa|0": entries, "all": entries}
            put(tmp_path / f"{model}/step{step}/results_2026-01-01.json", content)
    said = Said(tmp_path, capsys)
    assert said.best == {"org/a, piqa": 8000, "org/b, piqa": 32_000}
    assert said.note("lighteval's means over all tasks (`all`) are left out (12 files)")


def test_10_a_folder_named_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for step, acc in zip(STEPS, ACCURACY, strict=True):
        put(tmp_path / f"out.json/m__checkpoint-{step}/results_2025-04-23.json", result(acc, f"/d/m/checkpoint-{step}"))
    assert Said(tmp_path, capsys).best == {"m, t": 8000}


def test_11_fine_tuned_checkpoints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for step, acc in zip(STEPS, ACCURACY, strict=True):
        put(tmp_path / f"results_{step}.json", result(acc, f"/d/sft-on-step{step}/checkpoint-500"))
    with pytest.raises(Refusal, match="it may be step1000 or checkpoint-500"):
        Said(tmp_path, capsys)
    said = Said(tmp_path, capsys, "--checkpoint", r"sft-on-step(\d+)")
    assert said.best == {"sft-on-step*/checkpoint-500, t": 8000}


def test_12_steps_of_an_adapter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for step, acc in zip(STEPS, ACCURACY, strict=True):
        put(tmp_path / f"results_{step}.json", result(acc, f"m,peft=/d/lora/checkpoint-{step}"))
    assert Said(tmp_path, capsys).note(
        "WARNING: the steps are those of the adapter (peft=…), not of pretraining (6 files)"
    )


def test_13_files_beside_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for step, acc in zip(STEPS, ACCURACY, strict=True):
        put(tmp_path / f"step{step}/results.json", result(acc))
        put(tmp_path / f"step{step}/config.json", {"hidden_size": 8})
    put(tmp_path / "notes.json", ["no", "object"])
    put(tmp_path / "other.csv", "name,size\na,1\n")
    said = Said(tmp_path, capsys)
    assert said.best == {"m, t": 8000}
    assert said.note("passed over 8 file(s) that are no results: config.json (6), notes.json, other.csv")


def test_14_evaluated_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for step, acc in zip(STEPS, ACCURACY, strict=True):
        put(tmp_path / f"results_{step}.json", result(acc, f"m,revision=step{step}", date=1.7e9))
    again = put(tmp_path / "results_again.json", result(0.641, "m,revision=step8000", date=1.8e9))
    said = Said(tmp_path, capsys)
    assert said.answers["m, t"]["value"][3] == 0.641
    assert said.note("1 measurement(s) were made again later, and the newest count; left out from")
    again.write_text(json.dumps(result(0.641, "m,revision=step8000", date=1.7e9)), encoding="utf-8")
    with pytest.raises(Refusal, match=r"says 0.64, .*again\.json says 0.641"):  # nothing tells which is newer
        Said(tmp_path, capsys)


def test_15_16_18_19_names_that_are_more_than_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = ("a$\\frac{1}{$b", "a\ud800b", "\x1b]0;owned\x07\u202egnp", "@t")
    for task in tasks:
        for step, acc in zip(STEPS, ACCURACY, strict=True):
            put(tmp_path / f"in/{tasks.index(task)}/step{step}.json", result(acc, "=1+1\x1b[2J", task))
    out = tmp_path / "out"
    said = Said(tmp_path / "in", capsys, "--out", out)
    assert said.text.replace("\n", "").isprintable()
    assert {path.name for path in out.iterdir()} == {
        "table.csv", "answers.txt", "curves.pdf", "curves.png", "curves.svg"}  # fmt: skip
    with (out / "table.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert not [cell for row in rows for cell in row.values() if cell[:1] in "=+@\t" and cell]
    assert rows[0]["model"] == "'=1+1\\x1b[2J"
    again = Said(out, capsys)
    assert again.best == said.best


def test_17_tiny_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "x.csv", table("model,task,metric,stderr,step,value", "m,c4,loss,1e-300,{x},{y}"))
    with pytest.raises(Refusal, match="line 2, stderr: 1e-300 is too large or too small"):
        Said(tmp_path, capsys)


def test_20_a_constant_is_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "x.csv", table("model,task,metric,step,value", "m,c4,loss,{x},2.5"))
    with pytest.raises(Refusal, match="m, c4, loss"):
        Said(tmp_path, capsys)


def test_21_an_empty_list_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for step, loss in zip(LATE, LOSS, strict=True):
        put(tmp_path / f"step{step}.json", result(loss / 5, stderr=[]))
    (one,) = Said(tmp_path, capsys).answers.values()
    assert one["errors_from"].startswith("scatter between neighbouring checkpoints")


def test_22_a_version_that_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for step, acc in zip(STEPS, ACCURACY, strict=True):
        version = {"versions": {"t": 1 if step < 8000 else 2}, "lm_eval_version": "0.4.8" if step < 16_000 else "0.4.9"}
        put(tmp_path / f"step{step}.json", result(acc, **version))
    said = Said(tmp_path, capsys)
    assert said.note(
        "WARNING: m: task version is 1, then 2 along 1 curve(s), such as t (acc): that can look like a turn"
    )
    assert said.note("WARNING: m: lm-eval is 0.4.8, then 0.4.9 along 1 curve(s)")


def test_23_to_26_other_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history: list[dict[str, float]] = []
    for step, loss in zip(LATE, LOSS, strict=True):
        icl = {"name": "x", "model": "x", "eval_metrics": {"icl": {"hellaswag": 1 - loss / 5}}}
        put(tmp_path / f"a/evaluation_run-step{step}_heavy.json", icl)
        olmes = {
            "alias": "arc:rc",
            "metrics": {"acc_raw": 1 - loss / 5, "primary_score": 1 - loss / 5},
            "num_instances": 1172,
        }
        put(tmp_path / f"b/m-step{step}/metrics.json", {"tasks": [olmes]})
        history += [{"step": step, "loss": loss - 0.1, "learning_rate": 1e-4}, {"step": step, "eval_loss": loss}]
    put(tmp_path / "c/mine/checkpoint-256000/trainer_state.json", {"global_step": 256_000, "log_history": history})
    put(tmp_path / "d/run-mine-tag-eval_loss.csv", table("Wall time,Step,Value", "1.7e9,{x},{y}"))
    put(
        tmp_path / "e/small.log",
        "".join(f"step {x}: train loss {y}, val loss {y}\n" for x, y in zip(LATE, LOSS, strict=True)),
    )
    said = Said(tmp_path, capsys)
    assert said.best == dict.fromkeys(
        ("run, hellaswag", "m, arc:rc", "mine, train", "mine, loss", "mine, eval_loss", "small, train", "small, val"),
        32_000,
    )
    assert said.answers["m, arc:rc"]["errors_from"].startswith("binomial")


def test_26_a_curve_without_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "curve.csv", table("Wall time,Step,Value", "1.7e9,{x},{y}"))
    with pytest.raises(Refusal, match="pass --orientation curve=higher or =lower"):
        Said(tmp_path, capsys)
    assert Said(tmp_path, capsys, "--orientation", "curve=lower").best == {"curve, curve": 32_000}
    for wrong, says in (
        ("curve", "there is no = in it"),
        ("curve=up", "no such orientation"),
        ("c=lower", "no row has"),
    ):
        with pytest.raises(Refusal, match=says):
            Said(tmp_path, capsys, "--orientation", wrong)


def test_27_majority_class_at_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        f"m,t,acc,{v},.04,{s}"
        for s, v in zip((0, 8, 64, 512, 4000, 32_000), (0.63, 0.63, 0.55, 0.37, 0.37, 0.37), strict=True)
    ]
    put(tmp_path / "x.csv", "\n".join(["model,task,metric,value,stderr,step", *lines]))
    assert "a fall from the start, not a turning point" in Said(tmp_path, capsys).text


def test_base_and_fine_tuned_models_of_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, course in (("m-step{}", RISING), ("m-step{}-sft", ACCURACY)):
        for step, acc in zip(STEPS, course, strict=True):
            put(tmp_path / name.format(step) / "results.json", result(acc, f"lab/{name.format(step)}"))
    said = Said(tmp_path, capsys, "--schedule", "cosine")
    assert [(one["model"], one["stage"], one["perturbation"]) for one in said.data["answers"]] == [
        ("lab/m", "fine-tuned", "sft"), ("lab/m", "base", "")]  # fmt: skip
    assert said.note("lab/m-sft is taken for lab/m after sft, by its name")
    assert said.note("learning rate: cosine, assumed to end")
    assert "lab/m: tokens and learning rate are confounded in this run: the learning rate goes from 0.99" in said.text


def test_a_long_table_by_its_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "long.csv", table("iter,score,who", "{x},{y},me"))
    said = Said(tmp_path, capsys, "--columns", "step=iter,value=score,task:c4,metric:loss")
    assert said.best == {"long, c4": 32_000}
    assert said.note("columns that --columns does not name are left out: who")
