"""D4's safe budgets: no task breaks them, every inequality of their proof holds on tasks, and beyond them some do."""

import mpmath
import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.derivations.claims.d4m_monotone import growth, past
from overtraining.theory.fine_tuning.plateaus import fine_tune_plateaus
from overtraining.theory.fine_tuning.safe_budget import CERTAIN, safe_budget
from overtraining.theory.precision.form import each
from tests.judge import assert_right


def test_against_its_equation():
    """`‖B‖T(1 + σ₁T) = κ√(gap/σ₁)`, solved with many digits."""

    def truth(s1, s2, s3, b):
        q = CERTAIN * mpmath.sqrt((s2 - s3) / s1)
        return (mpmath.sqrt(b * b + 4 * s1 * b * q) - b) / (2 * s1 * b)

    draw = np.random.default_rng(0)
    strong = 10.0 ** draw.uniform(-30, 30, (200, 1))
    parts = strong * np.sort(10.0 ** draw.uniform(-8, 0, (200, 2)), axis=1)[:, ::-1]
    points = np.hstack([strong, parts, 10.0 ** draw.uniform(-30, 30, (200, 1))])
    assert_right(each(lambda *row: safe_budget(np.array(row[:3]), row[3])[1]), truth, points, precisions=(200, 300))


def test_no_task_of_any_kind_breaks_it():
    """Random, sparse, turned and nearly aligned tasks, in budgets up to the safe one and beyond."""
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
def test_every_inequality_of_the_proof(seed):
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
        found = fine_tune_plateaus(budget, sigma, task).found[n]
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
    """At 2.2 roots the cost falls, down to gaps of 1e-12; the safe budget there is smaller by 8.8, whatever the gap."""
    with mpmath.workdps(60):
        for power in (4, 8, 12):
            gap = mpmath.mpf(10) ** -power
            budget = mpmath.mpf("2.2") * mpmath.sqrt(gap)
            assert growth(budget, [mpmath.mpf(1), gap], past(budget, gap), 1) < 0
            safe = safe_budget(np.array([1.0, float(gap)]), 1.0)[1]
            assert float(budget) / safe == pytest.approx(8.8, rel=0.005)
            assert growth(mpmath.mpf(safe), [mpmath.mpf(1), gap], past(mpmath.mpf(safe), gap), 1) > 0


def test_digits_agree_with_the_engine():
    task = np.random.default_rng(3).normal(size=(3, 3))
    with mpmath.workdps(30):
        judged = [
            float(growth(mpmath.mpf("0.7"), [mpmath.mpf(2), mpmath.mpf(1)], mpmath.matrix(task), n)) for n in (0, 1)
        ]
    np.testing.assert_allclose(fine_tune_plateaus(0.7, np.array([2.0, 1.0]), task).growth, judged, rtol=1e-10)


def test_limits():
    assert safe_budget(np.array([1.0, 0.5, 0.5]), 1.0)[1] == 0
    assert np.isinf(safe_budget(np.array([1.0, 0.5]), 0.0)).all()
    assert safe_budget(np.array([1.0, 0.5]), np.ones((3, 2))).shape == (3, 2, 2)


@pytest.mark.parametrize(
    ("sigma", "strength", "error"),
    [([0.5, 1.0], 1.0, DomainError), ([1.0, 0.0], 1.0, DomainError), ([1.0], -1.0, DomainError),
     ([], 1.0, ShapeError), ([1e80], 1.0, DomainError)],
)  # fmt: skip
def test_refusals(sigma, strength, error):
    with pytest.raises(error):
        safe_budget(np.array(sigma), strength)
