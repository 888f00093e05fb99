"""Pretraining: gradient flow, or steps of an optimizer under a schedule. A length is learning rate × steps."""

from dataclasses import dataclass
from typing import Literal

from overtraining.setting.domain import freeze, one_nonnegative, one_of, one_positive, whole
from overtraining.setting.errors import DomainError

Optimizer = Literal["sgd", "momentum", "adam", "adamw"]
Schedule = Literal["constant", "cosine", "warmup-stable-decay"]
Horizon = Literal["last", "each"]


@dataclass(frozen=True)
class GradientFlow:
    """Pretraining by `θ̇ = −∇(L + (weight_decay/2)‖θ‖²)`; `rtol` is a simulation's tolerance, theory is exact."""

    rtol: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        freeze(
            self, rtol=one_positive("rtol", self.rtol), weight_decay=one_nonnegative("weight_decay", self.weight_decay)
        )


@dataclass(frozen=True)
class GradientDescent:
    """Pretraining by steps; a length t is reached after `t / learning_rate` steps, whatever the schedule.

    learning_rate: the peak rate, where the schedule has one.
    batch: examples per step, drawn anew from the inputs; None for the gradient of the whole loss.
    optimizer: "sgd" and "momentum" (heavy ball, `momentum`), "adam", "adamw" (both with optax's defaults).
    weight_decay: coefficient μ of `(μ/2)‖θ‖²` in the loss; for "adamw" decoupled from the gradient.
    schedule: "constant"; "cosine" to 0; "warmup-stable-decay": linear up over the first `warmup_share` of the
    steps, constant, linear down to 0 over the last `decay_share` of them.
    horizon: where a schedule ends. "last": one run, whose last length is the end; "each": every length is the end of a
    run of its own, as for annealed checkpoints.
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
        freeze(self, learning_rate=one_positive("learning_rate", self.learning_rate))
        if self.batch is not None:
            freeze(self, batch=whole("batch", self.batch))
        freeze(self, weight_decay=one_nonnegative("weight_decay", self.weight_decay))
        for name in ("momentum", "warmup_share", "decay_share"):
            share = one_nonnegative(name, getattr(self, name))
            if share >= 1 and not (name == "decay_share" and share == 1):
                raise DomainError(f"{name} = {share}", "it is a share of 1", f"pass 0 <= {name} < 1")
            freeze(self, **{name: share})
        if self.warmup_share + self.decay_share > 1:
            raise DomainError(
                f"warmup_share + decay_share = {self.warmup_share + self.decay_share}",
                "together they are longer than the run",
                "shorten one",
            )
        one_of("optimizer", self.optimizer, Optimizer)
        one_of("schedule", self.schedule, Schedule)
        one_of("horizon", self.horizon, Horizon)


Pretraining = GradientFlow | GradientDescent
