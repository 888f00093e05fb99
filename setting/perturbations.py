"""Perturbations: noise, rounding, pruning or fine-tuning of pretrained weights, at the strengths of the protocol."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from overtraining.setting.arrays import Sequenced
from overtraining.setting.domain import check_fields, freeze, nonnegative_list, one_nonnegative, one_of, whole
from overtraining.setting.errors import DomainError
from overtraining.setting.near_names import NamedFields
from overtraining.setting.tasks import Task
from overtraining.setting.teachers import teacher
from overtraining.setting.training import GradientDescent, GradientFlow, Pretraining

Law = Literal["gaussian", "uniform", "sign"]
Convention = Literal["absolute", "initialization", "relative", "multiplicative"]
Granularity = Literal["tensor", "row"]
Rounding = Literal["nearest", "dithered"]


@dataclass(frozen=True)
class Noise(NamedFields):
    """Independent zero-mean noise on every weight: layer l gets the standard deviation `strength · scales[l] · unit_l`.

    law: "gaussian", "uniform", or "sign" (± the standard deviation with equal probability); all three have this same
    standard deviation.
    convention: the unit. "absolute": 1. "initialization": the layer's root mean square entry at the start (by secondary
    sources, the source paper's choice). "relative": its present root mean square entry, `‖W_l‖_F/√size`.
    "multiplicative": the absolute value of each weight.
    scales: one per layer, first layer first; empty for 1 everywhere.

    Biases stay as they are.
    """

    scales: Sequenced = ()
    law: str = "gaussian"
    convention: str = "absolute"

    def __post_init__(self) -> None:
        check_fields(self, scales=nonnegative_list, law=Law, convention=Convention)

    def per_layer(self, depth: int) -> tuple[float, ...]:
        """The scales of `depth` layers.

        >>> Noise().per_layer(3)
        (1.0, 1.0, 1.0)
        """
        return tuple(self.scales) or (1.0,) * depth


@dataclass(frozen=True)
class Quantization(NamedFields):
    """Round every weight to a multiple of a step.

    per: with "tensor" or "row" the step is `strength` × the largest absolute weight of the layer or of the row
    (absmax), so that b bits are the strength `1 / (2^{b−1} − 1)`, see `bits`; with None the step is `strength`.
    rounding: "nearest" multiple; or "dithered", to the nearest after an offset was added that is subtracted again. The
    offset is random, uniform over one step and independent for every weight, so that the error is uniform over one step
    whatever the weight is: it has mean 0 and variance `step²/12` (claim B6q).
    """

    per: str | None = "tensor"
    rounding: str = "nearest"

    def __post_init__(self) -> None:
        check_fields(self, rounding=Rounding)
        if self.per is not None:
            one_of("per", self.per, Granularity)

    @property
    def dithered(self) -> bool:
        """Whether offsets are drawn; rounding to nearest draws nothing."""
        return self.rounding == "dithered"


@dataclass(frozen=True)
class Pruning(NamedFields):
    """Set the smallest weights to 0.

    per: the share `strength` of every layer ("tensor") or of each of its rows ("row").
    """

    per: str = "tensor"

    def __post_init__(self) -> None:
        check_fields(self, per=Granularity)


@dataclass(frozen=True)
class FineTuning(NamedFields):
    """Train on a downstream task for the gradient-flow time `strength` (learning rate × steps).

    task: SharedVectors, RotatedTeacher, or the teacher of the downstream task, which may also be anything that
    `setting.teacher` turns into one, such as a matrix. A spectrum has singular vectors of its own; the pretraining
    teacher's are asked for by SharedVectors. The inputs of the task are whitened, and its loss is over the whole
    population unless `training` has batches.
    training: gradient flow, or steps of an optimizer with a schedule. Its weight decay pulls toward 0.
    anchor: coefficient λ of `(λ/2)‖θ − θ_pre‖²`, the L2 pull toward the pretrained weights.
    replay_share: share ρ of the pretraining loss in the minimized loss, `(1 − ρ)L_ft + ρL_pre`, 0 <= ρ < 1.
    rank: number of columns of B_l in the low-rank update `W_l + B_l A_l` of every layer, if only that is trained; None
    trains all weights.
    label_noise: standard deviation of noise on the downstream labels, for training in batches.
    """

    task: Task
    training: Pretraining = GradientFlow()
    anchor: float = 0.0
    replay_share: float = 0.0
    rank: int | None = None
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.task, Sequence | Path) or hasattr(self.task, "__array__"):
            freeze(self, task=teacher(self.task))
        if not isinstance(self.task, get_args(Task)):
            raise DomainError(
                f"task = {self.task!r}", "it is not a task", "pass SharedVectors, RotatedTeacher or a teacher"
            )
        if not isinstance(self.training, GradientFlow | GradientDescent):
            known = "GradientFlow(…) or GradientDescent(…)"
            raise DomainError(f"training = {self.training!r}", "it is not a kind of training", f"pass {known}")
        check_fields(self, anchor=one_nonnegative, replay_share=one_nonnegative, label_noise=one_nonnegative)
        if self.replay_share >= 1:
            raise DomainError(
                f"replay_share = {self.replay_share}", "the task would have no part in the loss", "pass a share below 1"
            )
        if self.rank is not None:
            check_fields(self, rank=whole)


Perturbation = Noise | Quantization | Pruning | FineTuning


def bits(number: int) -> float:
    """The strength of absmax quantization to `number` bits: `1 / (2^{b−1} − 1)`, symmetric around 0.

    >>> bits(4)
    0.14285714285714285
    """
    return 1 / (2 ** (whole("number", number, least=2) - 1) - 1)
