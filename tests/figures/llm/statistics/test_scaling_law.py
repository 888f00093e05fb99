"""The law of losses: recovered constants, coverage of its intervals, its turning point, refusals."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar

from overtraining.figures.llm.annealed import GROWTH, quantization_cost
from overtraining.figures.llm.statistics.scaling_law import SYMBOLS, ScalingLaw, fit_law
from overtraining.setting.errors import DomainError, SchemaError, ShapeError

LAW = ScalingLaw(irreducible=1.7, size_coefficient=60.0, alpha=0.22, token_coefficient=300.0, beta=0.27)


N = np.repeat([1e7, 5e7, 1.2e8, 3.6e8], 8)


D = 20 * N * np.tile([0.5, 1, 2, 4, 8, 16, 32, 64], 4)


def constants(law: ScalingLaw) -> list[float]:
    return [getattr(law, name) for name in SYMBOLS]


def test_exact_losses_give_the_constants() -> None:
    found = fit_law(N, D, LAW(N, D), draws=1)
    np.testing.assert_allclose(constants(found.law), constants(LAW), rtol=1e-6)
    one = N == 1e7
    alone = fit_law(N[one], D[one], LAW(N[one], D[one]), draws=1).law
    assert alone.beta == pytest.approx(0.27, rel=1e-6)
    assert pytest.approx(1.7 + 60 * 1e7**-0.22, rel=1e-6) == alone.irreducible
    assert (alone.size_coefficient, alone.alpha) == (0, 0)


def test_outliers_do_little_harm() -> None:
    loss = LAW(N, D) * np.exp(0.003 * np.random.default_rng(0).standard_normal(N.size))
    loss[[3, 17]] *= 1.3
    found = fit_law(N, D, loss, draws=50)
    assert found.law.beta == pytest.approx(0.27, abs=0.04)
    assert found.scatter < 0.01


def test_intervals_cover() -> None:
    """95% intervals of 25 data sets hold the constants as often as they should, and are not infinitely wide."""
    hits = np.zeros(5)
    for seed in range(25):
        noise = 0.01 * np.random.default_rng(seed).standard_normal(N.size)
        found = fit_law(N, D, LAW(N, D) * np.exp(noise), draws=100, key=seed)
        bounds = [found.interval(name) for name in SYMBOLS]
        hits += [low <= true <= high for (low, high), true in zip(bounds, constants(LAW), strict=True)]
        assert 0.005 < bounds[4][1] - bounds[4][0] < 0.2
    assert all(stats.binomtest(int(h), 25, 0.95).pvalue > 0.01 for h in hits), hits


def test_where_the_law_turns() -> None:
    """Against a numerical minimum of law and cost."""
    for bits in (2.0, 3.0, 5.0):
        cost = quantization_cost(3.6e8, bits)
        numeric = minimize_scalar(lambda u, c=cost: float(LAW(3.6e8, np.exp(u)) + c * np.exp(u * GROWTH)), (10, 40))
        assert LAW.turning_tokens(cost, GROWTH) == pytest.approx(np.exp(numeric.x), rel=1e-5)


@pytest.mark.parametrize(
    ("call", "refusal", "word"),
    [
        (lambda: fit_law(N[:5], D[:5], D[:5]), SchemaError, "5 runs"),
        (lambda: fit_law(N[:16], D[:16], D[:16]), SchemaError, "2 sizes"),
        (lambda: fit_law(N, D, -D), DomainError, "loss"),
        (lambda: fit_law(N, D[:3], D), ShapeError, "equal length"),
    ],
)
def test_refusals(call, refusal, word: str) -> None:
    with pytest.raises(refusal, match=word):
        call()
