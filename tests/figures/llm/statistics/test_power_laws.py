"""A power law plus a power law: exact curves with a known turning point, B8 where both agree, noise, refusals."""

import mpmath
import numpy as np
import pytest

from overtraining.figures.llm.statistics.power_laws import fit_power_laws
from overtraining.figures.llm.statistics.prediction import predict
from overtraining.setting.errors import DomainError, SchemaError, ShapeError
from overtraining.theory.sensitivity.sum_rule import norm_growth

LENGTHS = 1e9 * 2.0 ** np.arange(14)


@pytest.mark.parametrize(("beta", "growth"), [(0.3, 0.5), (0.5, 1.0), (0.2, 2.0)])
def test_exact_power_laws_turn_where_their_sum_does(beta: float, growth: float) -> None:
    """The turning point by a root of the sum's slope; only the first half is fitted."""
    cost = 1e-3 * LENGTHS[0] ** -growth
    loss, delta = 1.7 + 900 * LENGTHS**-beta, cost * LENGTHS**growth
    spoiled = np.where(np.arange(14) < 7, delta, 0.0)

    def slope(log: mpmath.mpf) -> mpmath.mpf:
        return growth * mpmath.mpf(cost) * mpmath.exp(growth * log) - beta * 900 * mpmath.exp(-beta * log)

    expected = float(mpmath.exp(mpmath.findroot(slope, (10, 60), solver="bisect", maxsteps=200, verify=False)))
    for sensitivity in (delta, spoiled):
        found = fit_power_laws(LENGTHS, loss, sensitivity, np.full(14, 1e-3), 7)
        assert found.inflection == pytest.approx(expected, rel=1e-4)
        assert (found.growth, found.law.beta) == pytest.approx((growth, beta), rel=1e-5)
    assert fit_power_laws(LENGTHS, loss, delta, np.full(14, 1e-3), 7).misfit < 1e-6 * found.misfit
    assert found.misfit == pytest.approx(np.sqrt(np.mean((delta[7:] / 1e-3) ** 2)), rel=1e-4)
    assert found.predicted == pytest.approx(delta, rel=1e-5)


def test_both_forms_agree_where_the_sum_rule_is_a_power_law() -> None:
    """L = E + B D^−β gives G = 2βB/(1−β) D^{1−β} + a constant: with Δ = kG, both turn at 1/2k."""
    t = np.geomspace(1, 64, 400)
    loss, k, beta = 1 + t**-0.4, 0.01, 0.4
    delta = k * 2 * beta / (1 - beta) * t ** (1 - beta)
    form = fit_power_laws(t, loss, delta, np.full(400, 1e-3), 200)
    rule = predict(t, loss, delta, np.full(400, 1e-3))
    assert form.inflection == pytest.approx(1 / (2 * k), rel=1e-4)
    assert rule.inflection == pytest.approx(1 / (2 * k), rel=1e-3)  # on steps that are small, not infinitesimal


def test_a_sensitivity_that_is_no_power_law_is_missed() -> None:
    """Of a loss that falls in two steps the sum rule is exact; the power law that fits the first step is off."""
    t = np.geomspace(1, 1000, 24)
    loss = 3 - np.tanh(2 * np.log(t / 5)) - 0.7 * np.tanh(2 * np.log(t / 200))
    delta = 0.2 + 0.01 * np.asarray(norm_growth(t, loss))
    error = np.full(24, 0.01)
    rule = predict(t, loss, delta, error)
    form = fit_power_laws(t, loss, delta, error, rule.fitted)
    assert rule.misfit < 1e-6
    assert rule.inflection == pytest.approx(50)
    assert form.misfit > 10


def test_without_growth_there_is_no_inflection() -> None:
    for delta in (LENGTHS**-0.5, -(LENGTHS**0.5)):
        found = fit_power_laws(LENGTHS, 2 + 50 * LENGTHS**-0.3, delta, np.full(14, 0.01), 7)
        assert found.inflection == np.inf
        assert found.sentence.endswith("no inflection")


def test_errors_weigh_the_checkpoints() -> None:
    """An outlier with a large error does no harm."""
    delta, error = 1e-6 * LENGTHS**0.5, np.full(14, 1e-3)
    delta[3], error[3] = 5.0, 1e6
    assert fit_power_laws(LENGTHS, 2 + 50 * LENGTHS**-0.3, delta, error, 7).growth == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize(
    ("call", "refusal", "word"),
    [
        (lambda: fit_power_laws(*np.ones((4, 12)).cumsum(axis=1), 5), SchemaError, "5 runs"),
        (lambda: fit_power_laws(np.arange(12.0), *np.ones((3, 12)), 6), DomainError, "length"),
        (lambda: fit_power_laws(LENGTHS, *np.ones((3, 12)), 6), ShapeError, "four numbers"),
    ],
)
def test_refusals(call, refusal, word: str) -> None:
    with pytest.raises(refusal, match=word):
        call()
