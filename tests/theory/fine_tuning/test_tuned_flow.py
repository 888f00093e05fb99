"""D1: both losses after pretraining and then fine-tuning, against integration of the weights through both."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from overtraining.setting.errors import DomainError, NoFormula, NotSolved, ShapeError
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned, Balanced
from overtraining.setting.tasks import RotatedTeacher, SharedVectors, task_matrix
from overtraining.setting.teachers import Geometric, Matrix, Spectrum, full_frames, teacher_matrix
from overtraining.setting.training import GradientDescent, GradientFlow
from overtraining.theory.fine_tuning.tuned_flow import fine_tune, fine_tune_mode, mode_distance
from overtraining.theory.learning.matrix_modes import Modes, modes_of, start_modes, weights_of
from overtraining.theory.learning.matrix_rotation import distance_moved
from overtraining.theory.learning.matrix_solution import balanced_weights
from overtraining.theory.solvers.exact import respond

LENGTHS, BUDGETS = (0.0, 2.0, 6.0, 30.0), (0.0, 0.05, 0.4, 3.0)


def integrate(w1, w2, target, times, covariance=None):
    """The weights at every time, by the gradients of `½ tr((W2W1 − target) Σx (…)ᵀ)` written out here."""
    sx, cut = np.eye(w1.shape[1]) if covariance is None else covariance, w1.size

    def rate(_, theta):
        x1, x2 = theta[:cut].reshape(w1.shape), theta[cut:].reshape(w2.shape)
        push = (target - x2 @ x1) @ sx
        return np.concatenate([(x2.T @ push).ravel(), (push @ x1.T).ravel()])

    start = np.concatenate([w1.ravel(), w2.ravel()])
    path = solve_ivp(rate, (0, times[-1]), start, method="DOP853", t_eval=times, rtol=1e-12, atol=1e-14).y.T
    return [(y[:cut].reshape(w1.shape), y[cut:].reshape(w2.shape)) for y in path]


def measured(protocol, w1, w2):
    """All four variables of the Response, both stages integrated."""
    n, variances = protocol.network, protocol.inputs.variances(protocol.network.d_in)
    a = teacher_matrix(protocol.teacher, n.d_out, n.d_in)
    b = task_matrix(protocol.perturbation.task, protocol.teacher, n.d_out, n.d_in)
    v = full_frames(protocol.teacher, n.d_out, n.d_in)[1]
    sx = v * variances @ v.T
    loss = lambda pair, target, by: np.trace((pair[1] @ pair[0] - target) @ by @ (pair[1] @ pair[0] - target).T) / 2
    pretrained = integrate(w1, w2, a, protocol.lengths, sx)
    tuned = [integrate(*pair, b, protocol.strengths) for pair in pretrained]
    return {
        "before": [loss(x, a, sx) for x in pretrained],
        "after": [[loss(x, a, sx) for x in row] for row in tuned],
        "downstream_before": [loss(x, b, np.eye(n.d_in)) for x in pretrained],
        "downstream_after": [[loss(x, b, np.eye(n.d_in)) for x in row] for row in tuned],
    }


def start_of(protocol):
    n, start = protocol.network, protocol.start
    if isinstance(start, Balanced):
        return weights_of(start_modes(start, protocol.teacher, n), n.h)
    u, v = full_frames(protocol.teacher, n.d_out, n.d_in)
    k = n.width
    return weights_of(Modes(u[:, :k], np.full(k, start.epsilon), v[:, :k], start.imbalance), n.h)


TEACHER, SQUARE, WIDE = Geometric(3, 0.5), Network(3, 3, 3), Network(4, 5, 3)
CASES = {
    "shared modes": (SQUARE, Aligned(0.02), SharedVectors((0.5, -0.2, 0.3)), ()),
    "shared modes, lazy": (SQUARE, Aligned(0.02, 0.7), SharedVectors((0.5, -0.2, 0.3)), ()),
    "shared modes, other lazy": (SQUARE, Aligned(0.02, -0.7), SharedVectors((0.5, 0.2)), ()),
    "shared modes, coloured inputs": (WIDE, Aligned(0.02), SharedVectors((1.5, 0.2, 0.0)), (2.0, 1.0, 0.5, 0.3)),
    "shared modes, bottleneck": (Network(4, 2, 3), Aligned(0.02), SharedVectors((0.5, 0.2, 0.3)), (2.0, 1.0, 0.5, 0.3)),
    "rotated task": (SQUARE, Aligned(0.02), RotatedTeacher(1.0), ()),
    "rotated task, coloured inputs": (WIDE, Aligned(0.02), RotatedTeacher(1.0, 2.0), (2.0, 1.0, 0.5, 0.3)),
    "another teacher": (WIDE, Aligned(0.02), Spectrum((0.9, 0.1)), ()),
    "lazy, another teacher": (Network(3, 3, 4), Aligned(0.02, 0.4), Spectrum((0.9, 0.1), 3), ()),
    "rotated start": (WIDE, Balanced(0.02, 0.6), RotatedTeacher(1.0), ()),
    "rotated start, shared task": (SQUARE, Balanced(0.02, 0.6), SharedVectors((0.5, 0.2, 0.3)), (2.0, 2.0, 2.0)),
    "rotated lazy start": (Network(3, 3, 4), Balanced(0.02, 0.6, 0.3), Spectrum((0.9, 0.1)), ()),
    "bottleneck": (Network(4, 1, 3), Balanced(0.02, 0.6), RotatedTeacher(1.0), ()),
}


@pytest.mark.parametrize("name", CASES)
def test_response_against_integration_of_both_stages(name):
    network, start, task, spectrum = CASES[name]
    teacher = Spectrum((1.0,)) if network.h == 1 else TEACHER
    protocol = Protocol(
        teacher, LENGTHS, BUDGETS, network, start, perturbation=FineTuning(task), inputs=Inputs(spectrum)
    )
    found = respond(protocol)
    for variable, values in measured(protocol, *start_of(protocol)).items():
        np.testing.assert_allclose(found[variable].values, values, atol=2e-9, err_msg=variable)
    np.testing.assert_allclose(found.after[:, 0], found.before, atol=1e-12)


def test_a_shared_task_is_the_same_in_modes_and_as_a_whole():
    protocol = Protocol(
        TEACHER, LENGTHS, BUDGETS, start=Aligned(1e-3), perturbation=FineTuning(SharedVectors((2.0, -1.0, 0)))
    )
    b = task_matrix(protocol.perturbation.task, TEACHER, 3, 3)
    modes, whole = respond(protocol), respond(replace(protocol, perturbation=FineTuning(Matrix(b))))
    for name in modes.data_vars:
        np.testing.assert_allclose(modes[name], whole[name], atol=1e-13)
    assert modes.attrs["never_learned_downstream"] == [1.0]
    np.testing.assert_allclose(whole.attrs["never_learned_downstream"], [1.0])


def test_fine_tuning_on_the_teacher_is_pretraining_for_longer():
    protocol = Protocol(TEACHER, (1.0, 4.0), (2.0,), start=Aligned(1e-2), perturbation=FineTuning(RotatedTeacher(0.0)))
    longer = respond(replace(protocol, lengths=(3.0, 6.0)))
    found = respond(protocol)
    np.testing.assert_allclose(found.after[:, 0], longer.before, rtol=1e-12)
    np.testing.assert_allclose(found.downstream_after, found.after, rtol=1e-12)


def test_two_budgets_in_a_row_are_their_sum():
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(2, 3, 4))
    w1, w2 = balanced_weights(generator.normal(size=(3, 4)), 5)
    once = fine_tune(0.7, modes_of(w1, w2), a, b)
    middle = fine_tune(0.3, modes_of(w1, w2), a, b).flow
    again = fine_tune(0.4, modes_of(middle.factor_in.T, middle.factor_out), a, b)
    np.testing.assert_allclose(once.unlearned, again.unlearned, atol=1e-12)
    np.testing.assert_allclose(once.pretraining, ((a - once.flow.product) ** 2).sum() / 2, rtol=1e-12)


def test_on_its_own_teacher_a_late_network_keeps_its_small_loss():
    """`A − f` is not a difference of large numbers where B = A."""
    modes = Modes(np.eye(2), np.array([0.9, 0.4]), np.eye(2))
    teacher = np.diag([1.0, 0.5])
    assert fine_tune(40.0, modes, teacher, teacher).pretraining < 1e-30


@pytest.mark.parametrize("imbalance", [0.0, 0.4, -0.4])
@pytest.mark.parametrize("target", [0.3, 2.0, -0.5, 0.0])
def test_the_distance_of_modes_is_that_of_the_weights(target, imbalance):
    s = np.array([1.0, 0.4])
    w1, w2 = weights_of(Modes(np.eye(2), s, np.eye(2), imbalance), 2)
    moved = distance_moved(0.8, w1, w2, target * np.eye(2), imbalance=imbalance)
    np.testing.assert_allclose(np.linalg.norm(mode_distance(0.8, s, target, imbalance)), moved, rtol=1e-8)
    x, left = fine_tune_mode(0.8, s, target, imbalance)
    np.testing.assert_allclose(x + left, target, atol=1e-15)
    end = integrate(w1, w2, target * np.eye(2), [0.0, 0.8])[-1]
    np.testing.assert_allclose(np.diag(end[1] @ end[0]), x, atol=1e-10)


@pytest.mark.parametrize("budget", [0.1, 1.0, 10.0])
def test_weights_move_no_further_than_the_fallen_loss_allows(budget):
    generator = np.random.default_rng(1)
    w1, w2 = balanced_weights(generator.normal(size=(3, 3)), 3)
    task = generator.normal(size=(3, 3))
    losses = fine_tune([0.0, budget], modes_of(w1, w2), task, task).downstream
    assert 0 < distance_moved(budget, w1, w2, task) ** 2 <= budget * (losses[0] - losses[1])


BASE = {"teacher": TEACHER, "lengths": LENGTHS, "strengths": BUDGETS}


@pytest.mark.parametrize(
    ("how", "rest", "message"),
    [
        ({"training": GradientDescent(0.1)}, {}, "continuous time"),
        ({"training": GradientFlow(weight_decay=0.1)}, {}, "with weight decay only"),
        ({"anchor": 0.1}, {}, "anchor = 0.1"),
        ({"replay_share": 0.1}, {"inputs": Inputs((2.0, 1.0, 0.5))}, "replay_share = 0.1"),
        ({"rank": 1}, {}, "rank = 1"),
        ({}, {"network": Network(3, 3, 3, depth=3)}, "beyond two layers"),
    ],
)
def test_what_has_no_formula_is_refused_by_name(how, rest, message):
    with pytest.raises(NoFormula, match=message):
        respond(Protocol(**BASE, **rest, perturbation=FineTuning(RotatedTeacher(0.5), **how)))


def test_a_mode_that_rounding_has_eaten_is_refused():
    """From 1e-40 the second feature is 1e-20 of the first where that is learned; fine-tuning would grow it again."""
    start = Balanced(1e-40, 0.5)
    protocol = Protocol(
        Spectrum((1.0, 0.5)), (0.0, 46.0), (1.0,), start=start, perturbation=FineTuning(RotatedTeacher(0.5))
    )
    with pytest.raises(NotSolved, match="a mode below"):
        respond(protocol)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: fine_tune(-1.0, Modes(np.eye(2), np.ones(2), np.eye(2)), np.eye(2), np.eye(2)), DomainError),
        (lambda: fine_tune(1.0, Modes(np.eye(2), np.ones(2), np.eye(2)), np.eye(3), np.eye(2)), ShapeError),
        (lambda: fine_tune_mode(1.0, -1.0, 1.0), DomainError),
        (lambda: fine_tune_mode(-1.0, 1.0, 1.0), DomainError),
        (lambda: mode_distance(1.0, [1.0, 2.0], [1.0, 2.0, 3.0]), ShapeError),
    ],
)
def test_refusals(call, error):
    with pytest.raises(error):
        call()


def test_both_losses_keep_their_digits():
    """On the teacher itself, long after convergence; and where network and teacher are tiny beside the task."""
    half_way = Modes(np.eye(2), np.array([0.7, 0.2]), np.eye(2))
    again = fine_tune(30.0, half_way, np.diag([1.0, 0.5]), np.diag([1.0, 0.5]))
    assert 0 < again.pretraining < 1e-20
    assert float(again.pretraining) == pytest.approx(float(again.downstream), rel=1e-12)
    task, small = np.array([[0.3, 1.0], [-2.0, 0.7]]), 1e-20 * np.array([0.7, 0.2])
    moved = fine_tune(1e-3, Modes(np.eye(2), small, np.eye(2)), np.diag(small), task)
    speed = small[:, None] * task + task * small  # ḟ = W2W2ᵀB + BW1ᵀW1
    assert float(moved.pretraining) == pytest.approx(1e-6 * (speed**2).sum() / 2, rel=0.02)
