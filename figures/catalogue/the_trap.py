"""the-trap: the cost of fine-tuning, inside a stage and from plateau to plateau (claims D3, D4)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import epsilon, listed, power, protocol_of, task
from overtraining.figures.recipe import Recipe, simulated_response, theory_response
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.responses import curve
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import SharedVectors
from overtraining.setting.teachers import Matrix, Spectrum, singular_values

SIGMA, TASK = (1.0, 0.5), ((1.0, 0.1), (0.1, 2.0))
STARTS = ("1e-3", "1e-6", "1e-12", "1e-30")


def one_feature(sigma: Sequence[float], start: float) -> float:
    """Length at which the first feature lacks the same share of its value as the second one has."""
    first, second, *_ = sigma
    return float(np.log((first / start - 1) * (second / start - 1)) / (2 * (first + second)))


def recipes() -> dict[str, Recipe]:
    """One feature that the task asks to forget; two, the second of which the task needs more; other starts."""
    stage = Protocol(
        Spectrum((1.0,)),
        lengths=np.linspace(0, 8, 121),
        strengths=(0.05, 0.1, 0.3),
        network=Network(2, 2, 2),
        start=Aligned(1e-3),
        perturbation=FineTuning(SharedVectors((0.0,))),
    )
    plateaus = replace(
        stage,
        teacher=Matrix(np.diag(SIGMA)),
        lengths=np.linspace(0, 200, 201),
        strengths=(0.5, 1.5, 5.0),
        start=Aligned(1e-60),
        perturbation=FineTuning(Matrix(TASK)),
    )
    long = replace(plateaus, strengths=(5.0,))
    by_label = {}
    for start in STARTS:
        lengths = np.unique([*np.linspace(0, 100, 201), one_feature(SIGMA, float(start))])
        by_label[f"from {start}"] = theory_response(replace(long, lengths=lengths, start=Aligned(float(start))))
    for name, setup in (("stage", stage), ("plateaus", plateaus)):
        by_label[name] = theory_response(setup)
        by_label[f"{name}-simulation"] = simulated_response(
            replace(setup, lengths=setup.lengths[:: 5 if name == "stage" else 8]), key=0
        )
    return by_label


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """Sensitivity to fine-tuning against length, one colour per budget; at the longest budget, one per start."""
    figure, axes = canvas(PAGE, 2.6, columns=3)
    for ax, name, title in zip(
        axes[:2], ("stage", "plateaus"), ("inside a stage", "from plateau to plateau"), strict=True
    ):
        drawing.curves(ax, data[name], "sensitivity", label="T = {:g}")
        drawing.curves(ax, data[f"{name}-simulation"], "sensitivity", label=None)
        ax.set_title(title, loc="left")
        ax.set_ylabel("rise of the pretraining loss, $\\Delta$")
        ax.legend(loc="upper left", handlelength=1)
    for i, start in enumerate(STARTS):
        one = data[f"from {start}"]
        drawing.curves(axes[2], one, "sensitivity", label=f"ε = {_start(one)}", colour=i)
    axes[2].set_title(f"from other starts, T = {float(one.strength[0]):g}", loc="left")
    axes[2].legend()
    letter(axes)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    stage = curve(data["stage"], "sensitivity").value.isel(strength=1)
    flat, setup = curve(data["plateaus"], "sensitivity").value, protocol_of(data["plateaus"])
    small, large = flat.isel(strength=0), flat.isel(strength=-1)
    goal = task(setup)
    assert isinstance(goal, Matrix)
    rows = ", ".join(f"[{', '.join(f'{entry:g}' for entry in row)}]" for row in goal.entries)
    others = [data[f"from {start}"] for start in STARTS]
    on_plateau = ", ".join(f"{float(_on_plateau(one)[0]):.3f}" for one in others)
    grown = np.exp(2 * float(large.strength) * np.linalg.norm(goal.entries, 2))
    return (
        "Rise of the pretraining loss by fine-tuning, against pretraining length (claims D3, D4). (a) A task that asks "
        f"to forget the one feature: at T = {float(stage.strength):g}, Δ rises to {float(stage.max()):.4f} inside the "
        f"stage and falls to {float(stage[-1]):.4f} once the feature is learned, so that a checkpoint inside a stage "
        f"says little about the plateau. (b) σ = {listed(singular_values(setup.teacher), fractions=True)} and a task B "
        f"= [{rows}], from a start of {power(epsilon(setup))} whose plateaus are long: with a small budget, T = "
        f"{float(small.strength):g}, Δ grows from plateau to plateau, to {float(small[-1]):.3f}; at T = "
        f"{float(large.strength):g} it is {float(_on_plateau(data['plateaus'])[-1]):.3f} on the plateau of one feature "
        f"and {float(large[-1]):.3f} on that of both. Balanced weights keep their rank, so that the large direction of "
        "the task takes over the one learned feature until the second can learn that direction. Between plateaus, Δ is "
        "smaller where fine-tuning completes a feature that pretraining has begun. (c) The same task at T = "
        f"{float(others[0].strength[-1]):g} from other starts: that the second feature lowers the cost is a statement "
        "about very small starts, since within this budget fine-tuning lets a feature that is barely begun grow up to "
        f"{grown:.1g}-fold. On the plateau of one feature, at ln[(σ₁/ε − 1)(σ₂/ε − 1)]/2(σ₁ + σ₂), Δ is {on_plateau} "
        f"from ε = {', '.join(map(_start, others))}. Lines: exact (D1); points: simulation by gradient flow; aligned "
        f"starts, {power(epsilon(protocol_of(data['stage'])))} in (a). The theory holds for balanced weights in two "
        "layers."
    )


def _start(one: xr.Dataset) -> str:
    return power(epsilon(protocol_of(one)))


def _on_plateau(one: xr.Dataset) -> xr.DataArray:
    """The rise on the plateau of the first feature, for every budget."""
    setup = protocol_of(one)
    length = one_feature(singular_values(setup.teacher).tolist(), epsilon(setup))
    return curve(one, "sensitivity").value.sel(pretraining=length, method="nearest")
