"""OpenLM: one row with its error over sequences."""

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


def test_openlm(tmp_path: Path) -> None:
    table = read([samples.put(tmp_path / "r.json", samples.openlm())]).table
    row = one(table)
    assert (row.model, row.task, row.metric, row.value) == ("web-d=64_l=2", "paloma_x", "loss", 3.25)
    assert row.stderr == pytest.approx(0.01, rel=1e-5)  # over sequences, not over tokens
    assert (row.tokens, row.params, row.annealed, row.learning_rate) == (1.6e9, 8e7, "yes", 3e-5)
