"""label-noise (D5): fine-tuning by SGD on noisy labels leaves the task with an excess loss, whatever the pretraining.

Measured: thousands of independent fine-tunings by SGD with fresh batches, from three pretraining lengths, long after
the task is fitted. Prediction: the stationary excess of the linearized dynamics at every learning rate; to first order
`½γ² tr H`, `γ² = ην²/2B`. Where it ends: rates near the edge, at which the first order falls short, and large noise.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr

from simulations.experiments import Preset
from simulations.experiments.checks import from_z, mapped
from simulations.experiments.outcome import Check, Outcome
from simulations.measured import respond
from theory.label_noise import label_noise_excess, label_noise_scale
from theory.perturbations import FineTuning
from theory.protocol import Network, Protocol, Sampling
from theory.responses import Method, trajectory
from theory.starts import Aligned
from theory.tasks import Shared
from theory.teachers import Spectrum
from theory.training import GradientDescent

TASK = (1.0, 0.8)
RATES = (0.05, 0.1, 0.2, 0.4)
BATCH, NOISE, BUDGET = 4, 0.05, 14.0
LOUD = (0.2, 0.8)
MEASURED = {"excess": "downstream_after", "excess_stderr": "downstream_after_stderr"}


def protocol(preset: Preset, rate: float, noise: float = NOISE) -> Protocol:
    """Two features in a 3→2→3 network, from none learned, half, and all; the task asks for more and for less."""
    return Protocol(
        Spectrum((0.8, 1.0)),
        lengths=(2.0, 4.0, 20.0),
        strengths=(BUDGET,),
        network=Network(d_in=3, h=2, d_out=3),
        start=Aligned(0.05),
        perturbation=FineTuning(Shared(TASK), GradientDescent(rate, BATCH), label_noise=noise),
        sampling=Sampling(draws=768 if preset == "quick" else 8192),
    )


def excess(rate: float, noise: float = NOISE) -> float:
    """The prediction at every rate."""
    return float(label_noise_excess(np.array(TASK), rate, noise, float(BATCH), d_in=3, d_out=3, online=True))


def first_order(rate: float, noise: float = NOISE) -> float:
    """`½γ² tr H` at the fitted task."""
    return 0.5 * float(label_noise_scale(rate, noise, float(BATCH))) ** 2 * (3 + 3) * sum(TASK)


def run(preset: Preset, seed: int) -> Outcome:
    """Every rate from every length at three keys; the first order; a noise that is not small."""
    z, leverage, ratios, data = [], [], {}, {}
    for i, rate in enumerate(RATES):
        mean, exact = [], excess(rate)
        for key in range(seed, seed + 3):
            seen = respond(protocol(preset, rate), 100 * key + i)
            error = seen.downstream_after_stderr.values.ravel()
            z.append((seen.downstream_after.values.ravel() - exact) / error)
            leverage.append(exact / error)
            mean.append(float(seen.downstream_after.mean()))
            data[f"rate{i}key{key}"] = seen
        ratios[f"η = {rate:g}"] = float(np.mean(mean)) / first_order(rate)
    exactly = from_z("stationary excess (D5)", np.concatenate(z), np.concatenate(leverage))
    listed = ", ".join(f"{ratio:.3f} at {name}" for name, ratio in ratios.items())
    first = mapped("the first order", f"measured over ½γ² tr H: {listed}", ratios)
    return Outcome((exactly, first, _loud(preset, seed)), data)


def _loud(preset: Preset, seed: int) -> Check:
    found: dict[str, float] = {}
    listed = []
    for i, noise in enumerate(LOUD):
        seen, exact = respond(protocol(preset, RATES[1], noise), 100 * seed + 50 + i), excess(RATES[1], noise)
        ratio = float(seen.downstream_after.mean()) / exact
        error = float((seen.downstream_after_stderr**2).sum()) ** 0.5 / len(seen.pretraining) / exact
        found |= {f"ν = {noise:g}": ratio, f"error at ν = {noise:g}": error}
        listed.append(f"{ratio:.3f} ± {error:.3f} at ν = {noise:g}")
    says = f"measured over the linearized prediction, η = {RATES[1]:g}: {', '.join(listed)}"
    return mapped("noise that is not small", says, found)


def predicted(asked: Protocol) -> xr.Dataset:
    """The stationary excess over learning rates, as a Trajectory at one length, and its first order."""
    rates = np.geomspace(0.03, 0.45, 60)
    found = {"excess": [excess(rate) for rate in rates], "first_order": [first_order(rate) for rate in rates]}
    return _over_rates(asked, rates, found, "theory", "claim D5")


def measured(asked: Protocol, key: int) -> xr.Dataset:
    """The same, measured from the protocol's last length."""
    each = [
        respond(replace(protocol("quick", rate), sampling=asked.sampling), 100 * key + i)
        for i, rate in enumerate(RATES)
    ]
    found = {name: [float(one[variable][0, -1, 0]) for one in each] for name, variable in MEASURED.items()}
    return _over_rates(asked, np.array(RATES), found, "simulation", f"{asked.sampling.draws:,} fine-tunings")


def _over_rates(
    asked: Protocol, rates: np.ndarray, found: Mapping[str, list[float]], method: Method, source: str
) -> xr.Dataset:
    return trajectory(
        {name: (("pretraining", "learning_rate"), np.array(values)[None]) for name, values in found.items()},
        {"pretraining": [asked.lengths[-1]], "learning_rate": ("learning_rate", rates, {"units": "1"})},
        method=method,
        source=source,
        model=f"{asked.network}",
    )
