"""any-start: from every start, the loss after noise turns where two rates balance (claim C2)."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import imbalance, protocol_of
from overtraining.figures.recipe import Recipe
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned, Balanced, FanIn, SmallGaussian, Start
from overtraining.setting.teachers import PowerLaw

SOURCE = "overtraining.experiments.inflection"
STARTS: dict[str, Start] = {
    "small Gaussian": SmallGaussian(0.1),
    "fan-in": FanIn(0.7),
    "balanced, rotated": Balanced(0.05, angle=1.0),
    "aligned": Aligned(0.05, imbalance=0.5),
}


def protocol(start: Start, points: int) -> Protocol:
    """Four features in a 5→6→4 network, two noise scales."""
    return Protocol(
        PowerLaw(4),
        lengths=np.linspace(0.25, 14, points),
        strengths=(0.1, 0.3),
        network=Network(d_in=5, h=6, d_out=4),
        start=start,
        sampling=Sampling(draws=1024),
    )


def recipes() -> dict[str, Recipe]:
    """For every start, the slope that C2 gives at the weights of a run, and the measured slope."""
    by_label = {}
    for i, (name, start) in enumerate(STARTS.items()):
        by_label[f"theory {name}"] = Recipe(
            f"{SOURCE}.slope_predicted", protocol(start, 221), key=i, fixed=("perturbation",)
        )
        by_label[f"simulation {name}"] = Recipe(f"{SOURCE}.slope_measured", protocol(start, 12), key=i)
    return by_label


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """One panel per start: the slope of the loss after noise, and where it crosses zero."""
    figure, axes = canvas(PAGE, 2.2, columns=len(STARTS), sharey=True)
    for ax, name in zip(axes, STARTS, strict=True):
        ax.axhline(0, color="black", linewidth=0.6)
        drawing.against_length(ax, data[f"theory {name}"], "slope", by="noise", label="γ = {:g}")
        drawing.against_length(ax, data[f"simulation {name}"], "slope", by="noise")
        ax.set(title=_described(name, data), xlabel="", ylim=(-3, 1))
        ax.set_yscale("symlog", linthresh=0.01)
    axes[0].set_ylabel("slope of the loss after noise")
    axes[-1].legend(loc="lower right")
    figure.supxlabel("pretraining length (gradient-flow time)", fontsize="medium")
    letter(axes)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    parts, z = [], []
    for name in STARTS:
        theory, measured = data[f"theory {name}"], data[f"simulation {name}"]
        line = theory.slope.interp(pretraining=measured.pretraining)
        z.append(float(np.abs((measured.slope - line) / measured.slope_stderr).max()))
        turns = [_last_turn(theory.pretraining.values, theory.slope.values[:, i]) for i in range(theory.sizes["noise"])]
        parts.append(f"{' and '.join(turns)} ({_described(name, data)})")
    gammas = " and ".join(f"γ = {g:g}" for g in data[f"theory {name}"].noise.values)
    return (
        "Slope of the loss after noise along gradient flow, d/dt E[L(θ + n)] = −‖∇L‖² + 2c⟨f, A − f⟩ with c = γ²(d_in "
        "+ d_out)/2, which is exact at any weights (claim C2). Where the slope is negative, pretraining helps; where "
        f"it is positive, it hurts. The last zero is an inflection point: for {gammas} it lies at t = "
        f"{'; '.join(parts)}. Lines: C2 at the weights of one run, since no closed form gives the weights for the "
        f"first two starts. Points: {measured.attrs['source']}, with one standard error (largest distance from the "
        f"line: {max(z):.1f} standard errors). The inputs are white; for other inputs, the second term is different."
    )


def _described(name: str, data: Mapping[str, xr.Dataset]) -> str:
    """The start's name, with the imbalance of an aligned one."""
    difference = imbalance(protocol_of(data[f"theory {name}"]))
    return name if np.isnan(difference) else f"{name}, λ = {difference:g}"


def _last_turn(length: np.ndarray, slope: np.ndarray) -> str:
    """The last length at which the slope becomes positive, as text."""
    upward = np.flatnonzero((slope[:-1] < 0) & (slope[1:] >= 0))
    if not upward.size:
        return "not in this range"
    i = upward[-1]
    return f"{length[i] - slope[i] * (length[i + 1] - length[i]) / (slope[i + 1] - slope[i]):.2f}"
