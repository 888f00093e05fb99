"""Pretraining: the weights at every requested length, by gradient flow or by steps of an optimizer."""

from dataclasses import replace

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from overtraining.setting.arrays import Sequenced
from overtraining.setting.errors import DomainError
from overtraining.setting.training import GradientDescent, GradientFlow, Pretraining
from overtraining.simulations.data import LossAt
from overtraining.simulations.networks import Layers
from overtraining.simulations.optimizers import optimizer

MOST_STEPS = 200_000  # of the integrator

TrainingNumbers = dict[str, Array]


def train_layers(
    start: Layers, loss: LossAt, how: Pretraining, lengths: Float[Array, " length"], numbers: TrainingNumbers
) -> tuple[Layers, Bool[Array, ""]]:
    """Checkpoints at `lengths`, stacked along a leading axis, and whether all went well.

    numbers: those of `how` that may be traced, see `traced_numbers`.
    Gradient flow is integrated by Tsit5 with a relative tolerance; it fails beyond 200,000 steps. Steps of an optimizer
    fail where a weight overflows.
    """
    if isinstance(how, GradientFlow):
        return _flow(start, loss, lengths, **numbers)
    return _descend(start, loss, how, numbers)


def traced_numbers(how: Pretraining, lengths: Sequenced, called: str = "length") -> TrainingNumbers:
    """The numbers of a pretraining that need no compilation of their own; for steps, how many reach every length.

    called: what a length is, for the refusal of one that no whole number of steps reaches.
    """
    if isinstance(how, GradientFlow):
        return {"rtol": jnp.asarray(how.rtol), "weight_decay": jnp.asarray(how.weight_decay)}
    return {
        "learning_rate": jnp.asarray(how.learning_rate),
        "momentum": jnp.asarray(how.momentum),
        "weight_decay": jnp.asarray(how.weight_decay),
        "steps": jnp.asarray(_whole_steps(np.array(lengths), how.learning_rate, called)),
    }


def compiled_training(how: Pretraining) -> Pretraining:
    """The pretraining with its traced numbers forgotten."""
    if isinstance(how, GradientFlow):
        return GradientFlow()
    return replace(how, learning_rate=1.0, momentum=0.0, weight_decay=0.0)


def _whole_steps(lengths: np.ndarray, learning_rate: float, called: str) -> Int[np.ndarray, " length"]:
    steps = np.rint(lengths / learning_rate)
    # 1e-6 of a step: the rounding of t / η for grids written in decimals; more is a length that is never reached
    if (off := np.abs(lengths / learning_rate - steps)).max() > 1e-6:
        t = lengths[int(off.argmax())]
        raise DomainError(f"{called} {t:g}", f"not a multiple of the step {learning_rate:g}", f"round the {called}s")
    return steps.astype(int)


def _flow(start: Layers, loss: LossAt, times: Array, rtol: Array, weight_decay: Array) -> tuple[Layers, Array]:
    weights = [layer.weight for layer in start]
    # The weights grow from the size of the start: an absolute tolerance must be small against that, not against 1.
    size = jnp.sqrt(sum(jnp.sum(w**2) for w in weights) / sum(w.size for w in weights))
    slope = jax.grad(lambda layers: loss(layers, jnp.zeros((), int)))
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, layers, _: jax.tree.map(lambda g, w: -(g + weight_decay * w), slope(layers), layers)),
        diffrax.Tsit5(),
        t0=0.0,
        t1=times[-1],
        dt0=None,
        y0=start,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=1e-3 * rtol * size),
        max_steps=MOST_STEPS,
        throw=False,
    )
    return solution.ys, (solution.result == diffrax.RESULTS.successful) & _finite(solution.ys)


def _descend(start: Layers, loss: LossAt, how: GradientDescent, numbers: TrainingNumbers) -> tuple[Layers, Array]:
    ends = numbers["steps"]
    if how.horizon == "last" or how.schedule == "constant":  # a constant rate has no horizon
        checkpoints = _run(start, loss, how, numbers, ends)
    else:
        each = lambda end: jax.tree.map(lambda w: w[0], _run(start, loss, how, numbers, end[None]))
        checkpoints = jax.lax.map(each, ends)
    return checkpoints, _finite(checkpoints)


def _run(
    start: Layers, loss: LossAt, how: GradientDescent, numbers: TrainingNumbers, ends: Int[Array, " length"]
) -> Layers:
    """Checkpoints of one run after `ends` steps, the last of which is its horizon."""
    update = optimizer(how, numbers, ends[-1])
    slope = jax.grad(loss)

    def step(number: Array, state: tuple[Layers, optax.OptState]) -> tuple[Layers, optax.OptState]:
        layers, memory = state
        # one gradient of all layers, then one update of all: W2 must not see the new W1
        slopes = slope(layers, number)
        with jax.numpy_dtype_promotion("standard"):  # optax's Adam raises a float to the power of a whole number
            updates, memory = update.update(slopes, memory, layers)
        return optax.apply_updates(layers, updates), memory

    def checkpoint(state, between):  # type: ignore[no-untyped-def]
        state = jax.lax.fori_loop(*between, step, state)
        return state, state[0]

    begins = jnp.concatenate([jnp.zeros(1, ends.dtype), ends[:-1]])
    return jax.lax.scan(checkpoint, (start, update.init(start)), (begins, ends))[1]


def _finite(tree: Layers) -> Array:
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()
