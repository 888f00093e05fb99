"""Sample sizes: the planned power is reached, and the formula of the variance."""

import numpy as np
import pytest
from scipy import stats

from overtraining.figures.llm.statistics.decline import p_value
from overtraining.figures.llm.statistics.sample_size import CHECKPOINTS, as_text, needed_ratio, sample_size_plans
from overtraining.figures.llm.statistics.series import Series
from overtraining.setting.errors import DomainError

N = np.repeat([1e7, 5e7, 1.2e8, 3.6e8], 8)


D = 20 * N * np.tile([0.5, 1, 2, 4, 8, 16, 32, 64], 4)


@pytest.mark.parametrize("checkpoints", [5, 10])
def test_the_plan_has_the_power_it_says(checkpoints: int) -> None:
    """The whole procedure, on fresh series with the planned decline, finds it in 80%."""
    ratio, rng = needed_ratio(checkpoints), np.random.default_rng(1)
    middle = (checkpoints - 1) // 2
    course = np.abs(np.arange(checkpoints) - middle) / np.where(
        np.arange(checkpoints) < middle, middle, checkpoints - 1 - middle
    )
    length = np.arange(1.0, checkpoints + 1)
    found = sum(
        p_value(Series(length, ratio * course + rng.normal(size=checkpoints), np.ones(checkpoints))) <= 0.05
        for _ in range(500)
    )
    assert stats.binomtest(found, 500, 0.8).pvalue > 0.01


def test_what_a_plan_costs() -> None:
    plans = {(p.checkpoints, p.seeds): p.items for p in sample_size_plans(0.02, seed_scatter=0.005)}
    assert plans[5, 1] is None or plans[5, 1] > plans[5, 2] > plans[5, 10]
    assert sample_size_plans(0.04)[0].items == pytest.approx(sample_size_plans(0.02)[0].items / 4, rel=1e-3)
    assert sample_size_plans(0.02, level=0.9)[0].items == pytest.approx(
        sample_size_plans(0.02, level=0.6)[0].items * 0.09 / 0.24, rel=1e-3
    )
    text = as_text(sample_size_plans(0.02), 0.02, 0.6, 0.0)
    assert str(sample_size_plans(0.02)[0].items) in text
    assert all(str(n) in text for n in CHECKPOINTS)


@pytest.mark.parametrize(
    ("call", "refusal", "word"),
    [
        (lambda: sample_size_plans(0.0), DomainError, "decline"),
        (lambda: sample_size_plans(0.1, level=1.0), DomainError, "level"),
    ],
)
def test_refusals(call, refusal, word: str) -> None:
    with pytest.raises(refusal, match=word):
        call()
