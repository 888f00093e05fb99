"""label-noise (D5): fine-tuning by SGD on noisy labels ends at an excess loss that does not depend on pretraining.

Protocol: thousands of independent fine-tunings by SGD with fresh batches, from three pretraining lengths, until long
after the task is fitted; and, for finite budgets, the slope of the downstream loss in the pretrained singular value, by
chains on the whole population that share their noise. Prediction: the stationary excess loss of the linearized dynamics
at every learning rate, to first order `½γ² tr H` with `γ² = ην²/2B`; the downstream loss is least where noiseless
fine-tuning would end at `σ' + γ²ψ` (D5t). Refuted if the z-scores of the excess or of ψ are not those of chance.
Limits: learning rates near the edge of stability, where the first order is not enough, and large noise.
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
from overtraining.setting.serialization import write
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import SharedVectors
from overtraining.setting.teachers import Spectrum
from overtraining.setting.training import GradientDescent
from overtraining.simulations.double_precision import in_double_precision
from overtraining.simulations.noisy_labels import ChainWeights, descend_on_noisy_labels
from overtraining.theory.fine_tuning.label_noise import label_noise_excess, label_noise_scale
from overtraining.theory.fine_tuning.noisy_task import noisy_task_turn

TASK = (0.8, 1.0)
LEARNING_RATES = (0.05, 0.1, 0.2, 0.4)
BATCH, LABEL_NOISE, BUDGET = 4, 0.05, 14.0
LARGE_NOISE = (0.2, 0.8)
TASKS = {"wide": (7, 1, (1.0,)), "square": (2, 2, (1.0, 0.8))}  # d_in, d_out, task: wider than its modes, and not
BUDGETS = (0.25, 0.5, 1.0)
STEPS = 32  # per unit of gradient-flow time, and at least as many in all
MOST_STEPS = 128  # up to which all runs share one compiled program
GAMMA_SQUARED, OFFSET = 0.001, 0.05  # the two starts are σ'(1 ± OFFSET)
CHUNK = 2**12  # pairs at a time, which fit a processor's cache
MEASURED = {"excess": "downstream_after", "excess_stderr": "downstream_after_stderr"}


def protocol(preset: Preset, learning_rate: float, label_noise: float = LABEL_NOISE) -> Protocol:
    """Two features in a 3→2→3 network, pretrained to none, half and all; the task has one larger, one smaller."""
    return Protocol(
        Spectrum((1.0, 0.8)),
        lengths=(2.0, 4.0, 20.0),
        strengths=(BUDGET,),
        network=Network(d_in=3, h=2, d_out=3),
        start=Aligned(0.05),
        perturbation=FineTuning(SharedVectors(TASK), GradientDescent(learning_rate, BATCH), label_noise=label_noise),
        sampling=Sampling(draws=768 if preset == "quick" else 8192),
    )


def excess(learning_rate: float, label_noise: float = LABEL_NOISE) -> float:
    """The predicted stationary excess of the downstream loss."""
    task, batch = np.array(TASK), float(BATCH)
    return float(label_noise_excess(task, learning_rate, label_noise, batch, d_in=3, d_out=3, online=True))


def first_order(learning_rate: float, label_noise: float = LABEL_NOISE) -> float:
    """`½γ² tr H` at the fitted task."""
    return 0.5 * float(label_noise_scale(learning_rate, label_noise, float(BATCH))) ** 2 * (3 + 3) * sum(TASK)


@in_double_precision
def run(preset: Preset, key: int) -> Outcome:
    """The excess at every learning rate, from every length, with three keys; ψ; the first order; large noise."""
    z, leverage, ratios, data = [], [], {}, {}
    for i, learning_rate in enumerate(LEARNING_RATES):
        expected, means = excess(learning_rate), []
        for number in range(key, key + 3):
            response = respond(protocol(preset, learning_rate), 100 * number + i)
            stderr = response.downstream_after_stderr.values.ravel()
            z.append((response.downstream_after.values.ravel() - expected) / stderr)
            leverage.append(expected / stderr)
            means.append(float(response.downstream_after.mean()))
            data[f"rate{i}key{number}"] = response
        ratios[f"η = {learning_rate:g}"] = float(np.mean(means)) / first_order(learning_rate)
    stationary = judge_z_scores("stationary excess (D5)", np.concatenate(z), np.concatenate(leverage))
    listed = ", ".join(f"{ratio:.3f} at {name}" for name, ratio in ratios.items())
    first = map_limit("the first order", f"measured / ½γ² tr H: {listed}", ratios)
    return Outcome((stationary, _least_loss(preset, key), first, _large_noise(preset, key)), data)


def _least_loss(preset: Preset, key: int) -> Check:
    """ψ at every budget of both tasks."""
    z, leverage = [], []
    for repetition in range(1 if preset == "quick" else 8):
        for i, (d_in, d_out, task) in enumerate(TASKS.values()):
            for j, budget in enumerate(BUDGETS):
                run_key = 1000 * key + 100 * repetition + 10 * i + j
                psi, stderr = measure_psi(d_in, d_out, task, budget, 2**16, run_key)
                expected = float(np.ravel(noisy_task_turn(budget, task, d_in=d_in, d_out=d_out))[0])
                z.append((psi - expected) / stderr)
                leverage.append(abs(expected / stderr))
    return judge_z_scores("where the downstream loss is least (D5t)", np.array(z), np.array(leverage))


def measure_psi(
    d_in: int, d_out: int, task: Sequence[float], budget: float, pairs: int, key: int
) -> tuple[float, float]:
    """ψ of the first mode and its standard error, in the limit of small steps and noise.

    Extrapolated from two sizes of steps and noise: twice the value at half the size, minus the value at the full size.
    """
    full, full_stderr = _psi_at_size(1, d_in, d_out, task, budget, pairs, key)
    half, half_stderr = _psi_at_size(2, d_in, d_out, task, budget, pairs, key)
    return 2 * half - full, float(np.hypot(2 * half_stderr, full_stderr))


@memoize
def _psi_at_size(
    divisor: int, d_in: int, d_out: int, task: Sequence[float], budget: float, pairs: int, key: int
) -> tuple[float, float]:
    """ψ and its standard error at steps and noise of 1/divisor of their size.

    What the noise adds to the difference of the losses from two starts around the task, divided by γ² and by the
    difference of the unlearned parts r.
    """
    steps = divisor * max(STEPS, round(STEPS * budget))
    gamma_squared, learning_rate, m = GAMMA_SQUARED / divisor, budget / steps, len(task)
    starts = task[0] * np.array([1 - OFFSET, 1 + OFFSET])
    roots = np.sqrt([starts, *(np.full(2, other) for other in task[1:])])
    w1, w2 = (np.eye(*shape)[..., None] for shape in ((m, d_in), (d_out, m)))
    target = (w2[..., 0] * np.array(task)) @ w1[..., 0]
    noise = np.sqrt(2 * gamma_squared / learning_rate)
    rates = np.full(max(steps, MOST_STEPS), learning_rate)
    inputs = (w1 * roots[:, None], w2 * roots, target, rates, np.array([steps]), noise)
    arrays = [jnp.asarray(x) for x in inputs]
    chunks = jax.random.split(jax.random.fold_in(jax.random.key(key), divisor), max(1, pairs // CHUNK))
    results = [descend_on_noisy_labels(*arrays, min(pairs, CHUNK), chunk, _losses) for chunk in chunks]
    (below, above), stderr = (np.mean(each, axis=0)[-1] for each in zip(*results, strict=True))
    w = np.sqrt(starts)
    for _ in range(steps):
        w = w - learning_rate * w * (w * w - task[0])
    r = task[0] - w * w
    unit = gamma_squared * (r[0] - r[1])
    by_noise = float(below - above - (r[0] ** 2 - r[1] ** 2) / 2)
    return by_noise / unit, float(stderr) / np.sqrt(len(results)) / unit


def _losses(w1: ChainWeights, w2: ChainWeights, error: ChainWeights) -> tuple[Array, Array]:
    """The mean downstream loss from both starts, and the standard error of their difference."""
    pairs = (error**2).sum((0, 1)).mean(1) / 2
    return pairs.mean(1), (pairs[0] - pairs[1]).std(ddof=1) / jnp.sqrt(1.0 * pairs.shape[1])


def _large_noise(preset: Preset, key: int) -> Check:
    numbers: dict[str, float] = {}
    listed = []
    learning_rate = LEARNING_RATES[1]
    for i, noise in enumerate(LARGE_NOISE):
        response = respond(protocol(preset, learning_rate, noise), 100 * key + 50 + i)
        expected = excess(learning_rate, noise)
        ratio = float(response.downstream_after.mean()) / expected
        stderr = float((response.downstream_after_stderr**2).sum()) ** 0.5 / len(response.pretraining) / expected
        numbers |= {f"ν = {noise:g}": ratio, f"error at ν = {noise:g}": stderr}
        listed.append(f"{ratio:.3f} ± {stderr:.3f} at ν = {noise:g}")
    answer = f"measured / the linearized prediction, η = {learning_rate:g}: {', '.join(listed)}"
    return map_limit("noise that is not small", answer, numbers)


def predicted(setup: Protocol) -> xr.Dataset:
    """The stationary excess over learning rates, as a Trajectory at one length, and its first order."""
    learning_rates = np.geomspace(0.03, 0.45, 60)
    values = {
        "excess": [excess(learning_rate) for learning_rate in learning_rates],
        "first_order": [first_order(learning_rate) for learning_rate in learning_rates],
    }
    return _over_learning_rates(setup, learning_rates, values, "theory", "claim D5")


def measured(setup: Protocol, key: int) -> xr.Dataset:
    """The excess measured from the protocol's last length."""
    protocols = [_at_learning_rate(setup, learning_rate) for learning_rate in LEARNING_RATES]
    responses = [respond(one, 100 * key + i) for i, one in enumerate(protocols)]
    values = {name: [float(one[variable][0, -1, 0]) for one in responses] for name, variable in MEASURED.items()}
    source = f"{setup.sampling.draws:,} fine-tunings"
    return _over_learning_rates(setup, np.array(LEARNING_RATES), values, "simulation", source)


def _at_learning_rate(setup: Protocol, learning_rate: float) -> Protocol:
    """The experiment's protocol at this learning rate, with lengths and draws of another one."""
    return replace(protocol("quick", learning_rate), lengths=setup.lengths, sampling=setup.sampling)


def psi_predicted(setup: Protocol) -> xr.Dataset:
    """ψ of the first mode of both tasks over the protocol's strengths, as a Trajectory at one length."""
    psi = {
        name: np.asarray(noisy_task_turn(np.array(setup.strengths), task, d_in=d_in, d_out=d_out))[:, 0]
        for name, (d_in, d_out, task) in TASKS.items()
    }
    return _over_budgets(setup, psi, "theory", "claim D5")


def psi_measured(setup: Protocol, key: int) -> xr.Dataset:
    """The same measured, with the protocol's number of draws as pairs of chains."""
    psi = {}
    for i, (name, task) in enumerate(TASKS.items()):
        estimates = [
            measure_psi(*task, budget, setup.sampling.draws, 1000 * key + 10 * i + j)
            for j, budget in enumerate(setup.strengths)
        ]
        psi[name], psi[f"{name}_stderr"] = np.array(estimates).T
    return _over_budgets(setup, psi, "simulation", f"{setup.sampling.draws:,} pairs of opposite chains")


def _over_budgets(setup: Protocol, psi: Mapping[str, np.ndarray], method: Method, source: str) -> xr.Dataset:
    return trajectory(
        {name: (("pretraining", "strength"), values[None]) for name, values in psi.items()},
        {"pretraining": [0.0], "strength": ("strength", list(setup.strengths), {"units": "gradient-flow time"})},
        method=method,
        source=source,
        model="one or two features, all of the task's",
        extra={f"{name}_task": list(task) for name, (*_, task) in TASKS.items()}
        | {f"{name}_widths": [d_in, len(task), d_out] for name, (d_in, d_out, task) in TASKS.items()},
    )


def _over_learning_rates(
    setup: Protocol, learning_rates: np.ndarray, columns: Mapping[str, list[float]], method: Method, source: str
) -> xr.Dataset:
    return trajectory(
        {name: (("pretraining", "learning_rate"), np.array(values)[None]) for name, values in columns.items()},
        {"pretraining": [setup.lengths[-1]], "learning_rate": ("learning_rate", learning_rates, {"units": "1"})},
        method=method,
        source=source,
        model=f"{setup.network}",
        extra={"protocol": write(_at_learning_rate(setup, float(learning_rates[0])))},
    )
