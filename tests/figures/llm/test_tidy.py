"""The tidy table: its types, selection of tasks, and contradictions."""

import copy

import pandas as pd
import pytest

from overtraining.figures.llm.tidy import COLUMNS, Row, Unreadable, select, tidy_table, with_changed_model, with_tokens
from overtraining.setting.errors import DomainError, SchemaError
from tests.figures.llm.samples import GROWS, rows


def test_the_table_keeps_its_types() -> None:
    table = tidy_table([Row("m", "t", "acc", 0.5, step=1.0)])
    assert list(table.columns) == list(COLUMNS)
    assert table["strength"].dtype.kind == "f"


def test_only_some() -> None:
    table = pd.concat([rows(), rows().assign(task="piqa"), rows().assign(metric="f1")], ignore_index=True)
    assert len(select(table, ["piqa"])) == 7
    assert len(select(table, ["sciq", "acc"])) == 7
    with pytest.raises(DomainError, match="try sciq"):
        select(table, ["sciqq"])


def test_tokens_come_from_steps_where_they_are_missing() -> None:
    table = tidy_table([Row("m", "t", "acc", 0.5, step=2.0), Row("m", "t", "acc", 0.6, step=3.0, tokens=7.0)])
    assert with_tokens(table, 10.0).tokens.tolist() == [20.0, 7.0]
    with pytest.raises(DomainError, match="it must be positive"):
        with_tokens(table, 0.0)


def test_a_changed_model_takes_the_name_of_the_base() -> None:
    base, tuned = rows(), rows(GROWS).assign(model="m-tuned")
    both = with_changed_model(base, tuned, "fine-tuning on X")
    assert both.model.unique().tolist() == ["m"]
    assert both.stage.value_counts().to_dict() == {"base": 7, "fine-tuned": 7}
    assert set(both.perturbation[both.stage == "fine-tuned"]) == {"fine-tuning on X"}
    assert set(with_changed_model(base, tuned, "noise").stage) == {"base", "perturbed"}
    with pytest.raises(SchemaError, match="not clear which of these belong together"):
        with_changed_model(base, pd.concat([tuned, base]), "noise")


def test_two_numbers_for_one_measurement_are_refused() -> None:
    same = [Row("m", "t", "acc", 0.5, step=2.0)] * 2
    assert len(tidy_table(same)) == 1
    with pytest.raises(SchemaError, match=r"m, t, acc, step 2: a says 0\.5, b says 0\.6"):
        tidy_table([Row("m", "t", "acc", 0.5, step=2.0, source="a"), Row("m", "t", "acc", 0.6, step=2.0, source="b")])


def test_the_refusal_of_a_file_is_printable() -> None:
    refused = Unreadable("\x1b[2J.csv, line 1", "\u202e", "\x07")
    assert str(refused) == r"\x1b[2J.csv, line 1: \u202e. Instead: \x07."
    assert str(copy.copy(refused)) == str(refused)  # as when it comes from another process
