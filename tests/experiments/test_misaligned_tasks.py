"""The decision of misaligned-tasks: when features, safe budgets and random tasks count as predicted."""

import numpy as np
import pytest

from overtraining.experiments.misaligned_tasks import (
    SIGMA,
    SIZES,
    judge_hurting_features,
    judge_safe_budgets,
    protocol,
    random_tasks,
    safe,
)


@pytest.mark.parametrize(("last", "passed"), [(0.8, True), (0.2, False)])
def test_every_feature_must_hurt_or_help_as_predicted(last: float, passed: bool) -> None:
    after = np.array([0.5, 0.3, last])[None, :, None]  # task × plateau × budget
    predicted = np.array([False, True])[None, :, None]
    check = judge_hurting_features(after, predicted)
    assert check.passed is passed
    assert check.numbers["hurting_share"] == (0.5 if passed else 0)


@pytest.mark.parametrize(("step", "passed"), [(1e-3, True), (-1e-8, True), (-1e-4, False)])
def test_no_step_falls_within_a_safe_budget(step: float, passed: bool) -> None:
    rise = np.array([[0.0, 0.1, 0.1 + step]])
    assert judge_safe_budgets(rise, np.array([0.5])).passed is passed


def test_random_tasks_depend_on_the_key_only() -> None:
    first, again, other = random_tasks(2, 0), random_tasks(2, 0), random_tasks(2, 1)
    assert len(first) == 2 * len(SIZES) + 1
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first[0], other[0])


def test_lengths_lie_on_the_plateaus() -> None:
    task = random_tasks(1, 0)[0]
    setup = protocol(task, (safe(task),))
    learned = np.log(1 / 1e-200) / (2 * SIGMA)
    assert (np.searchsorted(learned, setup.lengths) == [0, 1, 2, 3]).all()
