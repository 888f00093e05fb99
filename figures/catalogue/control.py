"""control: base models whose own benchmark gets worse along training with nothing done to them (claim F4)."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.recipe import Recipe
from overtraining.figures.style import PAGE, canvas, letter

MODELS = {"70m": "70M", "160m": "160M", "410m": "410M", "14b": "1.4B"}


def recipes() -> dict[str, Recipe]:
    """Four sizes of Pythia, each on the Pile and on the Pile without duplicates."""
    names = [*MODELS, *(f"{name}_deduped" for name in MODELS)]
    return {f"pythia-{name}": Recipe(f"overtraining.figures.llm.pythia.pythia_{name}") for name in names}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """One panel per model; a star where the decline exceeds what its published errors make by chance."""
    figure, axes = canvas(PAGE, 3.4, rows=2, columns=4, sharex=True)
    for ax, (name, one) in zip(axes, data.items(), strict=True):
        drawing.base(ax, one, label="base")
        drawing.inflections(ax, one, "best")
        ax.set_title(_title(name))
        ax.set_xlabel("")
    for ax in axes[::4]:
        ax.set_ylabel("log perplexity")
    for ax in axes[4:]:
        ax.set_xlabel("pretraining (tokens)")
    letter(axes)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """What is seen, with the numbers."""
    told = []
    for name, one in data.items():
        fall, error = drawing.final_decline(one)
        said = one.attrs
        if said["p_value_given"] <= 0.05:
            told.append(
                f"{_title(name)} {fall:.2f} ± {error:.2f}, p = {said['p_value_given']:.4f} (with the scatter between "
                f"neighbouring checkpoints, {said['scatter']:.2f}, in place of those errors p = "
                f"{said['p_value_scatter']:.3f})"
            )
    return (
        "Log perplexity on LAMBADA (OpenAI version), zero-shot, of Pythia base models along pretraining; no "
        "fine-tuning, no noise, no quantization. Measured by EleutherAI (evals/pythia-v1; Biderman et al. 2023, "
        "arXiv 2304.01373); error bars: one standard error over test items. Star: best checkpoint before a decline "
        "that exceeds chance (Tukey, 95%). Worse at the end than at the best checkpoint beyond chance: "
        f"{'; '.join(told) or 'none'}; p accounts for the choice of the best checkpoint. The other "
        f"{len(data) - len(told)} models do not get worse. Where the model is small, a benchmark can turn up along "
        "one run by itself, so that a rise after a perturbation has to be held against the base model's own course. "
        "Each model is one run, in which the learning rate falls, so that tokens and learning rate are confounded. "
        "The linear theory has no such decline: its base loss only falls."
    )


def _title(name: str) -> str:
    size, _, deduped = name.removeprefix("pythia-").partition("_")
    return MODELS[size] + (" deduplicated" if deduped else "")
