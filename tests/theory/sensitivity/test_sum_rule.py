"""B8: growth of the norm from loss curves, its errors and exponents; the fitted line and the inflection length.

Segments are compared at high precision, the growth and the line on paths with known answers.
"""

import inspect
import itertools

import mpmath
import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw
from overtraining.theory.inflection.noisy_path import minima
from overtraining.theory.learning.balanced_mode import singular_value, unlearned
from overtraining.theory.sensitivity.large_spectra import power_law_path
from overtraining.theory.sensitivity.noise import mode_cost
from overtraining.theory.sensitivity.rates import power_law_rates, staircase_loss, staircase_norm
from overtraining.theory.sensitivity.sum_rule import (
    SensitivityLine,
    fitted_line,
    growth_covariance,
    growth_stderr,
    local_factor,
    norm_growth,
    predicted_exponent,
    turning_length,
)
from overtraining.theory.solvers.exact import respond

T0, RATIO = (1e-12, 1.0, 1e12), (1 + 2**-52, 1 + 1e-12, 1 + 1e-6, 1.5, 1e3, 1e200)


@pytest.mark.parametrize(("t0", "ratio", "m"), [*itertools.product(T0, RATIO, (1e-3, 1.0, 350.0))])
def test_a_segment(t0, ratio, m):
    t1, (l0, l1), values = t0 * ratio, (3.7, -1.9), []
    if t1 == t0:
        t1 = np.nextafter(t0, np.inf)
    for digits in (60, 90):
        with mpmath.workdps(digits):
            a, b = mpmath.mpf(t0), mpmath.mpf(t1)
            values.append(2 / mpmath.mpf(m) * (mpmath.mpf(l0) - mpmath.mpf(l1)) * (b - a) / mpmath.log(b / a))
    assert abs(values[0] - values[1]) < abs(values[1]) * mpmath.mpf(10) ** -30
    got = norm_growth([t0, t1], [l0, l1], m)
    assert got[0] == 0
    assert abs(float((mpmath.mpf(float(got[1])) - values[1]) / values[1])) <= 1e-14


def test_adds_and_does_not_see_a_constant():
    t, loss = np.geomspace(1, 1e4, 9), np.array([5.0, 4, 3.5, 3.6, 3, 2, 1.5, 1.2, 1.1])
    whole = norm_growth(t, loss)
    assert np.allclose(np.diff(whole), [norm_growth(t[i : i + 2], loss[i : i + 2])[1] for i in range(8)], rtol=1e-13)
    assert np.allclose(whole, norm_growth(t, loss + 1e3), rtol=1e-9)
    assert whole[3] < whole[2]  # where the loss rises


def test_a_power_law_gives_the_sum_rule():
    """L ∝ t^−β on a fine grid: the prediction grows with exponent 1 − β."""
    beta, t = 0.4, np.geomspace(1, 1e12, 4001)
    grown = norm_growth(t, 7 * t**-beta)
    local = np.log(grown[-1] / grown[-101]) / np.log(t[-1] / t[-101])
    assert np.isclose(local, predicted_exponent(beta), atol=1e-6)
    exact = 2 * 7 * beta / (1 - beta) * (t[-1] ** (1 - beta) - 1)
    assert np.isclose(grown[-1], exact, rtol=1e-4)


@pytest.mark.parametrize("alpha", [0.6, 0.8, 1.3])
def test_on_the_staircase(alpha):
    """Whole stages, ε → 0: the transform of the exact loss is the exact norm, in rescaled length (m = 1)."""
    tau = (np.arange(1, 3000) + 0.5) ** alpha  # between steps, each at i^α
    grown, true = norm_growth(tau, staircase_loss(tau, alpha)), staircase_norm(tau, alpha)
    assert np.allclose(grown[1:], true[1:] - true[0], rtol=3e-2)
    assert np.isclose(grown[-1] - grown[99], true[-1] - true[99], rtol=1e-4)


def test_on_a_path_from_a_finite_start():
    """The constant absorbs most of a finite start: the shape is right to 5% over a factor 20 of length."""
    sigma, epsilon = np.arange(1, 3001) ** -0.75, 1e-60
    t = np.geomspace(3, 60, 200) * np.log(1 / epsilon) / 2
    left = unlearned(t[:, None], sigma, epsilon)
    grown, true = norm_growth(t, (left**2).sum(1) / 2), singular_value(t[:, None], sigma, epsilon).sum(1)
    constant = grown[-1] / (true[-1] - true[0])
    assert np.allclose(grown[50:] / constant, true[50:] - true[0], rtol=0.05)


@pytest.mark.parametrize("alpha", [0.55, 0.75, 1.0, 2.0])
def test_exponents(alpha):
    rates = power_law_rates(alpha)
    assert np.isclose(predicted_exponent(rates.loss_exponent), rates.norm_exponent, atol=1e-15)
    assert np.isclose(predicted_exponent(rates.loss_exponent, depth=3), 1 / alpha - 2 + 2 / 3, atol=1e-15)


@pytest.mark.parametrize(("sigma", "epsilon"), [*itertools.product((1e-6, 1.0, 1e6), (1e-300, 1e-30, 1e-9))])
def test_local_factor(sigma, epsilon):
    left = mpmath.log(mpmath.mpf(sigma) / mpmath.mpf(epsilon))
    condition = 1 + (abs(np.log(sigma)) + abs(np.log(epsilon))) / float(left - 1)
    assert abs(float(local_factor(sigma, epsilon)) / float(1 / (1 - 1 / left)) - 1) <= 1e-15 * condition


def test_local_factor_on_the_path():
    """Local exponents of the loss of a dense spectrum from 1e-30 are β/(1 − 1/ℓ), not β."""
    alpha, epsilon = 0.75, 1e-30
    sigma = np.arange(1, 20_001) ** -alpha
    front = 0.02
    t = np.log(front / epsilon) / (2 * front) * np.array([0.98, 1.02])
    left = unlearned(t[:, None], sigma, epsilon)
    tail = 20_000.5 ** (1 - 2 * alpha) / (2 * (2 * alpha - 1))
    loss = (left**2).sum(1) / 2 + tail
    local = -np.log(loss[1] / loss[0]) / np.log(t[1] / t[0])
    beta = power_law_rates(alpha).loss_exponent
    assert abs(local / beta - local_factor(front, epsilon)) < 0.25 * (local_factor(front, epsilon) - 1)


@pytest.mark.parametrize(
    ("call", "refusal", "word"),
    [
        (lambda: norm_growth([0.0, 1.0], [1.0, 0.0]), DomainError, "length 0"),
        (lambda: norm_growth([2.0, 1.0], [1.0, 0.0]), DomainError, "rise"),
        (lambda: norm_growth([1.0, 1.0], [1.0, 0.0]), DomainError, "rise"),
        (lambda: norm_growth([1.0, 2.0], [1.0, np.nan]), DomainError, "loss"),
        (lambda: norm_growth([1.0, 2.0], [1.0, 0.5, 0.2]), ShapeError, "last axes"),
        (lambda: norm_growth(1.0, 1.0), ShapeError, "last axes"),
        (lambda: norm_growth(np.ones((2, 3)) * [1, 2, 3], np.ones((4, 3))), ShapeError, "broadcast"),
        (lambda: norm_growth([1.0, 2.0], [1.0, 0.0], m=0.0), DomainError, "m "),
        (lambda: norm_growth([1.0, 2.0], [1.0, 0.0], depth=1), DomainError, "depth"),
        (lambda: norm_growth([1.0, 2.0, 2.0], [1.0, 0.5, 0.4]), DomainError, "average"),
        (lambda: growth_stderr([1.0, 2.0], [0.1, -0.1]), DomainError, "stderr"),
        (lambda: growth_stderr([1.0, 2.0], [0.1, 0.1, 0.1]), ShapeError, "last axes"),
        (lambda: growth_covariance([[1.0, 2.0]], 0.1), ShapeError, "not one curve"),
        (lambda: growth_stderr([1.0, 1e300], [0.1, 1e10]), DomainError, "overflows"),
        (lambda: predicted_exponent(2.0), DomainError, "loss_exponent"),
        (lambda: predicted_exponent(0.5, depth=1), DomainError, "depth"),
        (lambda: local_factor(1.0, 0.5), DomainError, "epsilon"),
        (lambda: local_factor(np.ones(2), np.full(3, 1e-9)), ShapeError, "broadcast"),
    ],
)
def test_refuses_by_name(call, refusal, word):
    with pytest.raises(refusal, match=word):
        call()


def test_a_ratio_of_lengths_beyond_float64():
    """1e10/1e-300 is no number in float64; the growth is."""
    truth = 2 * (mpmath.mpf(1e10) - mpmath.mpf(1e-300)) / mpmath.log(mpmath.mpf(1e10) / mpmath.mpf(1e-300))
    assert norm_growth([1e-300, 1e10], [1.0, 0.0])[1] == pytest.approx(float(truth), rel=1e-14)


def test_refuses_arrays_of_constants_and_overflow():
    with pytest.raises(ShapeError, match="one number"):
        inspect.unwrap(norm_growth)([1.0, 2.0], [1.0, 0.0], m=np.ones(2))
    with pytest.raises(DomainError, match="overflows"):
        norm_growth([1.0, 1e300], [1e300, 0.0])


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_errors_are_those_of_the_linear_map(depth):
    """Column by column: the growth of a loss of 1 at one length and 0 elsewhere, with the variances added."""
    t, nu = np.array([0.1, 0.15, 2.0, 30.0, 31.0, 500.0]), np.array([0.3, 0.1, 0.2, 0.0, 0.5, 0.1])
    columns = norm_growth(t, np.eye(6), m=3.0, depth=depth)
    assert np.allclose(
        growth_stderr(t, nu, m=3.0, depth=depth), np.sqrt((nu[:, None] ** 2 * columns**2).sum(0)), rtol=1e-13
    )
    assert growth_stderr(t, np.stack([nu, 2 * nu])).shape == (2, 6)
    whole = growth_covariance(t, nu, m=3.0, depth=depth)
    assert np.allclose(whole, np.einsum("ja,j,jb->ab", columns, nu**2, columns), rtol=1e-12, atol=1e-14)
    assert np.allclose(np.diag(whole), growth_stderr(t, nu, m=3.0, depth=depth) ** 2, rtol=1e-12)


def test_errors_scatter_as_stated_and_leave_the_mean():
    """5,000 noisy, non-monotone curves on an irregular grid."""
    draw = np.random.default_rng(2)
    t = np.sort(10 ** draw.uniform(0, 3, 14))
    loss, nu = 2 + 3 * t**-0.4, 0.1 * draw.uniform(0.5, 2, 14)
    grown = norm_growth(t, loss + nu * draw.normal(size=(5000, 14)))
    assert (np.diff(loss + nu * draw.normal(size=14)) > 0).any()
    stated = growth_stderr(t, nu)
    assert np.allclose(grown.std(axis=0)[1:], stated[1:], rtol=0.05)
    assert (np.abs(grown.mean(axis=0) - norm_growth(t, loss)) <= 4 * stated / np.sqrt(5000) + 1e-12).all()


def test_a_coarse_grid_gives_too_much():
    """By the part β ln²r/12 where the loss is a power: the mean of three exponents and ratios."""
    for beta, ratio in itertools.product((0.2, 0.5, 0.8), (1.2, 1.5, 2.0)):
        t = ratio ** np.arange(30)
        exact = 2 * beta / (1 - beta) * (t[-1] ** (1 - beta) - 1)
        over = norm_growth(t, t**-beta)[-1] / exact - 1
        assert over == pytest.approx(beta * np.log(ratio) ** 2 / 12, rel=0.1)


@pytest.mark.parametrize("depth", [3, 4])
def test_a_deep_staircase(depth):
    """ε → 0 at depth L: n features learned at t = m i^α, loss and norm in closed form, every stage."""
    alpha, m = 0.6, 7.0
    i = np.arange(1, 4000)
    t = m * (i + 0.5) ** alpha
    loss = staircase_loss((i + 0.5) ** alpha, alpha)
    norm = np.cumsum(i ** (-alpha * (2 - 2 / depth)))
    grown = norm_growth(t, loss, m, depth)
    assert np.isclose(grown[-1] - grown[99], norm[-1] - norm[99], rtol=1e-4)
    assert not np.isclose(norm_growth(t, loss, m)[-1], norm[-1], rtol=0.5)


def test_recovers_a_line():
    line = fitted_line([0.0, 1.0, 3.0, 4.0], [1.0, 3.0, 7.0, 9.0], stderr=[0.1, 0.2, 0.1, 0.3])
    assert (line.slope, line.offset, line.points) == pytest.approx((2, 1, 4))
    assert line.sensitivity([2.0, 10.0]) == pytest.approx([5, 21])
    assert line.sensitivity(0.5) == pytest.approx(2)


def test_errors_are_those_of_the_normal_equations():
    g, nu = np.array([0.0, 1.0, 2.0, 5.0]), np.array([0.1, 0.2, 0.4, 0.3])
    design = np.stack([g, np.ones(4)], axis=1) / nu[:, None]
    exact = np.linalg.inv(design.T @ design)
    line = fitted_line(g, 3 * g, stderr=nu)
    assert np.allclose(line.fit_covariance, exact, rtol=1e-10)
    at = np.array([4.0, 1.0])
    assert line.stderr(4.0) == pytest.approx(float(np.sqrt(at @ exact @ at)))


def test_errors_from_the_scatter():
    """Without errors of the sensitivity: 2,000 draws of scatter 0.3 about the line, and their stated error."""
    draw, g = np.random.default_rng(0), np.linspace(0, 5, 8)
    lines = [fitted_line(g, 2 * g + 1 + 0.3 * draw.normal(size=8)) for _ in range(2000)]
    slopes, stated = np.array([[f.slope, f.fit_covariance[0][0]] for f in lines]).T
    assert slopes.mean() == pytest.approx(2, abs=4 * slopes.std() / np.sqrt(2000))
    assert stated.mean() == pytest.approx(slopes.var(), rel=0.1)


def test_errors_of_the_growth_widen_the_slope():
    """Noise on losses and sensitivities: the stated error of the slope is its scatter over 1,000 curves."""
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
    slopes, stated = np.array([[f.slope, f.fit_covariance[0][0]] for f in lines]).T
    assert np.sqrt(stated.mean()) == pytest.approx(slopes.std(), rel=0.1)
    assert slopes.mean() == pytest.approx(0.01, rel=0.005)
    narrow = fitted_line(true, 0.01 * true, 5e-4).fit_covariance[0][0]
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
    assert line.slope * m / c == pytest.approx(1, rel=1.5 / m)


def test_recovers_the_slope_of_a_response():
    """A Response made by the theory: 300 features, noise on both layers; the slope, and where each strength turns."""
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
        assert line.slope * m / c == pytest.approx(1, rel=0.02)
    # the weakest noise fitted, the strongest predicted: slope ∝ γ², the inflection in its ratio
    line = fitted_line(growth[:20], data.sensitivity.sel(strength=0.01).values[:20])
    for strength in (0.01, 0.015):
        c = float(mode_cost(strength, strength, d_in=width, d_out=width))
        true = float(minima(sigma, epsilon, c).at("best"))
        assert float(turning_length(line.slope * (strength / 0.01) ** 2)) == pytest.approx(true, rel=0.05)


def test_turns_whatever_the_loss_curve():
    """Along the sum rule the loss after perturbation turns at 1/(2·slope) for any falling curve, and at depth 3."""
    t = np.geomspace(1, 1e4, 20_001)
    for loss in (t**-0.3, 1 / np.log(t + 2), -np.log(t) + np.sin(np.log(t)) / 2):
        for depth, slope in ((2, 0.005), (3, 0.01)):
            after = loss + slope * norm_growth(t, loss, depth=depth)
            turn = t[np.argmin(after)]
            assert turn == pytest.approx(float(turning_length(slope, depth)), rel=2e-3)


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
        (lambda: fitted_line([0.0, 1.0, 2.0], [0.0, 1.0, 2.0], 0.1, -np.eye(3)), DomainError, "not a covariance"),
        (lambda: fitted_line([0.0, 1.0, 2.0], [0.0, 1.0, 2.0], stderr=1e160), DomainError, "overflow"),
        (lambda: fitted_line([0.0, 1.0, 2.0], [0.0, 1.0, 2.0], stderr=1e-160), DomainError, "overflow"),
        (lambda: fitted_line([0.0, 1.0, np.nan], [0.0, 1.0, 2.0]), DomainError, "growth"),
        (lambda: fitted_line([0.0, 1.0, 2.0], [0.0, 1.0, 2.0], stderr=[0.1, 0.0, 0.1]), DomainError, "stderr"),
        (lambda: SensitivityLine(1.0, 0.0, ((1.0, 0.0), (0.0, 1.0)), 3).sensitivity(np.inf), DomainError, "growth"),
        (lambda: turning_length(np.nan), DomainError, "slope"),
        (lambda: turning_length(1.0, depth=1), DomainError, "depth"),
    ],
)
def test_the_line_is_refused_by_name(call, refusal, word):
    with pytest.raises(refusal, match=word):
        call()


@pytest.mark.parametrize(
    ("modes", "alpha", "share"), [(16, 0.75, 0.146), (48, 0.6, 0.171), (48, 1.0, 0.193), (4096, 1.0, 0.353)]
)
def test_what_the_rule_misses_is_a_share_of_the_true_growth(modes: int, alpha: float, share: float) -> None:
    """`Σσ(1 + ln 1/σ)/Σσ/ln(1/ε)` at ε = 1e-6 (issue 17, point 6): not the same for all spectra."""
    sigma, epsilon = np.arange(1, modes + 1.0) ** -alpha, 1e-6
    end = 1.5 * np.log(sigma[-1] / epsilon) / (2 * sigma[-1])
    lengths = np.geomspace(np.log(1 / epsilon) / 8, end, 3000)
    loss = np.array([(unlearned(t, sigma, epsilon) ** 2).sum() / 2 for t in lengths])
    grown = sigma.sum() - modes * epsilon
    accounted = norm_growth(lengths, loss, np.log(1 / epsilon) / 2)[-1]
    assert share == pytest.approx((sigma * (1 - np.log(sigma))).sum() / sigma.sum() / np.log(1 / epsilon), rel=5e-3)
    assert 1 - accounted / grown == pytest.approx(share, rel=5e-3)
