"""The draws behind a mean: what every single one adds to the loss, their variance, and that variance's own error."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from overtraining.setting.arrays import Values
from overtraining.setting.errors import DomainError
from overtraining.setting.perturbations import Noise
from overtraining.setting.protocol import Protocol
from overtraining.setting.responses import trajectory
from overtraining.simulations.data import LearningProblem, population_loss
from overtraining.simulations.measurements import RandomKey, initialize, pretrain, seed_key
from overtraining.simulations.networks import Layers
from overtraining.simulations.perturbations import noise_sizes, sample_noise, shift_weights
from overtraining.simulations.training_plan import plan_training


def rises(protocol: Protocol, key: RandomKey) -> Float[np.ndarray, "length strength draw"]:
    """`L(θ + noise) − L(θ)` for every draw, at every length and strength, independent everywhere; one seed.

    Linear networks on whole populations, noise of any convention. Raises DomainError for other protocols.

    >>> from overtraining.setting.teachers import PowerLaw

    >>> from overtraining.setting.protocol import Sampling
    >>> rises(Protocol(PowerLaw(2), (0.0, 4.0), (0.1,), sampling=Sampling(draws=8)), key=0).shape
    (2, 1, 8)
    """
    how = protocol.perturbation
    if protocol.network.activation != "linear":
        raise DomainError(repr(protocol.network), "the loss is that of the population", "use a linear network")
    if not isinstance(how, Noise) or protocol.sampling.antithetic:
        asked = f"{how!r}, {protocol.sampling!r}"
        raise DomainError(asked, "single draws of noise are asked", "use Noise(…) and antithetic=False")
    _, numbers = plan_training(protocol)
    weights = initialize(protocol, key), pretrain(protocol, key)
    grid = numbers.strengths[:, None] * numbers.scales[None, :]
    for_noise = jax.random.fold_in(seed_key(key, 0), 1)
    return np.asarray(_rises(replace(how, scales=()), protocol.sampling.draws, numbers.task, grid, *weights, for_noise))


def rise_and_spread(protocol: Protocol, key: RandomKey) -> xr.Dataset:
    """Mean `rise` of the loss over the draws and its standard deviation `spread`, with their errors, as a Trajectory.

    Domain and errors as in `rises`. A run like `measured.respond`, which knows no spread but takes more protocols.
    """
    seen, axes = rises(protocol, key), ("pretraining", "strength")
    (value, error), n = variance(seen), protocol.sampling.draws
    spread = np.sqrt(value)
    found = {"rise": seen.mean(axis=-1), "rise_stderr": spread / np.sqrt(n)}
    found |= {"spread": spread, "spread_stderr": error / (2 * spread)}
    return trajectory(
        {name: (axes, values) for name, values in found.items()},
        {"pretraining": list(protocol.lengths), "strength": ("strength", list(protocol.strengths), {"units": "1"})},
        method="simulation",
        source=f"{n:,} draws",
        model=f"{protocol.network}",
    )


@partial(jax.jit, static_argnames=("noise", "draws"))
def _rises(
    noise: Noise, draws: int, task: LearningProblem, scales: Array, start: Layers, checkpoints: Layers, key: Array
) -> Array:  # fmt: skip
    loss = partial(population_loss, task=task)

    def cell(layers: Layers, scales: Array, key: Array) -> Array:
        sizes, before = noise_sizes(layers, start, noise, scales), loss(layers)
        one = lambda key: loss(shift_weights(layers, sample_noise(layers, noise, sizes, key))) - before
        return jax.lax.map(one, jax.random.split(key, draws), batch_size=1024)

    def row(at: tuple[Layers, Array]) -> Array:
        layers, row_key = at
        return jax.lax.map(lambda one: cell(layers, *one), (scales, jax.random.split(row_key, len(scales))))

    lengths = checkpoints[0].weight.shape[0]
    return jax.lax.map(row, (checkpoints, jax.random.split(key, lengths)))


def variance(sample: Float[np.ndarray, "*point draw"]) -> tuple[Values, Values]:
    """Variance of independent numbers along the last axis, and its standard error `√((m₄ − m₂²)/n)`, for large n.

    >>> [float(x) for x in variance(np.array([1.0, -1.0, 3.0, -3.0]))]
    [6.66..., 2.0]
    """
    moved = sample - sample.mean(axis=-1, keepdims=True)
    second, fourth = (moved**2).mean(axis=-1), (moved**4).mean(axis=-1)
    n = sample.shape[-1]
    return second * n / (n - 1), np.sqrt((fourth - second**2) / n)
