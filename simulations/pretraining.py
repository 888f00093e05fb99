"""Training: the weights at every requested length, by gradient flow or by steps of an optimizer."""

from dataclasses import replace
from typing import Any

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
"""The numbers of a training that vary without compiling again, by name; see `traced_numbers`."""


def train_layers(
    start: Layers, loss: LossAt, training: Pretraining, lengths: Float[Array, " length"], numbers: TrainingNumbers
) -> tuple[Layers, Bool[Array, ""]]:
    """Checkpoints at `lengths`, stacked along a leading axis, and whether training succeeded.

    numbers: the traced numbers of `training`, see `traced_numbers`.
    Gradient flow is integrated by Tsit5 with a relative tolerance; it fails beyond 200,000 steps. Steps of an optimizer
    fail where a weight overflows.
    """
    if isinstance(training, GradientFlow):
        return _flow(start, loss, lengths, **numbers)
    return _descend(start, loss, training, numbers)


def traced_numbers(training: Pretraining, lengths: Sequenced, length_name: str = "length") -> TrainingNumbers:
    """The numbers of a training that need no compilation of their own; for an optimizer also the steps to every length.

    length_name: the name of a length in the refusal of one that no whole number of steps reaches.

    >>> traced_numbers(GradientDescent(0.1), (0.0, 0.5))["steps"].tolist()
    [0, 5]
    """
    if isinstance(training, GradientFlow):
        return {"rtol": jax.device_put(training.rtol), "weight_decay": jax.device_put(training.weight_decay)}
    return {
        "learning_rate": jax.device_put(training.learning_rate),
        "momentum": jax.device_put(training.momentum),
        "weight_decay": jax.device_put(training.weight_decay),
        "steps": jax.device_put(_whole_steps(np.array(lengths), training.learning_rate, length_name)),
    }


def compiled_training(training: Pretraining) -> Pretraining:
    """The training without its traced numbers: equal ones share a compiled program."""
    if isinstance(training, GradientFlow):
        return GradientFlow()
    return replace(training, learning_rate=1.0, momentum=0.0, weight_decay=0.0)


def _whole_steps(lengths: np.ndarray, learning_rate: float, length_name: str) -> Int[np.ndarray, " length"]:
    steps = np.rint(lengths / learning_rate)
    deviation = np.abs(lengths / learning_rate - steps)
    # 1e-6 of a step: the rounding of t / η for grids written in decimals; more is a length that is never reached
    if deviation.max() > 1e-6:
        length = lengths[int(deviation.argmax())]
        raise DomainError(
            f"{length_name} {length:g}", f"not a multiple of the step {learning_rate:g}", f"round the {length_name}s"
        )
    return steps.astype(int)


def _flow(start: Layers, loss: LossAt, times: Array, rtol: Array, weight_decay: Array) -> tuple[Layers, Array]:
    weights = [layer.weight for layer in start]
    # The weights grow from the size of the start: an absolute tolerance must be small against that, not against 1.
    size = jnp.sqrt(sum(jnp.sum(w**2) for w in weights) / sum(w.size for w in weights))
    gradient = jax.grad(lambda layers: loss(layers, jnp.zeros((), int)))

    def velocity(time: Any, layers: Layers, _: None) -> Layers:
        return jax.tree.map(lambda g, w: -(g + weight_decay * w), gradient(layers), layers)

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(velocity),
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


def _descend(start: Layers, loss: LossAt, training: GradientDescent, numbers: TrainingNumbers) -> tuple[Layers, Array]:
    ends = numbers["steps"]

    def run_to(end: Array) -> Layers:
        return jax.tree.map(lambda w: w[0], _run(start, loss, training, numbers, end[None]))

    if training.horizon == "last" or training.schedule == "constant":  # a constant rate has no horizon
        checkpoints = _run(start, loss, training, numbers, ends)
    else:
        checkpoints = jax.lax.map(run_to, ends)
    return checkpoints, _finite(checkpoints)


def _run(
    start: Layers, loss: LossAt, training: GradientDescent, numbers: TrainingNumbers, ends: Int[Array, " length"]
) -> Layers:
    """Checkpoints of one run after `ends` steps, the last of which is its horizon."""
    update = optimizer(training, numbers, ends[-1])
    gradient = jax.grad(loss)

    def step(number: Array, state: tuple[Layers, optax.OptState]) -> tuple[Layers, optax.OptState]:
        layers, memory = state
        # one gradient of all layers, then one update of all: W2 must not see the new W1
        gradients = gradient(layers, number)
        with jax.numpy_dtype_promotion("standard"):  # optax's Adam raises a float to the power of a whole number
            updates, memory = update.update(gradients, memory, layers)
        return optax.apply_updates(layers, updates), memory

    def checkpoint(state, between):  # type: ignore[no-untyped-def]
        state = jax.lax.fori_loop(*between, step, state)
        return state, state[0]

    begins = jnp.concatenate([jnp.zeros(1, ends.dtype), ends[:-1]])
    return jax.lax.scan(checkpoint, (start, update.init(start)), (begins, ends))[1]


def _finite(tree: Layers) -> Array:
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()
