"""label-noise (D5): fine-tuning by SGD on noisy labels leaves the task with an excess loss, whatever the pretraining.

Measured: thousands of independent fine-tunings by SGD with fresh batches, from three pretraining lengths, long after
the task is fitted; and, at finite budgets, the slope of the downstream loss in the pretrained value, by chains on the
whole population that share their noise. Prediction: the stationary excess of the linearized dynamics at every learning
rate, to first order `½γ² tr H`, `γ² = ην²/2B`; a loss that is least where noiseless fine-tuning ends at `σ' + γ²ψ`
(D5t). Where it ends: rates near the edge, at which the first order falls short, and large noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array

from overtraining.experiments import Preset
from overtraining.experiments.memoized import memoize, respond
from overtraining.experiments.verdict import Check, Outcome, judge_z_scores, map_limit
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.responses import Method, trajectory
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import SharedVectors
from overtraining.setting.teachers import Spectrum
from overtraining.setting.training import GradientDescent
from overtraining.simulations.noisy_labels import ChainWeights, descend_on_noisy_labels
from overtraining.theory.fine_tuning.label_noise import label_noise_excess, label_noise_scale
from overtraining.theory.fine_tuning.noisy_task import noisy_task_turn

TASK = (1.0, 0.8)
RATES = (0.05, 0.1, 0.2, 0.4)
BATCH, NOISE, BUDGET = 4, 0.05, 14.0
LOUD = (0.2, 0.8)
TURNS = {"wide": (7, 1, (1.0,)), "square": (2, 2, (1.0, 0.8))}  # d_in, d_out, task: widths beyond its modes, and none
BUDGETS = (0.25, 0.5, 1.0)
STEPS, GAMMA_SQUARED, APART = 32, 0.001, 0.05  # per unit of time, or in all if that is more; starts at σ'(1 ± APART)
CHUNK = 2**12  # pairs at a time, which fit a processor's cache
MEASURED = {"excess": "downstream_after", "excess_stderr": "downstream_after_stderr"}


def protocol(preset: Preset, rate: float, noise: float = NOISE) -> Protocol:
    """Two features in a 3→2→3 network, from none learned, half, and all; the task asks for more and for less."""
    return Protocol(
        Spectrum((0.8, 1.0)),
        lengths=(2.0, 4.0, 20.0),
        strengths=(BUDGET,),
        network=Network(d_in=3, h=2, d_out=3),
        start=Aligned(0.05),
        perturbation=FineTuning(SharedVectors(TASK), GradientDescent(rate, BATCH), label_noise=noise),
        sampling=Sampling(draws=768 if preset == "quick" else 8192),
    )


def excess(rate: float, noise: float = NOISE) -> float:
    """The prediction at every rate."""
    return float(label_noise_excess(np.array(TASK), rate, noise, float(BATCH), d_in=3, d_out=3, online=True))


def first_order(rate: float, noise: float = NOISE) -> float:
    """`½γ² tr H` at the fitted task."""
    return 0.5 * float(label_noise_scale(rate, noise, float(BATCH))) ** 2 * (3 + 3) * sum(TASK)


def run(preset: Preset, key: int) -> Outcome:
    """Every rate from every length at three keys; the first order; a noise that is not small."""
    z, leverage, ratios, data = [], [], {}, {}
    for i, rate in enumerate(RATES):
        mean, exact = [], excess(rate)
        for one in range(key, key + 3):
            seen = respond(protocol(preset, rate), 100 * one + i)
            error = seen.downstream_after_stderr.values.ravel()
            z.append((seen.downstream_after.values.ravel() - exact) / error)
            leverage.append(exact / error)
            mean.append(float(seen.downstream_after.mean()))
            data[f"rate{i}key{one}"] = seen
        ratios[f"η = {rate:g}"] = float(np.mean(mean)) / first_order(rate)
    exactly = judge_z_scores("stationary excess (D5)", np.concatenate(z), np.concatenate(leverage))
    listed = ", ".join(f"{ratio:.3f} at {name}" for name, ratio in ratios.items())
    first = map_limit("the first order", f"measured over ½γ² tr H: {listed}", ratios)
    return Outcome((exactly, _turning(preset, key), first, _loud(preset, key)), data)


def _turning(preset: Preset, key: int) -> Check:
    """ψ at every budget of both tasks."""
    z, leverage = [], []
    for repetition in range(1 if preset == "quick" else 8):
        for i, (d_in, d_out, task) in enumerate(TURNS.values()):
            for j, budget in enumerate(BUDGETS):
                psi, error = turn(d_in, d_out, task, budget, 2**16, 1000 * key + 100 * repetition + 10 * i + j)
                exact = float(np.ravel(noisy_task_turn(task, budget, d_in=d_in, d_out=d_out))[0])
                z.append((psi - exact) / error)
                leverage.append(abs(exact / error))
    return judge_z_scores("where the downstream loss turns (D5t)", np.array(z), np.array(leverage))


def turn(d_in: int, d_out: int, task: Sequence[float], budget: float, pairs: int, key: int) -> tuple[float, float]:
    """The first mode's ψ and its error, at the limit of small steps and noise: twice that at half size, less that."""
    (whole, error), (half, half_error) = (_turn(size, d_in, d_out, task, budget, pairs, key) for size in (1, 2))
    return 2 * half - whole, float(np.hypot(2 * half_error, error))


@memoize
def _turn(
    finer: int, d_in: int, d_out: int, task: Sequence[float], budget: float, pairs: int, key: int
) -> tuple[float, float]:
    """What the noise adds to the difference of the loss between two starts around the task, over γ² and that of r."""
    steps, gamma_squared, m = finer * max(STEPS, round(STEPS * budget)), GAMMA_SQUARED / finer, len(task)
    rate, around = budget / steps, task[0] * np.array([1 - APART, 1 + APART])
    roots = np.sqrt([around, *(np.full(2, other) for other in task[1:])])
    w1, w2 = (np.eye(*shape)[..., None] for shape in ((m, d_in), (d_out, m)))
    start = w1 * roots[:, None], w2 * roots, (w2[..., 0] * np.array(task)) @ w1[..., 0], np.full(steps, rate)
    given = [jnp.asarray(x) for x in (*start, np.sqrt(2 * gamma_squared / rate))]
    chunks = jax.random.split(jax.random.fold_in(jax.random.key(key), finer), max(1, pairs // CHUNK))
    seen = [descend_on_noisy_labels(*given, min(pairs, CHUNK), chunk, _losses) for chunk in chunks]
    (less, more), error = (np.mean([one[i][-1] for one in seen], axis=0) for i in (0, 1))
    w = np.sqrt(around)
    for _ in range(steps):
        w = w - rate * w * (w * w - task[0])
    r = task[0] - w * w
    unit = gamma_squared * (r[0] - r[1])
    return float(less - more - (r[0] ** 2 - r[1] ** 2) / 2) / unit, float(error) / np.sqrt(len(seen)) / unit


def _losses(w1: ChainWeights, w2: ChainWeights, off: ChainWeights) -> tuple[Array, Array]:
    """The mean downstream loss from both starts, and the error of their difference."""
    each = (off**2).sum((0, 1)).mean(1) / 2
    return each.mean(1), (each[0] - each[1]).std(ddof=1) / jnp.sqrt(1.0 * each.shape[1])


def _loud(preset: Preset, key: int) -> Check:
    found: dict[str, float] = {}
    listed = []
    for i, noise in enumerate(LOUD):
        seen, exact = respond(protocol(preset, RATES[1], noise), 100 * key + 50 + i), excess(RATES[1], noise)
        ratio = float(seen.downstream_after.mean()) / exact
        error = float((seen.downstream_after_stderr**2).sum()) ** 0.5 / len(seen.pretraining) / exact
        found |= {f"ν = {noise:g}": ratio, f"error at ν = {noise:g}": error}
        listed.append(f"{ratio:.3f} ± {error:.3f} at ν = {noise:g}")
    answer = f"measured over the linearized prediction, η = {RATES[1]:g}: {', '.join(listed)}"
    return map_limit("noise that is not small", answer, found)


def predicted(setup: Protocol) -> xr.Dataset:
    """The stationary excess over learning rates, as a Trajectory at one length, and its first order."""
    rates = np.geomspace(0.03, 0.45, 60)
    found = {"excess": [excess(rate) for rate in rates], "first_order": [first_order(rate) for rate in rates]}
    return _over_rates(setup, rates, found, "theory", "claim D5")


def measured(setup: Protocol, key: int) -> xr.Dataset:
    """The same, measured from the protocol's last length."""
    each = [
        respond(replace(protocol("quick", rate), sampling=setup.sampling), 100 * key + i)
        for i, rate in enumerate(RATES)
    ]
    found = {name: [float(one[variable][0, -1, 0]) for one in each] for name, variable in MEASURED.items()}
    return _over_rates(setup, np.array(RATES), found, "simulation", f"{setup.sampling.draws:,} fine-tunings")


def turns(setup: Protocol) -> xr.Dataset:
    """ψ of the first mode of both tasks over the protocol's strengths, as a Trajectory at one length."""
    found = {
        name: np.asarray(noisy_task_turn(task, np.array(setup.strengths), d_in=d_in, d_out=d_out))[:, 0]
        for name, (d_in, d_out, task) in TURNS.items()
    }
    return _over_budgets(setup, found, "theory", "claim D5")


def turned(setup: Protocol, key: int) -> xr.Dataset:
    """The same, measured by the protocol's number of pairs."""
    found = {}
    for i, (name, given) in enumerate(TURNS.items()):
        each = [
            turn(*given, budget, setup.sampling.draws, 1000 * key + 10 * i + j)
            for j, budget in enumerate(setup.strengths)
        ]
        found[name], found[f"{name}_stderr"] = np.array(each).T
    return _over_budgets(setup, found, "simulation", f"{setup.sampling.draws:,} pairs of opposite chains")


def _over_budgets(setup: Protocol, found: Mapping[str, np.ndarray], method: Method, source: str) -> xr.Dataset:
    return trajectory(
        {name: (("pretraining", "strength"), values[None]) for name, values in found.items()},
        {"pretraining": [0.0], "strength": ("strength", list(setup.strengths), {"units": "gradient-flow time"})},
        method=method,
        source=source,
        model="one or two features, all of the task's",
    )


def _over_rates(
    setup: Protocol, rates: np.ndarray, found: Mapping[str, list[float]], method: Method, source: str
) -> xr.Dataset:
    return trajectory(
        {name: (("pretraining", "learning_rate"), np.array(values)[None]) for name, values in found.items()},
        {"pretraining": [setup.lengths[-1]], "learning_rate": ("learning_rate", rates, {"units": "1"})},
        method=method,
        source=source,
        model=f"{setup.network}",
    )
