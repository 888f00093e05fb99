"""noise-robust (E1): the weights that are most robust to noise are those of a suitable weight decay per layer.

Protocol: gradient flow to the end with a weight decay of its own in each layer, from random weights; the loss after
noise there, and along plain pretraining, by sampling. Prediction: singular values `s = (σ − κ)₊` with `κ = √(ab)`, a
and b the noise costs of the layers, and weights with `w2²/w1² = a/b`; the loss after noise at this optimum and along
the balanced path. Refuted if a weight or a z-score deviates, or if the weight decay does not beat the best stop.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from overtraining.experiments import Preset
from overtraining.experiments.memoized import memoize, respond
from overtraining.experiments.setups import NOISES, unequal_costs
from overtraining.experiments.verdict import Check, Outcome, judge_bound, judge_z_scores
from overtraining.setting.perturbations import Noise
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.resolved import resolve
from overtraining.setting.responses import Method, response
from overtraining.setting.starts import SmallGaussian
from overtraining.setting.teachers import singular_values
from overtraining.setting.training import GradientFlow
from overtraining.simulations.compilation import FEW_STEPS, compiled
from overtraining.simulations.data import LearningProblem, learning_problem, population_loss
from overtraining.simulations.double_precision import in_double_precision
from overtraining.simulations.measurements import initialize
from overtraining.simulations.networks import Layers
from overtraining.simulations.perturbations import sample_noise, shift_weights
from overtraining.simulations.pretraining import train_layers
from overtraining.theory.remedies.robust import RobustOptimum, excess_over_robust, layer_costs, robust_optimum
from overtraining.theory.solvers.exact import follow

SIGMA = singular_values(unequal_costs(NOISES[0]).teacher)
END = 1500.0  # long, because a mode just below the threshold decays at the rate of its distance to it


@dataclass(frozen=True)
class LossesAfterNoise:
    """Losses after noise: measured, their standard errors, and predicted."""

    measured: np.ndarray
    stderr: np.ndarray
    predicted: np.ndarray


def protocol(preset: Preset) -> Protocol:
    """The network and its noise, sampled by pairs of opposite draws."""
    draws = 16384 if preset == "quick" else 2**18
    return replace(unequal_costs(NOISES[1]), sampling=Sampling(draws=draws, antithetic=True))


@in_double_precision
def run(preset: Preset, key: int) -> Outcome:
    """The weights of the optimum, its loss after noise, that of plain pretraining, and their order."""
    setup = protocol(preset)
    trained = [_train_under_decay(setup, gammas, key + i) for i, gammas in enumerate(NOISES)]
    decayed_losses = [_under_decay(setup, gammas, one) for gammas, one in zip(NOISES, trained, strict=True)]
    plain_losses = [_along_path(setup, gammas, 100 * key + i) for i, gammas in enumerate(NOISES)]
    losses = decayed_losses + plain_losses
    z = np.concatenate([(one.measured - one.predicted) / one.stderr for one in losses])
    leverage = np.concatenate([one.predicted / one.stderr for one in losses])
    checks = (
        _weights(setup, trained),
        judge_z_scores("loss after noise at the optimum and along the path (E1)", z, leverage),
        judge_ranking(decayed_losses, plain_losses),
    )
    return Outcome(checks, {"measured": respond(replace(setup, perturbation=Noise(NOISES[1])), key)})


def _optimum(setup: Protocol, gammas: tuple[float, float]) -> RobustOptimum:
    n = setup.network
    return robust_optimum(SIGMA, *layer_costs(*gammas, d_in=n.d_in, d_out=n.d_out))


def _weights(setup: Protocol, trained: Sequence[dict[str, Any]]) -> Check:
    """Singular values and squared norms of the layers, in every noise."""
    expected, measured = [], []
    for gammas, one in zip(NOISES, trained, strict=True):
        optimum, w1, w2 = _optimum(setup, gammas), one["w1"], one["w2"]
        expected.append(np.append(optimum.s, [(optimum.w1**2).sum(), (optimum.w2**2).sum()]))
        measured.append(np.append(np.linalg.svd(w2 @ w1)[1], [(w1**2).sum(), (w2**2).sum()]))
    name = "singular values, and the layers' norms, under weight decay (E1)"
    reason = "what remains of the feature below the threshold at the last length"
    return judge_bound(name, expected, measured, 1e-4, reason)


def _under_decay(setup: Protocol, gammas: tuple[float, float], trained: dict[str, Any]) -> LossesAfterNoise:
    """The loss after noise of the network trained with weight decay per layer."""
    predicted = _optimum(setup, gammas).loss.sum() + _noise_product(setup, gammas)
    return LossesAfterNoise(*(np.array([loss]) for loss in (trained["after"], trained["after_stderr"], predicted)))


def _along_path(setup: Protocol, gammas: tuple[float, float], key: int) -> LossesAfterNoise:
    """The loss after noise along plain pretraining."""
    n = setup.network
    variant = replace(setup, perturbation=Noise(gammas))
    measured, s = respond(variant, key).isel(seed=0, strength=0), follow(variant).singular_value.values
    costs = layer_costs(*gammas, d_in=n.d_in, d_out=n.d_out)
    excess = excess_over_robust(np.sqrt(s), np.sqrt(s), SIGMA, *costs)
    predicted = (_optimum(setup, gammas).loss + excess).sum(1) + _noise_product(setup, gammas)
    return LossesAfterNoise(measured.after.values, measured.after_stderr.values, predicted)


def _noise_product(setup: Protocol, gammas: tuple[float, float]) -> float:
    """B1's constant, the loss from the product of the two layers' noise."""
    n = setup.network
    return gammas[0] ** 2 * gammas[1] ** 2 * n.d_in * n.h * n.d_out / 2


def judge_ranking(decayed_losses: Sequence[LossesAfterNoise], plain_losses: Sequence[LossesAfterNoise]) -> Check:
    """Weight decay beats the best stop, and the best stop beats long pretraining, by more than chance."""
    gaps, listed = [], []
    numbers: dict[str, float] = {}
    for decay, plain, gammas in zip(decayed_losses, plain_losses, NOISES, strict=True):
        best = int(plain.measured.argmin())
        at_end, at_best, under_decay = plain.measured[-1], plain.measured[best], decay.measured[0]
        gaps.append((at_best - under_decay) / np.hypot(plain.stderr[best], decay.stderr[0]))
        gaps.append((at_end - at_best) / np.hypot(plain.stderr[-1], plain.stderr[best]))
        listed.append(f"{at_end:.3f}, {at_best:.3f}, {under_decay:.3f} at γ = {gammas}")
        numbers[f"gain of decay at {gammas}"] = float(at_best - under_decay)
    answer = f"loss after noise after long pretraining, at the best stop, under weight decay: {'; '.join(listed)}"
    name = "weight decay beats the best stop, which beats long pretraining (E1)"
    return Check(name, bool(min(gaps) > 4), answer, numbers)


@memoize
def _train_under_decay(setup: Protocol, gammas: tuple[float, float], key: int) -> dict[str, Any]:
    """Random weights trained with the weight decay that is equivalent to the noise; the loss before and after noise."""
    n, problem = setup.network, learning_problem(resolve(setup))
    weight_decays = jnp.asarray(layer_costs(*gammas, d_in=n.d_in, d_out=n.d_out))
    layers = _end_of_flow(initialize(replace(setup, start=SmallGaussian(0.3)), key), problem, weight_decays)
    sampling_key = jax.random.key(1000 + key)
    mean, stderr = _loss_after_noise(layers, problem, jnp.asarray(gammas), setup.sampling.draws, sampling_key)
    losses = {"before": population_loss(layers, problem), "after": mean, "after_stderr": stderr}
    weights = {f"w{i}": np.asarray(layer.weight) for i, layer in enumerate(layers, 1)}
    return weights | {name: float(loss) for name, loss in losses.items()}


@compiled(FEW_STEPS)
def _end_of_flow(start: Layers, problem: LearningProblem, weight_decays: Float[Array, "2"]) -> Layers:
    """The end of gradient flow with a weight decay of its own in each layer."""

    def loss(layers: Layers, step: Array) -> Array:
        norms = jnp.stack([jnp.sum(layer.weight**2) for layer in layers])
        return population_loss(layers, problem) + weight_decays @ norms / 2

    numbers = {"rtol": jnp.asarray(1e-8), "weight_decay": jnp.zeros(())}
    layers, _ = train_layers(start, loss, GradientFlow(), jnp.array([END]), numbers)
    return jax.tree.map(lambda w: w[0], layers)


@compiled(FEW_STEPS, "draws")
def _loss_after_noise(
    layers: Layers, problem: LearningProblem, gammas: Float[Array, "2"], draws: int, key: Array
) -> tuple[Array, Array]:
    """Mean and standard error of the loss after noise, by pairs of opposite draws."""

    def pair(key: Array) -> Array:
        shift = sample_noise(layers, Noise(), list(gammas), key)
        losses = [population_loss(shift_weights(layers, [sign * s for s in shift]), problem) for sign in (1, -1)]
        return (losses[0] + losses[1]) / 2

    pairs = jax.lax.map(pair, jax.random.split(key, draws), batch_size=4096)
    return pairs.mean(), pairs.std(ddof=1) / jnp.sqrt(1.0 * draws)


def optimum_predicted(setup: Protocol) -> xr.Dataset:
    """The Response of the noise-robust optimum, the same at every length, for one strength."""
    gammas = _noise(setup)
    optimum = _optimum(setup, gammas)
    before = float(((SIGMA - optimum.s) ** 2).sum() / 2)
    after = float(optimum.loss.sum()) + _noise_product(setup, gammas)
    return _constant(setup, before, after, 0.0, "theory", "claim E1")


def optimum_measured(setup: Protocol, key: int) -> xr.Dataset:
    """The measured Response of a network trained with the equivalent weight decay, at the last length."""
    trained = _train_under_decay(setup, _noise(setup), key)
    last, source = replace(setup, lengths=setup.lengths[-1:]), f"{setup.sampling.draws:,} pairs of draws"
    return _constant(last, trained["before"], trained["after"], trained["after_stderr"], "simulation", source)


def _noise(setup: Protocol) -> tuple[float, float]:
    """γ₁ and γ₂ of the protocol's first strength."""
    assert isinstance(setup.perturbation, Noise)
    first, second = setup.perturbation.per_layer(2)
    return setup.strengths[0] * first, setup.strengths[0] * second


def _constant(setup: Protocol, before: float, after: float, stderr: float, method: Method, source: str) -> xr.Dataset:
    """A Response that is the same at every length."""
    by_length, by_strength = np.ones(len(setup.lengths)), np.ones((len(setup.lengths), 1))
    return response(
        {
            "before": (("pretraining",), before * by_length),
            "after": (("pretraining", "strength"), after * by_strength),
            "after_stderr": (("pretraining", "strength"), stderr * by_strength),
        },
        {"pretraining": list(setup.lengths), "strength": list(setup.strengths)},
        method=method,
        source=source,
        perturbation="Gaussian noise on every weight",
        model="weight decay of its own in each layer",
    )
