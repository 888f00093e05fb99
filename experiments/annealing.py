"""annealing (E2): SGD on noisy labels shrinks what is learned, tilts the layers, and annealing gives most of it back.

Measured: two learned features of a 6→2→2 network under steps of SGD whose labels are noisy, over the whole population,
many chains, every draw used with both signs. Prediction: each is smaller by `γ²(d_in + d_out)√u/(1 + u)`, γ² of the
present rate, u on the clock of all the noise so far. To first order: the difference has to vanish with η and γ². Where
it ends: what is not learned is held at a small value that no formula gives.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from jaxtyping import Array

from overtraining.experiments import Preset
from overtraining.experiments.memoized import memoize
from overtraining.experiments.setups import noisy_steps
from overtraining.experiments.verdict import Check, Outcome, judge_order, map_limit
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.responses import Method, trajectory
from overtraining.setting.teachers import singular_values
from overtraining.setting.training import Schedule
from overtraining.simulations.noisy_labels import ChainWeights, chain_product, descend_on_noisy_labels
from overtraining.theory.remedies.annealing import accumulated_noise, layer_ratio, noisy_spectrum

SETUP = noisy_steps()
D_IN, D_OUT, SIGMA = SETUP.network.d_in, SETUP.network.d_out, singular_values(SETUP.teacher)
FAR = 0.25  # Γ at the end: the tilt is then nearly done
SIZES = (0.6, 0.3, 0.15)  # of η = 0.2 and γ² = 0.004 together
EARLY, LATE = (0.2, 0.6), (0.6, 1.0)  # windows of a run, after the weights have relaxed
RATE, NOISE = 0.05, 0.2  # of the schedules: γ² = 0.001
SCHEDULES = get_args(Schedule)


def protocol(preset: Preset) -> Protocol:
    """What the schedules are compared on; its draws are pairs of opposite chains."""
    pairs = 512 if preset == "quick" else 16384
    return replace(SETUP, lengths=np.linspace(0, SETUP.lengths[-1], 17), sampling=Sampling(draws=pairs))


def run(preset: Preset, key: int) -> Outcome:
    """The order of what the formula leaves out; what a schedule gives back; the floor of what is not learned."""
    asked = protocol(preset)
    pairs = asked.sampling.draws
    early, late, tilts = np.array([_over_claimed(size, pairs, key) for size in SIZES]).T
    checks = [
        judge_order(f"shrinkage over the claimed one, {name} (E2)", np.array(SIZES), np.abs(ratio - 1), 1.0, "(η, γ²)")
        for name, ratio in (("early", early), ("late", late))
    ]
    listed = "; ".join(f"{a:.3f}, {b:.3f}, {c:.3f}" for a, b, c in zip(early, late, tilts, strict=True))
    answer = f"measured over claimed: early shrinkage, late shrinkage, ln u as η and γ² are halved: {listed}"
    checks.append(
        map_limit("steps that are not small", answer, {"early": early[-1], "late": late[-1], "tilt": tilts[-1]})
    )
    ends = {name: _measured(name, asked, key) for name in SCHEDULES}
    checks += [_given_back(ends), _floor(pairs, key)]
    return Outcome(tuple(checks), {f"measured {i}": one for i, one in enumerate(ends.values())})


def schedule(name: str, steps: int) -> np.ndarray:
    """Learning rates of equally many steps, RATE at their largest."""
    match name:
        case "constant":
            made = optax.constant_schedule(RATE)
        case "cosine":
            made = optax.cosine_decay_schedule(RATE, steps)
        case _:
            made = optax.warmup_constant_schedule(0.0, RATE, steps // 20)
            decay = optax.linear_schedule(RATE, 0.0, steps // 5)
            made = optax.join_schedules([made, decay], [steps - steps // 5])
    return np.asarray(jax.vmap(made)(jnp.arange(steps)))


def predicted(asked: Protocol) -> xr.Dataset:
    """Sum of the learned singular values along three schedules, as a Trajectory over steps."""
    steps = int(asked.lengths[-1])
    found = {}
    for name in SCHEDULES:
        rates = schedule(name, steps)
        gamma = np.asarray(accumulated_noise(rates, NOISE, 1.0))
        s = noisy_spectrum(SIGMA, (rates * NOISE**2 / 2)[:, None], gamma[:, None], d_in=D_IN, d_out=D_OUT)
        found[name] = np.append(SIGMA.sum(), np.asarray(s).sum(1))
    return _over_steps(np.arange(steps + 1), found, "theory", "claim E2")


def measured(asked: Protocol, key: int) -> xr.Dataset:
    """The same by chains of SGD, at the protocol's lengths; its draws are pairs of opposite ones."""
    data = [_measured(name, asked, key) for name in SCHEDULES]
    return data[0].merge(data[1]).merge(data[2], combine_attrs="override")


def _measured(name: str, asked: Protocol, key: int) -> xr.Dataset:
    keep, pairs = np.array(asked.lengths).astype(int), asked.sampling.draws
    rates = schedule(name, int(keep[-1]))
    f, error, _ = _chains(rates, NOISE, pairs, key)
    values, errors = np.append(SIGMA.sum(), f.sum(1))[keep], np.append(0.0, error)[keep]
    variables = {name: values, f"{name}_stderr": errors}
    return _over_steps(keep, variables, "simulation", f"{pairs:,} pairs of opposite chains")


def _over_steps(steps: np.ndarray, found: Mapping[str, np.ndarray], method: Method, source: str) -> xr.Dataset:
    return trajectory(
        {name: (("pretraining",), values) for name, values in found.items()},
        {"pretraining": steps},
        method=method, source=source, model=f"two features in a {D_IN}→2→{D_OUT} network", length_units="steps",
    )  # fmt: skip


def _over_claimed(size: float, pairs: int, key: int) -> tuple[float, float, float]:
    """Measured over claimed, in a run with γ² = 0.004 size: the shrinkage early and late, and the tilt in between."""
    rate, gamma_squared = 0.2 * size, 0.004 * size
    steps, noise = int(FAR / gamma_squared / rate), float(np.sqrt(2 * gamma_squared / rate))
    rates = np.full(steps, rate)
    f, _, u = _chains(rates, noise, pairs, key)
    gamma = np.asarray(accumulated_noise(rates, noise, 1.0))
    claimed = np.asarray(noisy_spectrum(SIGMA, gamma_squared, gamma[:, None], d_in=D_IN, d_out=D_OUT))
    early, late = (slice(int(a * steps), int(b * steps)) for a, b in (EARLY, LATE))
    ratio = [float((SIGMA - f[w]).sum() / (SIGMA - claimed[w]).sum()) for w in (early, late)]
    expected = layer_ratio(gamma[steps // 2], d_in=D_IN, d_out=D_OUT)
    return ratio[0], ratio[1], float(np.log(u[steps // 2]) / np.log(expected))


def _given_back(ends: Mapping[str, xr.Dataset]) -> Check:
    """What the end of a schedule leaves of the shrinkage."""
    left = {name: float(SIGMA.sum() - one[name].values[-1]) for name, one in ends.items()}
    constant, *annealed = left.values()
    listed = ", ".join(f"{lost:.4f} under {name}" for name, lost in left.items())
    answer = f"Σs below the teacher's at the end of equally many steps: {listed}"
    return Check("annealing unlocks what noise holds down (E2)", max(annealed) < constant / 2, answer, left)


def _floor(pairs: int, key: int) -> Check:
    """A feature weaker than the noise: what a chain that starts from it holds, in units of κ = γ²√(d_in d_out)."""
    found = {}
    rate, gamma_squared = 0.1, 0.01
    noise, kappa = float(np.sqrt(2 * gamma_squared / rate)), gamma_squared * np.sqrt(D_IN * D_OUT)
    for share in (0.5, 1.0, 2.0, 4.0):
        sigma = np.array([1.0, share * kappa])
        f, _, _ = _chains(np.full(2000, rate), noise, pairs // 4, key, sigma)
        found[f"{share:g}"] = float(f[1000:, 1].mean() / kappa)
    listed = ", ".join(f"{value:.2f} at σ = {share} κ" for share, value in found.items())
    return map_limit("features weaker than the noise", f"mean of the feature held, in units of κ: {listed}", found)


@memoize
def _chains(
    rates: np.ndarray, noise: float, pairs: int, key: int, sigma: np.ndarray = SIGMA
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """After every step: the mean diagonal of f, (step, mode), the error of its sum, and the mean tilt of the layers.

    Both chains of a pair start at the balanced optimum.
    """
    w2 = jnp.diag(jnp.sqrt(sigma))
    w1 = jnp.pad(w2, ((0, 0), (0, D_IN - 2)))
    start = w1[..., None], w2[..., None], w2 @ w1
    f, error, u = descend_on_noisy_labels(
        *start, jnp.asarray(rates), jnp.asarray(noise), pairs, jax.random.key(key), _learned
    )
    return np.asarray(f), np.asarray(error), np.asarray(u)


def _learned(w1: ChainWeights, w2: ChainWeights, off: ChainWeights) -> tuple[Array, Array, Array]:
    f = jnp.diagonal(chain_product(w2, w1[:, :2])).mean((0, 1))  # (pair, mode), of a pair
    norms = (w1**2).sum((0, 1)), (w2**2).sum((0, 1))
    return f.mean(0), f.sum(1).std(ddof=1) / jnp.sqrt(1.0 * f.shape[0]), norms[1].mean() / norms[0].mean()
