"""The rise of the loss under every single draw of noise, the spread of the draws, and that spread's standard error."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from overtraining.setting.arrays import Values
from overtraining.setting.errors import DomainError
from overtraining.setting.perturbations import Noise
from overtraining.setting.protocol import Protocol
from overtraining.setting.responses import trajectory
from overtraining.simulations.compilation import CompilerOptions, compiled, options_of_size
from overtraining.simulations.data import LearningProblem, population_loss
from overtraining.simulations.double_precision import in_double_precision
from overtraining.simulations.measurements import RandomKey, initialize, pretrain, seed_key
from overtraining.simulations.memory import check_simulation, draws_at_once, pretraining_memory
from overtraining.simulations.networks import Layers
from overtraining.simulations.perturbations import noise_sizes, sample_noise, shift_weights
from overtraining.simulations.training_plan import plan_training


@in_double_precision
def rises(protocol: Protocol, key: RandomKey) -> Float[np.ndarray, "length strength draw"]:
    """`L(θ + noise) − L(θ)` for every draw at every length and strength, all independent; one seed.

    Linear networks on whole populations, noise of any convention. Raises DomainError for other protocols, and for what
    does not fit into `setting.limits.MEMORY`.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> from overtraining.setting.protocol import Sampling
    >>> rises(Protocol(PowerLaw(2), (0.0, 4.0), (0.1,), sampling=Sampling(draws=8)), key=0).shape
    (2, 1, 8)
    """
    noise = protocol.perturbation
    if protocol.network.activation != "linear":
        raise DomainError(repr(protocol.network), "the loss is that of the population", "use a linear network")
    if not isinstance(noise, Noise) or protocol.sampling.antithetic:
        raise DomainError(
            f"{noise!r}, {protocol.sampling!r}", "single draws of noise are needed", "use Noise(…) and antithetic=False"
        )
    check_simulation(protocol, _memory)
    _, numbers = plan_training(protocol)
    start, checkpoints = initialize(protocol, key), pretrain(protocol, key)
    scales = numbers.strengths[:, None] * numbers.scales[None, :]
    for_noise = jax.random.fold_in(seed_key(key, 0), 1)
    without_scales, draws = replace(noise, scales=()), protocol.sampling.draws
    return np.asarray(_rises(without_scales, draws, numbers.problem, scales, start, checkpoints, for_noise))


def _memory(protocol: Protocol) -> int:
    """Pretraining, and every single rise: as computed, as returned, centred, and its square."""
    draws = len(protocol.lengths) * len(protocol.strengths) * protocol.sampling.draws
    return pretraining_memory(protocol) + 8 * 4 * draws


@in_double_precision
def rise_and_spread(protocol: Protocol, key: RandomKey) -> xr.Dataset:
    """Mean `rise` of the loss over the draws and its standard deviation `spread`, with their errors, as a Trajectory.

    Domain and errors as in `rises`. `measurements.respond` gives no spread, but takes more protocols.
    """
    all_rises, n = rises(protocol, key), protocol.sampling.draws
    value, error = variance(all_rises)
    spread = np.sqrt(value)
    variables = {
        "rise": all_rises.mean(axis=-1),
        "rise_stderr": spread / np.sqrt(n),
        "spread": spread,
        "spread_stderr": error / (2 * spread),
    }
    return trajectory(
        {name: (("pretraining", "strength"), values) for name, values in variables.items()},
        {"pretraining": list(protocol.lengths), "strength": ("strength", list(protocol.strengths), {"units": "1"})},
        method="simulation",
        source=f"{n:,} draws",
        model=f"{protocol.network}",
    )


def _options(_: Noise, draws: int, *arrays: Any) -> CompilerOptions:
    _, scales, _, checkpoints, _ = arrays
    return options_of_size(draws * len(scales) * sum(layer.weight.size for layer in checkpoints))


@compiled(_options, "noise", "draws")
def _rises(
    noise: Noise, draws: int, problem: LearningProblem, scales: Array, start: Layers, checkpoints: Layers, key: Array
) -> Array:
    loss = partial(population_loss, problem=problem)
    batch = draws_at_once(sum(layer.weight.size for layer in start))

    def cell(layers: Layers, scales: Array, key: Array) -> Array:
        sizes, before = noise_sizes(layers, start, noise, scales), loss(layers)

        def one_draw(draw_key: Array) -> Array:
            return loss(shift_weights(layers, sample_noise(layers, noise, sizes, draw_key))) - before

        return jax.lax.map(one_draw, jax.random.split(key, draws), batch_size=batch)

    def row(layers_and_key: tuple[Layers, Array]) -> Array:
        layers, row_key = layers_and_key
        keys = jax.random.split(row_key, len(scales))
        return jax.lax.map(lambda scales_and_key: cell(layers, *scales_and_key), (scales, keys))

    lengths = checkpoints[0].weight.shape[0]
    return jax.lax.map(row, (checkpoints, jax.random.split(key, lengths)))


def variance(sample: Float[np.ndarray, "*point draw"]) -> tuple[Values, Values]:
    """Variance of independent numbers along the last axis, and its standard error `√((m₄ − m₂²)/n)`, for large n.

    >>> [float(x) for x in variance(np.array([1.0, -1.0, 3.0, -3.0]))]
    [6.66..., 2.0]
    """
    centred = sample - sample.mean(axis=-1, keepdims=True)
    second, fourth = (centred**2).mean(axis=-1), (centred**4).mean(axis=-1)
    n = sample.shape[-1]
    return second * n / (n - 1), np.sqrt((fourth - second**2) / n)
