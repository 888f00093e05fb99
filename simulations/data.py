"""What is to be learned: inputs, labels and the losses over a population, a training set, batches or a held-out set."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from overtraining.setting.inputs import Inputs, input_covariance
from overtraining.setting.protocol import Protocol
from overtraining.setting.teachers import teacher_matrix
from overtraining.simulations.networks import Layers, outputs, product
from overtraining.simulations.random_arrays import sample_arrays

HELD_OUT = 4096  # examples over which the loss of a network with an activation is reported


class LearningProblem(NamedTuple):
    """`x ~ N(0, root rootᵀ)`, `y = A x + label_noise · N(0, I)`; no root: whitened inputs."""

    teacher: Float[Array, "d_out d_in"]
    root: Float[Array, "d_in d_in"] | None
    label_noise: Float[Array, ""]


class Examples(NamedTuple):
    """Inputs and labels, one example per row."""

    x: Float[Array, "*group example d_in"]
    y: Float[Array, "*group example d_out"]


LossAt = Callable[[Layers, Array], Array]
"""The loss that is descended, of the weights and of the number of the step."""


def learning_problem(protocol: Protocol) -> LearningProblem:
    """The numbers of a protocol's task."""
    d_out, d_in = protocol.network.d_out, protocol.network.d_in
    given = (protocol.inputs, protocol.teacher, d_out, d_in)
    return LearningProblem(
        jnp.asarray(teacher_matrix(*given[1:])), _root(*given), jnp.asarray(protocol.inputs.label_noise)
    )


def population_loss(layers: Layers, task: LearningProblem) -> Float[Array, ""]:
    """`½ tr((f − A) Σx (f − A)ᵀ) + ½‖f(0)‖²` of a linear network: over all inputs, without the labels' noise."""
    error = product(layers) - task.teacher
    if task.root is not None:
        error = error @ task.root
    loss = jnp.sum(error**2) / 2
    if layers[0].bias is None:
        return loss
    return loss + jnp.sum(outputs(layers, jnp.zeros((1, task.teacher.shape[1]))) ** 2) / 2


def losses(layers: Layers, examples: Examples, activation: str = "linear") -> Float[Array, " example"]:
    """`½‖f(x) − y‖²` of every example."""
    return jnp.sum((outputs(layers, examples.x, activation) - examples.y) ** 2, axis=1) / 2


def sample_examples(task: LearningProblem, number: int, key: Key[Array, ""]) -> Examples:
    """Independent examples, their labels with the task's noise."""
    d_out, d_in = task.teacher.shape
    x, noise = sample_arrays(jax.random.normal, jax.random.split(key), [(number, d_in), (number, d_out)])
    if task.root is not None:
        x = x @ task.root.T
    return Examples(x, x @ task.teacher.T + task.label_noise * noise)


def training_loss(
    task: LearningProblem, activation: str, samples: int | None, batch: int | None, key: Key[Array, ""],
    again: Key[Array, ""] | None = None,
) -> LossAt:  # fmt: skip
    """The loss that pretraining descends.

    With neither samples nor a batch: the population's, to which the labels' noise adds a constant only. With samples:
    the mean over a training set, drawn once; its labels keep their noise. With a batch: the mean over examples drawn
    anew at every step, independently from the population or, with samples, from the training set with replacement.
    again: a key of its own for the batches, with which the same training set is met once more.
    """
    for_set, for_batches = jax.random.split(key)
    for_batches = for_batches if again is None else again
    training_set = None if samples is None else sample_examples(task, samples, for_set)

    def loss(layers: Layers, step: Array) -> Array:
        if batch is None:
            if training_set is None:
                return population_loss(layers, task)
            examples = training_set
        elif training_set is None:
            examples = sample_examples(task, batch, jax.random.fold_in(for_batches, step))
        else:
            chosen = jax.random.randint(jax.random.fold_in(for_batches, step), (batch,), 0, len(training_set.x))
            examples = Examples(training_set.x[chosen], training_set.y[chosen])
        return jnp.mean(losses(layers, examples, activation))

    return loss


def _root(inputs: Inputs, *teacher: object) -> Array | None:
    """A matrix with `root rootᵀ = Σx`; by eigenvectors, since a Cholesky factor fails where Σx is nearly singular."""
    if not inputs.spectrum:
        return None
    variances, axes = np.linalg.eigh(input_covariance(inputs, *teacher))  # type: ignore[arg-type]
    return jnp.asarray(axes * np.sqrt(np.maximum(variances, 0.0)))
