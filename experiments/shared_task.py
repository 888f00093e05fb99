"""shared-task (D2, D3): fine-tuning on the teacher's own singular vectors: when does longer pretraining hurt?

Measured by gradient flow: one feature fine-tuned on less, none, the reverse and more of itself, all along its stage.
Prediction: the rise of the pretraining loss, never monotone inside the stage (D3); the pretraining loss after tuning
only falls with length unless the task overshoots the teacher, and then turns at a length known exactly; the downstream
loss turns where the feature passes the task (D2). Where it ends: a task turned away from the teacher.
"""

from collections.abc import Callable
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

TARGETS = (0.0, 0.5, -0.5, 2.0)
OVERSHOOTS = ((2.0, 0.2), (1.5, 0.5), (1.1, 1.0))  # σ', T
BUDGET, EPSILON = 0.1, 1e-3


def protocol(preset: Preset) -> Protocol:
    """One feature in a 3→2→4 network, from before its stage to after it."""
    return Protocol(
        Spectrum((1.0,)),
        lengths=np.linspace(1.0, 9.0, 17 if preset == "quick" else 81),
        strengths=(BUDGET,),
        network=Network(d_in=3, h=2, d_out=4),
        start=Aligned(EPSILON),
        pretraining=GradientFlow(1e-9),
        perturbation=FineTuning(SharedVectors((TARGETS[0],)), GradientFlow(1e-9)),
    )


def run(preset: Preset, key: int) -> Outcome:
    """The rise inside the stage, the turns, the monotone falls, and a turned task."""
    setup = protocol(preset)
    seen = [respond(_tuned(setup, target, BUDGET), key + i) for i, target in enumerate(TARGETS)]
    s = follow(setup).singular_value.values[:, 0]
    predicted = [forgetting_cost(BUDGET, s, 1.0, target) for target in TARGETS]
    rises = [one.sensitivity.values.ravel() for one in seen]
    checks = (
        judge_bound(
            "rise of the pretraining loss in the stage (D3)", predicted, rises, 1e-6, "the integrator's tolerance"
        ),
        _trap(s, rises[0]),
        _turns(setup, key),
        _falls(seen),
        _turned_away(setup, key),
    )
    return Outcome(checks, {"theory": predict(setup), "measured": seen[0]})


def _tuned(setup: Protocol, target: float, budget: float) -> Protocol:
    return replace(setup, strengths=(budget,), perturbation=FineTuning(SharedVectors((target,)), GradientFlow(1e-9)))


def _trap(s: np.ndarray, rise: np.ndarray) -> Check:
    top = int(rise.argmax())
    answer = f"forgetting the feature costs {rise[top]:.4f} at s = {s[top]:.2f}, and {rise[-1]:.4f} at s = {s[-1]:.4f}"
    numbers = {"largest": float(rise[top]), "at": float(s[top]), "learned": float(rise[-1])}
    return Check(
        "a trap inside the stage (D3)", bool(0 < top < rise.size - 1 and rise[top] > 1.5 * rise[-1]), answer, numbers
    )


def _turns(setup: Protocol, key: int) -> Check:
    """Lengths where a loss of one mode vanishes, between falling and rising."""
    predicted, measured = [], []
    for target, budget in OVERSHOOTS:
        predicted.append(float(overshoot_length(budget, 1.0, target, EPSILON)))
        at = lambda near, given=(target, budget): respond(_tuned(near, *given), key).after
        measured.append(_zero(setup, predicted[-1], at))
    # downstream at budget 0, or any other: where pretraining passes the task
    predicted.append(float(deep_mode.time_to_reach(0.5, 1.0, EPSILON, 2)))
    measured.append(_zero(setup, predicted[-1], lambda near: respond(_tuned(near, 0.5, 0.2), key).downstream_after))
    return judge_bound(
        "where the losses after tuning turn (D2)", predicted, measured, 2e-3, "a line through ±1% around it"
    )


def _zero(setup: Protocol, time: float, loss: Callable[[Protocol], xr.DataArray]) -> float:
    around = time * np.linspace(0.99, 1.01, len(setup.lengths))
    before, after = np.sqrt(loss(replace(setup, lengths=around)).values.ravel()[[0, -1]])  # |σ − x| on both sides of 0
    return float(around[0] + (around[-1] - around[0]) * before / (before + after))


def _falls(seen: list[xr.Dataset]) -> Check:
    steps = [float(np.diff(one.after.values.ravel()).max()) for one in seen[:3]]
    listed = ", ".join(f"{step:.2g} at σ' = {target:g}" for step, target in zip(steps, TARGETS, strict=False))
    answer = f"largest step of the pretraining loss after tuning, from length to length: {listed}"
    return Check("without overshoot longer only helps (D2)", max(steps) < 1e-9, answer, {"largest_step": max(steps)})


def _turned_away(setup: Protocol, key: int) -> Check:
    """The same task in other singular vectors: pretraining longer can hurt without any overshoot."""
    found = {}
    for angle in (0.3, 1.0, 2.0):
        given = replace(setup, strengths=(3.0,), perturbation=FineTuning(RotatedTeacher(angle), GradientFlow(1e-9)))
        after = respond(given, key).after.values.ravel()
        found[f"angle {angle:g}"] = float(after[-1] - after.min())
    listed = ", ".join(f"{lost:.3f} at {name}" for name, lost in found.items())
    answer = (
        f"on a task of the teacher's own size in turned vectors, T = 3, the end is above the best length by {listed}"
    )
    return map_limit("singular vectors that are not shared", answer, found)
