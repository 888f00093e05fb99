"""The slope of the loss after noise along training, by differentiation, and the turning point where it is zero."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from overtraining.setting.errors import DomainError, NotSolved
from overtraining.setting.perturbations import Noise
from overtraining.setting.protocol import Protocol
from overtraining.simulations.compilation import CompilerOptions, compiled, options_of_size
from overtraining.simulations.curvature import stderr
from overtraining.simulations.data import population_loss
from overtraining.simulations.double_precision import in_double_precision
from overtraining.simulations.measurements import RandomKey, pretrain, seed_key
from overtraining.simulations.memory import check_simulation, draws_at_once, response_memory
from overtraining.simulations.networks import Layers
from overtraining.simulations.perturbations import noise_sizes, sample_noise, shift_weights
from overtraining.simulations.runs import network_weights
from overtraining.simulations.training_plan import RunNumbers, TrainingPlan, plan_training


@in_double_precision
def slopes(
    protocol: Protocol, key: RandomKey
) -> tuple[Float[np.ndarray, "length strength"], Float[np.ndarray, "length strength"]]:
    """`d/dt E[L(θ + noise)]` along gradient flow, at every length and strength, with its standard error.

    The flow moves the weights by `−∇L(θ)`, so a pair of opposite draws ±n gives `−⟨½(∇L(θ+n) + ∇L(θ−n)), ∇L(θ)⟩`; the
    protocol's draws are such pairs. Linear networks on whole populations, noise in absolute units; one seed.
    Raises DomainError for other protocols.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> from overtraining.setting.protocol import Sampling
    >>> protocol = Protocol(PowerLaw(2), (1.0, 8.0), (0.5,), sampling=Sampling(draws=64))
    >>> slopes(protocol, key=0)[0].round(2).tolist()
    [[-0.01], [0.03]]
    """
    noise = protocol.perturbation
    if protocol.network.activation != "linear" or protocol.inputs.samples is not None:
        raise DomainError(repr(protocol.network), "slopes are those of the population's loss", "use a linear network")
    if not isinstance(noise, Noise) or noise.convention != "absolute":
        raise DomainError(repr(noise), "its size would change along the flow", "use Noise() in absolute units")
    check_simulation(protocol, response_memory)
    plan, numbers = plan_training(protocol)
    checkpoints = pretrain(protocol, key)
    mean, error = _slopes(plan, numbers, checkpoints, jax.random.fold_in(seed_key(key, 0), 1))
    return np.asarray(mean), np.asarray(error)


def _options(plan: TrainingPlan, numbers: RunNumbers, *_: object) -> CompilerOptions:
    return options_of_size(plan.draws * numbers.lengths.size * numbers.strengths.size * network_weights(plan.network))


@compiled(_options, "plan")
def _slopes(plan: TrainingPlan, numbers: RunNumbers, checkpoints: Layers, key: Array) -> tuple[Array, Array]:
    gradient = jax.grad(partial(population_loss, problem=numbers.problem))
    assert isinstance(plan.perturbation, Noise)
    noise = plan.perturbation
    batch = draws_at_once(2 * network_weights(plan.network), most=256)  # pairs

    def cell(layers: Layers, strength: Array, key: Array) -> tuple[Array, Array]:
        unperturbed = gradient(layers)
        sizes = noise_sizes(layers, layers, noise, strength * numbers.scales)

        def opposite_draws(draw_key: Array) -> Array:
            shifts = sample_noise(layers, noise, sizes, draw_key)
            perturbed = [gradient(shift_weights(layers, [sign * n for n in shifts])) for sign in (1, -1)]
            products = jax.tree.map(lambda g, a, b: jnp.sum(g * (a + b)) / 2, unperturbed, *perturbed)
            return -jnp.sum(jnp.stack(jax.tree.leaves(products)))

        draws = jax.lax.map(opposite_draws, jax.random.split(key, plan.draws), batch_size=batch)
        return draws.mean(), stderr(draws)

    def row(layers_and_key: tuple[Layers, Array]) -> tuple[Array, Array]:
        layers, row_key = layers_and_key
        keys = jax.random.split(row_key, numbers.strengths.size)
        return jax.lax.map(lambda strength_and_key: cell(layers, *strength_and_key), (numbers.strengths, keys))

    return jax.lax.map(row, (checkpoints, jax.random.split(key, numbers.lengths.size)))


def turning_point(
    lengths: Float[np.ndarray, " length"], slope: Float[np.ndarray, " length"], stderr: Float[np.ndarray, " length"]
) -> tuple[float, float]:
    """The zero of a parabola through slopes near it, by weighted least squares, and its standard error.

    A parabola, since a straight line's zero is off by more than its error once the draws are many.
    Raises NotSolved where the slopes do not change sign, or rise too little for a zero to be told.

    >>> t = np.linspace(0.0, 2.0, 5)
    >>> [round(x, 4) for x in turning_point(t, t**2 - 1, np.full(5, 0.1))]
    [1.0, 0.0348]
    """
    if not slope[0] < 0 < slope[-1]:
        raise NotSolved(
            "a turning point", "the loss does not fall first and rise in the end", "choose lengths around it"
        )
    middle = lengths.mean()
    fit, covariance = np.polyfit(lengths - middle, slope, 2, w=1 / stderr, cov="unscaled")
    zeros = np.roots(fit)
    zero = float(zeros[np.abs(zeros).argmin()].real)
    powers = np.array([zero**2, zero, 1.0])
    rise = np.polyval(np.polyder(fit), zero)
    error = np.sqrt(powers @ covariance @ powers) / rise
    if not 0 < error < np.ptp(lengths):
        raise NotSolved("a turning point", "its error is as large as the range", "take more draws")
    return float(middle + zero), float(error)
