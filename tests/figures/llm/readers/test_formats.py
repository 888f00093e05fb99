"""The readers of single formats: what they take, what they leave out, and what they say about it."""

import json
import math
from pathlib import Path

import pytest

from overtraining.figures.llm.readers import read, read_file
from overtraining.figures.llm.readers.training_log import is_training_log
from overtraining.figures.llm.tidy import Unreadable
from overtraining.setting.errors import DomainError
from tests.figures.llm import samples


def test_lighteval(tmp_path: Path) -> None:
    for step in (1000, 2000):
        samples.put(
            tmp_path / f"step{step}/org/results_2026-01-0{step // 1000}.json", samples.lighteval(acc=step / 4000)
        )
    reading = read([tmp_path])
    assert reading.table[["model", "task", "shots", "step", "value", "stderr"]].values.tolist() == [
        ["org/tiny", "piqa", 0.0, 1000.0, 0.25, 0.01],
        ["org/tiny", "piqa", 0.0, 2000.0, 0.5, 0.01],
    ]
    assert reading.table.date.diff().iloc[1] == 86_400  # a day, by the names of the files
    assert reading.notes == ["lighteval's means over all tasks (`all`) are left out (2 files)"]


def test_trainer_state(tmp_path: Path) -> None:
    path = samples.put(tmp_path / "my-run/checkpoint-400/trainer_state.json", samples.trainer_state())
    table = read([path]).table
    assert set(table.model) == {"my-run"}
    losses = {task: rows.value.tolist() for task, rows in table.groupby("task")}
    assert losses == {"train": [3.75, 3.5, 3.25, 3.0], "loss": [4.25, 4.0, 3.75, 3.5]}
    assert (table.learning_rate == 1e-3).all()


def test_trainer_state_without_a_number(tmp_path: Path) -> None:
    content = samples.trainer_state()
    content["log_history"][1]["eval_loss"] = math.nan
    reading = read([samples.put(tmp_path / "trainer_state.json", content)])
    assert len(reading.table) == 7
    assert any(note.startswith("NaN in eval_loss is a missing value") for note in reading.notes)


def test_json_log(tmp_path: Path) -> None:
    path = tmp_path / "my-run/train_log.jsonl"
    samples.put(path, samples.JSON_LOG)
    table = read([tmp_path]).table
    assert table[["task", "step", "value"]].values.tolist() == [
        ["c4", 100, 4.5],
        ["train", 100, 4.25],
        ["c4", 200, 4.0],
        ["train", 200, 3.75],
    ]
    assert (table.learning_rate == 1e-3).all()


def test_a_table_with_other_columns_is_told_what_to_write(tmp_path: Path) -> None:
    path = samples.put(tmp_path / "ladder.csv", "run,step,val_set,ce_nats\nm,1,c4,2.5\n")
    with pytest.raises(Unreadable, match="--columns"):
        read([path])
    columns = {"model": "run", "step": "step", "task": "val_set", "metric": ":loss", "value": "ce_nats"}
    assert read([path], columns=columns).table.value.tolist() == [2.5]


@pytest.mark.parametrize("version", ["lines", "tasks", "flat"])
def test_olmes(tmp_path: Path, version: str) -> None:
    one = samples.olmes()
    model = {"model_config": one["model_config"]}
    flat = {"task": one["task_name"], "num_instances": 2000, "task_config": one["task_config"]} | one["metrics"]
    contents = {"lines": json.dumps(one) + "\n", "tasks": {"tasks": [one]} | model, "flat": {"metrics": [flat]} | model}
    path = tmp_path / ("metrics-all.jsonl" if version == "lines" else "metrics.json")
    reading = read([samples.put(path, contents[version])])
    assert reading.table[["model", "task", "metric", "step", "value", "items", "shots", "unit"]].values.tolist() == [
        ["lab/tiny", "arc_easy:rc", "acc_per_char", 2000.0, 0.375, 2000.0, 5.0, "fraction"],
        ["lab/tiny", "arc_easy:rc", "bits_per_byte_corr", 2000.0, 1.25, 2000.0, 5.0, "bits per byte"],
    ]
    assert any("not acc_raw" in note for note in reading.notes)


def test_olmes_knows_the_primary_metric_by_its_value(tmp_path: Path) -> None:
    one = samples.olmes(task_config={}, metrics={"acc_raw": 0.25, "acc_uncond": 0.5, "primary_score": 0.5})
    other = samples.olmes(task_config={}, metrics={"winrate": 11.5, "primary_score": 11.5})
    assert [row.metric for row in read_file(samples.put(tmp_path / "a.json", one))] == ["acc_uncond"]
    assert [row.metric for row in read_file(samples.put(tmp_path / "b.json", other))] == ["primary_score"]


def test_openlm_eval(tmp_path: Path) -> None:
    path = samples.put(tmp_path / "evaluation_c4-1b-tokens=28795904000_heavy.json", samples.openlm_eval())
    (row,) = read([path]).table.itertuples()
    assert (row.model, row.tokens, row.task, row.metric, row.value) == (
        "c4-1b",
        28795904000.0,
        "hellaswag",
        "icl",
        0.25,
    )


def test_tensorboard(tmp_path: Path) -> None:
    named = read([samples.put(tmp_path / "run-my_run-tag-eval_loss.csv", samples.TENSORBOARD)])
    assert named.table[["model", "metric", "step", "value", "orientation"]].values.tolist() == [
        ["my_run", "eval_loss", 100.0, 4.25, "lower"],
        ["my_run", "eval_loss", 200.0, 3.75, "lower"],
    ]
    unnamed = read([samples.put(tmp_path / "x.csv", samples.TENSORBOARD)]).table
    assert (unnamed.metric.iloc[0], unnamed.orientation.iloc[0]) == ("x", "unknown")


def test_training_log(tmp_path: Path) -> None:
    reading = read([samples.put(tmp_path / "my-run.log", samples.LOG)])
    losses = {task: rows[["step", "value"]].values.tolist() for task, rows in reading.table.groupby("task")}
    assert losses == {
        "train": [[0.0, 4.125], [250.0, 2.5]],
        "val": [[0.0, 4.5], [250.0, 2.75]],
    }  # 4.125: the later line
    assert set(reading.table.model) == {"my-run"}
    other = "s:0 tel:11.0\ns:250 trl:6.5\nstep:125/1750 val_loss:4.5 train_time:9ms\n"
    rows = read_file(samples.put(tmp_path / "main.log", other))
    assert [(row.task, row.step, row.value) for row in rows] == [
        ("val", 0, 11.0),
        ("train", 250, 6.5),
        ("val", 125, 4.5),
    ]


def test_a_long_table_with_other_names(tmp_path: Path) -> None:
    path = samples.put(tmp_path / "mine.csv", "iter,bench,score,when\n100,piqa,0.5,x\n200,piqa,0.625,y\n,piqa,0.75,z\n")
    columns = {"step": "iter", "task": "bench", "value": "score", "metric": ":acc"}
    reading = read([path], columns=columns)
    assert reading.table[["model", "task", "metric", "step", "value"]].values.tolist() == [
        ["mine", "piqa", "acc", 100.0, 0.5],
        ["mine", "piqa", "acc", 200.0, 0.625],
    ]
    assert reading.notes == [
        "columns that --columns does not name are left out: when (mine.csv)",
        "1 line(s) without step or tokens are left out (mine.csv)",
    ]
    with pytest.raises(Unreadable, match=r"no column 'acc'\. Instead: use one of .*; write metric:acc"):
        read([path], columns=columns | {"metric": "acc"})
    with pytest.raises(Unreadable, match="the table has no column 'points'"):
        read([path], columns={"points": "score"})


def test_patterns_for_the_checkpoint(tmp_path: Path) -> None:
    path = samples.put(tmp_path / "r.json", samples.old("d/sft-on-step8k/checkpoint-500", step=None))
    with pytest.raises(Unreadable, match=r"it may be step8k or checkpoint-500\. Instead: pass --checkpoint"):
        read([path])
    table = read([path], checkpoint=r"on-step(\w+)").table
    assert set(table.step) == {8000.0}
    assert set(table.model) == {"d/sft-on-step*/checkpoint-500"}
    with pytest.raises(Unreadable, match="is in none of its names"):
        read([path], checkpoint=r"epoch(\d+)")
    for pattern, says in (("(", "this is no pattern"), ("step", "it has 0 groups")):
        with pytest.raises(DomainError, match=says):
            read([path], checkpoint=pattern)


def test_a_number_that_goes_on_in_another_script_is_none() -> None:
    assert is_training_log("step 0: train loss 4.125\nstep 10: train loss 3.5\n")
    for wrong in ("step 0: train loss 4٣.125\nstep 10: train loss 3٣.5\n", "step 0٣: loss 4.1\nstep 1٣: loss 3.5\n"):
        assert not is_training_log(wrong)
