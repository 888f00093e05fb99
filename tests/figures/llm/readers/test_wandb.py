"""Weights & Biases: exports of scripts and of the web page."""

from pathlib import Path

import pandas as pd

from overtraining.figures.llm.readers import read
from tests.figures.llm import samples


def one(table: pd.DataFrame, **where: object) -> pd.Series:
    for name, value in where.items():
        table = table[table[name] == value]
    assert len(table) == 1, table
    return table.iloc[0]


def test_wandb(tmp_path: Path) -> None:
    table, _ = read([samples.put(tmp_path / "run.csv", samples.WANDB)])
    assert len(table) == 3
    row = one(table, task="c4", step=200.0)
    assert (row.model, row.metric, row.value, row.unit) == ("run", "CrossEntropyLoss", 3.75, "nats")
    assert (row.tokens, row.learning_rate) == (2e6, 0.0005)
    assert one(table, metric="bpb").task == "downstream_bpb/piqa"
    page, _ = read([samples.put(tmp_path / "page.csv", samples.WANDB_PAGE)])
    assert page[["model", "step", "value"]].values.tolist() == [
        ["run a", 10.0, 2.5],
        ["run a", 20.0, 2.25],
        ["run b", 20.0, 2.75],
    ]
