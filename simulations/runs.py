"""One run as a pure function of a plan, its numbers and a key: compiled once per shape, and made to be vmapped."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from overtraining.setting.perturbations import FineTuning, Noise, Pruning, Quantization
from overtraining.setting.protocol import Network
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
from overtraining.simulations.perturbations import compress, noise_sizes, sample_noise, shift_weights
from overtraining.simulations.pretraining import train_layers
from overtraining.simulations.training_plan import RunNumbers, TrainingPlan, plan_after_pretraining, plan_of_pretraining

GROUPS = 16  # of held-out examples, whose scatter gives a curvature's standard error
MOST_NUMBERS = 2**22  # float64 numbers in a batch of perturbed networks: 32 MiB

Reported = Callable[[Layers], Float[Array, " example"]]


class Run(NamedTuple):
    """A pretrained network, its checkpoints along a leading axis of lengths."""

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

    Of fine-tuning also the downstream loss, `downstream_…`, and how far the weights moved, `distance`; where it failed
    they are not finite.
    """
    run = train(plan, numbers, key)
    return _perturb(*plan_after_pretraining(plan, numbers), run, key) | {"solved": run.solved}


def observe(plan: TrainingPlan, numbers: RunNumbers, key: Key[Array, ""]) -> dict[str, Array]:
    """What is seen inside the network at every length, with `_stderr` where it is estimated."""
    run = train(plan, numbers, key)
    return _observe(*plan_after_pretraining(*plan_of_pretraining(plan, numbers)), run.checkpoints, key) | {
        "solved": run.solved
    }


def held_out(plan: TrainingPlan, numbers: RunNumbers, key: Key[Array, ""]) -> tuple[Examples | None, Examples | None]:
    """The examples over which losses are reported where they have no closed form: of pretraining, and downstream."""
    if plan.network.activation == "linear":
        return None, None
    # a loss is reported without the labels' noise
    drawn = lambda task, key: sample_examples(task._replace(label_noise=jnp.zeros(())), HELD_OUT, key)
    for_test, later = jax.random.split(key, 4)[3], numbers.tuning
    downstream = None if later is None else drawn(later.task, jax.random.fold_in(for_test, 1))
    return drawn(numbers.task, for_test), downstream


# The start, pretraining and what is done to its checkpoints are programs of their own: another perturbation of the same
# network compiles no second pretraining, which is the larger half.


@partial(jax.jit, static_argnames="network")
def _begin(network: Network, start: StartNumbers, key: Key[Array, ""]) -> Layers:
    return initial_layers(network, start, jax.random.split(key, 4)[0])


@partial(jax.jit, static_argnames="plan")
def _train(
    plan: TrainingPlan, numbers: RunNumbers, start: Layers, key: Key[Array, ""]
) -> tuple[Layers, Bool[Array, ""]]:
    n, how = plan.network, plan.pretraining
    batch = getattr(how, "batch", None)  # gradient flow has none
    loss = training_loss(numbers.task, n.activation, plan.samples, batch, jax.random.split(key, 4)[2])
    return train_layers(start, loss, how, numbers.lengths, numbers.pretraining)


@partial(jax.jit, static_argnames="plan")
def _perturb(plan: TrainingPlan, numbers: RunNumbers, run: Run, key: Key[Array, ""]) -> dict[str, Array]:
    for_noise, examples = jax.random.split(key, 4)[1], held_out(plan, numbers, key)
    if isinstance(plan.perturbation, FineTuning):
        tuned = lambda at: _tuned(plan, numbers, examples, at[1], key, _keyed(for_noise, at[0]))
        return jax.lax.map(tuned, (numbers.lengths, run.checkpoints))
    reported = partial(_reported, plan, numbers.task, examples[0])

    def row(at: tuple[Array, Layers]) -> dict[str, Array]:
        length, layers = at
        before, row_key = reported(layers), _keyed(for_noise, length)

        def cell(strength: Array) -> tuple[Array, Array]:
            draws = _keyed(row_key, strength)
            return _mean(_rises(plan, run.start, layers, reported, strength, numbers.scales, draws))

        rise, error = jax.lax.map(cell, numbers.strengths)
        return {"before": before.mean(), "before_stderr": stderr(before), "rise": rise, "rise_stderr": error}

    # one checkpoint and strength at a time: memory stays at a batch of draws, whatever the grid
    return jax.lax.map(row, (numbers.lengths, run.checkpoints))


@partial(jax.jit, static_argnames="plan")
def _observe(plan: TrainingPlan, numbers: RunNumbers, checkpoints: Layers, key: Key[Array, ""]) -> dict[str, Array]:
    for_probes, (examples, _) = jax.random.split(key, 4)[1], held_out(plan, numbers, key)
    reported = partial(_reported, plan, numbers.task)
    groups = 1 if examples is None else GROUPS
    grouped = jax.tree.map(lambda a: a.reshape(groups, -1, a.shape[1]), examples)
    mean_loss = lambda layers, group: reported(jax.tree.map(lambda a: a[group], grouped), layers).mean()

    def row(layers: Layers) -> dict[str, Array]:
        values = jnp.linalg.svd(linear_part(layers, plan.network.activation, examples), compute_uv=False)
        loss = reported(examples, layers)
        error = {"loss_stderr": stderr(loss)} if groups > 1 else {}
        seen = {"singular_value": values[: plan.network.width], "loss": loss.mean()} | error
        return seen | layer_norms(layers) | estimate_curvature(mean_loss, groups, layers, for_probes)

    return jax.lax.map(row, checkpoints)


def _tuned(
    plan: TrainingPlan, numbers: RunNumbers, examples: tuple[Examples | None, Examples | None], layers: Layers,
    key: Key[Array, ""], draws: Key[Array, ""],
) -> dict[str, Array]:  # fmt: skip
    """What is measured of a checkpoint's fine-tuning, for all budgets."""
    how, tuning, n = plan.perturbation, numbers.tuning, plan.network
    assert isinstance(how, FineTuning)
    assert tuning is not None
    for_data = jax.random.split(key, 4)[2]
    reports = {
        "": partial(_reported, plan, numbers.task, examples[0]),
        "downstream_": partial(_reported, plan, tuning.task, examples[1]),
    }
    before = {name: report(layers) for name, report in reports.items()}

    def one_draw(draw_key: Array) -> dict[str, Array]:
        for_tuning, again = jax.random.split(draw_key)
        # the training set of pretraining, in batches of its own
        batch = getattr(how.training, "batch", None)
        replayed = training_loss(numbers.task, n.activation, plan.samples, batch, for_data, again)
        after = fine_tune(layers, how, tuning, numbers.strengths, n.activation, replayed, for_tuning)
        rises = lambda now: {f"{name}rise": report(now) - before[name] for name, report in reports.items()}
        return jax.lax.map(lambda now: rises(now) | {"distance": weight_distance(now, layers)[None]}, after)

    needed = (numbers.strengths.size + 1) * weights_in_all(n)
    seen = jax.lax.map(one_draw, jax.random.split(draws, plan.draws), batch_size=max(1, MOST_NUMBERS // needed))
    found = {f"{name}before": loss.mean() for name, loss in before.items()}
    found |= {f"{name}before_stderr": stderr(loss) for name, loss in before.items()}
    for name, values in seen.items():
        found[name], found[f"{name}_stderr"] = jax.vmap(_mean, in_axes=1)(values)
    return found


def weights_in_all(network: Network) -> int:
    """Numbers that one network takes, with its hidden units on all held-out examples where they are needed."""
    weights = sum(rows * columns for rows, columns in network.shapes)
    return weights + (0 if network.activation == "linear" else HELD_OUT * (network.h + network.d_out))


def _keyed(key: Key[Array, ""], number: Float[Array, ""]) -> Key[Array, ""]:
    """A key for a number by its bits, so that a cell draws the same whatever else is on the grid."""
    high, low = jax.lax.bitcast_convert_type(number, jnp.uint32)
    return jax.random.fold_in(jax.random.fold_in(key, high), low)


def _reported(
    plan: TrainingPlan, task: LearningProblem, held_out: Examples | None, layers: Layers
) -> Float[Array, " example"]:
    """The loss as it is reported: the population's, one number, or that of every held-out example."""
    if held_out is None:
        return population_loss(layers, task)[None]
    return losses(layers, held_out, plan.network.activation)


def _rises(
    plan: TrainingPlan, start: Layers, layers: Layers, reported: Reported, strength: Array, scales: Array, key: Array
) -> Float[Array, "draw example"]:
    """What the perturbation adds to the reported loss, draw by draw; one that draws nothing counts as one draw."""
    what = plan.perturbation
    if isinstance(what, Quantization | Pruning):
        return (reported(compress(layers, what, strength)) - reported(layers))[None]
    assert isinstance(what, Noise)
    sizes = noise_sizes(layers, start, what, strength * scales)
    signs = (1, -1) if plan.antithetic else (1,)

    def one_draw(key: Array) -> Float[Array, " example"]:
        noise = sample_noise(layers, what, sizes, key)
        return sum(reported(shift_weights(layers, [sign * n for n in noise])) for sign in signs) / len(
            signs
        ) - reported(layers)

    at_once = max(1, MOST_NUMBERS // weights_in_all(plan.network))
    return jax.lax.map(one_draw, jax.random.split(key, plan.draws), batch_size=at_once)


def _mean(rises: Float[Array, "draw example"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The mean over draws and examples, and its standard error.

    Draws and examples are crossed: the sum of both variances counts that of their interaction twice, never too little.
    """
    of_draws, of_examples = rises.mean(axis=1), rises.mean(axis=0)
    return of_draws.mean(), jnp.hypot(stderr(of_draws), stderr(of_examples))
