"""The tidy table: its types, selection of tasks, and contradictions."""

from pathlib import Path

import pandas as pd
import pytest

from overtraining.figures.llm.tidy import COLUMNS, Row, select, tidy_table
from overtraining.setting.errors import DomainError
from tests.figures.llm.samples import rows


def test_the_table_keeps_its_types() -> None:
    table = tidy_table([Row("m", "t", "acc", 0.5, step=1.0)])
    assert list(table.columns) == list(COLUMNS)
    assert table["strength"].dtype.kind == "f"


def test_only_some(tmp_path: Path) -> None:
    table = pd.concat([rows(), rows().assign(task="piqa"), rows().assign(metric="f1")], ignore_index=True)
    assert len(select(table, ["piqa"])) == 7
    assert len(select(table, ["sciq", "acc"])) == 7
    with pytest.raises(DomainError, match="try sciq"):
        select(table, ["sciqq"])
