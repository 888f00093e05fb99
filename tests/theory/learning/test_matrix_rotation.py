"""A5: the weights against an independent integration, for matrices that do not commute, and at fixed points."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from overtraining.setting.errors import DomainError, NotSolved
from overtraining.theory.learning.matrix_rotation import distance_moved, matrix_weights
from overtraining.theory.learning.matrix_solution import balanced_weights, matrix_flow


def problem(shape, seed, scale=0.3):
    d_in, h, d_out = shape
    generator = np.random.default_rng(seed)
    k = min(shape)
    start = generator.normal(size=(d_out, k)) @ generator.normal(size=(k, d_in)) * scale
    turn = np.linalg.qr(generator.normal(size=(h, h)))[0]
    w1, w2 = balanced_weights(start, h)
    return turn @ w1, w2 @ turn.T, generator.normal(size=(d_out, d_in))


def radau(w1, w2, teacher, t):
    """Another method than the engine's."""

    def rate(_, theta):
        x1, x2 = theta[: w1.size].reshape(w1.shape), theta[w1.size :].reshape(w2.shape)
        push = teacher - x2 @ x1
        return np.concatenate([(x2.T @ push).ravel(), (push @ x1.T).ravel()])

    start = np.concatenate([w1.ravel(), w2.ravel()])
    end = solve_ivp(rate, (0, t), start, method="LSODA", rtol=1e-12, atol=1e-14).y[:, -1]
    return end[: w1.size].reshape(w1.shape), end[w1.size :].reshape(w2.shape)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 2), (3, 5, 2), (2, 4, 3), (3, 2, 4), (4, 1, 3)], ids=str)
@pytest.mark.parametrize("t", [0.5, 3.0])
def test_weights_and_distance_against_another_integrator(shape, t):
    w1, w2, teacher = problem(shape, sum(shape))
    x1, x2 = radau(w1, w2, teacher, t)
    y1, y2 = matrix_weights([0.0, t], w1, w2, teacher)
    np.testing.assert_allclose(y1[0], w1, atol=1e-12)
    np.testing.assert_allclose(y1[1], x1, atol=1e-8)
    np.testing.assert_allclose(y2[1], x2, atol=1e-8)
    distance = np.sqrt(((x1 - w1) ** 2).sum() + ((x2 - w2) ** 2).sum())
    np.testing.assert_allclose(distance_moved([0.0, t], w1, w2, teacher), [0.0, distance], atol=1e-8)
    flow = matrix_flow(t, w1, w2, teacher)
    np.testing.assert_allclose(y2[1] @ y1[1], flow.product, atol=1e-13 * (1 + np.abs(flow.product).max()))


def test_the_rotation_is_not_the_root_of_s_where_nothing_commutes():
    """`Z = S^{−1/2}` gives another network with the same product."""
    w1, w2, teacher = problem((3, 3, 3), 1)
    q, t, d_in = np.concatenate([w1.T, w2]), 1.5, 3
    force = np.block([[np.zeros((3, 3)), teacher.T], [teacher, np.zeros((3, 3))]])
    values, basis = np.linalg.eigh(force)
    side, over = basis * np.exp(values * t) @ basis.T, basis * (np.expm1(2 * values * t) / (2 * values)) @ basis.T
    s, frame = np.linalg.eigh(np.eye(3) + q.T @ over @ q)
    naive = side @ q @ (frame / np.sqrt(s) @ frame.T)
    x1, x2 = matrix_weights(t, w1, w2, teacher)
    np.testing.assert_allclose(naive[d_in:] @ naive[:d_in].T, x2 @ x1, atol=1e-10)
    assert np.abs(naive[d_in:] - x2).max() > 0.01


@pytest.mark.parametrize("t", [1e3, 1e6, 1e12])
def test_after_convergence_the_weights_stand_still_and_cost_nothing(t):
    w1, w2, teacher = problem((4, 5, 3), 3)
    early, late = (distance_moved(x, w1, w2, teacher) for x in (200.0, t))
    assert abs(early - late) < 1e-8
    x1, x2 = matrix_weights(t, w1, w2, teacher)
    np.testing.assert_allclose(x2 @ x1, teacher, atol=1e-12)
    np.testing.assert_allclose(x2.T @ x2, x1 @ x1.T, atol=1e-12)


def test_times_of_any_shape_and_order():
    w1, w2, teacher = problem((2, 3, 2), 5)
    t = np.array([[2.0, 0.0], [1.0, 2.0]])
    x1, x2 = matrix_weights(t, w1, w2, teacher)
    assert (x1.shape, x2.shape) == ((2, 2, 3, 2), (2, 2, 2, 3))
    np.testing.assert_array_equal(x1[0, 0], x1[1, 1])
    np.testing.assert_allclose(matrix_weights(0.0, w1, w2, teacher)[0], w1, atol=1e-12)
    assert distance_moved([], w1, w2, teacher).shape == (0,)
    np.testing.assert_allclose(x1[1, 0], matrix_weights(1.0, w1, w2, teacher)[0], atol=1e-9)


def test_what_cannot_be_integrated_is_refused():
    teacher = np.array([[1.0, 0.3], [-0.2, 0.8]])
    w1, w2 = balanced_weights(0.1 * np.array([[0.9, 0.1], [0.4, -0.7]]), 2)  # the determinant's sign is wrong
    assert matrix_flow(1.0, w1, w2, teacher).saddle
    distance_moved(5.0, w1, w2, teacher)
    with pytest.raises(NotSolved, match="closed form"):
        distance_moved(300.0, w1, w2, teacher)
    with pytest.raises(NotSolved, match="steps"):
        distance_moved(1e8, *balanced_weights(np.eye(2), 2), np.diag([1.0, 0.0]), 1e-13)
    with pytest.raises(DomainError, match="tolerance"):
        distance_moved(1.0, w1, w2, teacher, 0.0)


def test_a_standstill_is_not_believed_where_the_loss_stays():
    """In a saddle the loss no longer falls within rounding; how long the weights stay is not known from it."""
    w1, w2 = balanced_weights(np.diag([0.1, -0.1]), 2)
    with pytest.raises(NotSolved, match="steps"):
        distance_moved(1e9, w1, w2, np.diag([1.0, 0.5]))


@pytest.mark.parametrize("lam", [0.4, -1e-3, -50.0])
def test_weights_with_an_imbalance(lam):
    shape = (2, 3, 4) if lam > 0 else (4, 3, 2)
    generator, (d_in, h, d_out) = np.random.default_rng(6), shape
    w1, w2 = balanced_weights(generator.normal(size=(d_out, d_in)) / 4, h, lam)
    turn = np.linalg.qr(generator.normal(size=(h, h)))[0]
    w1, w2, teacher = turn @ w1, w2 @ turn.T, generator.normal(size=(d_out, d_in))
    x1, x2 = radau(w1, w2, teacher, 1.0)
    y1, y2 = matrix_weights([0.0, 1.0, 1e6], w1, w2, teacher)
    np.testing.assert_allclose(y1[1], x1, atol=1e-8)
    np.testing.assert_allclose(y2[1], x2, atol=1e-8)
    for a, b in zip(y1, y2, strict=True):
        np.testing.assert_allclose(b.T @ b - a @ a.T, lam * np.eye(h), atol=1e-13 * max(1, abs(lam)))
    np.testing.assert_allclose(y2[2] @ y1[2], teacher, atol=1e-12)
    assert distance_moved([0.0, 1.0], w1, w2, teacher, imbalance=lam)[0] < 1e-12
    with pytest.raises(DomainError, match="balanced"):
        distance_moved(1.0, w1, w2, teacher, imbalance=lam / 2)


@pytest.mark.parametrize("seed", [0, 2, 5])
@pytest.mark.parametrize(("t", "tolerance"), [(200.0, 1e-2), (200.0, 1e-4), (1e9, 1e-4)])
def test_a_slow_feature_is_waited_for(seed, t, tolerance):
    """σ₂ = 0.02: to stop a hundred times too early leaves more of the way than the tolerance, and is noticed."""
    generator = np.random.default_rng(seed)
    u, v, p, q = (np.linalg.qr(generator.normal(size=(2, 2)))[0] for _ in range(4))
    teacher, start = u * [1, 0.02] @ v.T, p * generator.uniform(0.01, 0.3, 2) @ q.T
    start[0] *= np.sign(np.linalg.det(start) * np.linalg.det(teacher))
    w1, w2 = balanced_weights(start, 2)
    loose, sharp = (matrix_weights(t, w1, w2, teacher, x) for x in (tolerance, 1e-9))
    size = np.sqrt(sum((x**2).sum() for x in sharp))
    assert np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(loose, sharp, strict=True))) < tolerance * size


def test_weights_that_die_move_as_far_as_they_were_long():
    """One mode of the wrong sign: nothing is left of the weights, and what is relative to nothing is no error."""
    far = distance_moved([10.0, 100.0, 1e3], np.array([[0.3]]), np.array([[-0.3]]), np.array([[1.0]]))
    np.testing.assert_allclose(far, 0.3 * np.sqrt(2), rtol=1e-4)
    np.testing.assert_allclose(far[1:], 0.3 * np.sqrt(2), rtol=1e-12)
