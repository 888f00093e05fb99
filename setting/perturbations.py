"""Perturbations: what is done to the weights after pretraining, in units of the strength on the protocol's grid."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from overtraining.setting.arrays import Sequenced
from overtraining.setting.domain import freeze, nonnegative, one_nonnegative, one_of, whole
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.tasks import Task
from overtraining.setting.training import GradientDescent, GradientFlow, Pretraining

Law = Literal["gaussian", "uniform", "sign"]
Convention = Literal["absolute", "initialization", "relative", "multiplicative"]
Granularity = Literal["tensor", "row"]


@dataclass(frozen=True)
class Noise:
    """Independent zero-mean noise on every weight: layer l gets the standard deviation `strength · scales[l] · unit_l`.

    law: "gaussian", "uniform", or "sign" (± the standard deviation with equal chance), all of that same deviation.
    convention: the unit. "absolute": 1. "initialization": the layer's root mean square entry at the start (the source
    paper's choice). "relative": its root mean square entry now, `‖W_l‖_F/√size`. "multiplicative": each weight's own
    size.
    scales: one per layer, first layer first; empty for 1 everywhere. Biases stay as they are.
    """

    scales: Sequenced = ()
    law: str = "gaussian"
    convention: str = "absolute"

    def __post_init__(self) -> None:
        scales = nonnegative("scales", self.scales)
        if scales.ndim != 1:
            raise ShapeError(f"scales of shape {scales.shape}", "there is one per layer", "pass a list of numbers")
        freeze(self, scales=scales)
        one_of("law", self.law, Law)
        one_of("convention", self.convention, Convention)

    def per_layer(self, depth: int) -> tuple[float, ...]:
        """The scales of `depth` layers.

        >>> Noise().per_layer(3)
        (1.0, 1.0, 1.0)
        """
        return tuple(self.scales) or (1.0,) * depth


@dataclass(frozen=True)
class Quantization:
    """Round every weight to the nearest multiple of a step.

    per: "tensor" or "row": the step is `strength` × the largest absolute weight of the layer or of its row (absmax), so
    that b bits are the strength `1 / (2^{b−1} − 1)`, see `bits`; None: the step is the strength itself.
    """

    per: str | None = "tensor"

    def __post_init__(self) -> None:
        if self.per is not None:
            one_of("per", self.per, Granularity)


@dataclass(frozen=True)
class Pruning:
    """Set the smallest weights to 0: the share `strength` of every layer ("tensor") or of every row of it ("row")."""

    per: str = "tensor"

    def __post_init__(self) -> None:
        one_of("per", self.per, Granularity)


@dataclass(frozen=True)
class FineTuning:
    """Train on a downstream task for the gradient-flow time `strength` (learning rate × steps).

    task: what is learned; whitened inputs, the whole population, unless `training` asks for batches.
    training: gradient flow, or steps of an optimizer with a schedule. Its weight decay pulls toward 0.
    anchor: coefficient λ of `(λ/2)‖θ − θ_pre‖²`, L2 toward the pretrained weights.
    replay_share: share ρ of the pretraining loss in what is minimized, `(1 − ρ)L_ft + ρL_pre`, 0 <= ρ < 1.
    rank: fine-tune only a low-rank update of every layer, `W_l + B_l A_l` with so many columns of B_l; None for all
    weights.
    label_noise: standard deviation of noise on the downstream labels, for training in batches.
    """

    task: Task
    training: Pretraining = field(default_factory=GradientFlow)
    anchor: float = 0.0
    replay_share: float = 0.0
    rank: int | None = None
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.task, get_args(Task)):
            raise DomainError(
                f"task = {self.task!r}", "it is no task", "pass SharedVectors, RotatedTeacher, or a teacher"
            )
        if not isinstance(self.training, GradientFlow | GradientDescent):
            raise DomainError(f"training = {self.training!r}", "it is none that is known", "pass GradientFlow(…)")
        freeze(
            self,
            anchor=one_nonnegative("anchor", self.anchor),
            replay_share=one_nonnegative("replay_share", self.replay_share),
        )
        freeze(self, label_noise=one_nonnegative("label_noise", self.label_noise))
        if self.replay_share >= 1:
            raise DomainError(
                f"replay_share = {self.replay_share}", "all of it would be pretraining", "pass a share below 1"
            )
        if self.rank is not None:
            freeze(self, rank=whole("rank", self.rank))


Perturbation = Noise | Quantization | Pruning | FineTuning


def bits(number: int) -> float:
    """The strength of absmax quantization to `number` bits: `1 / (2^{b−1} − 1)`, symmetric around 0.

    >>> bits(4)
    0.14285714285714285
    """
    return 1 / (2 ** (whole("number", number, least=2) - 1) - 1)
