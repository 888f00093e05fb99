"""shared-task (D2, D3): fine-tuning on a task with the teacher's singular vectors, and when longer pretraining hurts.

Protocol, by gradient flow: one feature fine-tuned, at every length of its stage, on a task that is smaller than it,
zero, opposite to it or larger. Prediction: the rise of the pretraining loss, which is not monotone inside the stage
(D3); the pretraining loss after fine-tuning only falls with length, unless fine-tuning overshoots the teacher, and then
turns at a known length; the downstream loss turns where the feature passes the task (D2). Refuted if a rise or a
turning length deviates, if the rise does not peak inside the stage, or if the loss rises without overshoot. Limit: a
task with other singular vectors.
"""

from dataclasses import replace

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import respond
from overtraining.experiments.verdict import Check, Outcome, judge_bound, map_limit
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import RotatedTeacher, SharedVectors
from overtraining.setting.teachers import Spectrum
from overtraining.setting.training import GradientFlow
from overtraining.theory.fine_tuning.shared_task import forgetting_cost, overshoot_length
from overtraining.theory.learning import deep_mode
from overtraining.theory.solvers.exact import follow, respond as predict

SIGMA_TASKS = (0.0, 0.5, -0.5, 2.0)
OVERSHOOTS = ((2.0, 0.2), (1.5, 0.5), (1.1, 1.0))  # σ', budget
BUDGET, EPSILON = 0.1, 1e-3


def protocol(preset: Preset) -> Protocol:
    """One feature in a 3→2→4 network, from before it is learned to after it."""
    return Protocol(
        Spectrum((1.0,)),
        lengths=np.linspace(1.0, 9.0, 17 if preset == "quick" else 81),
        strengths=(BUDGET,),
        network=Network(d_in=3, h=2, d_out=4),
        start=Aligned(EPSILON),
        pretraining=GradientFlow(1e-9),
        perturbation=FineTuning(SharedVectors((SIGMA_TASKS[0],)), GradientFlow(1e-9)),
    )


def run(preset: Preset, key: int) -> Outcome:
    """The rise of the loss inside the stage, where the losses turn, where they only fall, and a rotated task."""
    setup = protocol(preset)
    measured = [respond(_fine_tuned(setup, sigma, BUDGET), key + i) for i, sigma in enumerate(SIGMA_TASKS)]
    s = follow(setup).singular_value.values[:, 0]
    predicted = [forgetting_cost(BUDGET, s, 1.0, sigma_task) for sigma_task in SIGMA_TASKS]
    rises = [response.sensitivity.values.ravel() for response in measured]
    name = "rise of the pretraining loss in the stage (D3)"
    checks = (
        judge_bound(name, predicted, rises, 1e-6, "the integrator's tolerance"),
        judge_peak(s, rises[0]),
        _turns(setup, key),
        judge_falls(measured[:3]),
        _rotated(setup, key),
    )
    return Outcome(checks, {"theory": predict(setup), "measured": measured[0]})


def _fine_tuned(setup: Protocol, sigma_task: float, budget: float) -> Protocol:
    fine_tuning = FineTuning(SharedVectors((sigma_task,)), GradientFlow(1e-9))
    return replace(setup, strengths=(budget,), perturbation=fine_tuning)


def judge_peak(s: np.ndarray, rise: np.ndarray) -> Check:
    """The rise of the loss is largest while the feature is half learned, not at the end."""
    top = int(rise.argmax())
    answer = f"forgetting the feature costs {rise[top]:.4f} at s = {s[top]:.2f}, and {rise[-1]:.4f} at s = {s[-1]:.4f}"
    numbers = {"largest": float(rise[top]), "at": float(s[top]), "learned": float(rise[-1])}
    passed = bool(0 < top < rise.size - 1 and rise[top] > 1.5 * rise[-1])
    return Check("forgetting peaks inside the stage (D3)", passed, answer, numbers)


def _turns(setup: Protocol, key: int) -> Check:
    """The lengths at which the loss of one mode vanishes, between falling and rising."""
    predicted, measured = [], []
    for sigma_task, budget in OVERSHOOTS:
        length = float(overshoot_length(budget, 1.0, sigma_task, EPSILON))
        around = _around(_fine_tuned(setup, sigma_task, budget), length)
        predicted.append(length)
        measured.append(length_of_zero_loss(np.array(around.lengths), respond(around, key).after.values.ravel()))
    # the downstream loss vanishes where pretraining passes the task, at any budget
    length = float(deep_mode.time_to_reach(0.5, 1.0, EPSILON, 2))
    around = _around(_fine_tuned(setup, 0.5, 0.2), length)
    predicted.append(length)
    losses = respond(around, key).downstream_after.values.ravel()
    measured.append(length_of_zero_loss(np.array(around.lengths), losses))
    name = "where the losses after fine-tuning turn (D2)"
    return judge_bound(name, predicted, measured, 2e-3, "a straight line through ±1% around it")


def _around(setup: Protocol, length: float) -> Protocol:
    """Lengths within 1% of this one, as many as before, so that nothing is compiled again."""
    return replace(setup, lengths=length * np.linspace(0.99, 1.01, len(setup.lengths)))


def length_of_zero_loss(lengths: np.ndarray, losses: np.ndarray) -> float:
    """The length at which the loss `½(σ − s)²` of one mode vanishes, by a straight line for σ − s between both ends.

    The first and the last length lie on different sides of the zero.

    >>> length_of_zero_loss(np.array([1.0, 2.0, 3.0]), np.array([0.25, 0.0, 0.25]))
    2.0
    """
    before, after = np.sqrt(losses[[0, -1]])  # |σ − s| on both sides
    return float(lengths[0] + (lengths[-1] - lengths[0]) * before / (before + after))


def judge_falls(measured: list[xr.Dataset]) -> Check:
    """Without overshoot, the pretraining loss after fine-tuning does not rise from one length to the next."""
    steps = [float(np.diff(response.after.values.ravel()).max()) for response in measured]
    listed = ", ".join(f"{step:.2g} at σ' = {sigma:g}" for step, sigma in zip(steps, SIGMA_TASKS, strict=False))
    answer = f"largest step of the pretraining loss after fine-tuning, from length to length: {listed}"
    name = "without overshoot, longer pretraining only helps (D2)"
    return Check(name, max(steps) < 1e-9, answer, {"largest_step": max(steps)})


def _rotated(setup: Protocol, key: int) -> Check:
    """The same task with other singular vectors: longer pretraining can raise the loss without any overshoot."""
    rise = {}
    for angle in (0.3, 1.0, 2.0):
        fine_tuning = FineTuning(RotatedTeacher(angle), GradientFlow(1e-9))
        after = respond(replace(setup, strengths=(3.0,), perturbation=fine_tuning), key).after.values.ravel()
        rise[f"angle {angle:g}"] = float(after[-1] - after.min())
    listed = ", ".join(f"{value:.3f} at {name}" for name, value in rise.items())
    answer = f"on a rotated task of the same size, T = 3, the loss rises from its best length to the end by {listed}"
    return map_limit("singular vectors that are not shared", answer, rise)
