"""D1 on a protocol: both losses after fine-tuning, from the path of the pretrained network."""

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Values
from overtraining.setting.errors import NoFormula
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.resolved import ResolvedProtocol
from overtraining.setting.tasks import SharedVectors
from overtraining.setting.training import GradientFlow
from overtraining.theory.fine_tuning.tuned_flow import fine_tune, fine_tune_mode
from overtraining.theory.products import refuse_overflow
from overtraining.theory.solvers.paths import Path
from overtraining.theory.solvers.solutions import MEASURE

NeverLearned = Float[np.ndarray, " lost"]


def check_plain_flow(tuning: FineTuning) -> None:
    """Refuse, by NoFormula, fine-tuning other than gradient flow on all weights and on the task's loss alone."""
    flow = isinstance(tuning.training, GradientFlow)
    replay = f"replay_share = {tuning.replay_share:g}"
    for applies, refused, why, instead in (
        (not flow, tuning.training, "formulas are for continuous time", "use training=GradientFlow()"),
        (tuning.training.weight_decay > 0, tuning.training, "no formula has weight decay in fine-tuning",
         "use weight_decay=0"),
        (tuning.anchor > 0, f"anchor = {tuning.anchor:g}", "the flow with an anchor is not balanced", "use anchor=0"),
        (tuning.replay_share > 0, replay, "it is fine-tuning on another task, for another time",
         "mix the two teachers into one Matrix, and use replay_share=0"),
        (tuning.rank is not None, f"rank = {tuning.rank}", "low-rank updates are not a balanced flow", "use rank=None"),
    ):  # fmt: skip
        if applies:
            raise NoFormula(str(refused), why, f"{instead}, or {MEASURE}")


def losses(resolved: ResolvedProtocol, tuning: FineTuning, path: Path) -> tuple[dict[str, Values], NeverLearned]:
    """`before` and `after`, pretraining and downstream, and the task's singular values that are never learned.

    A task with the teacher's singular vectors is solved mode by mode, if the start has these vectors too; any other
    task by the matrix solution. Raises NoFormula if no solution gives the pretrained weights.
    """
    if path.mode_products is not None and isinstance(tuning.task, SharedVectors):
        return _by_modes(resolved, tuning.task, path, path.mode_products)
    return _by_matrices(resolved, path)


def _by_modes(
    resolved: ResolvedProtocol, task: SharedVectors, path: Path, s: np.ndarray
) -> tuple[dict[str, Values], NeverLearned]:
    m = s.shape[1]
    every_mode = min(resolved.protocol.network.d_in, resolved.protocol.network.d_out)
    sigma, sigma_task = (_padded(x, every_mode) for x in (resolved.sigma, np.array(task.values)))
    xi = resolved.variances[:every_mode]
    budgets = np.append(0.0, resolved.protocol.strengths)[:, None]
    imbalance = getattr(resolved.protocol.start, "imbalance", 0.0)
    x, unlearned = fine_tune_mode(budgets, s[:, None], sigma_task[:m], imbalance)
    missed = refuse_overflow("the loss", lambda: xi[m:] @ sigma[m:] ** 2)
    missed_task = refuse_overflow("the downstream loss", lambda: sigma_task[m:] @ sigma_task[m:])
    after = ((sigma[:m] - x) ** 2 @ xi[:m] + missed) / 2
    downstream = ((unlearned**2).sum(axis=-1) + missed_task) / 2
    dying = (sigma_task[:m] < 0) & (imbalance == 0)
    never_learned = np.append(np.abs(sigma_task[:m])[dying], np.abs(sigma_task[m:]))
    return _named(path, after, downstream), np.sort(never_learned[never_learned > 0])[::-1]


def _by_matrices(resolved: ResolvedProtocol, path: Path) -> tuple[dict[str, Values], NeverLearned]:
    if path.modes is None:
        raise NoFormula(
            f"fine-tuning of {resolved.protocol.network!r} from {resolved.protocol.start!r}",
            "only two layers, with a mode for each hidden unit if they are imbalanced, have a formula for it",
            f"use depth=2 and h = the number of modes, or imbalance=0, or {MEASURE}",
        )
    budgets = np.append(0.0, resolved.protocol.strengths)
    teacher = refuse_overflow("the teacher", lambda: resolved.teacher)
    task = refuse_overflow("the task", lambda: resolved.task)
    input_covariance = refuse_overflow("Σx", lambda: resolved.input_covariance)
    after, downstream, never_learned = [], [], np.zeros(0)
    for modes in path.modes():
        tuned = fine_tune(budgets, modes, teacher, task)
        after.append(np.einsum("tij,tij->t", tuned.unlearned @ input_covariance, tuned.unlearned) / 2)
        downstream.append(tuned.downstream)
        never_learned = max(never_learned, tuned.flow.never_learned, key=np.size)
    return _named(path, np.array(after), np.array(downstream)), never_learned


def _named(path: Path, after: np.ndarray, downstream: np.ndarray) -> dict[str, Values]:
    return {
        "before": path.loss,
        "after": after[:, 1:],
        "downstream_before": downstream[:, 0],
        "downstream_after": downstream[:, 1:],
    }


def _padded(x: np.ndarray, size: int) -> np.ndarray:
    return np.pad(x, (0, size - x.size))
