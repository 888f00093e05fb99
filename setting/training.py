"""Training: gradient flow, or steps of an optimizer with a schedule. A length is learning rate × number of steps.

A bad learning rate, momentum or schedule is refused here.
"""

from dataclasses import dataclass
from typing import Literal

from overtraining.setting.domain import check_fields, one_nonnegative, one_positive, whole
from overtraining.setting.errors import DomainError
from overtraining.setting.near_names import NamedFields

Optimizer = Literal["sgd", "momentum", "adam", "adamw"]
Schedule = Literal["constant", "cosine", "warmup-stable-decay"]
Horizon = Literal["last", "each"]


@dataclass(frozen=True)
class GradientFlow(NamedFields):
    """Training in continuous time, `θ̇ = −∇(L + (weight_decay/2)‖θ‖²)`.

    rtol: relative tolerance of a simulation's integration; theory is exact.
    weight_decay: coefficient μ of `(μ/2)‖θ‖²` in the loss.
    """

    rtol: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self, rtol=one_positive, weight_decay=one_nonnegative)


@dataclass(frozen=True)
class GradientDescent(NamedFields):
    """Pretraining by steps; a length t is reached after `t / learning_rate` steps, whatever the schedule is.

    learning_rate: the peak rate, where the schedule has one.
    batch: examples per step, drawn anew from the inputs; None for the gradient of the loss over all inputs.
    optimizer: "sgd" and "momentum" (heavy ball, `momentum`), "adam", "adamw" (both with optax's defaults).
    momentum: of "momentum" alone.
    weight_decay: coefficient μ of `(μ/2)‖θ‖²` in the loss; for "adamw" decoupled from the gradient.
    schedule: "constant"; "cosine" to 0; "warmup-stable-decay": linear up over the first `warmup_share` of the
    steps, then constant, then linear down to 0 over the last `decay_share` of them.
    warmup_share: part of the steps over which the rate rises.
    decay_share: part of the steps over which it falls, with "warmup-stable-decay" alone.
    horizon: where a schedule ends. "last": all lengths are checkpoints of one run, which ends at the last length.
    "each": every length is the end of a run of its own, as for annealed checkpoints.
    """

    learning_rate: float = 1e-2
    batch: int | None = None
    optimizer: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup_share: float = 0.0
    decay_share: float = 0.2
    horizon: str = "last"

    def __post_init__(self) -> None:
        check_fields(
            self,
            learning_rate=one_positive,
            optimizer=Optimizer,
            momentum=one_nonnegative,
            weight_decay=one_nonnegative,
            schedule=Schedule,
            warmup_share=one_nonnegative,
            decay_share=one_nonnegative,
            horizon=Horizon,
        )
        if self.batch is not None:
            check_fields(self, batch=whole)
        if self.momentum >= 1:
            raise DomainError(f"momentum = {self.momentum}", "the steps would grow forever", "pass 0 <= momentum < 1")
        if self.warmup_share >= 1:
            share = f"warmup_share = {self.warmup_share}"
            raise DomainError(share, "the run would end in its warmup", "pass 0 <= warmup_share < 1")
        if self.warmup_share + self.decay_share > 1:
            shares = f"warmup_share + decay_share = {self.warmup_share + self.decay_share}"
            raise DomainError(shares, "they are shares of one run", "let their sum be at most 1")


Pretraining = GradientFlow | GradientDescent
