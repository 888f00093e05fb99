"""The law of losses, B8's prediction and the plan: recovered constants, coverage, closed forms, refusals."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar

from overtraining.figures.llm.annealed import GROWTH, quantization_cost
from overtraining.figures.llm.statistics.decline import p_value
from overtraining.figures.llm.statistics.prediction import predict
from overtraining.figures.llm.statistics.sample_size import CHECKPOINTS, as_text, needed_ratio, sample_size_plans
from overtraining.figures.llm.statistics.scaling_law import SYMBOLS, ScalingLaw, fit_law
from overtraining.figures.llm.statistics.series import Series
from overtraining.setting.errors import DomainError, SchemaError, ShapeError
from overtraining.setting.grid_inflection import inflection_point
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw
from overtraining.theory.sensitivity.sum_rule import norm_growth
from overtraining.theory.solvers.exact import respond

LAW = ScalingLaw(irreducible=1.7, size_coefficient=60.0, alpha=0.22, token_coefficient=300.0, beta=0.27)
N = np.repeat([1e7, 5e7, 1.2e8, 3.6e8], 8)
D = 20 * N * np.tile([0.5, 1, 2, 4, 8, 16, 32, 64], 4)
constants = lambda law: [getattr(law, name) for name in SYMBOLS]


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


def test_published_law_of_quantization() -> None:
    """Rows of table 1 of arXiv 2411.17691 recomputed: size, bits, tokens and the loss."""
    for params, bits, tokens, loss in ((1e9, 2.0, 1.1e9, 0.19432), (7e9, 3.0, 303.8e9, 0.25786)):
        assert quantization_cost(params, bits) * tokens**GROWTH == pytest.approx(loss, abs=1e-5)


@pytest.mark.parametrize("epsilon", [1e-12, 1e-60])
@pytest.mark.parametrize("gamma", [0.02, 0.03])
def test_b8_on_a_response_made_by_theory(epsilon: float, gamma: float) -> None:
    """Fitted to the first half: the noise cost is c/m to 10%, B8 leaves under 1%, and the inflection is met to 20%."""
    lengths = np.geomspace(1, 50, 20) * np.log(1 / epsilon) / 3
    protocol = Protocol(
        PowerLaw(200, alpha=0.75), lengths, (gamma,), Network(200, 200, 200), start=Aligned(epsilon)
    )  # fmt: skip
    data = respond(protocol)
    delta = data.sensitivity.values[:, 0]
    found = predict(lengths, data.before.values, delta, np.full(20, 1e-3))
    c, m = 200 * gamma**2, np.log(1 / epsilon) / 2
    assert found.noise_cost == pytest.approx(c / m, rel=0.1)
    assert found.unexplained < 0.01
    assert found.misfit < found.line_misfit / 10
    assert found.inflection == pytest.approx(float(inflection_point(data, which="best").length[0]), rel=0.2)
    assert "B8 is off by" in found.sentence


def test_b8_by_hand() -> None:
    """Offset and noise cost recovered, the error of the cost as of a regression, at most a prefix looked at."""
    t = np.geomspace(1, 64, 8)
    loss, rng = t**-0.4, np.random.default_rng(0)
    truth = 1.0 + 0.3 * norm_growth(t, loss)
    fits = [predict(t, loss, truth + 0.01 * rng.normal(size=8), np.full(8, 0.01)) for _ in range(2000)]
    assert np.mean([p.noise_cost for p in fits]) == pytest.approx(0.3, rel=0.01)
    assert np.std([p.noise_cost for p in fits]) == pytest.approx(fits[0].noise_cost_stderr, rel=0.06)
    spoiled = truth.copy()
    spoiled[4:] += 5
    one = predict(t, loss, spoiled, np.full(8, 0.01))
    assert (one.fitted, round(one.noise_cost, 9), round(one.misfit)) == (4, 0.3, 500)
    assert predict(t, loss, -truth, np.full(8, 0.01)).inflection == np.inf
    assert "no inflection" in predict(t, loss, -truth, np.full(8, 0.01)).sentence


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
        (lambda: fit_law(N[:5], D[:5], D[:5]), SchemaError, "5 runs"),
        (lambda: fit_law(N[:16], D[:16], D[:16]), SchemaError, "2 sizes"),
        (lambda: fit_law(N, D, -D), DomainError, "loss"),
        (lambda: fit_law(N, D[:3], D), ShapeError, "equal length"),
        (lambda: predict(*np.ones((4, 4)).cumsum(axis=1)), SchemaError, "4 checkpoints"),
        (lambda: predict(np.arange(1.0, 7.0), np.ones(6), np.arange(6.0), np.ones(6)), SchemaError, "does not change"),
        (lambda: predict(np.arange(6.0), np.ones(6), np.arange(6.0), np.ones(6)), DomainError, "length"),
        (lambda: sample_size_plans(0.0), DomainError, "decline"),
        (lambda: sample_size_plans(0.1, level=1.0), DomainError, "level"),
    ],
)
def test_refusals(call, refusal, word: str) -> None:
    with pytest.raises(refusal, match=word):
        call()
