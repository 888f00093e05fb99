"""Answers: pairs of curves, their Response, and the adjustment for many curves."""

import pandas as pd
import pytest

from overtraining.figures.llm.answers import Answer, answer_all, as_text, headline, pair_with_base, paired_response
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


def test_the_strongest_evidence_is_first_and_in_the_headline() -> None:
    courses = {"grows": GROWS, "weak": (0.40, 0.50, 0.60, 0.65, 0.66, 0.64, 0.60), "turns": RISES, "falls": GROWS[::-1]}
    table = pd.concat([rows(course).assign(task=task) for task, course in courses.items()], ignore_index=True)
    answers = answer_all(measured_curves(table, "tokens")[0])
    assert [a.curve.task for a in answers] == ["falls", "turns", "weak", "grows"]
    counts, strongest = headline(answers).split("\n")
    assert counts.startswith("4 curve(s), 3 with a real decline")
    assert "1 of them from the first checkpoint on" in counts
    assert strongest.index("falls (acc)") < strongest.index("turns (acc)") < strongest.index("weak (acc)")
    assert "grows" not in strongest
    pairs = pair_with_base([a.curve for a in answers])
    assert [base.task for base, _ in pairs] == ["falls", "turns", "weak", "grows"]


def test_best_at_the_first_checkpoint_is_no_turning_point() -> None:
    def only(course: tuple[float, ...]) -> Answer:
        return answer_all(measured_curves(rows(course, stderr=0.04), "tokens")[0])[0]

    start = only((0.63, 0.63, 0.55, 0.37, 0.37, 0.37, 0.37))
    assert start.significant
    assert start.falls_from_start
    assert not start.turns
    assert start.verdict == "best at the first checkpoint: a fall from the start, not a turning point"
    assert "no turning point" in as_text([start], "tokens")
    second = only((0.62, 0.63, 0.55, 0.37, 0.37, 0.37, 0.37))
    assert second.turns
    assert second.verdict.endswith("or a fall from the start")
    assert only(RISES).verdict.startswith("inflection between")


def test_only_the_same_task_of_the_same_model_is_a_pair() -> None:
    tasks = pd.concat([rows(GROWS), rows(GROWS).assign(task="piqa")], ignore_index=True)
    found = pair_with_base(measured_curves(with_changed_model(tasks, rows(RISES), "noise"), "tokens")[0])
    assert [(base.task, after and after.task) for base, after in found] == [("piqa", None), ("sciq", "sciq")]
