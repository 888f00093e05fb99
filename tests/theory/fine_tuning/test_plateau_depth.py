"""D4 from a finite start: checkpoints, exact costs and the error of the limit, against D1 and independent integration.

The weights are integrated from the start of pretraining, so that neither A3, A5 nor any other closed form is trusted.
"""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.fine_tuning.forgetting_map import rotated_tasks
from overtraining.theory.fine_tuning.plateau_depth import deviation_bound, plateau_checkpoints
from overtraining.theory.fine_tuning.plateaus import fine_tune_plateaus, rise_on_plateaus
from overtraining.theory.fine_tuning.tuned_flow import fine_tune
from overtraining.theory.learning.matrix_modes import Modes

SIGMA, TASK = np.array([1.0, 0.5]), np.array([[1.0, 0.1], [0.1, 2.0]])
SPREAD = np.array([1.0, 0.5, 0.25, 0.125])


def train(w, target, time):
    """Both layers after gradient flow on `½‖w2 w1 − target‖²`, by integration."""
    d_out, d_in = target.shape
    h = w.size // (d_in + d_out)

    def rate(_, y):
        w1, w2 = y[: h * d_in].reshape(h, d_in), y[h * d_in :].reshape(d_out, h)
        left = target - w2 @ w1
        return np.append((w2.T @ left).ravel(), (left @ w1.T).ravel())

    return solve_ivp(rate, (0, time), w, method="DOP853", rtol=1e-12, atol=1e-35).y[:, -1] if time else w


def integrated(budget, sigma, task, epsilon, length):
    """Δ, and the loss before, of pretraining from ε for a length, then fine-tuning."""
    (d_out, d_in), r = task.shape, sigma.size
    w1, w2, teacher = np.zeros((r, d_in)), np.zeros((d_out, r)), np.zeros(task.shape)
    w1[range(r), range(r)] = w2[range(r), range(r)] = np.sqrt(epsilon)
    teacher[range(r), range(r)] = sigma

    def loss(w):
        return ((w[r * d_in :].reshape(d_out, r) @ w[: r * d_in].reshape(r, d_in) - teacher) ** 2).sum() / 2

    before = train(np.append(w1.ravel(), w2.ravel()), teacher, length)
    return loss(train(before, task, budget)) - loss(before), loss(before)


@pytest.mark.parametrize("epsilon", [1e-3, 1e-6, 1e-12, 1e-30])
def test_the_counterexample_by_integration_of_both_trainings(epsilon):
    """A = diag(1, ½), T = 5: the limit is 1.478 and then 1.135; from 1e-12 and more Δ only rises between plateaus."""
    lengths, s = plateau_checkpoints(SIGMA, epsilon)
    found = rise_on_plateaus(5.0, SIGMA, TASK, epsilon)
    for n, length in enumerate(np.append(lengths[:-1], 2.2 * np.log(1 / epsilon) + 30)):
        rise, before = integrated(5.0, SIGMA, TASK, epsilon, float(length))
        assert found[n] == pytest.approx(rise, abs=1e-7)
        assert before == pytest.approx(((SIGMA - s[n]) ** 2).sum() / 2, abs=1e-9)
    falls = found[1] > found[2]
    assert falls == (epsilon == 1e-30)
    assert found[1] == pytest.approx({1e-3: 1.0325, 1e-6: 1.0138, 1e-12: 1.0099, 1e-30: 1.4775}[epsilon], abs=1e-4)


def test_the_limit_is_refused_where_it_has_no_meaning():
    for epsilon in (1e-3, 1e-6, 1e-12, 1e-18):
        with pytest.raises(DomainError, match="rise_on_plateaus"):
            fine_tune_plateaus(5.0, SIGMA, TASK, epsilon=epsilon)
    kept = fine_tune_plateaus(5.0, SIGMA, TASK, epsilon=1e-30)
    np.testing.assert_array_equal(kept.rise, fine_tune_plateaus(5.0, SIGMA, TASK).rise)
    assert fine_tune_plateaus(0.2, SIGMA, TASK, epsilon=1e-6).rise[1] > 0  # where fine-tuning is short, it stands


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (4, 4), (5, 2)])
@pytest.mark.parametrize("epsilon", [0.05, 1e-6])
def test_every_checkpoint_is_d1_for_it(shape, epsilon):
    generator, r = np.random.default_rng(0), min(shape)
    sigma = np.sort(generator.uniform(0.1, 1.2, r))[::-1].copy()
    tasks, teacher = generator.normal(size=(5, *shape)), np.eye(*shape) * np.append(sigma, np.zeros(shape[1] - r))
    found = rise_on_plateaus(1.7, sigma, tasks, epsilon)
    assert found.shape == (5, r + 1)
    for task, rises in zip(tasks, found, strict=True):
        for s, rise in zip(plateau_checkpoints(sigma, epsilon)[1], rises, strict=True):
            tuned = fine_tune(1.7, Modes(np.eye(shape[0])[:, :r], s, np.eye(shape[1])[:, :r]), teacher, task)
            assert rise == pytest.approx(float(tuned.pretraining) - ((sigma - s) ** 2).sum() / 2, abs=1e-10)


def test_at_its_checkpoint_a_plateau_s_last_feature_lacks_what_the_next_one_has():
    lengths, s = plateau_checkpoints(SPREAD, 1e-5)
    assert (np.diff(lengths) > 0).all()
    for n in (1, 2, 3):
        share = s[n, n] / SPREAD[n]
        assert 1 - s[n, n - 1] / SPREAD[n - 1] == pytest.approx(share, rel=1e-9)
        order = (SPREAD[n - 1] - SPREAD[n]) / (SPREAD[n - 1] + SPREAD[n])
        deeper = plateau_checkpoints(SPREAD, 1e-9)[1][n, n] / SPREAD[n]
        assert np.log(deeper / share) / np.log(1e-4) == pytest.approx(order, rel=0.03)
    equal = plateau_checkpoints(np.array([1.0, 0.5, 0.5]), 1e-9)[1]
    np.testing.assert_allclose(equal[2], [1.0, 0.25, 0.25], rtol=1e-4)
    np.testing.assert_array_equal(plateau_checkpoints(np.array([1.0, 0.5]), 0.49)[0], [0, 0, np.inf])


def test_a_begun_feature_adds_the_piece_that_it_adds_when_learned_and_only_smaller():
    """`f(T) = f_n(T) + m(s)ûv̂ᵀ`, `m(s) = gs/(1 + s(g/m − 1/σ))`; `g <= e^{2‖B‖T}`, reached without other features."""
    generator, sigma = np.random.default_rng(1), np.array([1.0, 0.6, 0.3])
    for task in generator.normal(size=(20, 3, 4)):
        budget = generator.uniform(0, 3) / np.linalg.norm(task, 2)
        found = fine_tune_plateaus(budget, sigma, task)
        assert (found.gain <= np.exp(2 * found.reach) * (1 + 1e-9)).all()
        for n in range(3):
            learned = lambda *s, task=task, budget=budget: (
                fine_tune(
                    budget, Modes(np.eye(3)[:, : len(s)], np.array(s), np.eye(4)[:, : len(s)]), task, task
                ).flow.product
            )
            without = learned(*sigma[:n]) if n else 0.0
            begun, complete = (learned(*sigma[:n], last) - without for last in (0.01, sigma[n]))
            m, g = found.size[n], found.gain[n]
            share = 0.01 * g / (1 + 0.01 * (g / m - 1 / sigma[n])) / m
            np.testing.assert_allclose(begun, share * complete, atol=1e-9)
    alone = fine_tune_plateaus(1.2, np.array([0.5]), np.array([[2.0]]))
    assert alone.gain[0] == pytest.approx(np.exp(4.8))


def test_the_bound_holds_on_random_tasks_and_is_tight():
    """Of 40,000 costs none is farther from its limit; a tenth is farther than a quarter of the bound, some as far."""
    generator, tight = np.random.default_rng(2), []
    for _ in range(250):
        d_out, d_in = generator.integers(1, 6, 2)
        sigma = np.sort(10.0 ** generator.uniform(-1, 0.5, int(generator.integers(1, min(d_out, d_in) + 1))))[::-1]
        tasks = generator.normal(size=(40, d_out, d_in)) * 10.0 ** generator.uniform(-1, 1)
        tasks[::3] *= generator.random((14, d_out, d_in)) < 0.4
        norms = np.linalg.norm(tasks, 2, axis=(-2, -1)) + 1e-9
        budget = generator.uniform(0, 10, 40) / norms
        epsilon = sigma[-1] * 10.0 ** generator.uniform(-40, -0.1)
        found = fine_tune_plateaus(budget, sigma, tasks)
        apart, bound = np.abs(rise_on_plateaus(budget, sigma, tasks, epsilon) - found.rise), found.error(epsilon)
        rounding = 1e-9 * (norms**2 + sigma[0] ** 2)[:, None]
        assert (apart <= bound + rounding).all()
        useful = (bound < (sigma**2).sum() / 2) & (apart > 10 * rounding)
        tight += (apart / np.where(useful, bound, 1))[useful].tolist()
    assert len(tight) > 2000
    assert np.quantile(tight, 0.9) > 0.25
    assert max(tight) > 0.99


def test_the_bound_by_hand():
    """q = ¼, m(s₂) = ⅓ and M = 2 on the plateau of one feature; e^{2‖B‖T} = 2."""
    s = np.array([[0.1, 0.2], [0.75, 0.1], [0.9, 0.5]])
    found = deviation_bound(s, SIGMA, np.array([2.0, 1.0]), np.array([8.0, 4.0]), np.array(np.log(2) / 2))
    np.testing.assert_allclose(found, [0.8 / 1.3 + 0.4, 1 / 3 + (2 + 1 / 3) / 4, 0.3], rtol=1e-14)


def test_every_inequality_of_the_bound_s_proof():
    """φ(X₀ + E) − φ(X₀) between 0 and ΦEΦᵀ, ‖Φ‖ <= e^{‖B‖T}, κφ(X₀/κ) >= φ(X₀), nuclear norm <= ½ trace."""
    generator = np.random.default_rng(3)
    for _ in range(300):
        o, i = generator.integers(1, 4, 2)
        d, task = o + i, generator.normal(size=(o, i)) * 10.0 ** generator.uniform(-1, 0.3)
        force, budget = np.zeros((d, d)), generator.uniform(0.1, 2)
        force[i:, :i], force[:i, i:] = task, task.T
        start, more = (x @ x.T for x in generator.normal(size=(2, d, generator.integers(1, d + 1))))
        grown = expm(
            np.block([[force, np.eye(d)], [np.zeros((d, d)), -force]]) * budget
        )  # ∫e^{F(2s − T)}ds in a corner
        ahead = grown[:d, :d]
        middle = ahead @ grown[:d, d:]
        one = np.eye(d)
        phi = lambda x, ahead=ahead, middle=middle, one=one: ahead @ x @ np.linalg.solve(one + middle @ x, ahead)
        transition = ahead @ np.linalg.inv(np.eye(d) + start @ middle)
        gained = phi(start + more) - phi(start)
        size = 1e-9 * np.exp(2 * np.linalg.norm(task, 2) * budget) * (1 + np.trace(start + more))
        assert np.linalg.norm(transition, 2) <= np.exp(np.linalg.norm(task, 2) * budget) * (1 + 1e-9)
        for nonnegative in (gained, transition @ more @ transition.T - gained, 3 * phi(start / 3) - phi(start)):
            assert np.linalg.eigvalsh((nonnegative + nonnegative.T) / 2).min() > -size
        assert np.linalg.norm(gained[i:, :i], "nuc") <= np.trace(gained) / 2 + size


def test_small_budgets_are_of_first_order_from_a_finite_start():
    """`Δ → 2TΣs_i(σ_i − s_i)(s_i − B_ii)`: from 1e-3 it falls below 0; the limit is of order T² and never falls."""
    s = plateau_checkpoints(SIGMA, 1e-3)[1]
    slope = 2 * (s * (SIGMA - s) * (s - np.diag(TASK))).sum(axis=1)
    np.testing.assert_allclose(rise_on_plateaus(1e-5, SIGMA, TASK, 1e-3) / 1e-5, slope, atol=1e-4)
    assert slope[1] < -0.1
    assert rise_on_plateaus(0.02, SIGMA, TASK, 1e-3)[1] < -1e-3 < 0 < fine_tune_plateaus(0.02, SIGMA, TASK).rise[1]


def test_how_many_rotated_tasks_fall_depends_on_the_start():
    """‖B‖T = 5, σ = (1, ½, ¼, ⅛), 4,000 tasks turned by 1.5: from 1e-6 half of the limit's falls, from 1e-30 all."""
    tasks = rotated_tasks(SPREAD, [1.0], [1.5], 4000, key=0)[0, 0]
    falls = lambda rise: int((np.diff(rise) < -1e-9).any(axis=-1).sum())
    counts = [falls(rise_on_plateaus(5.0, SPREAD, tasks, epsilon)) for epsilon in (1e-3, 1e-6, 1e-10, 1e-12, 1e-30)]
    assert falls(fine_tune_plateaus(5.0, SPREAD, tasks).rise) == pytest.approx(1022, abs=2)
    assert counts == pytest.approx([133, 574, 937, 991, 1022], abs=2)


@pytest.mark.parametrize(
    ("epsilon", "error"),
    [(np.array([1e-3, 1e-3]), ShapeError), (0.5, DomainError), (0.0, DomainError), (-1.0, DomainError)],
)
def test_refusals(epsilon, error):
    for call in (lambda: rise_on_plateaus(1.0, SIGMA, TASK, epsilon), lambda: plateau_checkpoints(SIGMA, epsilon),
                 lambda: fine_tune_plateaus(1.0, SIGMA, TASK, epsilon=epsilon)):  # fmt: skip
        with pytest.raises(error):
            call()
    with pytest.raises(DomainError, match="at most 15"):
        rise_on_plateaus(8.0, SIGMA, TASK, 1e-3)
