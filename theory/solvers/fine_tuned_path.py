"""D1 on a protocol: both losses after fine-tuning, from all that the theory knows of the pretrained network."""

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Values
from overtraining.setting.errors import NoFormula
from overtraining.setting.inputs import input_covariance
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Protocol
from overtraining.setting.tasks import SharedVectors, task_matrix
from overtraining.setting.teachers import singular_values, teacher_matrix
from overtraining.setting.training import GradientFlow
from overtraining.theory.fine_tuning.tuned_flow import fine_tune, fine_tune_mode
from overtraining.theory.products import refuse_overflow
from overtraining.theory.solvers.paths import Path
from overtraining.theory.solvers.solutions import MEASURE

Lost = Float[np.ndarray, " lost"]


def only_flow(how: FineTuning) -> None:
    """Refuse, by NoFormula, fine-tuning by anything else than gradient flow on all weights and the task alone."""
    plain = isinstance(how.training, GradientFlow)
    for applies, what, why, instead in (
        (not plain, how.training, "formulas are for continuous time", "use training=GradientFlow()"),
        (how.training.weight_decay > 0, how.training, "no formula has decay in fine-tuning", "use weight_decay=0"),
        (how.anchor > 0, f"anchor = {how.anchor:g}", "what it pulls toward is no balanced flow's", "use anchor=0"),
        (how.replay_share > 0, f"replay_share = {how.replay_share:g}",
         "it is fine-tuning on another task, for another time",
         "mix the two teachers into one Matrix, and use replay_share=0"),
        (how.rank is not None, f"rank = {how.rank}", "low-rank updates are no balanced flow", "use rank=None"),
    ):  # fmt: skip
        if applies:
            raise NoFormula(str(what), why, f"{instead}, or {MEASURE}")


def losses(protocol: Protocol, how: FineTuning, path: Path) -> tuple[dict[str, Values], Lost]:
    """`before` and `after`, pretraining and downstream, and the task's singular values that are never learned.

    A task that shares the teacher's singular vectors in modes, where the start has them too; any other as a whole.
    Raises NoFormula where no solution knows the weights.
    """
    if path.apart is not None and isinstance(how.task, SharedVectors):
        return _in_modes(protocol, how.task, path, path.apart)
    return _as_a_whole(protocol, how, path)


def _in_modes(protocol: Protocol, task: SharedVectors, path: Path, s: np.ndarray) -> tuple[dict[str, Values], Lost]:
    m, full = s.shape[1], min(protocol.network.d_in, protocol.network.d_out)
    sigma, target = (_padded(x, full) for x in (singular_values(protocol.teacher), np.array(task.values)))
    xi, start = protocol.inputs.variances(protocol.network.d_in)[:full], protocol.start
    budget = np.append(0.0, protocol.strengths)[:, None]
    lam = getattr(start, "imbalance", 0.0)
    x, left = fine_tune_mode(budget, s[:, None], target[:m], lam)
    missed = refuse_overflow("the loss", lambda: (xi[m:] @ sigma[m:] ** 2, target[m:] @ target[m:]))
    after = ((sigma[:m] - x) ** 2 @ xi[:m] + missed[0]) / 2
    downstream = ((left**2).sum(axis=-1) + missed[1]) / 2
    lost = np.append(np.abs(target[:m])[(target[:m] < 0) & (lam == 0)], np.abs(target[m:]))
    return _named(path, after, downstream), np.sort(lost[lost > 0])[::-1]


def _as_a_whole(protocol: Protocol, how: FineTuning, path: Path) -> tuple[dict[str, Values], Lost]:
    if path.modes is None:
        raise NoFormula(
            f"fine-tuning of {protocol.network!r} from {protocol.start!r}",
            "only two layers, with a mode for each hidden unit if they are imbalanced, have a formula for it",
            f"use depth=2 and h = the number of modes, or imbalance=0, or {MEASURE}",
        )
    n, budget = protocol.network, np.append(0.0, protocol.strengths)
    teacher = refuse_overflow("the teacher", lambda: teacher_matrix(protocol.teacher, n.d_out, n.d_in))
    task = refuse_overflow("the task", lambda: task_matrix(how.task, protocol.teacher, n.d_out, n.d_in))
    covariance = refuse_overflow("Σx", lambda: input_covariance(protocol.inputs, protocol.teacher, n.d_out, n.d_in))
    after, downstream, lost = [], [], np.zeros(0)
    for modes in path.modes():
        tuned = fine_tune(budget, modes, teacher, task)
        after.append(np.einsum("tij,tij->t", tuned.unlearned @ covariance, tuned.unlearned) / 2)
        downstream.append(tuned.downstream)
        lost = max(lost, tuned.flow.never_learned, key=np.size)
    return _named(path, np.array(after), np.array(downstream)), lost


def _named(path: Path, after: np.ndarray, downstream: np.ndarray) -> dict[str, Values]:
    return {
        "before": path.loss,
        "after": after[:, 1:],
        "downstream_before": downstream[:, 0],
        "downstream_after": downstream[:, 1:],
    }


def _padded(x: np.ndarray, size: int) -> np.ndarray:
    return np.pad(x, (0, size - x.size))
