"""Fine-tuning: further training of a checkpoint on a downstream task; the budgets are checkpoints along it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from overtraining.setting.errors import DomainError
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.resolved import ResolvedProtocol
from overtraining.setting.tasks import RotatedTeacher
from overtraining.setting.training import GradientDescent
from overtraining.simulations.data import LearningProblem, LossAt, task_problem, training_loss
from overtraining.simulations.networks import Layer, Layers, product
from overtraining.simulations.pretraining import TrainingNumbers, compiled_training, traced_numbers, train_layers


class TuningNumbers(NamedTuple):
    """The numbers of a fine-tuning, beside its budgets; see `setting.perturbations.FineTuning`."""

    problem: LearningProblem
    training: TrainingNumbers
    anchor: Float[Array, ""]
    replay_share: Float[Array, ""]


def tuning_numbers(resolved: ResolvedProtocol) -> TuningNumbers:
    """The numbers of a protocol's fine-tuning. Raises DomainError for what no run can do."""
    protocol, n = resolved.protocol, resolved.protocol.network
    fine_tuning = protocol.perturbation
    assert isinstance(fine_tuning, FineTuning)
    if n.activation != "linear" and not _has_batches(fine_tuning):
        raise DomainError(
            f"fine-tuning of {n.activation} on the whole population",
            "its loss is no polynomial of the weights",
            "pass batches of fresh examples: FineTuning(training=GradientDescent(batch=…))",
        )
    return TuningNumbers(
        problem=task_problem(resolved, fine_tuning.label_noise if _has_batches(fine_tuning) else 0.0),
        training=traced_numbers(fine_tuning.training, protocol.strengths, "budget"),
        anchor=jax.device_put(fine_tuning.anchor),
        replay_share=jax.device_put(fine_tuning.replay_share),
    )


def compiled_tuning(fine_tuning: FineTuning) -> FineTuning:
    """The fine-tuning without the numbers that are traced; the compiled program only knows whether it has an anchor and
    a replay."""
    anchor = 0.5 if fine_tuning.anchor > 0 else 0.0
    replay_share = 0.5 if fine_tuning.replay_share > 0 else 0.0
    training = compiled_training(fine_tuning.training)
    return FineTuning(RotatedTeacher(0.0), training, anchor, replay_share, fine_tuning.rank)


def is_random(fine_tuning: FineTuning) -> bool:
    """Whether anything in it is random: batches, or the start of a low-rank update."""
    return _has_batches(fine_tuning) or fine_tuning.rank is not None


def fine_tune(
    layers: Layers,
    fine_tuning: FineTuning,
    numbers: TuningNumbers,
    budgets: Float[Array, " strength"],
    activation: str,
    pretraining_loss: LossAt,
    key: Key[Array, ""],
) -> Layers:
    """The layers after every budget, stacked along a leading axis; not finite where training failed.

    It minimizes `(1 − ρ)L_ft + ρ L_pre + (λ/2)‖θ − θ_pre‖²`, beside the weight decay of `fine_tuning.training`.
    pretraining_loss: L_pre on the data that are replayed.
    A low-rank update `W_l + B_l A_l` starts with `B_l = 0` and Gaussian `A_l` of variance `1/fan_in`, as in LoRA (Hu et
    al. 2022); biases then stay, and weight decay acts on A_l and B_l.
    """
    for_batches, for_update = jax.random.split(key)
    batch = getattr(fine_tuning.training, "batch", None)
    downstream_loss = training_loss(numbers.problem, activation, None, batch, for_batches)

    def network(trained: Layers) -> Layers:
        return trained if fine_tuning.rank is None else _updated(layers, trained)

    def loss(trained: Layers, step: Array) -> Array:
        now = network(trained)
        value = downstream_loss(now, step)
        if fine_tuning.replay_share:
            value = (1 - numbers.replay_share) * value + numbers.replay_share * pretraining_loss(now, step)
        if fine_tuning.anchor:
            value = value + numbers.anchor * _squared_distance(now, layers) / 2
        return value

    start = layers if fine_tuning.rank is None else _zero_update(layers, fine_tuning.rank, for_update)
    trained, _ = train_layers(start, loss, fine_tuning.training, budgets, numbers.training)
    return trained if fine_tuning.rank is None else jax.vmap(network)(trained)


def weight_distance(now: Layers, then: Layers) -> Float[Array, ""]:
    """`‖θ − θ'‖` over all weights and biases."""
    return jnp.sqrt(_squared_distance(now, then))


def _squared_distance(now: Layers, then: Layers) -> Float[Array, ""]:
    squares = [jnp.sum((a - b) ** 2) for a, b in zip(jax.tree.leaves(now), jax.tree.leaves(then), strict=True)]
    return jnp.sum(jnp.stack(squares))


def _zero_update(layers: Layers, rank: int, key: Key[Array, ""]) -> Layers:
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


def _has_batches(fine_tuning: FineTuning) -> bool:
    return isinstance(fine_tuning.training, GradientDescent) and fine_tuning.training.batch is not None
