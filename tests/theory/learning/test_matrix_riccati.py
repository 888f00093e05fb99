"""A5 with an imbalance: against mpmath and against the modes of A4; features that an imbalance allows to be learned."""

from itertools import product as grid

import mpmath
import numpy as np
import pytest

from overtraining.setting.errors import DomainError, NotSolved, ShapeError
from overtraining.theory.learning import unbalanced_mode
from overtraining.theory.learning.matrix_solution import balanced_weights, matrix_flow, matrix_flow_from_modes
from tests.matrix_judge import assert_right, frame

SIZES = (1e-12, 1e-6, 1e-2, 1.0, 1e3, 1e6)
STARTS = {"least": 1e-300, "small": 1e-12, "moderate": 0.1, "above": 5.0}
SHAPES = ((2, 2, 2), (1, 2, 2), (3, 2, 2), (2, 1, 3), (2, 3, 3), (1, 1, 1))  # (d_in, h, d_out) for λ > 0
SPECTRA = ((1.0, 0.4), (1.0, 1.0), (1.0, 0.0), (1.0, 1e-4))


def problem(shape, sigma, s, sign, seed):
    """Modes of a random start and a random teacher; a negative imbalance is the transposed problem."""
    generator, (d_in, h, d_out) = np.random.default_rng(seed), shape
    both, m = min(shape), min(d_in, d_out)
    u, v = frame(generator, d_out, h), frame(generator, d_in, both)
    teacher = frame(generator, d_out, m) * np.array(sigma)[:m] @ frame(generator, d_in, m).T
    s = s * generator.uniform(0.5, 1, both)
    return (u, s, v, teacher) if sign > 0 else (v, s, u, teacher.T)


@pytest.mark.parametrize(("name", "sign"), list(grid(STARTS, (1, -1))))
@pytest.mark.parametrize("size", SIZES)
def test_every_size_and_sign_against_mpmath_at_two_precisions(size, name, sign):
    i = SIZES.index(size) + len(SIZES) * (list(STARTS).index(name) + (sign < 0))
    shape, sigma, lam = SHAPES[i % 6], SPECTRA[i % 4], sign * size
    u, s, v, teacher = problem(shape, sigma, STARTS[name], sign, i)
    rate = np.hypot(1.0, size / 2)
    t = np.array([0.0, 1e-9, 0.1, 1.0, 20.0, 120.0]) / rate
    assert_right(matrix_flow_from_modes(t, u, s, v, teacher, lam), t, u, s, v, teacher, lam)


@pytest.mark.parametrize("lam", [1e-12, -1e-8, 1e-4])
def test_long_times_against_mpmath(lam):
    u, s, v, teacher = problem((2, 2, 2), (1e-4, 5e-5), 1e-6, lam, 3)
    t = np.array([1e4, 1e5, 1e6])
    assert_right(matrix_flow_from_modes(t, u, s, v, teacher, lam), t, u, s, v, teacher, lam)


@pytest.mark.parametrize("lam", [0.0, 1e-200, 1e-12, -1e-6, 0.01, -1.0, 1e6, -1e6])
@pytest.mark.parametrize("epsilon", [1e-300, 1e-12, 1e-3, 0.3, 7.0])
@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, -1)], ids=str)
def test_aligned_starts_of_either_sign_are_the_modes_of_a4(lam, epsilon, signs):
    sigma, start = np.array([1.0, 0.5]), epsilon * np.array(signs, float)
    t = np.array([0, 1e-8, 1e-3, 0.1, 1, 5, 20, 60, 200, 1e3, 1e4, 1e6])
    follow = lambda: matrix_flow_from_modes(
        t, np.eye(3, 2) * signs, np.full(2, epsilon), np.eye(2), np.eye(3, 2) * sigma, lam
    )
    if lam < 0:
        follow = lambda: matrix_flow_from_modes(
            t, np.eye(2) * signs, np.full(2, epsilon), np.eye(3, 2), np.eye(2, 3) * sigma[:, None], lam
        )
    if min(signs) < 0 and 0 < abs(lam) < 1e-14 * epsilon:
        with pytest.raises(NotSolved, match="below the rounding error"):
            follow()
        return
    flow = follow()
    p = unbalanced_mode.product(t[:, None], sigma, start, lam)
    got, left = (np.diagonal(x, axis1=1, axis2=2) for x in (flow.product, flow.unlearned))
    crossing = 4e-16 * epsilon  # a product on its way from one sign to the other
    np.testing.assert_allclose(got, p, rtol=1e-12, atol=crossing)
    if lam or min(signs) > 0:
        rest = unbalanced_mode.unlearned(t[:, None], sigma, start, lam)
        np.testing.assert_allclose(left, rest, rtol=1e-11, atol=1e-300)
        assert not flow.saddle
    w1, w2 = unbalanced_mode.weights(t[:, None], sigma, start, lam)
    np.testing.assert_allclose(flow.norm_in, (w1**2).sum(1), rtol=1e-12)
    np.testing.assert_allclose(flow.norm_out, (w2**2).sum(1), rtol=1e-12)


@pytest.mark.parametrize("d", [1, 2, 3, 5])
@pytest.mark.parametrize("lam", [1e-9, -1e-3, 1.0])
def test_an_imbalance_frees_what_the_determinant_forbids(d, lam):
    """From the wrong sign, square: λ = 0 loses a feature; any λ learns it, the later the smaller."""
    generator = np.random.default_rng(d)
    teacher, start = frame(generator, d, d) * np.linspace(1, 0.5, d) @ frame(generator, d, d).T, 0.1 * np.eye(d)
    start[0] *= -np.sign(np.linalg.det(teacher))
    assert matrix_flow(1e3, *balanced_weights(start, d), teacher).saddle
    t = np.array([4.0, 80.0, 400.0])
    flow = matrix_flow(t, *balanced_weights(start, d, lam), teacher, lam)
    assert not flow.saddle
    assert np.linalg.det(flow.product[-1]) * np.linalg.det(teacher) > 0
    assert flow.loss[1] < 1e-15 > flow.loss[2]
    later = matrix_flow(t, *balanced_weights(start, d, lam * 1e-2), teacher, lam * 1e-2)
    assert later.loss[0] > flow.loss[0]


def test_a_bottleneck_stays_and_a_feature_that_the_start_lacks_as_well():
    sigma = np.array([1.0, 0.6, 0.3])
    generator = np.random.default_rng(1)
    left, right = frame(generator, 3, 3), frame(generator, 3, 3)
    teacher = left * sigma @ right.T
    flow = matrix_flow([0.0, 1e4], *balanced_weights(0.1 * generator.normal(size=(3, 1)) @ np.ones((1, 3)), 1, 0.1),
                       teacher)  # fmt: skip
    np.testing.assert_allclose(flow.never_learned, sigma[1:])
    np.testing.assert_allclose(flow.loss[-1], (sigma[1:] ** 2).sum() / 2, rtol=1e-12)
    flow = matrix_flow_from_modes(1e4, left[:, 1:], np.array([0.1, 0.2]), right[:, 1:], teacher, 0.3)
    np.testing.assert_allclose(flow.never_learned, sigma[:1])
    np.testing.assert_allclose(flow.loss, 0.5, rtol=1e-12)


@pytest.mark.parametrize("lam", [1e4, -1e4])
def test_in_a_lazy_bottleneck_features_compete_slowly(lam):
    """One hidden unit: of W2 (λ > 0) what is along u₁ outgrows u₂ at the difference of two nearly equal rates."""
    t, sigma = np.array([1e3, 1e5]), (1.0, 0.5)
    one, both = np.eye(2, 1), np.sqrt(np.full((2, 1), 0.5))
    u, v = (both, one) if lam > 0 else (one, both)
    flow = matrix_flow_from_modes(t, u, np.zeros(1), v, np.diag(sigma), lam)
    along = (flow.factor_out if lam > 0 else flow.factor_in)[..., 0]
    with mpmath.workdps(60):
        size, (first, second) = (
            abs(mpmath.mpf(lam)) / 2,
            [mpmath.sqrt(mpmath.mpf(x) ** 2 + mpmath.mpf(lam) ** 2 / 4) for x in sigma],
        )
        grown = [(1 + size / first) / (1 + size / second) * mpmath.exp((first - second) * x) for x in t]
    np.testing.assert_allclose(along[:, 0] / along[:, 1], np.array(grown, float), rtol=1e-12)


def test_more_hidden_units_than_inputs_carry_the_imbalance_on_the_other_side():
    generator = np.random.default_rng(0)
    u, v, teacher = frame(generator, 4, 3), frame(generator, 2, 2), generator.normal(size=(4, 2))
    s, lam = np.array([0.3, 0.0]), 0.5
    flow = matrix_flow_from_modes([0.0, 50.0], u, s, v, teacher, lam)
    np.testing.assert_allclose(flow.product[0], u[:, :2] * s @ v.T, atol=1e-15)
    np.testing.assert_allclose(flow.norm_out - flow.norm_in, 3 * lam, rtol=1e-13)
    np.testing.assert_allclose(np.linalg.eigvalsh(flow.gram_out[0])[1:3], lam, rtol=1e-13)
    np.testing.assert_allclose(flow.product[1], teacher, atol=1e-13)
    np.testing.assert_allclose(flow.norm, (flow.norm_in + flow.norm_out) / 2)
    for f, g_in, g_out in zip(flow.product, flow.gram_in, flow.gram_out, strict=True):
        np.testing.assert_allclose(g_in @ g_in + lam * g_in, f.T @ f, atol=1e-13)
        np.testing.assert_allclose(g_out @ g_out - lam * g_out, f @ f.T, atol=1e-13)


BAD = (np.eye(2), np.ones(2), np.eye(2), np.eye(2))
UNEVEN = (np.eye(2), np.ones(1), np.eye(2, 1), np.eye(2))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: matrix_flow(1.0, np.eye(2), np.diag([1.0, 2.0]), np.eye(2)), DomainError, "λ-balanced"),
        (lambda: matrix_flow(1.0, np.ones((3, 2)), np.ones((2, 3)), np.eye(2), 0.1), ShapeError, "h <= d_out"),
        (lambda: matrix_flow(1.0, np.ones((3, 2)), np.ones((3, 3)), np.ones((3, 2)), -0.1), ShapeError, "h <= d_in"),
        (lambda: matrix_flow(1.0, np.eye(2), np.eye(2), np.eye(2), np.nan), DomainError, "imbalance"),
        (lambda: matrix_flow_from_modes(1.0, *BAD, 1e80), DomainError, "1e75"),
        (lambda: matrix_flow_from_modes(1.0, *BAD, np.inf), DomainError, "imbalance"),
        (lambda: matrix_flow_from_modes(1.0, np.eye(2), -np.ones(2), np.eye(2), np.eye(2), 1.0), DomainError, "s"),
        (lambda: matrix_flow_from_modes(1.0, *UNEVEN), ShapeError, "alone"),
        (lambda: matrix_flow_from_modes(1.0, *UNEVEN, -1.0), ShapeError, "alone"),
        (lambda: matrix_flow_from_modes(1.0, -np.eye(2), np.ones(2), np.eye(2), np.eye(2), 1e-16), NotSolved, "0.0"),
        (lambda: balanced_weights(np.eye(2), 3, 1.0), ShapeError, "h <= d_out"),
        (lambda: balanced_weights(np.eye(2), 1, -1.0), ShapeError, "rank 2"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_one_imbalance_per_call(untyped):
    with pytest.raises(ShapeError, match="one number"):
        untyped(matrix_flow_from_modes)(1.0, *BAD, np.ones(2))
