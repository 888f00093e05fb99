"""beyond-linear (C1, D1, D4): noise and fine-tuning of tanh and ReLU students, for which there is no theorem.

Protocol: a linear teacher of four features; students 4→16→4 from small random weights, trained on 400 examples; along
pretraining, Gaussian noise of one scale, and fine-tuning by SGD on a rotated task for one budget. Measured for each
student: whether sensitivity grows with length, and whether the loss after the perturbation has an inflection point.
There is no prediction that could be refuted: the experiment maps which behaviours of linear networks carry over.
"""

from dataclasses import replace

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import respond
from overtraining.experiments.setups import ROTATED, STUDENTS, student
from overtraining.experiments.verdict import Check, Outcome, map_limit
from overtraining.setting.inflection import inflection_point
from overtraining.setting.perturbations import FineTuning, Noise, Perturbation
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.responses import curve

PERTURBATIONS: dict[str, tuple[Perturbation, float]] = {"noise": (Noise(), 0.3), "fine-tuning": (ROTATED, 1.0)}


def protocol(activation: str, perturbation: Perturbation, strength: float, preset: Preset) -> Protocol:
    """One student and one perturbation, along pretraining."""
    draws = 12 if isinstance(perturbation, FineTuning) else 64
    sampling = Sampling(draws=draws, seeds=1) if preset == "quick" else Sampling(draws=8 * draws, seeds=8)
    return replace(student(activation), strengths=(strength,), perturbation=perturbation, sampling=sampling)


def run(preset: Preset, key: int) -> Outcome:
    """Every student under noise and under fine-tuning."""
    data, checks = {}, []
    for label, (perturbation, strength) in PERTURBATIONS.items():
        for i, activation in enumerate(STUDENTS[1:]):
            measured = respond(protocol(activation, perturbation, strength, preset), 10 * key + i)
            data[f"{label} {activation}"] = measured
            checks.append(_growth_and_inflection(f"{activation} under {label}", measured))
    return Outcome(tuple(checks), data)


def _growth_and_inflection(name: str, measured: xr.Dataset) -> Check:
    sensitivity = curve(measured, "sensitivity").isel(strength=0)
    first, last = float(sensitivity.value[0]), float(sensitivity.value[-1])
    growth = float((last - first) / np.hypot(sensitivity.stderr[-1], sensitivity.stderr[0]))
    steps = np.diff(sensitivity.value.values)
    rising = int((steps > 0).sum())
    inflection = inflection_point(measured.isel(strength=[0]), which="best").squeeze()
    where = "no inflection point"
    if bool(inflection.exists):
        length, resolution = float(inflection.length), float(inflection.resolution)
        where = f"inflection point at {length:g} ± {resolution:g}, then a rise of {float(inflection.rise):.3f}"
    answer = (
        f"sensitivity from {first:.3f} to {last:.3f} ({growth:.0f} σ), rising in {rising} of {steps.size} steps; "
        f"{where}"
    )
    numbers = {"growth_in_errors": growth, "rising_steps": float(rising), "rise": float(inflection.rise)}
    return map_limit(name, answer, numbers)
