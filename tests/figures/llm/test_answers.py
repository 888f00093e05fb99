"""Answers: pairs of curves, their Response, and the adjustment for many curves."""

import pandas as pd
import pytest

from overtraining.figures.llm.answers import answer_all, pair_with_base, paired_response
from overtraining.figures.llm.model_curves import measured_curves
from overtraining.figures.llm.tidy import with_changed_model
from overtraining.setting.errors import SchemaError
from overtraining.setting.responses import validate
from tests.figures.llm.samples import GROWS, RISES, STEPS, rows


def test_the_response_of_two_measures() -> None:
    table = with_changed_model(rows(GROWS), rows(RISES), "noise")
    ((base, after),) = pair_with_base(measured_curves(table, "tokens")[0])
    data = validate(paired_response(base, after, "tokens"))
    assert data.before.values.tolist() == list(GROWS)
    assert data.after.values[:, 0].tolist() == list(RISES)
    assert data.after.attrs["orientation"] == "higher"
    assert data.attrs["perturbation"] == "noise"
    ((_, fewer),) = pair_with_base(
        measured_curves(with_changed_model(rows(GROWS), rows(RISES).iloc[2:], "noise"), "tokens")[0]
    )
    assert paired_response(base, fewer, "tokens").pretraining.values.tolist() == list(STEPS[2:])
    ((_, other),) = pair_with_base(
        measured_curves(
            with_changed_model(rows(GROWS), rows(RISES).assign(tokens=lambda t: t.tokens + 1), "n"), "tokens"
        )[0]
    )
    with pytest.raises(SchemaError, match="different checkpoints"):
        paired_response(base, other, "tokens")


def test_many_measures_are_looked_at_together() -> None:
    """A decline at 2% chance is found alone, and not as one of a hundred."""
    weak = rows((0.40, 0.50, 0.60, 0.65, 0.66, 0.64, 0.615))
    alone = answer_all(measured_curves(weak, "tokens")[0])[0]
    crowd = [weak, *(rows(GROWS).assign(task=f"t{i}") for i in range(20))]
    together = answer_all(measured_curves(pd.concat(crowd, ignore_index=True), "tokens")[0])
    assert alone.significant
    (same,) = (a for a in together if a.curve.task == "sciq")
    assert same.point.p_value == alone.point.p_value
    assert same.adjusted_p_value == pytest.approx(min(1.0, 21 * alone.point.p_value))
    assert not same.significant
    assert same.verdict == "no inflection, given how many curves were tested"


def test_only_the_same_task_of_the_same_model_is_a_pair() -> None:
    tasks = pd.concat([rows(GROWS), rows(GROWS).assign(task="piqa")], ignore_index=True)
    found = pair_with_base(measured_curves(with_changed_model(tasks, rows(RISES), "noise"), "tokens")[0])
    assert [(base.task, after and after.task) for base, after in found] == [("piqa", None), ("sciq", "sciq")]
