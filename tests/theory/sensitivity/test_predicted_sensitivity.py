"""B8 put to use: the constant recovered from theory-made curves, its error, and the inflection length it predicts."""

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw
from overtraining.theory.inflection.noisy_path import minima
from overtraining.theory.sensitivity.noise import mode_cost
from overtraining.theory.sensitivity.predicted_sensitivity import Line, fitted_line, turning_length
from overtraining.theory.sensitivity.spectral_path import power_law_path
from overtraining.theory.sensitivity.sum_rule import growth_covariance, norm_growth
from overtraining.theory.solvers.exact import respond


def test_recovers_a_line():
    line = fitted_line([0.0, 1.0, 3.0, 4.0], [1.0, 3.0, 7.0, 9.0], stderr=[0.1, 0.2, 0.1, 0.3])
    assert (line.price, line.offset, line.points) == pytest.approx((2, 1, 4))
    assert line.sensitivity([2.0, 10.0]) == pytest.approx([5, 21])
    assert line.sensitivity(0.5) == pytest.approx(2)


def test_errors_are_those_of_the_normal_equations():
    g, nu = np.array([0.0, 1.0, 2.0, 5.0]), np.array([0.1, 0.2, 0.4, 0.3])
    design = np.stack([g, np.ones(4)], axis=1) / nu[:, None]
    exact = np.linalg.inv(design.T @ design)
    line = fitted_line(g, 3 * g, stderr=nu)
    assert np.allclose(line.covariance, exact, rtol=1e-10)
    at = np.array([4.0, 1.0])
    assert line.stderr(4.0) == pytest.approx(float(np.sqrt(at @ exact @ at)))


def test_errors_from_the_scatter():
    """Without errors of the sensitivity: 2,000 draws of scatter 0.3 about the line, and their stated error."""
    draw, g = np.random.default_rng(0), np.linspace(0, 5, 8)
    lines = [fitted_line(g, 2 * g + 1 + 0.3 * draw.normal(size=8)) for _ in range(2000)]
    prices, stated = np.array([[f.price, f.covariance[0][0]] for f in lines]).T
    assert prices.mean() == pytest.approx(2, abs=4 * prices.std() / np.sqrt(2000))
    assert stated.mean() == pytest.approx(prices.var(), rel=0.1)


def test_errors_of_the_growth_widen_the_price():
    """Noise on losses and sensitivities: the stated error of the price is its scatter over 1,000 curves."""
    draw, t = np.random.default_rng(1), np.geomspace(1, 300, 15)
    loss, noise = 3 * t**-0.4, 2e-3
    true = norm_growth(t, loss)
    wide = growth_covariance(t, np.full(15, noise))
    lines = [
        fitted_line(
            norm_growth(t, loss + noise * draw.normal(size=15)), 0.01 * true + 5e-4 * draw.normal(size=15), 5e-4, wide
        )
        for _ in range(1000)
    ]
    prices, stated = np.array([[f.price, f.covariance[0][0]] for f in lines]).T
    assert np.sqrt(stated.mean()) == pytest.approx(prices.std(), rel=0.1)
    assert prices.mean() == pytest.approx(0.01, rel=0.005)
    narrow = fitted_line(true, 0.01 * true, 5e-4).covariance[0][0]
    assert stated.mean() > 1.5 * narrow


@pytest.mark.parametrize(("epsilon", "worst"), [(1e-250, 0.005), (1e-60, 0.02), (1e-20, 0.06), (1e-6, 0.25)])
def test_predicts_the_rest_from_a_prefix(epsilon, worst):
    """σ = i^−0.75, 10⁶ modes: fitted on a third of the lengths, off at the end of twenty times longer training.

    The constant m = ½ln(σ*/ε) drifts with ln t, so that the miss falls as 1/ln(1/ε); what is missed is growth.
    """
    front = np.array([10.0, 1500.0]) ** -0.75
    t = np.geomspace(*np.log(front / epsilon) / (2 * front), 40)
    path, c = power_law_path(t, 0.75, epsilon, 10**6), 1e-3
    growth = norm_growth(t, path.loss)
    sensitivity = 0.7 + c * path.norm_gained
    line = fitted_line(growth[:15], sensitivity[:15])
    assert t[-1] / t[14] > 8
    rose = sensitivity[-1] - sensitivity[14]
    miss = (sensitivity[-1] - line.sensitivity(growth)[-1]) / rose
    assert 0 < miss < worst
    # the constant itself is c/m, m = ½ ln(σ*/ε) and the next order, of the features learned meanwhile
    m = np.log((front[0] * 0.4) / epsilon) / 2
    assert line.price * m / c == pytest.approx(1, rel=1.5 / m)


def test_recovers_the_price_of_a_response():
    """A Response made by the theory: 300 features, noise on both layers; the price, and where each strength turns."""
    epsilon, width = 1e-100, 300
    teacher, n = PowerLaw(modes=width, alpha=0.7), Network(width, width, width)
    sigma = np.arange(1, width + 1) ** -0.7
    front = np.array([8.0, 150.0]) ** -0.7
    lengths = np.geomspace(*np.log(front / epsilon) / (2 * front), 40).tolist()
    strengths = (0.005, 0.01, 0.02)
    data = respond(Protocol(teacher, lengths=lengths, strengths=strengths, network=n, start=Aligned(epsilon)))
    growth = norm_growth(lengths, data.before.values)
    m = np.log(0.1 / epsilon) / 2
    for strength in strengths:
        line = fitted_line(growth[:20], data.sensitivity.sel(strength=strength).values[:20])
        c = float(mode_cost(strength, strength, d_in=width, d_out=width))
        assert line.price * m / c == pytest.approx(1, rel=0.02)
    # the weakest noise fitted, the strongest predicted: price ∝ γ², the inflection in its ratio
    line = fitted_line(growth[:20], data.sensitivity.sel(strength=0.01).values[:20])
    for strength in (0.01, 0.015):
        c = float(mode_cost(strength, strength, d_in=width, d_out=width))
        true = float(minima(sigma, epsilon, c).at("best"))
        assert float(turning_length(line.price * (strength / 0.01) ** 2)) == pytest.approx(true, rel=0.05)


def test_turns_whatever_the_loss_curve():
    """Along the sum rule the loss after perturbation turns at 1/(2·price) for any falling curve, and at depth 3."""
    t = np.geomspace(1, 1e4, 20_001)
    for loss in (t**-0.3, 1 / np.log(t + 2), -np.log(t) + np.sin(np.log(t)) / 2):
        for depth, price in ((2, 0.005), (3, 0.01)):
            after = loss + price * norm_growth(t, loss, depth=depth)
            turn = t[np.argmin(after)]
            assert turn == pytest.approx(float(turning_length(price, depth)), rel=2e-3)


def test_turning_length():
    assert turning_length([0.5, 0.125, 0.0, -2.0]).tolist() == [1, 4, np.inf, np.inf]
    assert turning_length(0.125, depth=4) == 16
    assert turning_length(1e-300, depth=6) == np.inf  # 1e900


@pytest.mark.parametrize(
    ("call", "refusal", "word"),
    [
        (lambda: fitted_line([0.0, 1.0], [0.0, 1.0]), ShapeError, "pass more"),
        (lambda: fitted_line([1.0], [1.0], stderr=[0.1]), ShapeError, "pass more"),
        (lambda: fitted_line([0.0, 1.0, 2.0], [0.0, 1.0]), ShapeError, "one of each"),
        (lambda: fitted_line([0.0, 1.0, 2.0], [0.0, 1.0, 2.0], stderr=[0.1, 0.1]), ShapeError, "one of each"),
        (lambda: fitted_line([0.0, 1.0, 2.0], [0.0, 1.0, 2.0], 0.1, np.eye(2)), ShapeError, "growth_covariance"),
        (lambda: fitted_line([0.0, 1.0, 2.0], [0.0, 1.0, 2.0], None, np.eye(3)), ShapeError, "beside"),
        (lambda: fitted_line([1.0, 1.0, 1.0], [0.0, 1.0, 2.0]), DomainError, "does not change"),
        (lambda: fitted_line([1e20, 1e20 + 2e4, 1e20 + 4e4], [0.0, 1.0, 2.0]), DomainError, "hardly"),
        (lambda: fitted_line([0.0, 1.0, 2.0], [0.0, 1.0, 2.0], 0.1, -np.eye(3)), DomainError, "no covariance"),
        (lambda: fitted_line([0.0, 1.0, np.nan], [0.0, 1.0, 2.0]), DomainError, "growth"),
        (lambda: fitted_line([0.0, 1.0, 2.0], [0.0, 1.0, 2.0], stderr=[0.1, 0.0, 0.1]), DomainError, "stderr"),
        (lambda: Line(1.0, 0.0, ((1.0, 0.0), (0.0, 1.0)), 3).sensitivity(np.inf), DomainError, "growth"),
        (lambda: turning_length(np.nan), DomainError, "price"),
        (lambda: turning_length(1.0, depth=1), DomainError, "depth"),
    ],
)
def test_refuses_by_name(call, refusal, word):
    with pytest.raises(refusal, match=word):
        call()
