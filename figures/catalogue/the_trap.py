"""the-trap: the cost of fine-tuning, inside a stage and from plateau to plateau (claims D3, D4)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import epsilon, power, protocol_of
from overtraining.figures.recipe import Recipe, simulated_response, theory_response
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.responses import curve
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import SharedVectors
from overtraining.setting.teachers import Matrix, Spectrum

TASK = ((1.0, 0.1), (0.1, 2.0))
STARTS = ("1e-3", "1e-6", "1e-12", "1e-30")


def one_feature(start: float) -> float:
    """Length at which the first feature lacks the same share of its value as the second one has."""
    return float(np.log((1 / start - 1) * (0.5 / start - 1)) / 3)


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
        teacher=Matrix(((1.0, 0.0), (0.0, 0.5))),
        lengths=np.linspace(0, 200, 201),
        strengths=(0.5, 1.5, 5.0),
        start=Aligned(1e-60),
        perturbation=FineTuning(Matrix(TASK)),
    )
    long = replace(plateaus, strengths=(5.0,))
    by_label = {}
    for start in STARTS:
        lengths = np.unique([*np.linspace(0, 100, 201), one_feature(float(start))])
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
        drawing.curves(axes[2], data[f"from {start}"], "sensitivity", label=f"ε = {start}", colour=i)
    axes[2].set_title("from other starts, T = 5", loc="left")
    axes[2].legend()
    letter(axes)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    stage = curve(data["stage"], "sensitivity").value.sel(strength=0.1)
    flat = curve(data["plateaus"], "sensitivity").value
    small, large = flat.sel(strength=0.5), flat.sel(strength=5.0)
    rises = [curve(data[f"from {start}"], "sensitivity").value for start in STARTS]
    lengths = [one_feature(float(start)) for start in STARTS]
    pairs = zip(rises, lengths, strict=True)
    on_plateau = ", ".join(f"{float(rise.sel(pretraining=length).item()):.3f}" for rise, length in pairs)
    return (
        "Rise of the pretraining loss by fine-tuning, against pretraining length (claims D3, D4). (a) A task that asks "
        f"to forget the one feature: at T = 0.1, Δ rises to {float(stage.max()):.4f} inside the stage and falls to "
        f"{float(stage[-1]):.4f} once the feature is learned, so that a checkpoint inside a stage says little about "
        "the plateau. (b) σ = 1, ½ and a task B = [[1, 0.1], [0.1, 2]], from a start of "
        f"{power(epsilon(protocol_of(data['plateaus'])))} whose plateaus are long: "
        f"with a small budget, T = 0.5, Δ grows from plateau to plateau, to {float(small[-1]):.3f}; at T = 5 it is "
        f"{float(large.sel(pretraining=90.0)):.3f} on the plateau of one feature and {float(large[-1]):.3f} on that of "
        "both. Balanced weights keep their rank, so that the large direction of the task takes over the one learned "
        "feature until the second can learn that direction. Between plateaus, Δ is smaller where fine-tuning completes "
        "a feature that pretraining has begun. (c) The same task at T = 5 from other starts: that the second feature "
        "lowers the cost is a statement about very small starts, since within this budget fine-tuning lets a feature "
        f"that is barely begun grow up to {np.exp(10 * np.linalg.norm(TASK, 2)):.1g}-fold. On the plateau of one "
        f"feature, at ln[(1/ε − 1)(½/ε − 1)]/3, Δ is {on_plateau} from ε = {', '.join(STARTS)}. Lines: exact (D1); "
        f"points: simulation by gradient flow; aligned starts, {power(epsilon(protocol_of(data['stage'])))} in (a). "
        "The theory holds for balanced weights in "
        "two layers."
    )
