"""forgetting: both losses after fine-tuning against pretraining length, by the angle of the task (claims D1, D2)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import angle, epsilon, features, listed, network, power, protocol_of, spectrum, word
from overtraining.figures.recipe import Recipe, simulated_response, theory_response
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.inflection import inflection_point
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.responses import OBJECTIVES
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import RotatedTeacher
from overtraining.setting.teachers import PowerLaw

ANGLES = (0.0, 0.4, 0.8, 1.6)
BUDGET = 3.0


def recipes() -> dict[str, Recipe]:
    """One budget, four angles; theory on a fine grid of lengths, gradient flow on a coarse one."""
    fine = Protocol(
        PowerLaw(4),
        lengths=np.linspace(0, 24, 121),
        strengths=(BUDGET,),
        network=Network(d_in=6, h=4, d_out=5),
        start=Aligned(1e-3),
    )
    by_label = {}
    for i, turned in enumerate(ANGLES):
        setup = replace(fine, perturbation=FineTuning(RotatedTeacher(turned)))
        by_label[f"theory{i}"] = theory_response(setup)
        by_label[f"simulation{i}"] = simulated_response(replace(setup, lengths=np.linspace(0, 24, 13)), key=0)
    return by_label


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The pretraining loss, which can turn, and the downstream loss, which here only falls or rises slightly."""
    figure, axes = canvas(PAGE, 2.6, columns=2)
    for ax, objective in zip(axes, OBJECTIVES, strict=True):
        if objective == "pretraining":
            drawing.base(ax, data["theory0"], label="before")
        for i, turned in enumerate(_angles(data)):
            drawing.curves(ax, data[f"theory{i}"], "after", objective, label=f"angle {turned:g}", colour=i)
            drawing.curves(ax, data[f"simulation{i}"], "after", objective, label=None, colour=i)
        ax.set_ylabel(f"{objective} loss after fine-tuning")
    axes[1].legend(*axes[0].get_legend_handles_labels())
    letter(axes)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    setup = protocol_of(data["theory0"])
    turns = [inflection_point(data[f"theory{i}"], which="best").squeeze() for i in range(len(ANGLES))]
    lost = "; ".join(
        f"{float(t.rise):.2g} from t = {float(t.length):.1f} at angle {a:g}"
        if bool(t.exists)
        else f"none at angle {a:g}"
        for a, t in zip(_angles(data), turns, strict=True)
    )
    error = max(float(np.abs(_distance(data[f"simulation{i}"], data[f"theory{i}"])).max()) for i in range(len(ANGLES)))
    return (
        "(a) Pretraining and (b) downstream loss after fine-tuning by gradient flow for T = "
        f"{listed(setup.strengths)}, against pretraining length (claims D1, D2). The task is the teacher with its "
        "singular vectors rotated by an angle. Lines: exact, A5 from the pretrained weights; points: simulation, "
        f"within {error:.1g} of the lines. Increase of the pretraining loss from the best length to the end: {lost}. "
        "At angle 0, fine-tuning is more pretraining, and longer pretraining only helps; at larger angles, the "
        "pretraining loss after fine-tuning passes an inflection point. Grey: before fine-tuning. "
        f"{word(features(setup)).capitalize()} features σ = {spectrum(setup)} in a {network(setup)} network, aligned "
        f"start at ε = {power(epsilon(setup))}. The theory holds for balanced weights, white inputs, and gradient flow "
        "on all weights."
    )


def _angles(data: Mapping[str, xr.Dataset]) -> list[float]:
    return [angle(protocol_of(data[f"theory{i}"])) for i in range(len(ANGLES))]


def _distance(measured: xr.Dataset, exact: xr.Dataset) -> xr.DataArray:
    """Of the measured losses from the exact ones, at the lengths that both have."""
    common = np.intersect1d(measured.pretraining, exact.pretraining)
    return measured.after.sel(pretraining=common) - exact.after.sel(pretraining=common)
