"""A5: the matrix solution against mpmath at two precisions, against integration of the weights, and its saddles."""

import inspect
from itertools import product

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.learning.balanced_mode import singular_value, unlearned
from overtraining.theory.learning.matrix_solution import balanced_weights, matrix_flow, matrix_flow_from_modes

EPS = np.finfo(float).eps


def frame(generator, d, k):
    return np.linalg.qr(generator.normal(size=(d, d)))[0][:, :k]


def exact(t, u, s, v, teacher, digits):
    """`f` and `A − f` by the textbook form with its growing exponentials, in as many digits as they need."""
    with mpmath.workdps(digits):
        (d_out, d_in), k, t = teacher.shape, len(s), mpmath.mpf(t)
        root = mpmath.diag([mpmath.sqrt(mpmath.mpf(float(x))) for x in s])
        q = mpmath.matrix(np.concatenate([v, u]).tolist()) * root
        a, force = mpmath.matrix(teacher.tolist()), mpmath.zeros(d_in + d_out)
        force[d_in:, :d_in], force[:d_in, d_in:] = a, a.T
        values, basis = mpmath.eigsy(force)
        integral = [
            t if abs(x) < mpmath.mpf(10) ** (-digits // 2) else mpmath.expm1(2 * x * t) / (2 * x) for x in values
        ]
        c = basis.T * q
        inner = (mpmath.eye(k) + c.T * mpmath.diag(integral) * c) ** -1
        side = basis * mpmath.diag([mpmath.exp(x * t) for x in values]) * c
        f = (side * inner * side.T)[d_in:, :d_in]
        return f, a - f


CASES = {  # teacher's singular values, d_out, d_in, start's singular values
    "square": ((1, 0.5, 0.25), 3, 3, (1e-6, 2e-6, 3e-6)),
    "wide": ((1, 0.4), 2, 4, (1e-3, 1e-2)),
    "tall": ((1, 0.4), 4, 2, (1e-3, 1e-2)),
    "one by one": ((1.0,), 1, 1, (1e-8,)),
    "bottleneck": ((1, 0.5, 0.2), 3, 3, (1e-4,)),
    "graded start": ((1, 0.5, 0.25), 3, 3, (1, 1e-20, 1e-100)),
    "weakest mode first": ((1, 0.5, 0.25), 3, 3, (1e-100, 1e-20, 1)),
    "least start": ((2, 1), 3, 2, (1e-300, 1e-300)),
    "from above": ((1, 0.5), 2, 2, (10.0, 6.0)),
    "rank-deficient teacher": ((1, 0.5, 0), 3, 3, (0.1, 0.2, 0.3)),
    "repeated": ((1, 1, 0.5), 3, 3, (0.1, 0.2, 0.3)),
    "no teacher": ((0, 0), 2, 3, (0.5, 0.1)),
    "large": ((1e6, 5e5), 2, 2, (1e6, 1.0)),
    "small": ((1e-6, 5e-7), 2, 2, (1e-5, 1e-9)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("stage", [0, 0.1, 1, 5, 20, 60, 200, 700])
def test_product_and_what_is_left_against_mpmath_at_two_precisions(name, stage):
    sigma, d_out, d_in, s = CASES[name]
    generator = np.random.default_rng(1)
    m, k = len(sigma), len(s)
    u, v = frame(generator, d_out, k), frame(generator, d_in, k)
    teacher = frame(generator, d_out, m) * np.array(sigma, float) @ frame(generator, d_in, m).T
    if d_in == d_out == k and sigma[-1] > 0 and np.linalg.det(u @ v.T) * np.linalg.det(teacher) < 0:
        u[:, 0] *= -1  # else a feature is out of reach, see below
    t = stage / (sigma[0] or 1.0)
    flow = matrix_flow_from_modes(t, u, np.array(s, float), v, teacher)
    digits = int(80 + 2 * stage + 2 * abs(np.log10(min(s))))
    (low, _), (f, left) = (exact(t, u, s, v, teacher, n) for n in (digits, 2 * digits))
    condition = 1 + stage + abs(np.log(min(s)))  # an error of σ enters as e^{σt}; ε enters with its logarithm
    with mpmath.workdps(digits):
        assert mpmath.norm(low - f) <= mpmath.mpf("1e-25") * mpmath.norm(f)
        error = mpmath.norm(mpmath.matrix(flow.product.tolist()) - f) / mpmath.norm(f)
        left_error = mpmath.norm(mpmath.matrix(flow.unlearned.tolist()) - left) / max(
            mpmath.norm(left), mpmath.mpf("1e-300")
        )
        loss = mpmath.norm(left) ** 2 / 2
    assert error <= 100 * EPS * condition
    assert left_error <= 100 * EPS * condition
    np.testing.assert_allclose(flow.loss, float(loss), rtol=200 * EPS * condition, atol=1e-300)


@pytest.mark.parametrize("epsilon", [1e-300, 1e-6, 0.3, 7.0])
def test_aligned_starts_are_the_modes_of_a3(epsilon):
    sigma, t = np.array([2.0, 1.0, 0.0]), np.array([0.0, 0.3, 2.0, 40.0, 400.0, 1e6])
    flow = matrix_flow_from_modes(t, np.eye(3), np.full(3, epsilon), np.eye(4, 3), np.diag(sigma) @ np.eye(3, 4))
    modes = np.diagonal(flow.product, axis1=1, axis2=2)
    condition = 1 + abs(np.log(epsilon))
    np.testing.assert_allclose(modes, singular_value(t[:, None], sigma, epsilon), rtol=20 * EPS * condition, atol=0)
    left = np.diagonal(flow.unlearned, axis1=1, axis2=2)
    np.testing.assert_allclose(left, unlearned(t[:, None], sigma, epsilon), rtol=400 * EPS * condition, atol=1e-300)
    np.testing.assert_allclose(flow.norm, modes.sum(axis=1), rtol=1e-12)


def integrate(w1, w2, teacher, t):
    def rate(_, theta):
        x1, x2 = theta[: w1.size].reshape(w1.shape), theta[w1.size :].reshape(w2.shape)
        push = teacher - x2 @ x1
        return np.concatenate([(x2.T @ push).ravel(), (push @ x1.T).ravel()])

    start = np.concatenate([w1.ravel(), w2.ravel()])
    path = solve_ivp(rate, (0, t[-1]), start, method="DOP853", t_eval=t, rtol=1e-11, atol=1e-13).y.T
    return [(y[: w1.size].reshape(w1.shape), y[w1.size :].reshape(w2.shape)) for y in path]


@pytest.mark.parametrize("shape", list(product((1, 2, 4), repeat=3)), ids=str)
def test_against_integration_of_the_weights_on_all_orders_of_the_widths(shape):
    d_in, h, d_out = shape
    generator = np.random.default_rng(sum(shape))
    k = min(shape)
    start = frame(generator, d_out, k) * generator.uniform(0.01, 1, k) @ frame(generator, d_in, k).T
    w1, w2 = balanced_weights(start, h)
    turn = frame(generator, h, h)
    w1, w2 = turn @ w1, w2 @ turn.T
    teacher = generator.normal(size=(d_out, d_in))
    t = np.array([0.0, 0.2, 1.0, 4.0])
    flow = matrix_flow(t, w1, w2, teacher)
    for i, (x1, x2) in enumerate(integrate(w1, w2, teacher, t)):
        np.testing.assert_allclose(flow.product[i], x2 @ x1, atol=1e-9)
        np.testing.assert_allclose(flow.gram_in[i], x1.T @ x1, atol=1e-9)
        np.testing.assert_allclose(flow.gram_out[i], x2 @ x2.T, atol=1e-9)
        np.testing.assert_allclose(flow.norm[i], (x1**2).sum(), atol=1e-9)
        np.testing.assert_allclose(flow.loss[i], ((x2 @ x1 - teacher) ** 2).sum() / 2, atol=1e-9)
        np.testing.assert_allclose(flow.unlearned[i], teacher - flow.product[i], atol=1e-12)


@pytest.mark.parametrize("d", [1, 2, 3, 5, 40])
def test_a_determinant_of_the_wrong_sign_ends_in_a_saddle_at_every_width(d):
    generator = np.random.default_rng(d)
    teacher = generator.normal(size=(d, d))
    start = generator.normal(size=(d, d)) * 0.1
    start[0] *= -np.sign(np.linalg.det(start) * np.linalg.det(teacher))
    sigma = np.linalg.svd(teacher, compute_uv=False)
    for h in (d, d + 3):
        flow = matrix_flow([0.0, 1.0, 1e4], *balanced_weights(start, h), teacher)
        assert flow.saddle
        np.testing.assert_allclose(flow.never_learned, sigma[-1:])
        np.testing.assert_allclose(flow.loss[-1], sigma[-1] ** 2 / 2, rtol=1e-9)
        assert np.sign(np.linalg.det(flow.product[1])) == np.sign(np.linalg.det(start))


def test_a_weak_feature_is_lost_as_well_as_a_strong_one_and_rounding_is_none():
    start = balanced_weights(np.diag([0.1, -0.1]), 2)
    np.testing.assert_allclose(matrix_flow(1.0, *start, np.diag([1.0, 1e-12])).never_learned, [1e-12])
    generator = np.random.default_rng(0)
    u, v = frame(generator, 2, 2), frame(generator, 2, 2)
    assert not matrix_flow(1.0, *start, u * [1.0, 0.0] @ v.T).saddle


def test_weights_of_a_start_are_absent_below_rounding_only():
    weights = np.diag([1.0, 3e-12])
    assert matrix_flow(0.0, weights, weights, np.eye(2)).factor_in.shape == (2, 2)
    assert matrix_flow(100.0, weights, weights, np.eye(2)).loss < 1e-20
    assert matrix_flow(0.0, weights**2, weights**2, np.eye(2)).factor_in.shape == (2, 1)


def test_the_sign_of_the_determinant_sees_only_the_parity_of_what_is_lost():
    teacher = np.diag([2.0, 1.0])
    flow = matrix_flow(1e3, *balanced_weights(-0.1 * teacher, 2), teacher)
    assert np.linalg.det(-0.1 * teacher) * np.linalg.det(teacher) > 0
    np.testing.assert_allclose(flow.never_learned, [2.0, 1.0])
    assert flow.norm < 1e-2


def test_rectangular_starts_can_be_out_of_reach_as_well():
    teacher = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.0]])
    flow = matrix_flow(1e3, *balanced_weights(teacher * [[1.0], [-1.0]] / 10, 3), teacher)
    np.testing.assert_allclose(flow.never_learned, [0.5])
    np.testing.assert_allclose(flow.loss, 0.125, rtol=1e-9)


def test_a_bottleneck_learns_the_strongest_features():
    generator = np.random.default_rng(2)
    teacher = generator.normal(size=(4, 5))
    sigma = np.linalg.svd(teacher, compute_uv=False)
    flow = matrix_flow(
        1e4, *balanced_weights(generator.normal(size=(4, 1)) @ generator.normal(size=(1, 5)), 1), teacher
    )
    np.testing.assert_allclose(flow.never_learned, sigma[1:])
    np.testing.assert_allclose(flow.loss, (sigma[1:] ** 2).sum() / 2, rtol=1e-12)


def test_a_teacher_without_some_directions_is_no_saddle_and_their_weights_die_algebraically():
    flow = matrix_flow_from_modes([1e3, 1e6], np.eye(2), np.array([1.0, 1.0]), np.eye(2), np.diag([1.0, 0.0]))
    assert not flow.saddle
    np.testing.assert_allclose(flow.product[:, 1, 1], 1 / (1 + 2 * np.array([1e3, 1e6])), rtol=1e-13)


def test_times_of_any_shape():
    w1, w2 = balanced_weights(np.diag([0.1, 0.2]), 3)
    assert matrix_flow(0.5, w1, w2, np.eye(2)).product.shape == (2, 2)
    grid = matrix_flow(np.linspace(0, 1, 6).reshape(2, 3), w1, w2, np.eye(2))
    assert (grid.product.shape, grid.loss.shape, grid.factor_in.shape) == ((2, 3, 2, 2), (2, 3), (2, 3, 2, 2))
    assert matrix_flow([], w1, w2, np.eye(2)).product.shape == (0, 2, 2)
    alone = matrix_flow(0.6, w1, w2, np.eye(2)).product
    np.testing.assert_allclose(
        grid.product[1, 0], alone, rtol=1e-15
    )  # vector instructions round the last bit otherwise


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: matrix_flow(1.0, np.eye(2), np.diag([1.0, 2.0]), np.eye(2)), DomainError, "balanced"),
        (lambda: matrix_flow(1.0, np.zeros((2, 2)), np.zeros((2, 2)), np.eye(2)), DomainError, "saddle"),
        (lambda: matrix_flow(-1.0, np.eye(2), np.eye(2), np.eye(2)), DomainError, "time = -1.0"),
        (lambda: matrix_flow(1.0, np.eye(2), np.eye(2), np.full((2, 2), np.nan)), DomainError, "teacher"),
        (lambda: matrix_flow(1.0, np.eye(2), np.eye(2), np.eye(3)), ShapeError, "the network is"),
        (lambda: matrix_flow(1.0, np.eye(3), np.eye(2), np.eye(2)), ShapeError, "not defined"),
        (lambda: matrix_flow_from_modes(1.0, np.eye(2), np.zeros(2), np.eye(2), np.eye(2)), DomainError, "s"),
        (
            lambda: matrix_flow_from_modes(1.0, 2 * np.eye(2), np.ones(2), np.eye(2), np.eye(2)),
            DomainError,
            "orthonormal",
        ),
        (lambda: matrix_flow_from_modes(1.0, np.eye(2), np.ones(1), np.eye(2), np.eye(2)), ShapeError, "no modes"),
        (lambda: balanced_weights(np.eye(3), 2), ShapeError, "rank 3"),
    ],
)
def test_refusals_name_what_was_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: matrix_flow(1e308, np.eye(2), np.eye(2), np.eye(2)), DomainError, "1e75"),
        (lambda: matrix_flow(1.0, 1e-320 * np.eye(2), 1e-320 * np.eye(2), np.eye(2)), DomainError, "1e-75"),
        (lambda: matrix_flow(1.0, 1e-170 * np.eye(2), 1e-170 * np.eye(2), np.eye(2)), DomainError, "1e-75"),
        (lambda: matrix_flow(1.0, np.zeros((0, 2)), np.zeros((2, 0)), np.eye(2)), ShapeError, "non-empty"),
        (lambda: matrix_flow(1.0, np.eye(2), np.eye(2), 1e90 * np.eye(2)), DomainError, "1e75"),
        (lambda: balanced_weights(np.zeros((0, 2)), 2), ShapeError, "not a matrix"),
        (lambda: inspect.unwrap(balanced_weights)(np.ones(2), 2), ShapeError, "not a matrix"),
        (lambda: inspect.unwrap(balanced_weights)(np.eye(2), 2.5), DomainError, "h = 2.5"),
        (
            lambda: matrix_flow_from_modes(1.0, np.zeros((2, 0)), np.zeros(0), np.zeros((2, 0)), np.eye(2)),
            ShapeError,
            "no modes",
        ),
    ],
)
def test_refuses_what_float64_cannot_hold(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_balance_and_orthonormality_to_rounding():
    """What the solution makes of an imbalance is of its size: 1e-9 is refused, rounding is not."""
    with pytest.raises(DomainError, match="balanced"):
        matrix_flow(1.0, np.eye(2), np.diag([1.0, 1 + 1e-9]), np.eye(2))
    matrix_flow(1.0, np.eye(2), np.diag([1.0, 1 + 1e-13]), np.eye(2))
    with pytest.raises(DomainError, match="orthonormal"):
        matrix_flow_from_modes(1.0, (1 + 1e-9) * np.eye(2), np.ones(2), np.eye(2), np.eye(2))


def rotated_back(delta, d):
    """A rotation by π − δ about a random axis: `I + M` has singular values 2, δ, δ."""
    axis = frame(np.random.default_rng(d), 3, 3)
    c, s = -np.cos(delta), np.sin(delta)
    return axis @ np.array([[1.0, 0, 0], [0, c, -s], [0, s, c]]) @ axis.T


@pytest.mark.parametrize("delta", [1e-2, 1e-6, 1e-10])
def test_near_a_saddle_nothing_of_the_start_is_lost(delta):
    """The growing rows are nearly dependent there; dividing by them would cost as many digits as δ has."""
    generator = np.random.default_rng(3)
    u, v, s = frame(generator, 3, 3), frame(generator, 3, 3), np.array([0.1, 0.2, 0.3])
    v0 = v @ rotated_back(delta, 1)
    flow = matrix_flow_from_modes([0.0, 1e-3, 200.0], u, s, v0, u * [1, 0.5, 0.25] @ v.T)
    np.testing.assert_allclose(flow.product[0], u * s @ v0.T, atol=1e-15)
    np.testing.assert_allclose(flow.product[1], u * s @ v0.T, atol=1e-3)
    assert not flow.saddle
    assert flow.loss[2] < 1e-30


def test_what_is_above_rounding_is_learned():
    """A plane rotated back by π less 1e-13, or 60 roundings: late, and not never."""
    delta, sigma = 1e-13, np.array([1.0, 0.5])
    turn = np.array([[-1.0, -delta], [delta, -1.0]])
    flow = matrix_flow_from_modes([20.0, 200.0], np.eye(2), np.array([0.1, 0.1]), turn.T, np.diag(sigma))
    assert not flow.saddle
    assert flow.loss[0] > 0.1
    assert flow.loss[1] < 1e-20


def test_a_strong_feature_that_the_start_lacks_does_not_grow_from_rounding():
    """In random frames its row is rounding, which e^{(σ₁−σ₂)t} would blow up."""
    generator = np.random.default_rng(0)
    u, v, sigma = frame(generator, 3, 3), frame(generator, 3, 3), np.array([2.0, 1.0, 0.5])
    turn = frame(generator, 2, 2)
    flow = matrix_flow_from_modes(
        [1.0, 1e2, 1e4], u[:, 1:] @ turn, np.array([0.1, 0.2]), v[:, 1:] @ turn, u * sigma @ v.T
    )
    np.testing.assert_allclose(flow.never_learned, sigma[:1])
    np.testing.assert_allclose(flow.loss[1:], sigma[0] ** 2 / 2, rtol=1e-12)
    assert np.abs(u[:, 0] @ flow.product @ v[:, 0]).max() < 1e-14


def test_times_in_several_parts_are_the_times_in_one(monkeypatch):
    generator = np.random.default_rng(8)
    w1, w2 = balanced_weights(generator.normal(size=(3, 2)), 2, 0.1)
    teacher, t = generator.normal(size=(3, 2)), np.linspace(0, 9, 10)
    whole = matrix_flow(t, w1, w2, teacher)
    monkeypatch.setattr("overtraining.theory.learning.matrix_riccati.AT_ONCE", 3 * 2 * (3 + 2 + 2))
    parts = matrix_flow(t, w1, w2, teacher)
    np.testing.assert_array_equal(whole.product, parts.product)
    np.testing.assert_array_equal(whole.unlearned, parts.unlearned)
