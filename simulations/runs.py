"""One run as a pure function of a plan, its numbers and a key: compiled once per shape, and ready to be vmapped."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from overtraining.setting.perturbations import FineTuning, Noise, Pruning, Quantization
from overtraining.setting.protocol import Network
from overtraining.setting.training import Pretraining
from overtraining.simulations.compilation import ONCE, CompilerOptions, compiled, options_of_size, options_of_training
from overtraining.simulations.curvature import estimate_curvature, stderr
from overtraining.simulations.data import (
    HELD_OUT,
    Examples,
    LearningProblem,
    losses,
    population_loss,
    sample_examples,
    training_loss,
)
from overtraining.simulations.finetuning import fine_tune, weight_distance
from overtraining.simulations.initial_weights import StartNumbers, initial_layers
from overtraining.simulations.networks import Layers
from overtraining.simulations.observables import layer_norms, linear_part
from overtraining.simulations.perturbations import compress, noise_sizes, sample_noise, sample_offsets, shift_weights
from overtraining.simulations.pretraining import train_layers
from overtraining.simulations.training_plan import RunNumbers, TrainingPlan, plan_after_pretraining, plan_of_pretraining

GROUPS = 16  # of held-out examples, whose scatter gives a curvature's standard error
# float64 numbers in a batch of networks that are fine-tuned, 32 MiB, and of networks under noise: 1 MiB, which fits the
# processor's cache (in 32 MiB noise takes three times as long)
MOST_TUNED, MOST_NOISY = 2**22, 2**17

ReportedLoss = Callable[[Layers], Float[Array, " example"]]


class HeldOut(NamedTuple):
    """Held-out examples of pretraining and of the fine-tuning task; None where the loss has a closed form."""

    pretraining: Examples | None
    fine_tuning: Examples | None


class Run(NamedTuple):
    """A pretrained network: its start, and its checkpoints along a leading axis of lengths."""

    start: Layers
    checkpoints: Layers
    solved: Bool[Array, ""]


def begin(plan: TrainingPlan, numbers: RunNumbers, key: Key[Array, ""]) -> Layers:
    """The layers at the start of a run."""
    return _begin(plan.network, numbers.start, key)


def train(plan: TrainingPlan, numbers: RunNumbers, key: Key[Array, ""]) -> Run:
    """Initialize and pretrain."""
    start = begin(plan, numbers, key)
    return Run(start, *_train(*plan_of_pretraining(plan, numbers), start, key))


def measure(plan: TrainingPlan, numbers: RunNumbers, key: Key[Array, ""]) -> dict[str, Array]:
    """Loss before, mean rise for every length and strength, their standard errors, and whether pretraining succeeded.

    With fine-tuning also the downstream loss, `downstream_…`, and how far the weights moved, `distance`; they are not
    finite where fine-tuning failed.
    """
    run = train(plan, numbers, key)
    apply = _fine_tune if isinstance(plan.perturbation, FineTuning) else _perturb
    return apply(*plan_after_pretraining(plan, numbers), run, key) | {"solved": run.solved}


def observe(plan: TrainingPlan, numbers: RunNumbers, key: Key[Array, ""]) -> dict[str, Array]:
    """The observables of the network at every length, with `_stderr` where they are estimated."""
    run = train(plan, numbers, key)
    plan, numbers = plan_after_pretraining(*plan_of_pretraining(plan, numbers))
    return _observe(plan, numbers, run.checkpoints, key) | {"solved": run.solved}


def held_out(plan: TrainingPlan, numbers: RunNumbers, key: Key[Array, ""]) -> HeldOut:
    """The examples over which losses without a closed form are reported: of pretraining, and downstream."""
    if plan.network.activation == "linear":
        return HeldOut(None, None)

    def sample(problem: LearningProblem, key: Key[Array, ""]) -> Examples:
        return sample_examples(problem._replace(label_noise=None), HELD_OUT, key)  # reported without it

    for_test = jax.random.split(key, 4)[3]
    pretraining = sample(numbers.problem, for_test)
    if numbers.tuning is None:
        return HeldOut(pretraining, None)
    return HeldOut(pretraining, sample(numbers.tuning.problem, jax.random.fold_in(for_test, 1)))


# The start, pretraining and what is done to its checkpoints are programs of their own: another perturbation of the same
# network compiles no second pretraining, which is the larger half.


@compiled(ONCE, "network")
def _begin(network: Network, start: StartNumbers, key: Key[Array, ""]) -> Layers:
    return initial_layers(network, start, jax.random.split(key, 4)[0])


def _options_to_train(plan: TrainingPlan, numbers: RunNumbers, *_: object) -> CompilerOptions:
    size = network_weights(plan.network) + _example_numbers(plan.network, plan.pretraining, plan.samples)
    return options_of_training(plan.pretraining, numbers.pretraining, size)


def _example_numbers(network: Network, training: Pretraining, samples: int | None) -> int:
    """How many numbers the examples of a step take, with their hidden units."""
    batch = getattr(training, "batch", None)  # gradient flow has none
    return (batch or samples or 0) * (network.d_in + network.h + network.d_out)


@compiled(_options_to_train, "plan")
def _train(
    plan: TrainingPlan, numbers: RunNumbers, start: Layers, key: Key[Array, ""]
) -> tuple[Layers, Bool[Array, ""]]:
    activation, training = plan.network.activation, plan.pretraining
    batch = getattr(training, "batch", None)  # gradient flow has none
    loss = training_loss(numbers.problem, activation, plan.samples, batch, jax.random.split(key, 4)[2])
    return train_layers(start, loss, training, numbers.lengths, numbers.pretraining)


def _options_to_fine_tune(plan: TrainingPlan, numbers: RunNumbers, *_: object) -> CompilerOptions:
    assert isinstance(plan.perturbation, FineTuning)
    assert numbers.tuning is not None
    training = plan.perturbation.training
    size = network_numbers(plan.network) + _example_numbers(plan.network, training, plan.samples)
    return options_of_training(training, numbers.tuning.training, size, plan.draws * numbers.lengths.size)


@compiled(_options_to_fine_tune, "plan")
def _fine_tune(plan: TrainingPlan, numbers: RunNumbers, run: Run, key: Key[Array, ""]) -> dict[str, Array]:
    for_draws, examples = jax.random.split(key, 4)[1], held_out(plan, numbers, key)

    def row(length_and_layers: tuple[Array, Layers]) -> dict[str, Array]:
        length, layers = length_and_layers
        return _fine_tuned(plan, numbers, examples, layers, key, _number_key(for_draws, length))

    return jax.lax.map(row, (numbers.lengths, run.checkpoints))


def _options_to_perturb(plan: TrainingPlan, numbers: RunNumbers, *_: object) -> CompilerOptions:
    times = plan.draws * numbers.lengths.size * numbers.strengths.size
    return options_of_size(times * network_numbers(plan.network))


@compiled(_options_to_perturb, "plan")
def _perturb(plan: TrainingPlan, numbers: RunNumbers, run: Run, key: Key[Array, ""]) -> dict[str, Array]:
    for_noise, examples = jax.random.split(key, 4)[1], held_out(plan, numbers, key)
    reported = partial(_reported_loss, plan, numbers.problem, examples.pretraining)

    def row(length_and_layers: tuple[Array, Layers]) -> dict[str, Array]:
        length, layers = length_and_layers
        before, row_key = reported(layers), _number_key(for_noise, length)

        def cell(strength: Array) -> tuple[Array, Array]:
            cell_key = _number_key(row_key, strength)
            return _mean(_rises(plan, run.start, layers, reported, strength, numbers.scales, cell_key))

        rise, error = jax.lax.map(cell, numbers.strengths)
        return {"before": before.mean(), "before_stderr": stderr(before), "rise": rise, "rise_stderr": error}

    # one checkpoint and strength at a time: memory stays at a batch of draws, whatever the grid
    return jax.lax.map(row, (numbers.lengths, run.checkpoints))


def _options_to_observe(plan: TrainingPlan, numbers: RunNumbers, *_: object) -> CompilerOptions:
    return options_of_size(numbers.lengths.size * network_numbers(plan.network) ** 2)  # as many as in the Hessian


@compiled(_options_to_observe, "plan")
def _observe(plan: TrainingPlan, numbers: RunNumbers, checkpoints: Layers, key: Key[Array, ""]) -> dict[str, Array]:
    for_probes, examples = jax.random.split(key, 4)[1], held_out(plan, numbers, key).pretraining
    reported = partial(_reported_loss, plan, numbers.problem)
    groups = 1 if examples is None else GROUPS
    grouped = jax.tree.map(lambda a: a.reshape(groups, -1, a.shape[1]), examples)

    def mean_loss(layers: Layers, group: Array) -> Array:
        return reported(jax.tree.map(lambda a: a[group], grouped), layers).mean()

    def row(layers: Layers) -> dict[str, Array]:
        values = jnp.linalg.svd(linear_part(layers, plan.network.activation, examples), compute_uv=False)
        loss = reported(examples, layers)
        observed = {"singular_value": values[: plan.network.width], "loss": loss.mean()}
        if groups > 1:
            observed["loss_stderr"] = stderr(loss)
        return observed | layer_norms(layers) | estimate_curvature(mean_loss, groups, layers, for_probes)

    return jax.lax.map(row, checkpoints)


def _fine_tuned(
    plan: TrainingPlan,
    numbers: RunNumbers,
    examples: HeldOut,
    layers: Layers,
    key: Key[Array, ""],
    draws_key: Key[Array, ""],
) -> dict[str, Array]:
    """Losses and distances of a checkpoint's fine-tuning, for all budgets."""
    fine_tuning, tuning, network = plan.perturbation, numbers.tuning, plan.network
    assert isinstance(fine_tuning, FineTuning)
    assert tuning is not None
    for_data = jax.random.split(key, 4)[2]
    reports = {
        "": partial(_reported_loss, plan, numbers.problem, examples.pretraining),
        "downstream_": partial(_reported_loss, plan, tuning.problem, examples.fine_tuning),
    }
    before = {name: report(layers) for name, report in reports.items()}

    def one_draw(draw_key: Array) -> dict[str, Array]:
        for_tuning, batch_key = jax.random.split(draw_key)
        # the training set of pretraining, in batches of its own
        batch = getattr(fine_tuning.training, "batch", None)
        pretraining_loss = training_loss(
            numbers.problem, network.activation, plan.samples, batch, for_data, batch_key=batch_key
        )
        after = fine_tune(
            layers, fine_tuning, tuning, numbers.strengths, network.activation, pretraining_loss, for_tuning
        )

        def at_budget(now: Layers) -> dict[str, Array]:
            rises = {f"{name}rise": report(now) - before[name] for name, report in reports.items()}
            return rises | {"distance": weight_distance(now, layers)[None]}

        return jax.lax.map(at_budget, after)

    needed = (numbers.strengths.size + 1) * network_numbers(network)
    draw_keys = jax.random.split(draws_key, plan.draws)
    draws = jax.lax.map(one_draw, draw_keys, batch_size=max(1, MOST_TUNED // needed))
    results = {f"{name}before": loss.mean() for name, loss in before.items()}
    results |= {f"{name}before_stderr": stderr(loss) for name, loss in before.items()}
    for name, values in draws.items():
        results[name], results[f"{name}_stderr"] = jax.vmap(_mean, in_axes=1)(values)
    return results


def compiled_programs() -> int:
    """How many programs of pretraining, and of what is done to its checkpoints, this process has compiled."""
    return sum(each.programs() for each in (_train, _fine_tune, _perturb))  # type: ignore[attr-defined]  # see compiled


def network_numbers(network: Network) -> int:
    """How many numbers one network takes, with its hidden units on all held-out examples where they are needed.

    >>> network_numbers(Network(2, 3, 2))
    12
    """
    examples = 0 if network.activation == "linear" else HELD_OUT * (network.h + network.d_out)
    return network_weights(network) + examples


def network_weights(network: Network) -> int:
    """How many weights a network has, without its biases.

    >>> network_weights(Network(2, 3, 2))
    12
    """
    return sum(rows * columns for rows, columns in network.shapes)


def _number_key(key: Key[Array, ""], number: Float[Array, ""]) -> Key[Array, ""]:
    """A key for a number by its bits, so that a cell samples the same whatever else is on the grid."""
    high, low = jax.lax.bitcast_convert_type(number, jnp.uint32)
    return jax.random.fold_in(jax.random.fold_in(key, high), low)


def _reported_loss(
    plan: TrainingPlan, problem: LearningProblem, held_out: Examples | None, layers: Layers
) -> Float[Array, " example"]:
    """The loss as it is reported: the population's, one number, or that of every held-out example."""
    if held_out is None:
        return population_loss(layers, problem)[None]
    return losses(layers, held_out, plan.network.activation)


def _rises(
    plan: TrainingPlan,
    start: Layers,
    layers: Layers,
    reported: ReportedLoss,
    strength: Array,
    scales: Array,
    key: Array,
) -> Float[Array, "draw example"]:
    """What the perturbation adds to the reported loss, draw by draw; one in which nothing is random counts as one."""
    perturbation = plan.perturbation
    if isinstance(perturbation, Quantization) and perturbation.dithered:

        def one_draw(key: Array) -> Float[Array, " example"]:
            rounded = compress(layers, perturbation, strength, sample_offsets(layers, key))
            return reported(rounded) - reported(layers)

    elif isinstance(perturbation, Quantization | Pruning):
        return (reported(compress(layers, perturbation, strength)) - reported(layers))[None]
    else:
        assert isinstance(perturbation, Noise)
        sizes = noise_sizes(layers, start, perturbation, strength * scales)
        signs = (1, -1) if plan.antithetic else (1,)

        def one_draw(key: Array) -> Float[Array, " example"]:
            noise = sample_noise(layers, perturbation, sizes, key)
            after = sum(reported(shift_weights(layers, [sign * n for n in noise])) for sign in signs)
            return after / len(signs) - reported(layers)

    at_once = max(1, MOST_NOISY // network_numbers(plan.network))
    return jax.lax.map(one_draw, jax.random.split(key, plan.draws), batch_size=at_once)


def _mean(rises: Float[Array, "draw example"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The mean over draws and examples, and its standard error.

    Draws and examples are crossed: the sum of both variances counts that of their interaction twice, never too little.
    """
    of_draws, of_examples = rises.mean(axis=1), rises.mean(axis=0)
    return of_draws.mean(), jnp.hypot(stderr(of_draws), stderr(of_examples))
