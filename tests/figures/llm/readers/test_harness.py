"""lm-evaluation-harness, old and new: numbers, checkpoints, and changes of the model."""

import math
from pathlib import Path

import pandas as pd
import pytest

from overtraining.figures.llm.readers import read, read_file
from tests.figures.llm import samples


def one(table: pd.DataFrame, **where: object) -> pd.Series:
    for name, value in where.items():
        table = table[table[name] == value]
    assert len(table) == 1, table
    return table.iloc[0]


def test_harness_03(tmp_path: Path) -> None:
    table = read([samples.put(tmp_path / "r.json", samples.old())]).table
    assert len(table) == 5
    row = one(table, task="lambada", metric="ppl")
    assert (row.model, row.step, row.value, row.stderr) == ("lab/tiny", 2000.0, 44.125, 1.5)
    assert (row.unit, row.orientation, row.shots) == ("perplexity", "lower", 0.0)
    assert one(table, metric="likelihood_difference").value == 2.5
    assert (table.source == str(tmp_path / "r.json")).all()
    assert (table.stage == "base").all()


@pytest.mark.parametrize("as_object", [True, False])
def test_harness_04(tmp_path: Path, as_object: bool) -> None:
    table = read([samples.put(tmp_path / "r.json", samples.new(as_object=as_object))]).table
    assert len(table) == 5
    row = one(table, task="sciq")
    assert (row.model, row.step, row.metric, row.value, row.stderr) == ("lab/tiny", 2000.0, "acc", 0.625, 0.0153)
    assert (row.shots, row["items"], row.orientation) == (5.0, 1000.0, "higher")
    assert one(table, metric="exact_match (strict-match)").stderr == 0.01
    assert math.isnan(one(table, metric="exact_match (flexible)").stderr)  # "N/A"
    assert one(table, metric="word_perplexity").orientation == "lower"  # null in the file, known by its name
    assert one(table, metric="vibes").orientation == "lower"  # only the file knows


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
