"""regularization: how an anchor delays the inflection and raises losses; trade-offs of all remedies (claim D7)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import network, protocol_of, sigma_task, spectrum
from overtraining.figures.recipe import NO_PERTURBATION, Recipe, simulated_response
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.inflection import inflection_point
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.responses import OBJECTIVES
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import RotatedTeacher, SharedVectors
from overtraining.setting.teachers import PowerLaw, Spectrum, singular_values

SOURCE = "overtraining.experiments.regularization"
ANCHORS = (0.0, 0.5, 2.0, 10.0)
MORE = SharedVectors((1.4, 0.9, 0.6))
END = 60.0


def recipes() -> dict[str, Recipe]:
    """Anchors on a task that asks for more of every feature; remedies on a rotated task after convergence."""
    fine = Protocol(
        Spectrum((1.0, 0.7, 0.5)),
        lengths=np.linspace(0, 16, 161),
        strengths=(END,),
        network=Network(d_in=4, h=4, d_out=5),
        start=Aligned(0.01),
    )
    by_label = {}
    for i, anchor in enumerate(ANCHORS):
        setup = replace(fine, perturbation=FineTuning(MORE, anchor=anchor))
        by_label[f"theory{i}"] = Recipe(f"{SOURCE}.anchored", setup, fixed=("start.imbalance",))
        if anchor:
            by_label[f"simulation{i}"] = simulated_response(replace(setup, lengths=np.linspace(0, 16, 9)), key=0)
    rotated = replace(fine, teacher=PowerLaw(4), lengths=(60.0,), perturbation=FineTuning(RotatedTeacher(1.0)))
    by_label["frontier"] = Recipe(f"{SOURCE}.frontier", rotated, ignores=NO_PERTURBATION)
    for name in ("with_replay", "with_anchor", "with_early_stop"):
        by_label[name] = Recipe(f"{SOURCE}.{name}", rotated, key=0, ignores=(*NO_PERTURBATION, "lengths"))
    return by_label


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """Both losses against length for every anchor, and one loss against the other for every remedy."""
    figure, axes = canvas(PAGE, 2.5, columns=3)
    for ax, objective in zip(axes, OBJECTIVES, strict=False):
        for i, anchor in enumerate(ANCHORS):
            name = f"λ = {_anchor(data, i):g}" if anchor else "no anchor"
            drawing.curves(ax, data[f"theory{i}"], "after", objective, label=name, colour=i)
            if anchor:
                drawing.curves(ax, data[f"simulation{i}"], "after", objective, label=None, colour=i)
        ax.set_ylabel(f"{objective} loss after fine-tuning")
        ax.set_xlabel("pretraining length")
    trade = axes[2]
    drawing.against_coordinate(trade, data["frontier"], "forgetting", "downstream", label="least forgetting", colour=6)
    for i, (name, label) in enumerate(
        (("with_replay", "replay"), ("with_anchor", "anchor"), ("with_early_stop", "early stop"))
    ):
        drawing.against_coordinate(trade, data[name], "forgetting", "downstream", label=label, colour=i)
    trade.set_xlabel("downstream loss")
    trade.set_ylabel("pretraining loss")
    axes[1].legend()
    trade.legend()
    letter(axes)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    turns = []
    for i in range(1, len(ANCHORS)):
        point = inflection_point(data[f"theory{i}"], which="best").squeeze()
        cost = float(data[f"theory{i}"].downstream_after[-1, 0])
        turns.append(
            f"λ = {_anchor(data, i):g}: best length {float(point.length):.1f}, downstream {cost:.4f} at the end"
        )
    frontier, setup, after = data["frontier"], protocol_of(data["theory0"]), protocol_of(data["frontier"])
    more = np.array(sigma_task(setup)) / singular_values(setup.teacher)
    above = {
        name: float(
            np.max(
                data[name].forgetting.values[0]
                - np.interp(data[name].downstream.values, frontier.downstream.values, frontier.forgetting.values[0])
            )
        )
        for name in ("with_replay", "with_anchor", "with_early_stop")
    }
    return (
        "What regularization delays and costs (claim D7). (a) Pretraining and (b) downstream loss after fine-tuning to "
        "convergence with L2 toward the pretrained weights, against pretraining length, on a task that asks for "
        f"{more.min():.2g} to {more.max():.2g} times every feature. Lines: the root of a cubic equation per feature; "
        "points: simulation by gradient flow. The stronger the anchor, the later the loss turns, and the more of the "
        f"task remains: {'; '.join(turns)}. Without an anchor, fine-tuning ends at the task after any pretraining. (c) "
        "The two losses after fine-tuning a converged network on a rotated task, against each other: no method can get "
        f"below the black curve ½(‖A − B‖ − √(2L_ft))²; replay ends on it (to {abs(above['with_replay']):.0e}), "
        f"anchors and early stops at most {above['with_anchor']:.2g} and {above['with_early_stop']:.2g} above it. σ = "
        f"{spectrum(setup)} in (a, b), {spectrum(after)} in (c), {network(setup)} networks. In (a, b) the theory holds "
        "for shared singular vectors and balanced weights."
    )


def _anchor(data: Mapping[str, xr.Dataset], i: int) -> float:
    tuning = protocol_of(data[f"theory{i}"]).perturbation
    assert isinstance(tuning, FineTuning)
    return tuning.anchor
