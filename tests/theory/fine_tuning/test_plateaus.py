"""D4: fine-tuning from every plateau against D1 and against integration, its order T², and when a feature hurts."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.fine_tuning.plateaus import fine_tune_plateaus, hurting_ratio, plateau_growth
from overtraining.theory.fine_tuning.tuned_flow import fine_tune
from overtraining.theory.learning.matrix_modes import Modes

SHAPES = [(1, 1), (2, 2), (4, 4), (3, 5), (5, 2)]


def problem(shape, seed=0, count=6, rank=None):
    generator = np.random.default_rng(seed)
    sigma = np.sort(generator.uniform(0.2, 1.2, rank or min(shape)))[::-1].copy()
    return sigma, generator.normal(size=(count, *shape))


def one_by_one(budget, sigma, task):
    """`Δ_n` by D1, every plateau by itself."""
    (d_out, d_in), teacher, found = task.shape, np.zeros(task.shape), [0.0]
    teacher[range(sigma.size), range(sigma.size)] = sigma
    for n in range(1, sigma.size + 1):
        modes = Modes(np.eye(d_out)[:, :n], sigma[:n], np.eye(d_in)[:, :n])
        found.append(float(fine_tune(budget, modes, teacher, task).pretraining) - (sigma[n:] ** 2).sum() / 2)
    return found


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("budget", [0.0, 0.01, 0.5, 2.0])
def test_every_plateau_at_once_is_d1_for_each(shape, budget):
    for rank in {1, min(shape)}:
        sigma, tasks = problem(shape, rank=rank)
        found = fine_tune_plateaus(budget, sigma, tasks)
        for task, rise in zip(tasks, found.rise, strict=True):
            np.testing.assert_allclose(rise, one_by_one(budget, sigma, task), atol=1e-10)


def test_against_integration_of_the_weights():
    sigma, tasks = problem((3, 4), count=1)
    found, teacher = fine_tune_plateaus(1.3, sigma, tasks[0]), np.diag(sigma) @ np.eye(3, 4)
    for n in range(4):
        w1, w2 = np.sqrt(teacher) * (np.arange(3) < n)[:, None], np.diag(np.sqrt(sigma) * (np.arange(3) < n))

        def rate(_, y):
            x1, x2 = y[:12].reshape(3, 4), y[12:].reshape(3, 3)
            push = tasks[0] - x2 @ x1
            return np.concatenate([(x2.T @ push).ravel(), (push @ x1.T).ravel()])

        y = solve_ivp(rate, (0, 1.3), np.append(w1, w2), method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
        loss = ((y[12:].reshape(3, 3) @ y[:12].reshape(3, 4) - teacher) ** 2).sum() / 2
        np.testing.assert_allclose(found.after[n], loss, atol=1e-9)


def test_nothing_is_ever_gained_from_a_plateau():
    """Balanced flow keeps the rank, and no matrix of that rank is nearer to A."""
    for shape in SHAPES:
        sigma, tasks = problem(shape, seed=1, count=2000)
        budget = np.random.default_rng(2).uniform(0, 2, 2000)
        assert fine_tune_plateaus(budget, sigma, tasks).rise.min() > -1e-9


def test_a_feature_hurts_exactly_where_its_piece_is_more_than_twice_what_it_finds():
    sigma, tasks = problem((4, 4), seed=3, count=2000)
    found = fine_tune_plateaus(0.3, sigma, tasks)
    worse = np.diff(found.after, axis=-1) > 0
    assert 0.1 < worse.mean() < 0.9
    np.testing.assert_array_equal(worse, found.hurts)
    np.testing.assert_allclose(found.growth, np.diff(found.rise, axis=-1), atol=1e-12)


def test_small_budgets_cost_more_with_every_feature_whatever_the_task():
    for shape in SHAPES:
        sigma, tasks = problem(shape, seed=4, count=2000)
        for order in (sigma, np.full(sigma.size, 0.7)):  # equal features are the hardest case
            growth = plateau_growth(order, tasks)
            assert growth.min() >= 0
            small = fine_tune_plateaus(1e-4, order, tasks).growth / 1e-8
            np.testing.assert_allclose(small, growth, rtol=0.02, atol=1e-5)


def test_no_feature_out_of_order():
    """What the proof needs of the order: a weaker feature before a stronger one can lower the cost."""
    with pytest.raises(DomainError, match="order of strength"):
        plateau_growth(np.array([0.5, 1.0]), np.eye(2))


def test_the_counterexample_and_its_mechanism():
    task = np.array([[1.0, 0.1], [0.1, 2.0]])
    found = fine_tune_plateaus(5.0, np.array([1.0, 0.5]), task)
    np.testing.assert_allclose(found.rise, [0, 1.478, 1.135], atol=5e-4)
    assert found.found[1] > (found.size[1] ** 2 + 0.25) / (2 * found.size[1]) >= 0.5
    small = fine_tune_plateaus(0.5, np.array([1.0, 0.5]), task)
    assert (small.growth > 0).all()


def test_in_the_long_run_the_pieces_are_the_task_s_own():
    """m → τ and a → ûᵀAv̂ of B's own singular vectors: at the end a violation is B's order against A's."""
    generator = np.random.default_rng(5)
    u, v = (np.linalg.qr(generator.normal(size=(3, 3)))[0] for _ in range(2))
    sigma, tau = np.array([1.0, 0.6, 0.3]), np.array([3.0, 2.0, 1.0])
    if np.linalg.det(u) * np.linalg.det(v) < 0:
        v[:, 2] *= -1
    found = fine_tune_plateaus(5.0, sigma, u * tau @ v.T)
    np.testing.assert_allclose(found.size, tau, rtol=1e-3)
    np.testing.assert_allclose(found.found, np.diag(u.T * sigma @ v), atol=2e-3)


def test_the_ratio_is_the_mean_over_random_tasks():
    sigma, budget = np.array([1.0, 0.7, 0.3]), 0.05
    tasks = 0.6 * np.random.default_rng(6).normal(size=(100_000, 4, 5))
    sampled = 2 * budget**2 * plateau_growth(sigma, tasks) / sigma**2
    ratio = hurting_ratio(budget, sigma, 0.36, d_in=5, d_out=4)
    error = sampled.std(axis=0) / np.sqrt(len(tasks))
    assert (np.abs(sampled.mean(axis=0) - ratio) < 4 * error).all()
    assert (error < 0.01 * ratio).all()


def test_the_ratio_fails_where_the_strongest_feature_turns_over():
    """At σ₁T = 0.01 it is right within 6%, at 3 too large by a factor above 3: the cost saturates, T² does not."""
    sigma, tasks = np.array([1.0, 0.5]), 0.3 * np.random.default_rng(7).normal(size=(4000, 6, 6))
    cost = lambda t: (2 * fine_tune_plateaus(t, sigma, tasks).growth / sigma**2).mean(axis=0)
    ratio = lambda t: hurting_ratio(t, sigma, 0.09, d_in=6, d_out=6)
    np.testing.assert_allclose(ratio(0.01) / cost(0.01), 1, atol=0.06)
    assert (ratio(3.0) / cost(3.0) > 3).all()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"budget": -1.0}, DomainError),
        ({"budget": 100.0}, DomainError),
        ({"sigma": np.array([1.0, 0.0])}, DomainError),
        ({"sigma": np.array([0.5, 1.0])}, DomainError),
        ({"sigma": np.ones(3)}, ShapeError),
        ({"task": np.full((2, 2), np.nan)}, DomainError),
        ({"budget": np.ones(3), "task": np.ones((2, 2, 2))}, ShapeError),
    ],
)
def test_refusals(change, error):
    with pytest.raises(error):
        fine_tune_plateaus(**({"budget": 1.0, "sigma": np.array([1.0, 0.5]), "task": np.eye(2)} | change))


def test_refusals_of_the_ratio():
    with pytest.raises(ShapeError, match="3 features"):
        hurting_ratio(1.0, np.ones(3), 1.0, d_in=2, d_out=4)
    with pytest.raises(DomainError):
        hurting_ratio(1.0, np.ones(3), -1.0, d_in=4, d_out=4)
