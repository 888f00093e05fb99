"""noise-robust (E1): the weights that bear noise best are those of weight decay per layer, thresholded geometrically.

Measured: gradient flow with a decay of its own in each layer, from random weights, to the end; the loss after noise
there, along plain pretraining and at its best stop, by sampling. Prediction: `s = (σ − κ)₊`, `κ = √(ab)`, with the
imbalance `w2²/w1² = a/b`; and how far above that optimum the balanced path stays at every length.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
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
from overtraining.setting.responses import Method, response
from overtraining.setting.starts import SmallGaussian
from overtraining.setting.teachers import singular_values
from overtraining.setting.training import GradientFlow
from overtraining.simulations.data import LearningProblem, learning_problem, population_loss
from overtraining.simulations.measurements import initialize
from overtraining.simulations.networks import Layers
from overtraining.simulations.perturbations import sample_noise, shift_weights
from overtraining.simulations.pretraining import train_layers
from overtraining.theory.remedies.robust import excess_over_robust, layer_costs, robust_optimum
from overtraining.theory.solvers.exact import follow

SIGMA = singular_values(unequal_costs(NOISES[0]).teacher)
END = 1500.0  # a mode just below the threshold dies at the rate of its distance to it


def protocol(preset: Preset) -> Protocol:
    """The network and its noise, by pairs of opposite draws."""
    draws = 16384 if preset == "quick" else 2**18
    return replace(unequal_costs(NOISES[1]), sampling=Sampling(draws=draws, antithetic=True))


def run(preset: Preset, key: int) -> Outcome:
    """The optimum's weights, its loss after noise, and that of the path; who wins."""
    setup = protocol(preset)
    robust = [_robust(setup, noise, key + i) for i, noise in enumerate(NOISES)]
    path = [_path(setup, noise, 100 * key + i) for i, noise in enumerate(NOISES)]
    z, leverage = (
        np.concatenate([np.ravel(a) for a in parts])
        for parts in zip(*(((m - p) / e, p / e) for m, e, p in [r[2] for r in robust] + path), strict=True)
    )
    checks = (
        judge_bound(
            "singular values, and the layers' norms, under decay (E1)",
            [np.append(r[0].s, [(r[0].w1 ** 2).sum(), (r[0].w2 ** 2).sum()]) for r in robust],
            [r[1] for r in robust],
            1e-4,
            "what is left of the feature below the threshold, by the largest rate at the last length",
        ),
        judge_z_scores("loss after noise at the optimum and along the path (E1)", z, leverage),
        _order([r[2] for r in robust], path),
    )
    best = replace(setup, perturbation=Noise(NOISES[1]))
    return Outcome(checks, {"measured": respond(best, key)})


def _robust(setup: Protocol, noise: tuple[float, float], key: int):  # type: ignore[no-untyped-def]
    """The predicted optimum; measured singular values and norms; measured and predicted loss after noise."""
    n, seen = setup.network, _trained(setup, noise, key)
    optimum = robust_optimum(SIGMA, *layer_costs(*noise, d_in=n.d_in, d_out=n.d_out))
    w1, w2 = seen["w1"], seen["w2"]
    values = np.append(np.linalg.svd(w2 @ w1)[1], [(w1**2).sum(), (w2**2).sum()])
    expected = optimum.loss.sum() + _floor(setup, noise)
    return optimum, values, tuple(np.array([x]) for x in (seen["after"], seen["after_stderr"], expected))


def _path(setup: Protocol, noise: tuple[float, float], key: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Plain pretraining: measured loss after noise at every length, its error, and the prediction."""
    n = setup.network
    given = replace(setup, perturbation=Noise(noise))
    seen, s = respond(given, key).isel(seed=0, strength=0), follow(given).singular_value.values
    prices = layer_costs(*noise, d_in=n.d_in, d_out=n.d_out)
    expected = (robust_optimum(SIGMA, *prices).loss + excess_over_robust(np.sqrt(s), np.sqrt(s), SIGMA, *prices)).sum(1)
    return seen.after.values, seen.after_stderr.values, expected + _floor(setup, noise)


def _floor(setup: Protocol, noise: tuple[float, float]) -> float:
    """B1's constant, the noise of the two layers on each other."""
    n = setup.network
    return noise[0] ** 2 * noise[1] ** 2 * n.d_in * n.h * n.d_out / 2


def _order(robust: Sequence[tuple[np.ndarray, ...]], path: Sequence[tuple[np.ndarray, ...]]) -> Check:
    """Long pretraining loses to the best stop, the best stop to decay, by more than chance."""
    gaps, listed = [], []
    numbers: dict[str, float] = {}
    for (low, low_error, _), (after, error, _), noise in zip(robust, path, NOISES, strict=True):
        best = int(after.argmin())
        gaps += [(after[best] - low[0]) / np.hypot(error[best], low_error[0])]
        gaps += [(after[-1] - after[best]) / np.hypot(error[-1], error[best])]
        listed.append(f"{after[-1]:.3f}, {after[best]:.3f}, {low[0]:.3f} at γ = {noise}")
        numbers |= {f"gain of decay at {noise}": float(after[best] - low[0])}
    answer = f"loss after noise long after, at the best stop, under decay: {'; '.join(listed)}"
    return Check("decay beats stopping beats neither (E1)", bool(min(gaps) > 4), answer, numbers)


@memoize
def _trained(setup: Protocol, noise: tuple[float, float], key: int) -> dict[str, Any]:
    """The weights under the decay that noise amounts to, from random ones; their loss before and after noise."""
    n, what = setup.network, learning_problem(setup)
    decay = jnp.asarray(layer_costs(*noise, d_in=n.d_in, d_out=n.d_out))
    layers = _decayed(initialize(replace(setup, start=SmallGaussian(0.3)), key), what, decay)
    mean, error = _sampled(layers, what, jnp.asarray(noise), setup.sampling.draws, jax.random.key(1000 + key))
    losses = {"before": population_loss(layers, what), "after": mean, "after_stderr": error}
    weights = {f"w{i}": np.asarray(layer.weight) for i, layer in enumerate(layers, 1)}
    return weights | {name: float(loss) for name, loss in losses.items()}


@jax.jit
def _decayed(start: Layers, what: LearningProblem, decay: Float[Array, "2"]) -> Layers:
    """The end of gradient flow with a weight decay of its own in each layer."""

    def loss(layers: Layers, step: Array) -> Array:
        norms = jnp.stack([jnp.sum(layer.weight**2) for layer in layers])
        return population_loss(layers, what) + decay @ norms / 2

    numbers = {"rtol": jnp.asarray(1e-8), "weight_decay": jnp.zeros(())}
    layers, _ = train_layers(start, loss, GradientFlow(), jnp.array([END]), numbers)
    return jax.tree.map(lambda w: w[0], layers)


@partial(jax.jit, static_argnames="draws")
def _sampled(
    layers: Layers, what: LearningProblem, noise: Float[Array, "2"], draws: int, key: Array
) -> tuple[Array, Array]:
    """Mean and standard error of the loss after noise, by pairs of opposite draws."""

    def pair(key: Array) -> Array:
        shift = sample_noise(layers, Noise(), list(noise), key)
        losses = [population_loss(shift_weights(layers, [sign * s for s in shift]), what) for sign in (1, -1)]
        return (losses[0] + losses[1]) / 2

    seen = jax.lax.map(pair, jax.random.split(key, draws), batch_size=4096)
    return seen.mean(), seen.std(ddof=1) / jnp.sqrt(1.0 * draws)


def optimum(setup: Protocol) -> xr.Dataset:
    """The Response of the noise-robust optimum, the same at every length; one strength."""
    n, noise = setup.network, _noise(setup)
    best = robust_optimum(SIGMA, *layer_costs(*noise, d_in=n.d_in, d_out=n.d_out))
    before = float(((SIGMA - best.s) ** 2).sum() / 2)
    return _constant(setup, before, float(best.loss.sum()) + _floor(setup, noise), 0.0, "theory", "claim E1")


def decayed(setup: Protocol, key: int) -> xr.Dataset:
    """The measured Response of a network trained under the decay that noise amounts to, as at the last length."""
    seen = _trained(setup, _noise(setup), key)
    last, source = replace(setup, lengths=setup.lengths[-1:]), f"{setup.sampling.draws:,} pairs of draws"
    return _constant(last, seen["before"], seen["after"], seen["after_stderr"], "simulation", source)


def _noise(setup: Protocol) -> tuple[float, float]:
    how = setup.perturbation
    assert isinstance(how, Noise)
    first, second = how.per_layer(2)
    return setup.strengths[0] * first, setup.strengths[0] * second


def _constant(setup: Protocol, before: float, after: float, error: float, method: Method, source: str) -> xr.Dataset:
    one, both = np.ones(len(setup.lengths)), np.ones((len(setup.lengths), 1))
    return response(
        {
            "before": (("pretraining",), before * one),
            "after": (("pretraining", "strength"), after * both),
            "after_stderr": (("pretraining", "strength"), error * both),
        },
        {"pretraining": list(setup.lengths), "strength": list(setup.strengths)},
        method=method,
        source=source,
        perturbation="Gaussian noise on every weight",
        model="weight decay of its own in each layer",
    )
