"""Both losses after fine-tuning, from a path: the two ways agree, and other kinds of fine-tuning are refused."""

from dataclasses import replace
from functools import reduce

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from overtraining.setting.errors import NoFormula, NotSolved
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.resolved import resolve
from overtraining.setting.starts import Aligned, Balanced
from overtraining.setting.tasks import RotatedTeacher, SharedVectors
from overtraining.setting.teachers import Matrix, PowerLaw, Spectrum
from overtraining.setting.training import GradientDescent, GradientFlow
from overtraining.theory.learning.matrix_modes import Modes, modes_in_frames
from overtraining.theory.solvers.exact import respond
from overtraining.theory.solvers.fine_tuned_path import losses
from overtraining.theory.solvers.solutions import solve
from tests.theory.solvers.test_exact import gradient, split, started

LENGTHS = (0.0, 2.0, 20.0)
BUDGETS = (0.5, 3.0)
NAMES = ("before", "after", "downstream_before", "downstream_after")


def asked(tuning: FineTuning, **parts: object) -> Protocol:
    given = {"teacher": PowerLaw(3), "start": Aligned(0.02), "perturbation": tuning} | parts
    return Protocol(lengths=LENGTHS, strengths=BUDGETS, **given)


@pytest.mark.parametrize("imbalance", [0.0, 0.3])
@pytest.mark.parametrize("inputs", [Inputs(), Inputs((2.0, 1.0, 0.5))])
def test_mode_by_mode_and_by_matrices_agree(imbalance: float, inputs: Inputs) -> None:
    """The same task as values in the teacher's modes and as a matrix."""
    tuning = FineTuning(SharedVectors((0.5, 1.2, 0.3)))
    by_modes = resolve(asked(tuning, start=Aligned(0.02, imbalance), inputs=inputs))
    same_task = replace(tuning, task=Matrix(by_modes.task))
    by_matrices = resolve(asked(same_task, start=Aligned(0.02, imbalance), inputs=inputs))
    one, _ = losses(by_modes, tuning, solve(by_modes).at(np.array(LENGTHS)), np.array(BUDGETS))
    other, _ = losses(by_matrices, same_task, solve(by_matrices).at(np.array(LENGTHS)), np.array(BUDGETS))
    for name in NAMES:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9, atol=1e-13)


def test_a_task_equal_to_the_teacher_only_continues_pretraining() -> None:
    tuning = FineTuning(RotatedTeacher(0.0))
    resolved = resolve(asked(tuning))
    solution = solve(resolved)
    found, never_learned = losses(resolved, tuning, solution.at(np.array(LENGTHS)), np.array(BUDGETS))
    for column, budget in enumerate(BUDGETS):
        longer = solution.at(np.array(LENGTHS) + budget).loss
        np.testing.assert_allclose(found["after"][:, column], longer, rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(found["downstream_after"][:, column], longer, rtol=1e-9, atol=1e-15)
    assert never_learned.size == 0


def test_values_of_the_other_sign_and_beyond_the_width_are_never_learned() -> None:
    tuning = FineTuning(SharedVectors((0.5, -0.2, 0.3)))
    resolved = resolve(asked(tuning, network=Network(3, 2, 3)))
    _, never_learned = losses(resolved, tuning, solve(resolved).at(np.array(LENGTHS)), np.array(BUDGETS))
    assert never_learned.tolist() == [0.3, 0.2]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"training": GradientDescent(0.1)}, "continuous time.*GradientFlow"),
        ({"training": GradientFlow(weight_decay=0.1)}, "with weight decay only one layer.*weight_decay=0"),
        ({"anchor": 0.1}, "anchor = 0.1.*anchor=0 or task=SharedVectors"),
        ({"rank": 1}, "rank = 1.*rank=None"),
    ],
)
def test_other_fine_tuning_is_refused_with_a_remedy(change: dict[str, object], says: str) -> None:
    respond(asked(FineTuning(RotatedTeacher(0.3))))
    with pytest.raises(NoFormula, match=f"{says}.*simulations.respond"):
        respond(asked(FineTuning(RotatedTeacher(0.3), **change)))


def test_three_layers_have_no_formula() -> None:
    tuning = FineTuning(RotatedTeacher(0.3))
    resolved = resolve(asked(tuning, network=Network(3, 3, 3, depth=3)))
    with pytest.raises(NoFormula, match="depth=2"):
        losses(resolved, tuning, solve(resolved).at(np.array(LENGTHS)), np.array(BUDGETS))


VALUES = SharedVectors((0.5, 1.2, 0.3))
OPPOSITE = SharedVectors((0.5, -1.2, 0.3))
BEND = RotatedTeacher(0.8, 1.3)
SHARED, OWN, WHITE = Inputs((2.0, 1.0, 0.5)), Inputs((2.0, 1.0, 0.5), shared=False), Inputs((1.7,) * 3)
ONE, DEEP = Network(3, 1, 3, depth=1), Network(3, 3, 3, depth=3)
DECAY = GradientFlow(weight_decay=0.4)
ANSWERED = {
    "replay, modes": asked(FineTuning(VALUES, replay_share=0.3)),
    "replay, modes, inputs": asked(FineTuning(OPPOSITE, replay_share=0.3), inputs=SHARED),
    "replay, modes, imbalance": asked(FineTuning(OPPOSITE, replay_share=0.3), start=Aligned(0.02, -0.4), inputs=SHARED),
    "replay, matrices": asked(FineTuning(BEND, replay_share=0.3)),
    "replay, matrices, strong inputs": asked(FineTuning(BEND, replay_share=0.6), inputs=WHITE),
    "replay, rotated start": asked(FineTuning(BEND, replay_share=0.3), start=Balanced(0.05, 0.7), inputs=WHITE),
    "replay, a narrow layer": asked(FineTuning(VALUES, replay_share=0.3), network=Network(3, 2, 3), inputs=SHARED),
    "imbalance, units without weights": asked(
        FineTuning(BEND), start=Aligned(0.02, 0.4), network=Network(3, 5, 3), teacher=Spectrum((1.0, 0.4))
    ),
    "negative imbalance, units without weights": asked(
        FineTuning(BEND), start=Aligned(0.02, -0.4), network=Network(3, 4, 3), inputs=SHARED
    ),
    "biases": asked(FineTuning(BEND), network=Network(3, 4, 3, bias=True)),
    "anchor": asked(FineTuning(OPPOSITE, anchor=0.4)),
    "anchor, weight decay, replay, inputs": asked(FineTuning(OPPOSITE, DECAY, 0.7, 0.4), inputs=SHARED),
    "anchor from above the task": asked(FineTuning(SharedVectors((0.1, 0.05, 0.0)), anchor=0.05)),
    "weight decay": asked(FineTuning(OPPOSITE, DECAY)),
    "weight decay and replay": asked(FineTuning(OPPOSITE, DECAY, replay_share=0.5), inputs=SHARED),
    "three layers": asked(FineTuning(VALUES), network=DEEP, start=Aligned(0.2)),
    "three layers, replay": asked(
        FineTuning(VALUES, replay_share=0.4), network=DEEP, start=Aligned(0.2), inputs=SHARED
    ),
    "one layer": asked(FineTuning(BEND), network=ONE, inputs=OWN),
    "one layer, a narrower teacher": asked(FineTuning(BEND), network=ONE, teacher=Spectrum((1.0, 0.4))),
    "one layer, all at once": asked(
        FineTuning(OPPOSITE, DECAY, anchor=0.7, replay_share=0.4), network=ONE, inputs=OWN, start=Balanced(0.3, 0.6)
    ),
    "one layer, aligned, all at once": asked(
        FineTuning(BEND, DECAY, anchor=0.7, replay_share=0.4), network=ONE, inputs=SHARED, pretraining=DECAY
    ),
}


def integrated(protocol: Protocol) -> dict[str, np.ndarray]:
    """Both losses of a network that is pretrained and fine-tuned by an integrator, without a formula."""
    tuning, n = protocol.perturbation, protocol.network
    assert isinstance(tuning, FineTuning)
    resolved = resolve(protocol)
    sx, white = resolved.input_covariance, np.eye(n.d_in)
    goals = (resolved.teacher, sx), (resolved.task, white)
    shapes = n.shapes
    flat = lambda layers: np.concatenate([w.ravel() for w in layers])

    def losses_of(layers: list[np.ndarray]) -> list[float]:
        f = reduce(lambda x, w: w @ x, layers, np.eye(n.d_in))
        return [float(np.trace((f - goal) @ cov @ (f - goal).T)) / 2 for goal, cov in goals]

    def run(layers: list[np.ndarray], times: np.ndarray, shares: tuple[float, float], anchor: float, decay: float):
        def velocity(_: float, now: np.ndarray) -> np.ndarray:
            ws = split(now, shapes)
            pulls = [share * flat(gradient(ws, *goal)) for share, goal in zip(shares, goals, strict=True)]
            return -sum(pulls) - anchor * (now - flat(layers)) - decay * now

        path = solve_ivp(velocity, (0, times[-1]), flat(layers), "DOP853", times, rtol=1e-11, atol=1e-14)
        return [split(y, shapes) for y in path.y.T]

    pretrained = run(started(protocol), np.array(LENGTHS), (1.0, 0.0), 0.0, protocol.pretraining.weight_decay)
    shares = tuning.replay_share, 1 - tuning.replay_share
    budgets = np.append(0.0, protocol.strengths)
    tuned = [run(w, budgets, shares, tuning.anchor, tuning.training.weight_decay) for w in pretrained]
    table = np.array([[losses_of(w) for w in row] for row in tuned])
    return dict(zip(NAMES, (table[:, 0, 0], table[:, 1:, 0], table[:, 0, 1], table[:, 1:, 1]), strict=True))


@pytest.mark.parametrize("name", ANSWERED)
def test_answers_as_the_integrated_network(name: str) -> None:
    answer, want = respond(ANSWERED[name]), integrated(ANSWERED[name])
    for variable in NAMES:
        np.testing.assert_allclose(answer[variable], want[variable], rtol=1e-7, atol=1e-9, err_msg=variable)


@pytest.mark.parametrize("inputs", [Inputs(), WHITE])
def test_replay_is_fine_tuning_on_the_mix_of_both_tasks_for_the_same_time(inputs: Inputs) -> None:
    """`(1 − ρ)B + ρA`, at the same T for white inputs (D7)."""
    replayed = asked(FineTuning(BEND, replay_share=0.3), inputs=inputs)
    resolved, xi = resolve(replayed), inputs.variances(3)[0]
    pace = 0.7 + 0.3 * xi
    mix = (0.7 * resolved.task + 0.3 * xi * resolved.teacher) / pace
    plain = replace(replayed, perturbation=FineTuning(Matrix(mix)), strengths=np.array(replayed.strengths) * pace)
    np.testing.assert_allclose(respond(replayed).after, respond(plain).after, rtol=1e-12)


@pytest.mark.parametrize(
    ("protocol", "says"),
    [
        (asked(FineTuning(BEND, replay_share=0.3), inputs=SHARED), "different axes.*whitened"),
        (asked(FineTuning(OPPOSITE), network=DEEP), "other sign.*values >= 0"),
        (asked(FineTuning(VALUES, DECAY), network=DEEP), "weight decay.*weight_decay=0"),
        (asked(FineTuning(VALUES, DECAY), start=Aligned(0.02, 0.3)), "weight decay.*weight_decay=0"),
        (asked(FineTuning(VALUES, anchor=0.1), start=Aligned(0.02, 0.3)), "anchor = 0.1.*anchor=0"),
        (asked(FineTuning(VALUES, anchor=0.1), network=DEEP), "anchor = 0.1.*anchor=0"),
    ],
)
def test_what_no_one_task_describes_is_refused(protocol: Protocol, says: str) -> None:
    with pytest.raises(NoFormula, match=f"{says}.*simulations.respond"):
        respond(protocol)


def test_modes_that_decay_or_replay_end_at_0_are_never_learned() -> None:
    """Decay beyond the task's value, and a mix of both tasks of the other sign than the pretrained mode."""
    decayed = respond(asked(FineTuning(SharedVectors((0.5, 0.3, 0.2)), GradientFlow(weight_decay=0.3))))
    assert decayed.attrs["never_learned_downstream"] == [0.3, 0.2]
    mixed = respond(asked(FineTuning(SharedVectors((-2.0, -0.2, 0.2)), replay_share=0.5)))
    np.testing.assert_allclose(mixed.attrs["never_learned_downstream"], [0.5])  # ½(1 − 2); ½(½ − 0.2) is learned


@pytest.mark.parametrize("imbalance", [1e-6, 1e-8, 1e-12, 1e-20, -1e-8, -1e-12])
def test_small_imbalances_of_wide_layers_are_answered_rightly(imbalance: float) -> None:
    """h > d_in (or d_out): the units without a partner have weights √|λ| beside the rounding error of the others.

    Issue 17, point 4: 26 of 60 were refused at 1e-8, "u: its columns are not orthonormal". The judge composes A5's
    textbook form with itself in mpmath.
    """
    tall = imbalance > 0
    teacher = Matrix(np.random.default_rng(5).normal(size=(4, 2) if tall else (2, 4)))
    protocol = Protocol(
        teacher,
        (3.0, 20.0),
        (0.3, 3.0),
        Network(2, 3, 4) if tall else Network(4, 3, 2),
        Balanced(1e-3, 1.0, imbalance),
        perturbation=FineTuning(BEND),
    )
    resolved = resolve(protocol)
    answer, modes = respond(protocol), modes_in_frames(protocol.start, protocol.network, *resolved.start_frames)
    for i, length in enumerate(protocol.lengths):
        for j, budget in enumerate(protocol.strengths):
            f = composed(modes, (length, resolved.teacher), (budget, resolved.task))
            for variable, goal in (("after", resolved.teacher), ("downstream_after", resolved.task)):
                assert answer[variable].values[i, j] == pytest.approx(((f - goal) ** 2).sum() / 2, rel=1e-8, abs=1e-13)


def composed(modes: Modes, *phases: tuple[float, np.ndarray]) -> np.ndarray:
    """f after gradient flow on one matrix after the other, each for its time, in 120 digits."""
    u, s, v, lam = modes
    with mpmath.workdps(120):
        m = mpmath.mpf
        d_out, d_in, k = len(u), len(v), max(u.shape[1], v.shape[1])
        q = mpmath.zeros(d_in + d_out, k)
        for unit in range(k):
            p = m(s[unit]) if unit < s.size else m(0)
            large = mpmath.sqrt((mpmath.sqrt(m(lam) ** 2 + 4 * p**2) + abs(m(lam))) / 2)
            w1, w2 = (p / large, large) if lam >= 0 else (large, p / large)
            for row in range(d_in if unit < v.shape[1] else 0):
                q[row, unit] = w1 * m(v[row, unit])
            for row in range(d_out if unit < u.shape[1] else 0):
                q[d_in + row, unit] = w2 * m(u[row, unit])
        for time, goal in phases:
            force = mpmath.zeros(d_in + d_out)
            for i in range(d_in + d_out):
                force[i, i] = m(lam) / 2 * (1 if i >= d_in else -1)
            for i, j in np.ndindex(goal.shape):
                force[d_in + i, j] = force[j, d_in + i] = m(goal[i, j])
            rates, basis = mpmath.eigsy(force)
            c = basis.T * q
            grown = mpmath.diag([mpmath.expm1(2 * r * m(time)) / (2 * r) if r else m(time) for r in rates])
            root = mpmath.cholesky(mpmath.eye(k) + c.T * grown * c)
            q = basis * mpmath.diag([mpmath.exp(r * m(time)) for r in rates]) * c * (root.T) ** -1
        return np.array((q[d_in:, :] * q[:d_in, :].T).tolist(), float)


def test_seeds_that_are_rounding_errors_are_refused_where_fine_tuning_needs_them() -> None:
    """λ = 1e-30 beside weights of order 1 is answered for a short budget, and refused for one that learns from it."""
    teacher = Matrix(np.random.default_rng(5).normal(size=(4, 2)))
    start = Balanced(1e-3, 1.0, 1e-30)
    protocol = Protocol(teacher, (20.0,), (1.0,), Network(2, 3, 4), start, perturbation=FineTuning(BEND))
    assert np.isfinite(respond(protocol).after).all()
    with pytest.raises(NotSolved, match=r"amplifies their rounding error.*larger imbalance"):
        respond(replace(protocol, strengths=(100.0,)))
