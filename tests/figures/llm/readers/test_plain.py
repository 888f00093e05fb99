"""The plain CSV: its columns, the published table, and what the README tells people to write."""

import math
import re
from pathlib import Path

import pandas as pd

from overtraining.figures.llm.readers import read
from overtraining.figures.llm.tidy import COLUMNS
from tests import ROOT
from tests.figures.llm import samples


def one(table: pd.DataFrame, **where: object) -> pd.Series:
    for name, value in where.items():
        table = table[table[name] == value]
    assert len(table) == 1, table
    return table.iloc[0]


def test_plain(tmp_path: Path) -> None:
    table = read([samples.put(tmp_path / "mine.csv", samples.PLAIN)]).table
    assert len(table) == 3
    row = one(table, stage="fine-tuned")
    assert (row.tokens, row.strength, row.value, row.seed, row.orientation) == (1e9, 1e-5, 0.6, 0.0, "higher")
    assert math.isnan(one(table, tokens=2e9).stderr)


def test_published_rows_are_plain() -> None:
    from overtraining.figures.llm.published_table import published

    table = read([ROOT / "figures/llm/published.csv"]).table
    assert sorted(table.value) == sorted(published().value)


def test_every_column_is_documented() -> None:
    """The page on the plain CSV names every column that may be in it."""
    text = (ROOT / "docs/reference/language-model-files.md").read_text()
    assert not [name for name in COLUMNS if f"`{name}`" not in text]


def test_the_csv_of_the_page_is_read(tmp_path: Path) -> None:
    """What the page tells people to write is what the reader takes."""
    page = (ROOT / "docs/reference/language-model-files.md").read_text()
    (text,) = re.findall(r"```text\n(model,.*?)```", page, re.DOTALL)
    table = read([samples.put(tmp_path / "mine.csv", text)]).table
    assert table["value"].tolist() == [2.913, 0.71, 2.987, 2.979]
