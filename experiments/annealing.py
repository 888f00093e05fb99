"""annealing (E2): SGD on noisy labels shrinks learned features and unbalances the layers; annealing undoes most of it.

Protocol: two learned features of a 6→2→2 network, trained by SGD steps with noisy labels on the whole population; many
chains, in pairs with opposite noise. Prediction, to first order in η and γ²: each feature is smaller by
`γ²(d_in + d_out)√u/(1 + u)`, where γ² belongs to the present learning rate and u, the ratio of the layers' norms,
depends on the noise accumulated so far. Refuted if the deviation from this does not vanish in proportion to (η, γ²), or
if annealing leaves more than half of the shrinkage; or if the shrinkage at finite steps, on fresh inputs in small
batches (E2f), deviates. Limit: a feature weaker than the noise is held at a small value for
which there is no formula.
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
from overtraining.experiments.verdict import Check, Outcome, judge_order, judge_z_scores, map_limit
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.responses import Method, trajectory
from overtraining.setting.teachers import singular_values
from overtraining.setting.training import Schedule
from overtraining.simulations.double_precision import in_double_precision
from overtraining.simulations.noisy_labels import ChainWeights, chain_product, descend_on_noisy_labels
from overtraining.theory.remedies.annealing import accumulated_noise, layer_ratio, noisy_spectrum, stepped_spectrum

SETUP = noisy_steps()
D_IN, D_OUT, SIGMA = SETUP.network.d_in, SETUP.network.d_out, singular_values(SETUP.teacher)
FAR = 0.25  # Γ at the end: the layers' norms are then nearly stationary
SIZES = (0.6, 0.3, 0.15)  # of η = 0.2 and γ² = 0.004 together
EARLY, LATE = (0.2, 0.6), (0.6, 1.0)  # windows of a run, after the weights have relaxed
LEARNING_RATE, LABEL_NOISE = 0.05, 0.2  # of the schedules: γ² = 0.001
SCHEDULES = get_args(Schedule)
FRESH_RATE, FRESH_NOISE = 0.05, 0.02  # for fresh inputs: ησ(d_in + 1)/B = 0.35 at B = 1, and γ² = 1e-5


def protocol(preset: Preset) -> Protocol:
    """The protocol on which the schedules are compared; its draws are pairs of opposite chains."""
    pairs = 512 if preset == "quick" else 16384
    return replace(SETUP, lengths=np.linspace(0, SETUP.lengths[-1], 17), sampling=Sampling(draws=pairs))


@in_double_precision
def run(preset: Preset, key: int) -> Outcome:
    """The order of the formula's error, the effect of annealing, and features weaker than the noise."""
    setup = protocol(preset)
    pairs = setup.sampling.draws
    early, late, layer_ratios = np.array([_ratios_to_prediction(size, pairs, key) for size in SIZES]).T
    checks = [
        judge_order(f"relative error of the shrinkage, {name} (E2)", np.array(SIZES), np.abs(ratio - 1), 1.0, "(η, γ²)")
        for name, ratio in (("early", early), ("late", late))
    ]
    listed = "; ".join(f"{a:.3f}, {b:.3f}, {c:.3f}" for a, b, c in zip(early, late, layer_ratios, strict=True))
    answer = f"measured / predicted early shrinkage, late shrinkage and ln u, as η and γ² are halved: {listed}"
    checks.append(
        map_limit(
            "steps that are not small", answer, {"early": early[-1], "late": late[-1], "layer ratio": layer_ratios[-1]}
        )
    )
    checks.append(_fresh_inputs(pairs, key))
    runs = {name: _run_schedule(name, setup, key) for name in SCHEDULES}
    checks += [judge_restoration(runs), _weak_features(pairs, key)]
    return Outcome(tuple(checks), {f"measured {i}": one for i, one in enumerate(runs.values())})


def schedule(name: str, steps: int) -> np.ndarray:
    """The learning rate at each of so many steps, at most LEARNING_RATE."""
    match name:
        case "constant":
            learning_rate = optax.constant_schedule(LEARNING_RATE)
        case "cosine":
            learning_rate = optax.cosine_decay_schedule(LEARNING_RATE, steps)
        case _:
            warmup = optax.warmup_constant_schedule(0.0, LEARNING_RATE, steps // 20)
            decay = optax.linear_schedule(LEARNING_RATE, 0.0, steps // 5)
            learning_rate = optax.join_schedules([warmup, decay], [steps - steps // 5])
    return np.asarray(jax.vmap(learning_rate)(jnp.arange(steps)))


@in_double_precision
def predicted(setup: Protocol) -> xr.Dataset:
    """The predicted sum of singular values along three schedules, as a Trajectory over steps."""
    steps = int(setup.lengths[-1])
    sums = {}
    for name in SCHEDULES:
        learning_rates = schedule(name, steps)
        accumulated = np.asarray(accumulated_noise(learning_rates, LABEL_NOISE, 1.0))
        gamma_squared = learning_rates * LABEL_NOISE**2 / 2
        s = noisy_spectrum(SIGMA, gamma_squared[:, None], accumulated[:, None], d_in=D_IN, d_out=D_OUT)
        sums[name] = np.append(SIGMA.sum(), np.asarray(s).sum(1))
    return _over_steps(np.arange(steps + 1), sums, "theory", "claim E2")


@in_double_precision
def measured(setup: Protocol, key: int) -> xr.Dataset:
    """The same measured on chains of SGD at the protocol's lengths; its draws are pairs of opposite chains."""
    data = [_run_schedule(name, setup, key) for name in SCHEDULES]
    return data[0].merge(data[1]).merge(data[2], combine_attrs="override")


def _run_schedule(name: str, setup: Protocol, key: int) -> xr.Dataset:
    """The measured sum of singular values along one schedule."""
    steps, pairs = np.array(setup.lengths).astype(int), setup.sampling.draws
    f, stderr, _ = _chains(schedule(name, int(steps[-1])), LABEL_NOISE, pairs, key)
    sums = np.append(SIGMA.sum(), f.sum(1))[steps]
    variables = {name: sums, f"{name}_stderr": np.append(0.0, stderr)[steps]}
    return _over_steps(steps, variables, "simulation", f"{pairs:,} pairs of opposite chains")


def _over_steps(steps: np.ndarray, variables: Mapping[str, np.ndarray], method: Method, source: str) -> xr.Dataset:
    return trajectory(
        {name: (("pretraining",), values) for name, values in variables.items()},
        {"pretraining": steps},
        method=method,
        source=source,
        model=f"two features in a {D_IN}→2→{D_OUT} network",
        length_units="steps",
    )


def _ratios_to_prediction(size: float, pairs: int, key: int) -> tuple[float, float, float]:
    """Measured / predicted in a run with γ² = 0.004 size: the shrinkage early and late, and ln u in the middle."""
    learning_rate, gamma_squared = 0.2 * size, 0.004 * size
    steps = int(FAR / gamma_squared / learning_rate)
    label_noise = float(np.sqrt(2 * gamma_squared / learning_rate))
    learning_rates = np.full(steps, learning_rate)
    f, _, u = _chains(learning_rates, label_noise, pairs, key)
    accumulated = np.asarray(accumulated_noise(learning_rates, label_noise, 1.0))
    expected = np.asarray(noisy_spectrum(SIGMA, gamma_squared, accumulated[:, None], d_in=D_IN, d_out=D_OUT))
    windows = [slice(int(begin * steps), int(end * steps)) for begin, end in (EARLY, LATE)]
    early, late = (float((SIGMA - f[w]).sum() / (SIGMA - expected[w]).sum()) for w in windows)
    expected_ratio = layer_ratio(accumulated[steps // 2], d_in=D_IN, d_out=D_OUT)
    return early, late, float(np.log(u[steps // 2]) / np.log(expected_ratio))


def judge_restoration(runs: Mapping[str, xr.Dataset]) -> Check:
    """At the end, every annealed schedule has less than half of the shrinkage under a constant learning rate."""
    shrinkage = {name: float(SIGMA.sum() - run[name].values[-1]) for name, run in runs.items()}
    constant, *annealed = shrinkage.values()
    listed = ", ".join(f"{value:.4f} under {name}" for name, value in shrinkage.items())
    answer = f"Σs below the teacher's after the same number of steps: {listed}"
    return Check("annealing restores what noise holds down (E2)", max(annealed) < constant / 2, answer, shrinkage)


def _weak_features(pairs: int, key: int) -> Check:
    """A feature weaker than the noise, from which the chain starts: its mean in units of κ = γ²√(d_in d_out)."""
    means = {}
    learning_rate, gamma_squared = 0.1, 0.01
    label_noise = float(np.sqrt(2 * gamma_squared / learning_rate))
    kappa = gamma_squared * np.sqrt(D_IN * D_OUT)
    for multiple in (0.5, 1.0, 2.0, 4.0):
        sigma = np.array([1.0, multiple * kappa])
        f, _, _ = _chains(np.full(2000, learning_rate), label_noise, pairs // 4, key, sigma)
        means[f"{multiple:g}"] = float(f[1000:, 1].mean() / kappa)
    listed = ", ".join(f"{mean:.2f} for σ = {multiple} κ" for multiple, mean in means.items())
    return map_limit("features weaker than the noise", f"mean of the weak feature in units of κ: {listed}", means)


def _fresh_inputs(pairs: int, key: int) -> Check:
    """The shrinkage of both features before the layers drift, in batches of 1, 2 and 8 and on the whole population."""
    z, leverage = [], []
    for batch in (1, 2, 8, None):
        size = float(batch or 1)
        measured, stderr = _shrinkage(batch, pairs, key)
        claimed = stepped_spectrum(
            SIGMA, FRESH_RATE, FRESH_NOISE * np.sqrt(size), size, d_in=D_IN, d_out=D_OUT, online=batch is not None
        )
        predicted = (SIGMA - claimed) / (FRESH_RATE * FRESH_NOISE**2 / 2)
        z += list((measured - predicted) / stderr)
        leverage += list(predicted / stderr)
    return judge_z_scores("shrinkage at finite steps, on fresh inputs (E2f)", z, leverage)


@memoize
def _shrinkage(batch: int | None, pairs: int, key: int) -> tuple[np.ndarray, np.ndarray]:
    """In γ², mode by mode, from means over steps of every pair, and its standard error."""
    w2 = jnp.diag(jnp.sqrt(SIGMA))
    w1 = jnp.pad(w2, ((0, 0), (0, D_IN - 2)))
    steps, settled = 600, 100
    inputs = jnp.full(steps, FRESH_RATE), jnp.arange(settled, steps + 1, 5), jnp.asarray(FRESH_NOISE)
    start = w1[..., None], w2[..., None], w2 @ w1
    each = descend_on_noisy_labels(*start, *inputs, pairs, jax.random.key(key), _deviation, batch)
    lost = -np.asarray(each).mean(axis=0) / (FRESH_RATE * FRESH_NOISE**2 / 2)  # (mode, pair)
    return lost.mean(axis=1), lost.std(axis=1, ddof=1) / np.sqrt(pairs)


def _deviation(w1: ChainWeights, w2: ChainWeights, difference: ChainWeights) -> Array:
    return jnp.diagonal(difference[:, :2, 0]).mean(axis=0).T  # (mode, pair), of both chains


@memoize
def _chains(
    learning_rates: np.ndarray, label_noise: float, pairs: int, key: int, sigma: np.ndarray = SIGMA
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """After every step: the mean diagonal of f, (step, mode), the standard error of its sum, and the mean of u.

    u: ratio of the squared norms of the layers. Both chains of a pair start at the balanced optimum.
    """
    w2 = jnp.diag(jnp.sqrt(sigma))
    w1 = jnp.pad(w2, ((0, 0), (0, D_IN - 2)))
    start = w1[..., None], w2[..., None], w2 @ w1
    inputs = jnp.asarray(learning_rates), jnp.arange(1, learning_rates.size + 1), jnp.asarray(label_noise)
    f, stderr, u = descend_on_noisy_labels(*start, *inputs, pairs, jax.random.key(key), _statistics)
    return np.asarray(f), np.asarray(stderr), np.asarray(u)


def _statistics(w1: ChainWeights, w2: ChainWeights, difference: ChainWeights) -> tuple[Array, Array, Array]:
    f = jnp.diagonal(chain_product(w2, w1[:, :2])).mean((0, 1))  # (pair, mode), of a pair
    norms = (w1**2).sum((0, 1)), (w2**2).sum((0, 1))
    return f.mean(0), f.sum(1).std(ddof=1) / jnp.sqrt(1.0 * f.shape[0]), norms[1].mean() / norms[0].mean()
