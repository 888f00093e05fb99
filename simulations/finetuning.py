"""Fine-tuning: training once more, from a checkpoint, on a downstream task; the budgets are checkpoints along it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from overtraining.setting.errors import DomainError
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Protocol
from overtraining.setting.tasks import RotatedTeacher, task_matrix
from overtraining.setting.training import GradientDescent
from overtraining.simulations.data import LearningProblem, LossAt, training_loss
from overtraining.simulations.networks import Layer, Layers, product
from overtraining.simulations.pretraining import compiled_training, traced_numbers, train_layers


class TuningNumbers(NamedTuple):
    """The numbers of a fine-tuning, beside its budgets; see `theory.FineTuning`."""

    task: LearningProblem
    training: dict[str, Array]
    anchor: Float[Array, ""]
    replay_share: Float[Array, ""]


def tuning_numbers(protocol: Protocol) -> TuningNumbers:
    """The numbers of a protocol's fine-tuning. Raises DomainError for what no run can do."""
    how, n = protocol.perturbation, protocol.network
    assert isinstance(how, FineTuning)
    if n.activation != "linear" and not _batched(how):
        raise DomainError(
            f"fine-tuning of {n.activation} on the whole population", "its loss is no polynomial of the weights",
            "pass batches of fresh examples: FineTuning(training=GradientDescent(batch=…))",
        )  # fmt: skip
    teacher = task_matrix(how.task, protocol.teacher, n.d_out, n.d_in)
    numbers = (jnp.asarray(x) for x in (how.anchor, how.replay_share))
    downstream = LearningProblem(jnp.asarray(teacher), None, jnp.asarray(how.label_noise))
    return TuningNumbers(downstream, traced_numbers(how.training, protocol.strengths, "budget"), *numbers)


def compiled_tuning(how: FineTuning) -> FineTuning:
    """The fine-tuning with its traced numbers forgotten; whether there is an anchor or a replay decides the program."""
    anchor, replay_share = (0.5 if coefficient > 0 else 0.0 for coefficient in (how.anchor, how.replay_share))
    return FineTuning(RotatedTeacher(0.0), compiled_training(how.training), anchor, replay_share, how.rank)


def is_random(how: FineTuning) -> bool:
    """Is anything random in it: batches, or the start of a low-rank update?"""
    return _batched(how) or how.rank is not None


def fine_tune(
    layers: Layers, how: FineTuning, numbers: TuningNumbers, budgets: Float[Array, " strength"], activation: str,
    pretrained_on: LossAt, key: Key[Array, ""],
) -> Layers:  # fmt: skip
    """The layers after every budget, stacked along a leading axis; not finite where training failed.

    What is minimized is `(1 − ρ)L_ft + ρ L_pre + (λ/2)‖θ − θ_pre‖²`, beside the weight decay of `how.training`.
    pretrained_on: L_pre as replay meets it.  A low-rank update `W_l + B_l A_l` starts with `B_l = 0` and Gaussian
    `A_l` of variance `1/fan_in`, as in LoRA (Hu et al. 2022); biases stay then, and weight decay acts on A_l and B_l.
    """
    for_batches, for_update = jax.random.split(key)
    batch = getattr(how.training, "batch", None)
    downstream = training_loss(numbers.task, activation, None, batch, for_batches)
    whole = (lambda update: _updated(layers, update)) if how.rank is not None else (lambda moved: moved)

    def loss(trained: Layers, step: Array) -> Array:
        now = whole(trained)
        value = downstream(now, step)
        if how.replay_share:
            value = (1 - numbers.replay_share) * value + numbers.replay_share * pretrained_on(now, step)
        if how.anchor:
            value = value + numbers.anchor * _square(now, layers) / 2
        return value

    start = layers if how.rank is None else _no_update(layers, how.rank, for_update)
    trained, _ = train_layers(start, loss, how.training, budgets, numbers.training)
    return trained if how.rank is None else jax.vmap(whole)(trained)


def weight_distance(now: Layers, then: Layers) -> Float[Array, ""]:
    """`‖θ − θ'‖` over all weights and biases."""
    return jnp.sqrt(_square(now, then))


def _square(now: Layers, then: Layers) -> Float[Array, ""]:
    squares = [jnp.sum((a - b) ** 2) for a, b in zip(jax.tree.leaves(now), jax.tree.leaves(then), strict=True)]
    return jnp.sum(jnp.stack(squares))


def _no_update(layers: Layers, rank: int, key: Key[Array, ""]) -> Layers:
    """A_1, B_1, A_2, B_2, …: each layer's update is a linear network of two layers."""
    update: list[Layer] = []
    for layer, for_a in zip(layers, jax.random.split(key, len(layers)), strict=True):
        out, fan_in = layer.weight.shape
        a = jax.random.normal(for_a, (rank, fan_in)) / jnp.sqrt(1.0 * fan_in)
        update += [Layer(a), Layer(jnp.zeros((out, rank)))]
    return tuple(update)


def _updated(layers: Layers, update: Layers) -> Layers:
    parts = zip(layers, update[::2], update[1::2], strict=True)
    return tuple(layer._replace(weight=layer.weight + product((a, b))) for layer, a, b in parts)


def _batched(how: FineTuning) -> bool:
    return isinstance(how.training, GradientDescent) and how.training.batch is not None
