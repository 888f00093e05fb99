"""Optimizers and learning-rate schedules of a protocol, built from those of optax."""

from collections.abc import Callable

import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from overtraining.setting.training import GradientDescent

LearningRate = Array | Callable[[Array], Array]


def optimizer(
    training: GradientDescent, numbers: dict[str, Array], total: Int[Array, ""]
) -> optax.GradientTransformation:
    """The optimizer of a run of `total` steps; `numbers` holds learning rate, momentum and weight decay.

    Weight decay μ is that of `(μ/2)‖θ‖²`, over all parameters: it is added to the gradient before all else, except for
    "adamw", which subtracts `rate · μ θ` separately.
    """
    rate, decay = _learning_rate(training, numbers["learning_rate"], total), numbers["weight_decay"]
    match training.optimizer:
        case "sgd":
            steps = optax.sgd(rate)
        case "momentum":
            steps = optax.sgd(rate, momentum=numbers["momentum"])
        case "adam":
            steps = optax.adam(rate)
        case _:
            return optax.adamw(rate, weight_decay=decay)
    return optax.chain(optax.add_decayed_weights(decay), steps)


def schedule(training: GradientDescent) -> Callable[[Array], Array]:
    """The learning rate over its peak at a share of the run, from 0 (the first step) to 1 (just after the last).

    >>> how = GradientDescent(schedule="warmup-stable-decay", warmup_share=0.1, decay_share=0.5)
    >>> float(schedule(how)(jnp.asarray(0.75)))
    0.5
    """
    # optax counts steps; a run of one "step", of which shares are counted, has a length that need not be compiled in
    match training.schedule:
        case "constant":
            return optax.schedules.constant_schedule(1.0)
        case "cosine":
            return optax.schedules.cosine_decay_schedule(1.0, 1)
        case _:
            rise = optax.schedules.linear_schedule(0.0, 1.0, training.warmup_share)
            fall = optax.schedules.linear_schedule(1.0, 0.0, training.decay_share)
            flat = optax.schedules.constant_schedule(1.0)
            return optax.schedules.join_schedules([rise, flat, fall], [training.warmup_share, 1 - training.decay_share])


def _learning_rate(training: GradientDescent, peak: Array, total: Array) -> LearningRate:
    if training.schedule == "constant":
        return peak
    over_peak = schedule(training)
    return lambda count: peak * over_peak(count.astype(float) / jnp.maximum(total, 1).astype(float))
