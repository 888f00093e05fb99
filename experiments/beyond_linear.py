"""beyond-linear (C1, D1, D4): the same protocols on two-layer tanh and ReLU students, for which there is no theorem.

Protocol: a teacher of four features, students 4→16→4 from small random weights, trained on 400 examples; Gaussian noise
of one scale, and fine-tuning by SGD on a turned task for one budget, along pretraining. Asked of each: does the
sensitivity grow with length, and does the loss after the perturbation pass an inflection point? Nothing is at stake:
what survives of the linear network's behaviour is mapped.
"""

from dataclasses import replace

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import respond
from overtraining.experiments.setups import STUDENTS, TURNED, student
from overtraining.experiments.verdict import Check, Outcome, map_limit
from overtraining.setting.grid_inflection import inflection_point
from overtraining.setting.perturbations import FineTuning, Noise, Perturbation
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.responses import curve

PERTURBATIONS: dict[str, tuple[Perturbation, float]] = {"noise": (Noise(), 0.3), "fine-tuning": (TURNED, 1.0)}


def protocol(activation: str, how: Perturbation, strength: float, preset: Preset) -> Protocol:
    """One student and one perturbation, along pretraining."""
    few = 12 if isinstance(how, FineTuning) else 64
    sampling = Sampling(draws=few if preset == "quick" else 8 * few, seeds=1 if preset == "quick" else 8)
    return replace(student(activation), strengths=(strength,), perturbation=how, sampling=sampling)


def run(preset: Preset, key: int) -> Outcome:
    """Every student under noise and under fine-tuning."""
    data, checks = {}, []
    for label, (how, strength) in PERTURBATIONS.items():
        for i, activation in enumerate(STUDENTS[1:]):
            seen = respond(protocol(activation, how, strength, preset), 10 * key + i)
            data[f"{label} {activation}"] = seen
            checks.append(_survives(f"{activation} under {label}", seen))
    return Outcome(tuple(checks), data)


def _survives(name: str, seen: xr.Dataset) -> Check:
    one = curve(seen, "sensitivity").isel(strength=0)
    growth = float((one.value[-1] - one.value[0]) / np.hypot(one.stderr[-1], one.stderr[0]))
    steps = np.diff(one.value.values)
    turn = inflection_point(seen.isel(strength=[0]), which="best").squeeze()
    where = (
        f"inflection at {float(turn.length):g}, {float(turn.rise):.3f} lost" if bool(turn.exists) else "no inflection"
    )
    answer = (
        f"sensitivity from {float(one.value[0]):.3f} to {float(one.value[-1]):.3f} ({growth:.0f} σ), rising in "
        f"{int((steps > 0).sum())} of {steps.size} steps; {where}"
    )
    numbers = {"growth_in_errors": growth, "rising_steps": float((steps > 0).sum()), "lost": float(turn.rise)}
    return map_limit(name, answer, numbers)
