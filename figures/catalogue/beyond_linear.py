"""beyond-linear: noise and fine-tuning of tanh and ReLU students, for which there is no theorem (D, E)."""

from collections.abc import Mapping
from dataclasses import replace

import xarray as xr
from matplotlib.figure import Figure

from overtraining.experiments.setups import ROTATED, STUDENTS, student
from overtraining.figures import drawing
from overtraining.figures.described import angle, network, protocol_of
from overtraining.figures.recipe import Recipe, simulated_response
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.inflection import inflection_point
from overtraining.setting.perturbations import Noise, Perturbation
from overtraining.setting.protocol import Sampling

PERTURBATIONS: dict[str, tuple[Perturbation, float, Sampling]] = {
    "noise": (Noise(), 0.3, Sampling(draws=128, seeds=4, antithetic=True)),
    "fine-tuning": (ROTATED, 1.0, Sampling(draws=8, seeds=4)),
}
LENGTHS = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 30.0)


def recipes() -> dict[str, Recipe]:
    """The experiment's students, and the linear student."""
    by_label = {}
    for i, (label, (perturbation, strength, sampling)) in enumerate(PERTURBATIONS.items()):
        for j, name in enumerate(STUDENTS):
            setup = replace(
                student(name), lengths=LENGTHS, strengths=(strength,), perturbation=perturbation, sampling=sampling
            )
            by_label[f"{label} {name}"] = simulated_response(setup, key=10 * i + j)
    return by_label


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """Sensitivity above, loss after the perturbation below; noise on the left, fine-tuning on the right."""
    figure, axes = canvas(PAGE, 4.2, rows=2, columns=2, sharex=True)
    for i, label in enumerate(PERTURBATIONS):
        for j, name in enumerate(STUDENTS):
            one = data[f"{label} {name}"]
            drawing.curves(axes[i], one, "sensitivity", label=name, colour=j)
            drawing.curves(axes[2 + i], one, "after", label=name, colour=j)
        axes[i].set(title=label, xlabel="", ylabel="sensitivity Δ")
        change = drawing.change(data[f"{label} {STUDENTS[0]}"])
        axes[2 + i].set(ylabel=f"pretraining loss after {change}", ylim=(0, None))
    axes[0].legend()
    letter(axes)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    parts = []
    for name, one in data.items():
        rise = one.sensitivity.mean("seed").values[:, 0]
        turn = inflection_point(one, which="best").squeeze()
        where = (
            f"turns at {float(turn.length):g} ± {float(turn.resolution):g}" if bool(turn.exists) else "does not turn"
        )
        parts.append(f"{name.replace(' ', ', ')}: Δ from {rise[0]:.2f} to {rise[-1]:.2f}, {where}")
    noise, tuned = (protocol_of(data[f"{label} {STUDENTS[0]}"]) for label in PERTURBATIONS)
    seeds = next(iter(data.values())).sizes["seed"]
    return (
        f"The same protocols on two-layer students {network(noise)} with linear, tanh and ReLU units, from small "
        f"random weights, on {noise.inputs.samples} examples of a linear teacher (points: simulation, means and "
        f"standard errors over {seeds} starts). (a, c) Gaussian noise of γ = {noise.strengths[0]:g} on every weight, "
        f"(b, d) SGD on a task rotated by {angle(tuned):g} for the gradient-flow time {tuned.strengths[0]:g}. "
        f"{'; '.join(parts)}. For tanh and ReLU there is no theorem. What still holds for them is that sensitivity "
        "grows while features are learned, and that the loss after fine-tuning can turn. Not covered: biases, deeper "
        "networks, and data that do not come from a linear teacher."
    )
