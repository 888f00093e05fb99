"""Optimizers and schedules: those of optax, in the words of a protocol."""

from collections.abc import Callable

import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from overtraining.setting.training import GradientDescent

Rate = Array | Callable[[Array], Array]


def optimizer(how: GradientDescent, numbers: dict[str, Array], total: Int[Array, ""]) -> optax.GradientTransformation:
    """The steps of a run of `total` steps; `numbers` holds learning rate, momentum and weight decay.

    Weight decay μ is that of `(μ/2)‖θ‖²`, of all parameters: added to the gradient before all else, but for "adamw",
    which subtracts `rate · μ θ` beside it.
    """
    rate, decay = _rate(how, numbers["learning_rate"], total), numbers["weight_decay"]
    match how.optimizer:
        case "sgd":
            steps = optax.sgd(rate)
        case "momentum":
            steps = optax.sgd(rate, momentum=numbers["momentum"])
        case "adam":
            steps = optax.adam(rate)
        case _:
            return optax.adamw(rate, weight_decay=decay)
    return optax.chain(optax.add_decayed_weights(decay), steps)


def schedule(how: GradientDescent) -> Callable[[Array], Array]:
    """The share of the peak rate at a share of the run, from 0 (the first step) to 1 (just after the last).

    >>> how = GradientDescent(schedule="warmup-stable-decay", warmup_share=0.1, decay_share=0.5)
    >>> float(schedule(how)(jnp.asarray(0.75)))
    0.5
    """
    # optax counts steps; a run of one "step", of which shares are counted, has a length that need not be compiled in
    match how.schedule:
        case "constant":
            return optax.schedules.constant_schedule(1.0)
        case "cosine":
            return optax.schedules.cosine_decay_schedule(1.0, 1)
        case _:
            rise = optax.schedules.linear_schedule(0.0, 1.0, how.warmup_share)
            fall = optax.schedules.linear_schedule(1.0, 0.0, how.decay_share)
            flat = optax.schedules.constant_schedule(1.0)
            return optax.schedules.join_schedules([rise, flat, fall], [how.warmup_share, 1 - how.decay_share])


def _rate(how: GradientDescent, peak: Array, total: Array) -> Rate:
    if how.schedule == "constant":
        return peak
    share = schedule(how)
    return lambda count: peak * share(count.astype(float) / jnp.maximum(total, 1).astype(float))
