"""control: benchmarks of base models that get worse along training without any perturbation (claim F4)."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.recipe import Recipe
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.inflection import inflection_point

MODELS = ("70m", "160m", "410m", "14b")


def recipes() -> dict[str, Recipe]:
    """Four sizes of Pythia, each on the Pile and on the Pile without duplicates."""
    names = [*MODELS, *(f"{name}_deduped" for name in MODELS)]
    return {f"pythia-{name}": Recipe(f"overtraining.figures.llm.pythia.pythia_{name}") for name in names}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """One panel per model; a star where a decline is larger than its published errors explain."""
    figure, axes = canvas(PAGE, 3.4, rows=2, columns=4, sharex=True)
    for ax, one in zip(axes, data.values(), strict=True):
        drawing.base(ax, one, label="base")
        drawing.inflections(ax, one, "best")
        ax.set_title(_title(one))
        ax.set_xlabel("")
    for ax in axes[::4]:
        ax.set_ylabel("log perplexity")
    for ax in axes[4:]:
        ax.set_xlabel("pretraining (tokens)")
    letter(axes)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    parts = []
    confidence = inflection_point(next(iter(data.values())), which="best").attrs["confidence"]
    for one in data.values():
        fall, error = drawing.final_decline(one)
        attributes = one.attrs
        if attributes["p_value_given"] <= 0.05:
            parts.append(
                f"{_title(one)} by {fall:.2f} ± {error:.2f}, p = {attributes['p_value_given']:.1g} (p = "
                f"{attributes['p_value_scatter']:.3f} if these errors are replaced by the scatter between neighbouring "
                f"checkpoints, {attributes['scatter']:.2f})"
            )
    return (
        "Log perplexity on LAMBADA (OpenAI version), zero-shot, of Pythia base models along pretraining, without "
        "fine-tuning, noise or quantization. Measured by EleutherAI (evals/pythia-v1; Biderman et al. 2023, arXiv "
        "2304.01373); error bars: one standard error over test items. Star: best checkpoint before a decline that is "
        f"larger than chance explains (Tukey, {confidence:.0%}). Significantly worse at the end than at the best "
        f"checkpoint: {'; '.join(parts) or 'none'}. The p-values account for the choice of the best checkpoint. The "
        f"other {len(data) - len(parts)} models do not get worse. In a small model, the result on a benchmark can "
        "become worse along one run without any perturbation, so that a decline after a perturbation has to be "
        "compared with the base model. Each model is one run in which the learning rate falls, so that tokens and "
        "learning rate are confounded. The linear theory has no such decline: its base loss only falls."
    )


def _title(one: xr.Dataset) -> str:
    _, size, *deduped = one.attrs["model"].split("-")
    return size.upper() + (" deduplicated" if deduped else "")
