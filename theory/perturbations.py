"""Perturbations: what is done to the weights after pretraining, in units of the strength on the protocol's grid."""

from dataclasses import dataclass
from typing import Literal

from theory.arrays import Sequenced
from theory.domain import nonnegative, settle, whole
from theory.errors import ShapeError
from theory.training import one_of

Law = Literal["gaussian", "uniform", "sign"]
Convention = Literal["absolute", "initialization", "relative", "multiplicative"]
Share = Literal["tensor", "row"]


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
        settle(self, scales=scales)
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
            one_of("per", self.per, Share)


@dataclass(frozen=True)
class Pruning:
    """Set the smallest weights to 0: the share `strength` of every layer ("tensor") or of every row of it ("row")."""

    per: str = "tensor"

    def __post_init__(self) -> None:
        one_of("per", self.per, Share)


Perturbation = Noise | Quantization | Pruning


def bits(number: int) -> float:
    """The strength of absmax quantization to `number` bits: `1 / (2^{b−1} − 1)`, symmetric around 0.

    >>> bits(4)
    0.14285714285714285
    """
    return 1 / (2 ** (whole("number", number, least=2) - 1) - 1)
