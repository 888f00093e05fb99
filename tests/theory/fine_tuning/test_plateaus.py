"""D4: fine-tuning from every plateau against D1 and integration, its order T², when a feature hurts, and safe budgets.

No task breaks a safe budget, every inequality of its proof holds on random tasks, and beyond it the cost of some falls.
"""

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.derivations.claims.d4m_monotone import breaking_task, growth, scaled_growth
from overtraining.theory.fine_tuning.plateaus import (
    CERTAIN,
    fine_tune_plateaus,
    hurting_ratio,
    plateau_growth,
    safe_budget,
)
from overtraining.theory.fine_tuning.tuned_flow import fine_tune
from overtraining.theory.learning.matrix_modes import Modes
from overtraining.theory.precision.form import each
from tests.judge import assert_right

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
    assert found.overlap[1] > (found.size[1] ** 2 + 0.25) / (2 * found.size[1]) >= 0.5
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
    np.testing.assert_allclose(found.overlap, np.diag(u.T * sigma @ v), atol=2e-3)


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


def test_the_safe_budget_against_its_equation():
    """`‖B‖T(1 + σ₁T) = κ√(gap/σ₁)`, solved with many digits."""

    def truth(s1, s2, s3, b):
        q = CERTAIN * mpmath.sqrt((s2 - s3) / s1)
        return (mpmath.sqrt(b * b + 4 * s1 * b * q) - b) / (2 * s1 * b)

    draw = np.random.default_rng(0)
    strong = 10.0 ** draw.uniform(-30, 30, (200, 1))
    parts = strong * np.sort(10.0 ** draw.uniform(-8, 0, (200, 2)), axis=1)[:, ::-1]
    points = np.hstack([strong, parts, 10.0 ** draw.uniform(-30, 30, (200, 1))])
    assert_right(each(lambda *row: safe_budget(np.array(row[:3]), row[3])[1]), truth, points, precisions=(200, 300))


def test_no_task_of_any_kind_breaks_the_safe_budget():
    """Random, sparse, rotated and nearly aligned tasks, in budgets up to the safe one and beyond."""
    draw, within, beyond = np.random.default_rng(1), 0, 0
    for _ in range(300):
        d_out, d_in = draw.integers(2, 6, 2)
        sigma = np.sort(10.0 ** draw.uniform(-3, 1, int(draw.integers(1, min(d_out, d_in) + 1))))[::-1]
        tasks = draw.normal(size=(40, d_out, d_in)) * 10.0 ** draw.uniform(-3, 1, (40, d_out, d_in))
        tasks[::4] *= draw.random((10, d_out, d_in)) < 0.4
        tasks[1::4, range(sigma.size), range(sigma.size)] += sigma
        norm = np.linalg.norm(tasks, 2, axis=(-2, -1)) + 1e-9
        for n, budget in enumerate(safe_budget(sigma, norm).T):
            for factor in (1.0, 300.0):
                at = np.minimum(factor * budget, 6 / norm) * draw.uniform(0.3, 1, 40)
                low = fine_tune_plateaus(at, sigma, tasks).growth[:, n] / (sigma[0] ** 2 + norm**2)
                within, beyond = within + (factor == 1) * (low < -1e-11).sum(), beyond + (low < -1e-9).sum()
    assert within == 0
    assert beyond > 10


def pieces(sigma, task, n, budget):
    """w by A5 from plateau n, in the eigenbasis of F; F, Q₀ and S."""
    d_out, d_in = task.shape
    force, q = np.zeros((d_in + d_out,) * 2), np.zeros((d_in + d_out, n))
    force[d_in:, :d_in], force[:d_in, d_in:] = task, task.T
    q[range(n), range(n)] = q[range(d_in, d_in + n), range(n)] = np.sqrt(sigma[:n])
    plane = np.zeros(d_in + d_out)
    plane[[n, d_in + n]] = 1
    rate, basis = np.linalg.eigh(force)
    of = lambda values: (basis * values) @ basis.T
    middle = of(np.where(rate != 0, np.expm1(2 * rate * budget) / np.where(rate != 0, 2 * rate, 1), budget))
    inner = np.eye(n) + q.T @ middle @ q
    w = of(np.exp(rate * budget)) @ (plane - q @ np.linalg.solve(inner, q.T @ middle @ plane))
    return w, q, inner, of, rate, plane > 0


@pytest.mark.parametrize("seed", range(4))
def test_every_inequality_of_the_safe_budget_s_proof(seed):
    """`a` from squares; `uᵀAv` as bounded; `NT‖β‖ <= R‖w⊥‖`; what z and the loss are at most."""
    draw, tightest = np.random.default_rng(seed), np.zeros(3)
    for _ in range(400):
        d_out, d_in = draw.integers(2, 5, 2)
        sigma = np.sort(10.0 ** draw.uniform(-2, 1, int(draw.integers(2, min(d_out, d_in) + 1))))[::-1]
        task = draw.normal(size=(d_out, d_in)) * 10.0 ** draw.uniform(-2, 1, (d_out, d_in))
        b, n = np.linalg.norm(task, 2), int(draw.integers(1, sigma.size))
        budget = 10.0 ** draw.uniform(-3, -0.2) / b
        x, big = b * budget, sigma[0] * budget
        chi, th = (x * np.cosh(x) - np.sinh(x)) / x**2, np.expm1(2 * x) / (2 * x) - 1
        left, room = 2 - np.exp(x) - 2 * big * chi, 3 - 2 * big * th
        if min(left, room) <= 0:
            continue
        w, q, inner, of, rate, plane = pieces(sigma, task, n, budget)
        v, u, ahead = w[:d_in], w[d_in:], q.T @ of(np.exp(rate * budget)) @ w
        size, k, seen = np.linalg.norm(u), q.T @ w, ahead @ np.linalg.solve(inner, ahead)
        found = fine_tune_plateaus(budget, sigma, task).overlap[n]
        on_teacher, off = u[: sigma.size] * v[: sigma.size] @ sigma, np.linalg.norm(w[~plane])
        assert found == pytest.approx((on_teacher - seen / 4) / size**2, abs=1e-7 * (b + sigma[0]))
        gap = sigma[n] - (sigma[n + 1] if n + 1 < sigma.size else 0)
        assert on_teacher <= k @ k / 4 + sigma[n] * size**2 - gap * off**2 / 2 + 1e-9 * sigma[0] * size**2
        coupled = np.hypot(np.linalg.norm(np.delete(task[n], n)), np.linalg.norm(np.delete(task[:, n], n)))
        bound = (np.exp(x) + np.sqrt(2) * x + 2 * big * np.sinh(x) / x) / left
        alpha, beta = 2 * (np.cosh(x) - 1) + 2 * bound * np.sinh(x), np.sinh(x) / x - 1 + bound * chi
        rest = ahead - 2 * (1 + budget * sigma[:n]) * k
        tight = (
            size * budget * coupled / (bound * off),
            np.linalg.norm(rest) / (np.sqrt(2 * sigma[0]) * (alpha + 2 * big * beta) * off),
            (k @ k - seen) / (2 * sigma[0] * (alpha**2 + 3 * beta**2) / room * off**2),
        )
        tightest = np.maximum(tightest, tight)
    assert (tightest < 1 + 1e-6).all()
    assert tightest[0] > 0.99
    assert tightest[1] > 0.3


def test_the_first_feature_never_lowers_the_cost():
    draw = np.random.default_rng(2)
    for shape in ((1, 1), (2, 3), (4, 4)):
        tasks = draw.normal(size=(500, *shape)) * 10.0 ** draw.uniform(-1, 1, (500, *shape))
        sigma = np.linspace(1, 0.3, min(shape))
        budget = draw.uniform(0, 14, 500) / np.linalg.norm(tasks, 2, axis=(-2, -1))
        assert fine_tune_plateaus(budget, sigma, tasks).growth[:, 0].min() > -1e-9
    assert np.isinf(safe_budget(np.array([1.0, 0.5]), 3.0)[0])


def test_the_root_of_the_gap_is_needed():
    """At 2.1 roots the cost falls, down to gaps of 1e-12, and as the gap goes to 0 from 2 on; the safe one is ¼."""
    with mpmath.workdps(60):
        for power in (4, 8, 12):
            gap = mpmath.mpf(10) ** -power
            budget = mpmath.mpf("2.1") * mpmath.sqrt(gap)
            assert growth(budget, [mpmath.mpf(1), gap], breaking_task(budget, gap), 1) < 0
            safe = safe_budget(np.array([1.0, float(gap)]), 1.0)[1]
            assert float(budget) / safe == pytest.approx(8.4, rel=0.005)
            assert growth(mpmath.mpf(safe), [mpmath.mpf(1), gap], breaking_task(mpmath.mpf(safe), gap), 1) > 0
        ends = [mpmath.findroot(lambda x, k=k: scaled_growth(x, mpmath.mpf(10) ** -k), (2.0, 2.2)) for k in (4, 8, 12)]
        assert [float(x) for x in ends] == pytest.approx([2.0380, 2.0004, 2.0], abs=1e-4)


def test_the_constant_of_the_safe_budget_is_open_by_7_at_most():
    """Tasks of the same form with other entries fall at 1.8 roots."""
    with mpmath.workdps(60):
        for power in (6, 8, 12):
            gap = mpmath.mpf(10) ** -power
            budget = mpmath.mpf("1.8") * mpmath.sqrt(gap)
            y, far, near, own = -0.2518 * budget, mpmath.mpf("1.1231"), mpmath.mpf("0.2199"), gap - 0.5316 * budget
            task = mpmath.matrix([[0, y, far], [y, own, near], [far, near, 0]])
            task /= mpmath.sqrt(max(mpmath.eigsy(task.T * task, eigvals_only=True)))
            assert growth(budget, [mpmath.mpf(1), gap], task, 1) < 0


def test_digits_of_the_counterexamples_agree_with_the_engine():
    task = np.random.default_rng(3).normal(size=(3, 3))
    with mpmath.workdps(30):
        judged = [
            float(growth(mpmath.mpf("0.7"), [mpmath.mpf(2), mpmath.mpf(1)], mpmath.matrix(task), n)) for n in (0, 1)
        ]
    np.testing.assert_allclose(fine_tune_plateaus(0.7, np.array([2.0, 1.0]), task).growth, judged, rtol=1e-10)


def test_limits_of_the_safe_budget():
    assert safe_budget(np.array([1.0, 0.5, 0.5]), 1.0)[1] == 0
    assert np.isinf(safe_budget(np.array([1.0, 0.5]), 0.0)).all()
    assert safe_budget(np.array([1.0, 0.5]), np.ones((3, 2))).shape == (3, 2, 2)


@pytest.mark.parametrize(
    ("sigma", "task_norm", "error"),
    [([0.5, 1.0], 1.0, DomainError), ([1.0, 0.0], 1.0, DomainError), ([1.0], -1.0, DomainError),
     ([], 1.0, ShapeError), ([1e80], 1.0, DomainError)],
)  # fmt: skip
def test_refusals_of_the_safe_budget(sigma, task_norm, error):
    with pytest.raises(error):
        safe_budget(np.array(sigma), task_norm)
