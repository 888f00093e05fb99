"""Flows from nearly balanced weights stay within the bound, which is not much larger than what they differ by."""

from functools import reduce
from itertools import pairwise
from math import comb

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from overtraining.theory.learning.matrix_modes import Modes
from overtraining.theory.learning.matrix_solution import balanced_weights, matrix_flow_from_modes
from overtraining.theory.learning.near_balance import (
    Deviation,
    deep_rate,
    distance_bound,
    nearest_balanced,
    time_nodes,
    two_layer_bound,
)

ROUNDING = 1e-11  # of the integrator, which is asked for 1e-13 in every step
TIMES = np.linspace(0.0, 40.0, 21)


def integrated(weights: list[np.ndarray], teacher: np.ndarray, times: np.ndarray, variance: np.ndarray | float = 1.0):
    """The weights at these times, by gradient flow on `½‖(f − A) diag(variance)^½‖²`."""
    ends = np.cumsum([0, *(w.size for w in weights)])

    def layers(y):
        return [y[a:b].reshape(w.shape) for (a, b), w in zip(pairwise(ends), weights, strict=True)]

    def velocity(_, y):
        now = layers(y)
        below = [np.eye(teacher.shape[1])]
        for w in now[:-1]:
            below.append(w @ below[-1])
        pull = (teacher - now[-1] @ below[-1]) * variance
        moved = []
        for w, first in zip(reversed(now), reversed(below), strict=True):
            moved.append(pull @ first.T)
            pull = w.T @ pull
        return np.concatenate([m.ravel() for m in reversed(moved)])

    start = np.concatenate([w.ravel() for w in weights])
    solved = solve_ivp(velocity, (0.0, times[-1]), start, "DOP853", t_eval=times, rtol=1e-13, atol=1e-16)
    return [layers(y) for y in solved.y.T]


def products(path):
    return np.array([reduce(lambda below, w: w @ below, layers) for layers in path])


def disturbed(weights, size: float, generator):
    """Weights changed by this share of their norm."""
    norm = np.sqrt(sum((w**2).sum() for w in weights))
    noise = [generator.normal(size=w.shape) for w in weights]
    scale = size * norm / np.sqrt(sum((n**2).sum() for n in noise))
    return [w + scale * n for w, n in zip(weights, noise, strict=True)]


def two_layers(seed: int):
    """A teacher and nearly λ-balanced weights of random widths in a random hidden frame."""
    generator = np.random.default_rng(seed)
    d_in, h, d_out = (int(n) for n in generator.integers(1, 6, 3))
    teacher = generator.normal(size=(d_out, d_in))
    u, s, vt = np.linalg.svd(generator.normal(size=(d_out, d_in)), full_matrices=False)
    start = 10.0 ** generator.uniform(-3, 0) * (u[:, :h] * s[:h]) @ vt[:h]
    imbalance = 0.3 * generator.normal() if seed % 3 == 0 else 0.0
    if h > (d_out if imbalance > 0 else d_in):
        imbalance = 0.0
    w1, w2 = balanced_weights(start, h, imbalance)
    turn = np.linalg.qr(generator.normal(size=(h, h)))[0]
    size = 10.0 ** generator.uniform(-8, -5)
    return teacher / np.linalg.norm(teacher, 2), *disturbed([turn @ w1, w2 @ turn.T], size, generator)


def bounded(teacher, w1, w2, times):
    """The closed form near these weights, and the deviation."""
    near = nearest_balanced(w1, w2)
    flow = matrix_flow_from_modes(times, *near.modes[:3], teacher, near.modes.imbalance)
    bound = two_layer_bound(times[-1], near.distance, near.modes, teacher, len(w1))
    s = np.linalg.norm(flow.product, 2, axis=(1, 2))
    return flow, Deviation(bound.at(times), np.sqrt(np.hypot(2 * s, near.modes.imbalance) / 2), 2)


def test_the_bound_holds_and_is_of_use() -> None:
    """For 40 random networks; in the median it is below 100 times the largest error of the loss.

    In a saddle nearby weights part for ever, and so does the bound.
    """
    ratios = []
    for seed in range(40):
        teacher, w1, w2 = two_layers(seed)
        flow, deviation = bounded(teacher, w1, w2, TIMES)
        true = products(integrated([w1, w2], teacher, TIMES))
        apart = np.linalg.norm(true - flow.product, axis=(1, 2))
        error = np.abs(((true - teacher) ** 2).sum((1, 2)) / 2 - flow.loss)
        assert (apart <= deviation.of_product(2) + ROUNDING).all(), seed
        assert (error <= deviation.of_loss(flow.loss) + ROUNDING).all(), seed
        if error.max() > 100 * ROUNDING and not flow.saddle:
            ratios.append(deviation.of_loss(flow.loss).max() / error.max())
    assert len(ratios) > 25
    assert np.median(ratios) < 100
    assert max(ratios) < 1e4


def test_what_a_narrow_network_never_learns_does_not_loosen_the_bound() -> None:
    """Two of four features are never learned: without the second bound, it would grow by `e^{0.4 · 200}`."""
    generator = np.random.default_rng(1)
    teacher = np.diag([1.0, 0.8, 0.4, 0.2])
    weights = disturbed(balanced_weights(np.diag([0.3, 0.2, 0, 0]) + 0.0, 2), 1e-7, generator)
    times = np.linspace(0.0, 200.0, 9)
    flow, deviation = bounded(teacher, *weights, times)
    apart = np.linalg.norm(products(integrated(weights, teacher, times)) - flow.product, axis=(1, 2))
    assert (apart <= deviation.of_product(2) + ROUNDING).all()
    assert deviation.of_product(2).max() < 1e-4


@pytest.mark.parametrize("teacher", [np.diag([1.0, 0.6]), np.diag([1.0, 0.0])])
def test_the_bound_grows_with_what_leaves_a_saddle(teacher: np.ndarray) -> None:
    """One hidden unit that has learned the weaker feature, disturbed toward the stronger one; it is balanced."""
    sigma = teacher[1, 1] or 0.3
    small = 1e-6
    w1, w2 = (np.sqrt(sigma) * np.array([[small, 1.0]]), np.sqrt(sigma) * np.array([[small], [1.0]]))
    modes = Modes(np.array([[0.0], [1.0]]), np.array([sigma]), np.array([[0.0], [1.0]]))
    times = np.linspace(0.0, 20.0, 21)
    bound = two_layer_bound(20.0, 2 * small, modes, teacher, 1).at(times)
    flow = matrix_flow_from_modes(times, *modes[:3], teacher)
    size = np.sqrt(np.linalg.norm(flow.product, 2, axis=(1, 2)))
    apart = np.linalg.norm(products(integrated([w1, w2], teacher, times)) - flow.product, axis=(1, 2))
    assert apart.max() > 100 * apart[0]
    assert (apart <= Deviation(bound, size, 2).of_product(2) + ROUNDING).all()


def test_both_flows_together_give_what_the_module_says() -> None:
    """`½ d(D²)/dt = 2⟨A − f̃, Y⟩ − ‖X + 3Y/2‖² + ‖Y‖²/4`, an identity in all matrices."""
    generator = np.random.default_rng(0)
    w1, w2, d1, d2 = (generator.normal(size=shape) for shape in ((3, 4), (2, 3), (3, 4), (2, 3)))
    teacher = generator.normal(size=(2, 4))

    def velocity(w1, w2):
        unlearned = teacher - w2 @ w1
        return w2.T @ unlearned, unlearned @ w1.T

    towards = sum(
        ((a - b) * d).sum() for a, b, d in zip(velocity(w1 + d1, w2 + d2), velocity(w1, w2), (d1, d2), strict=True)
    )
    x, y = w2 @ d1 + d2 @ w1, d2 @ d1
    said = 2 * ((teacher - w2 @ w1) * y).sum() - ((x + 1.5 * y) ** 2).sum() + (y**2).sum() / 4
    assert towards == pytest.approx(said, rel=1e-12)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_the_deep_rate_is_the_sum_over_layers(depth: int) -> None:
    """`S = Σ_k k p_k`, k >= 2, with the binomial terms p_k of `(w + D/√L)^L`; for two layers `ρ + κD²/16`."""
    apart, w, unlearned, variance = 0.3, 0.8, 0.7, 2.0
    term = [comb(depth, k) * w ** (depth - k) * (apart / depth**0.5) ** k for k in range(depth + 1)]
    second = sum(k * term[k] for k in range(2, depth + 1))
    least = (unlearned * second + variance / 4 * sum((k - 1) * term[k] for k in range(2, depth + 1)) ** 2) / apart**2
    rate = deep_rate(np.array([unlearned, 0.0]), np.array([w, w / 2]), depth, variance)(0, apart)
    assert rate >= least * (1 - 1e-12)
    assert rate == pytest.approx(
        (unlearned * second + variance * ((depth - 1) / (2 * depth) * second) ** 2) / apart**2, rel=1e-12
    )
    if depth == 2:
        assert rate == pytest.approx(unlearned + variance * apart**2 / 16, rel=1e-12) == least
    product = Deviation(np.array([apart]), np.array([w]), depth).of_product(depth)
    assert product[0] == pytest.approx(sum(term[1:]), rel=1e-12)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_deep_bound_holds(depth: int) -> None:
    """Aligned balanced weights with inputs of unequal variances, against the disturbed flow."""
    sigma, xi, epsilon = np.array([1.0, 0.6]), np.array([2.0, 0.5]), np.array([0.3, 0.2])
    root = np.diag(epsilon ** (1 / depth))
    weights = disturbed([root] * depth, 1e-6, np.random.default_rng(depth))
    distance = np.sqrt(sum(((w - root) ** 2).sum() for w in weights))
    nodes = time_nodes(12.0, 2.0)
    balanced = products(integrated([root] * depth, np.diag(sigma), nodes, xi))
    s = balanced.diagonal(axis1=1, axis2=2)
    largest = s.max(axis=1) ** (1 / depth)
    bound = distance_bound(nodes, distance, deep_rate((xi * np.abs(sigma - s)).max(axis=1), largest, depth, xi.max()))
    true = products(integrated(weights, np.diag(sigma), nodes, xi))
    deviation = Deviation(bound.reached, largest, depth, xi.max())
    loss = ((balanced - np.diag(sigma)) ** 2 @ xi).sum(axis=1) / 2
    error = np.abs(((true - np.diag(sigma)) ** 2 @ xi).sum(axis=1) / 2 - loss)
    assert (np.linalg.norm(true - balanced, axis=(1, 2)) <= deviation.of_product(depth) + ROUNDING).all()
    assert (error <= deviation.of_loss(loss) + ROUNDING).all()
    assert deviation.of_loss(loss).max() < 1000 * error.max()


def test_the_nearest_balanced_weights_are_near() -> None:
    """Disturbed by a share of their norm, weights have balanced ones at most about as far away, in any hidden frame."""
    for seed in range(20):
        _, w1, w2 = two_layers(seed)
        norm = np.hypot(np.linalg.norm(w1), np.linalg.norm(w2))
        assert nearest_balanced(w1, w2).distance < 1e-4 * norm
    apart = nearest_balanced(np.diag([1.0, 0.0]), np.diag([1.0, 1e-9]))  # a direction that only one layer has
    assert apart.modes.s.size == 2 or apart.distance == pytest.approx(1e-9, rel=1e-6)


WIDTHS = {"wide": (10, 8, 6), "wider than both": (4, 8, 6), "narrow": (10, 4, 6), "one unit": (3, 1, 5)}


@pytest.mark.parametrize("name", WIDTHS)
@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("rank", [1, 3, 6])
def test_balanced_weights_of_any_width_and_rank_are_their_own_nearest(name: str, kind: type, rank: int) -> None:
    """Hidden units without weights, and a mean imbalance that rounding makes, of either sign."""
    d_in, h, d_out = WIDTHS[name]
    for seed in range(8):
        generator = np.random.default_rng(seed)
        u, s, vt = np.linalg.svd(generator.normal(size=(d_out, d_in)), full_matrices=False)
        rank = min(rank, h, s.size)
        hidden = np.eye(h)[:, :rank] * s[:rank] ** 0.5
        w1, w2 = ((hidden @ vt[:rank]).astype(kind), (u[:, :rank] @ hidden.T).astype(kind))
        near = nearest_balanced(w1.astype(float), w2.astype(float))
        assert near.distance < (d_in + h + d_out) * np.finfo(kind).eps * np.hypot(*map(np.linalg.norm, (w1, w2))), seed
        assert near.modes.s.size == rank or kind is np.float32
        assert np.isfinite(two_layer_bound(1.0, near.distance, near.modes, np.ones((d_out, d_in)), h).reached).all()


@pytest.mark.parametrize("turned", [False, True])
def test_a_hidden_unit_without_weights_has_balanced_weights_near_it(turned: bool) -> None:
    """Of all λ > 0 none fits a unit whose weights are 0 exactly."""
    w1, w2 = 0.1 * np.eye(3)[:, :2], np.diag([2.0, 2.0, 0.0])
    near = nearest_balanced(*((w2.T, w1.T) if turned else (w1, w2)))
    assert np.isfinite(near.modes.u).all()
    assert np.isfinite(near.modes.v).all()
    assert near.distance > 1.0


def test_where_there_is_no_bound_it_is_infinite() -> None:
    """Weights that are far off soon have none; the times before still have one."""
    bound = two_layer_bound(50.0, 0.9, Modes(np.eye(2), np.array([0.1, 0.1]), np.eye(2)), np.eye(2), 2)
    assert np.isinf(bound.at(np.array([50.0])))
    assert bound.at(np.zeros(1)) == 0.9
    assert np.isinf(Deviation(np.array([np.inf]), np.ones(1), 2).of_loss(np.zeros(1))).all()
    assert time_nodes(0.0, 1.0).tolist() == [0.0]
    assert two_layer_bound(0.0, 1e-3, Modes(np.eye(2), np.ones(2), np.eye(2)), np.eye(2), 2).reached.tolist() == [1e-3]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_no_smaller_bound_of_product_and_loss_would_hold(depth: int) -> None:
    """Of one neuron a layer, all of whose weights are larger by x, away from the teacher, they are what is reached."""
    w, x, teacher, variance = 0.7, 0.2, -0.4, 1.7
    near, far = w**depth, (w + x) ** depth
    loss, reached = (variance * (product - teacher) ** 2 / 2 for product in (near, far))
    deviation = Deviation(np.array([x * depth**0.5]), np.array([w]), depth, variance)
    assert deviation.of_product(depth) == pytest.approx(far - near, rel=1e-12)
    assert deviation.of_loss(np.array([loss])) == pytest.approx(reached - loss, rel=1e-12)


def test_where_all_is_learned_the_distance_grows_by_its_cube() -> None:
    """`dD/dt = D³/16` from D₀ leads to `D₀/√(1 − D₀²t/8)`, which steps in time reach from above."""
    modes = Modes(np.eye(2), np.array([1.0, 0.5]), np.eye(2))
    bound = two_layer_bound(4.0, 0.5, modes, np.diag([1.0, 0.5]), h=2)
    exact = 0.5 / np.sqrt(1 - 0.25 * bound.nodes / 8)
    assert (bound.reached >= exact * (1 - 1e-9)).all()
    np.testing.assert_allclose(bound.reached, exact, rtol=0.01)
