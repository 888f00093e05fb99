"""The learning problem: random inputs and labels, and losses over the population, a training set or batches."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from overtraining.setting.resolved import ResolvedProtocol
from overtraining.simulations.double_precision import in_double_precision
from overtraining.simulations.networks import Layers, outputs, product
from overtraining.simulations.random_arrays import sample_arrays

HELD_OUT = 4096  # examples over which the loss of a network with an activation is averaged


class LearningProblem(NamedTuple):
    """Inputs `x ~ N(0, root rootᵀ)`, labels `y = A x + label_noise · N(0, I)`; without a root, whitened inputs.

    label_noise: None if there is none, so that none is sampled: random numbers are most of the work of a small batch.
    """

    teacher: Float[Array, "d_out d_in"]
    root: Float[Array, "d_in d_in"] | None
    label_noise: Float[Array, ""] | None


class Examples(NamedTuple):
    """Inputs and labels, one example per row."""

    x: Float[Array, "*group example d_in"]
    y: Float[Array, "*group example d_out"]


LossAt = Callable[[Layers, Array], Array]
"""The training loss, a function of the weights and of the number of the step."""


def learning_problem(resolved: ResolvedProtocol) -> LearningProblem:
    """The learning problem of a protocol's pretraining."""
    return LearningProblem(
        jax.device_put(resolved.teacher), _root(resolved), _noise(resolved.protocol.inputs.label_noise)
    )


def task_problem(resolved: ResolvedProtocol, label_noise: float) -> LearningProblem:
    """The learning problem of a fine-tuning task, whose inputs are whitened."""
    return LearningProblem(jax.device_put(resolved.task), None, _noise(label_noise))


@in_double_precision
def population_loss(layers: Layers, problem: LearningProblem) -> Float[Array, ""]:
    """`½ tr((f − A) Σx (f − A)ᵀ) + ½‖f(0)‖²` of a linear network: the mean over all inputs, without label noise."""
    error = product(layers) - problem.teacher
    if problem.root is not None:
        error = error @ problem.root
    loss = jnp.sum(error**2) / 2
    if layers[0].bias is None:
        return loss
    at_zero = outputs(layers, jnp.zeros((1, problem.teacher.shape[1])))
    return loss + jnp.sum(at_zero**2) / 2


def losses(layers: Layers, examples: Examples, activation: str = "linear") -> Float[Array, " example"]:
    """`½‖f(x) − y‖²` of every example."""
    return jnp.sum((outputs(layers, examples.x, activation) - examples.y) ** 2, axis=1) / 2


def sample_examples(problem: LearningProblem, number: int, key: Key[Array, ""]) -> Examples:
    """So many independent examples; their labels have the problem's noise."""
    d_out, d_in = problem.teacher.shape
    shapes = [(number, d_in)] if problem.label_noise is None else [(number, d_in), (number, d_out)]
    x, *noise = sample_arrays(jax.random.normal, jax.random.split(key)[: len(shapes)], shapes)
    if problem.root is not None:
        x = x @ problem.root.T
    y = x @ problem.teacher.T
    return Examples(x, y if problem.label_noise is None else y + problem.label_noise * noise[0])


def training_loss(
    problem: LearningProblem,
    activation: str,
    samples: int | None,
    batch: int | None,
    key: Key[Array, ""],
    *,
    batch_key: Key[Array, ""] | None = None,
) -> LossAt:
    """The loss that training descends.

    With neither samples nor a batch it is the population's loss; the labels' noise would only add a constant.
    With samples it is the mean over a training set, sampled once; its labels keep their noise.
    With a batch it is the mean over examples sampled anew at every step: from the population or, with samples, from the
    training set with replacement.
    batch_key: a key for the batches alone; the training set then is the one that `key` gives, and the batches are new.
    """
    for_training_set, for_batches = jax.random.split(key)
    if batch_key is not None:
        for_batches = batch_key
    training_set = None if samples is None else sample_examples(problem, samples, for_training_set)

    def loss(layers: Layers, step: Array) -> Array:
        if batch is None:
            if training_set is None:
                return population_loss(layers, problem)
            examples = training_set
        elif training_set is None:
            examples = sample_examples(problem, batch, jax.random.fold_in(for_batches, step))
        else:
            chosen = jax.random.randint(jax.random.fold_in(for_batches, step), (batch,), 0, len(training_set.x))
            examples = Examples(training_set.x[chosen], training_set.y[chosen])
        return jnp.mean(losses(layers, examples, activation))

    return loss


def _noise(label_noise: float) -> Array | None:
    return jax.device_put(label_noise) if label_noise else None


def _root(resolved: ResolvedProtocol) -> Array | None:
    """A matrix with `root rootᵀ = Σx`; by eigenvectors, since a Cholesky factor fails where Σx is nearly singular."""
    if resolved.protocol.inputs.whitened:
        return None
    variances, axes = np.linalg.eigh(resolved.input_covariance)
    return jax.device_put(axes * np.sqrt(np.maximum(variances, 0.0)))
