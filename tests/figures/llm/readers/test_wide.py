"""Logs of training, one line per step: which columns are chosen, errors, text, missing cells, restarts."""

from pathlib import Path

import pandas as pd
import pytest

from overtraining.figures.llm.readers import read
from tests.figures.llm import samples


def one(table: pd.DataFrame, **where: object) -> pd.Series:
    for name, value in where.items():
        table = table[table[name] == value]
    assert len(table) == 1, table
    return table.iloc[0]


def test_exports_of_weights_and_biases(tmp_path: Path) -> None:
    reading = read([samples.put(tmp_path / "run.csv", samples.WANDB)])
    assert len(reading.table) == 3
    row = one(reading.table, task="c4", step=200.0)
    assert (row.model, row.metric, row.value, row.unit) == ("run", "CrossEntropyLoss", 3.75, "nats")
    assert (row.tokens, row.learning_rate) == (2e6, 0.0005)
    assert one(reading.table, metric="bpb").task == "downstream_bpb/piqa"
    assert reading.notes[0].startswith("WARNING: column _step of Weights & Biases may count calls")
    page = read([samples.put(tmp_path / "page.csv", samples.WANDB_PAGE)])
    assert page.table[["model", "step", "value"]].values.tolist() == [
        ["run a", 10.0, 2.5],
        ["run a", 20.0, 2.25],
        ["run b", 20.0, 2.75],
    ]
    assert page.notes[0].startswith("WARNING: column Step")


@pytest.mark.parametrize(
    ("header", "chosen", "says"),
    [
        ("_step,train/global_step,eval/loss", 1, "step from column train/global_step (not from _step)"),
        ("trainer/global_step,train/global_step,eval/loss", 1, "step from column train/global_step (not from trainer"),
        ("_step,Training step,eval/loss", 1, "step from column Training step (not from _step)"),
        ("_step,iter,val_loss", 1, "step from column iter (not from _step)"),
        ("_step,throughput/total tokens,eval/loss", 0, "step from column _step; tokens from column throughput/total"),
        ("epoch,num_input_tokens_seen,val_loss", 1, "tokens from column num_input_tokens_seen (x.csv)"),
    ],
)
def test_the_length_is_chosen_and_said(tmp_path: Path, header: str, chosen: int, says: str) -> None:
    reading = read([samples.put(tmp_path / "x.csv", f"{header}\n1,20,4.5\n2,40,4.25\n")])
    assert any(note.startswith(says) for note in reading.notes)
    lengths = reading.table["tokens" if says.startswith("tokens") else "step"]
    assert lengths.tolist() == ([20.0, 40.0] if chosen else [1.0, 2.0])


def test_errors_text_and_missing_cells(tmp_path: Path) -> None:
    text = "step,eval/a/acc,eval/a/acc_stderr,eval/note,val_loss\n1,0.5,0.01,first,4\n2,0.625,,second,NaN\n3,,,,3.5\n"
    reading = read([samples.put(tmp_path / "x.csv", text)])
    scores = reading.table[reading.table.metric == "acc"]
    assert scores.stderr.iloc[0] == 0.01
    assert pd.isna(scores.stderr.iloc[1])
    assert reading.table[reading.table.metric == "loss"].value.tolist() == [4.0, 3.5]
    assert "columns of text are left out: eval/note (x.csv)" in reading.notes
    assert "1 cell(s) of val_loss hold no number (NaN or the like) and are missing (x.csv)" in reading.notes


def test_after_a_restart_the_later_value_counts(tmp_path: Path) -> None:
    reading = read([samples.put(tmp_path / "x.csv", "step,val_loss\n1,4\n2,3.5\n2,3.25\n3,3\n")])
    assert reading.table.value.tolist() == [4.0, 3.25, 3.0]
    assert any("1 value(s) at repeated steps are replaced by the later ones" in note for note in reading.notes)


def test_the_learning_rate_of_another_line_of_the_step(tmp_path: Path) -> None:
    text = "step,lr,train/loss,val/loss\n1,0.5,4,\n1,,,4.5\n2,0.25,3,\n2,,,3.5\n"
    table = read([samples.put(tmp_path / "x.csv", text)]).table
    assert table[table.task == "val"].learning_rate.tolist() == [0.5, 0.25]


def test_two_exports_of_a_run_are_joined(tmp_path: Path) -> None:
    head = '"Step","run a - eval/loss"\n'
    samples.put(tmp_path / "1.csv", head + '"1","4"\n"2","3.5"\n')
    samples.put(tmp_path / "2.csv", head + '"2","3.5"\n"3","3"\n"4","2.5"\n')
    reading = read([tmp_path])
    assert reading.table.value.tolist() == [4.0, 3.5, 3.0, 2.5]
    assert any(note.startswith("run a: joined from ") for note in reading.notes)
