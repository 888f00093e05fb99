"""D1: both losses after fine-tuning on any downstream task, a rotated one for instance, exactly, at every budget.

Fine-tuning is gradient flow on `½‖f − B‖²` from the pretrained weights for the time T. These are λ-balanced if the
start of pretraining was, so that A5 holds a second time; on a task with the teacher's singular vectors every mode
evolves by itself (A3, A4).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import instance
from overtraining.theory.checks import WeightMatrix, check_teacher, check_tuned_mode
from overtraining.theory.learning import unbalanced_mode
from overtraining.theory.learning.matrix_modes import Modes
from overtraining.theory.learning.matrix_solution import MatrixFlow, MatrixStack, matrix_flow_from_modes


@dataclass(frozen=True)
class FineTuned:
    """A network after fine-tuning, at every budget.

    unlearned: `A − f`, the unlearned part of the pretraining teacher.  flow: the fine-tuning itself, whose `loss` is
    that of the downstream task and whose `never_learned` lists the singular values of B that these weights never reach.
    """

    unlearned: MatrixStack
    flow: MatrixFlow

    @cached_property
    def pretraining(self) -> Values:
        """`½‖f − A‖²`, the pretraining loss after fine-tuning, for whitened inputs."""
        return (self.unlearned**2).sum((-2, -1)) / 2

    @property
    def downstream(self) -> Values:
        """`½‖f − B‖²`, the downstream loss after fine-tuning."""
        return self.flow.loss


def fine_tune(budget: Numbers, pretrained: Modes, teacher: WeightMatrix, task: WeightMatrix) -> FineTuned:
    """Both losses after fine-tuning λ-balanced weights for a time T, `A − f(T) = (A − B) + (B − f(T))` (claim D1).

    It is computed in this form where f is nearer to B than to 0, and as `A − f(T)` elsewhere, whichever rounds less.

    budget: T >= 0, gradient-flow time (learning rate × steps), any shape.  pretrained: `modes_of(w1, w2)`, or the modes
    of an aligned path, `Modes(u, s, v)`.  teacher: A, `d_out × d_in`.  task: B, any matrix of that shape. Whitened
    inputs. How far the weights move is `distance_moved(budget, w1, w2, task)`.
    Raises ShapeError, DomainError and NotSolved as `matrix_flow_from_modes`.

    >>> A, B, at_end = np.diag([1.0, 0.5]), np.diag([0.5, 1.0]), Modes(np.eye(2), np.array([1.0, 0.5]), np.eye(2))
    >>> after = fine_tune([0.0, 0.2, 50.0], at_end, A, B)
    >>> after.pretraining.round(4).tolist(), after.downstream.round(4).tolist()
    ([0.0, 0.0166, 0.25], [0.25, 0.1406, 0.0])
    """
    instance("pretrained", pretrained, Modes)
    flow = matrix_flow_from_modes(budget, *pretrained[:3], task, pretrained.imbalance)
    teacher, task = (check_teacher(x, (pretrained.v.T, pretrained.u)) for x in (teacher, task))
    product = flow.product
    to_task, to_zero = ((x**2).sum((-2, -1), keepdims=True) for x in (flow.unlearned, product))
    unlearned = np.where(to_task < to_zero, (teacher - task) + flow.unlearned, teacher - product)  # D1
    return FineTuned(unlearned, flow)


def fine_tune_mode(budget: Numbers, s: Numbers, sigma_task: Numbers, imbalance: Numbers = 0.0) -> tuple[Values, Values]:
    """One mode after fine-tuning on a task with its singular vectors: its product and the unlearned part (D1, D2).

    `x = σ's/(s + (σ' − s)e^{−2σ'T})` at λ = 0, and `σ' − x`; with an imbalance A4's solution.

    budget: T >= 0, gradient-flow time.  s: the pretrained product >= 0.  sigma_task: σ' of the task, of either sign;
    where it is negative a balanced mode goes to 0 and σ' remains unlearned.  imbalance: λ of the mode. All broadcast.
    Raises DomainError outside the domain, ShapeError where arrays do not broadcast.

    >>> x, unlearned = fine_tune_mode(0.2, s=1.0, sigma_task=[0.5, -1.0])
    >>> x.round(4).tolist(), unlearned.round(4).tolist()
    ([0.8465, 0.5041], [-0.3465, -1.5041])
    """
    budget, s, sigma_task, imbalance = check_tuned_mode(budget, s, sigma_task, imbalance)
    sign = np.where(sigma_task < 0, -1.0, 1.0)  # the flow is the same where w2, σ' and s change their signs together
    x, unlearned = unbalanced_mode.learned_and_unlearned(budget, np.abs(sigma_task), sign * s, imbalance)
    return sign * x + 0.0, sign * unlearned + 0.0  # D1; + 0.0 turns −0.0 into 0.0


def mode_distance(budget: Numbers, s: Numbers, sigma_task: Numbers, imbalance: Numbers = 0.0) -> Values:
    """How far one mode's two weights move, `√(Δw₁² + Δw₂²)`: `√2|√x − √s|` at λ = 0 (claim D1).

    Arguments and errors as in `fine_tune_mode`. The squares of all modes add up to the square of `distance_moved`.

    >>> float(mode_distance(50.0, s=1.0, sigma_task=0.25))
    0.707106...
    """
    budget, s, sigma_task, imbalance = check_tuned_mode(budget, s, sigma_task, imbalance)
    sign = np.where(sigma_task < 0, -1.0, 1.0)
    return np.hypot(*unbalanced_mode.weights_moved(budget, np.abs(sigma_task), sign * s, imbalance))[()]  # D1
