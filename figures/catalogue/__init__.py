"""The catalogue: one row per figure, in the order of the argument.

A figure `some-name` is the module `figures.catalogue.some_name` with three functions: `recipes()` says where its data
come from, `draw(data)` draws them, and `caption(data)` describes the figure, with numbers and the limits of the theory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from overtraining.figures.presets import Look

if TYPE_CHECKING:
    import xarray as xr

    from overtraining.figures.recipe import Recipe


@dataclass(frozen=True)
class Entry:
    """A row of the catalogue."""

    name: str
    claims: tuple[str, ...]
    title: str

    @property
    def module_name(self) -> str:
        return f"overtraining.figures.catalogue.{self.name.replace('-', '_')}"

    def module(self) -> ModuleType:
        """The figure's module; importing it imports neither JAX nor Matplotlib's pyplot."""
        return import_module(self.module_name)

    def recipes(self) -> "dict[str, Recipe]":
        """The sources of the figure's data, by label."""
        recipes: dict[str, Recipe] = self.module().recipes()
        return recipes

    def caption(self, data: "Mapping[str, xr.Dataset]") -> str:
        """The caption, with numbers computed from the data."""
        return str(self.module().caption(data))

    @property
    def look(self) -> Look:
        """Title, size and style of a user's; none here."""
        return Look()

    @property
    def changed(self) -> Mapping[str, Any]:
        """What is not as in the catalogue, for the manifest: nothing here."""
        return {}


# fmt: off
NUMERICALLY_CHECKED = (
    "A3", "A4", "A5", "A6", "A7", "B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "C1", "C4", "C5",
    "D1", "D2", "D3", "D4", "D5", "D6", "D7", "E1", "E2", "E3",
)
# fmt: on
CATALOGUE = (
    Entry("incremental-learning", ("A2", "A3", "A7"), "Features are learned one at a time"),
    Entry("progressive-sensitivity", ("B1", "B4"), "The longer the pretraining, the more the same noise costs"),
    Entry("catastrophic-overtraining", ("C1", "C4"), "Beyond an inflection point the loss after noise only rises"),
    Entry(
        "depth", ("A6", "B2", "B4"), "Deeper networks learn later and more abruptly; one layer keeps its sensitivity"
    ),
    Entry("random-start", ("A1", "A7", "A8", "B4"), "What still holds of the aligned theory from random starts"),
    Entry("lazy-to-rich", ("A4", "B4"), "The larger the imbalance, the less sensitivity grows"),
    Entry("curvature", ("B3",), "Curvature grows with the features, and determines the cost of noise"),
    Entry("conventions", ("B6",), "Sensitivity grows in every unit of noise, but not always under rounding"),
    Entry(
        "noise-universality",
        ("B1", "B5"),
        "All distributions of noise have the same mean cost, but not the same scatter",
    ),
    Entry("rates", ("B7", "B8"), "Loss and sensitivity are power laws whose exponents add up to one"),
    Entry("any-start", ("C2",), "From every start, the loss after noise turns where two rates balance"),
    Entry(
        "inflection-scaling",
        ("C3", "C5"),
        "The inflection point is inversely proportional to the variance of the noise",
    ),
    Entry("many-minima", ("C4",), "Before the inflection point there may be several minima"),
    Entry("numerical-error", NUMERICALLY_CHECKED, "Every closed form is accurate to rounding at every length"),
    Entry("forgetting", ("D1", "D2"), "What remains of pretraining after fine-tuning, by the angle of the task"),
    Entry("the-trap", ("D3", "D4"), "The cost of fine-tuning is not monotone, inside a stage or between plateaus"),
    Entry(
        "plasticity-and-forgetting",
        ("D4",),
        "The more is learned, the better the task is fitted, and the more is forgotten",
    ),
    Entry("label-noise", ("D5",), "What noisy labels cost a fitted task, at every learning rate"),
    Entry("learning-rate", ("D6",), "The best learning rate by checkpoint; tuning does not remove the inflection"),
    Entry(
        "regularization", ("D7",), "Anchors delay the inflection at a cost to the task; replay has the best trade-off"
    ),
    Entry("noise-robust-objective", ("E1",), "In a linear network, weight decay per layer withstands noise best"),
    Entry(
        "annealing",
        ("E2",),
        "At the same number of steps, decay of the learning rate restores features, and sensitivity",
    ),
    Entry("mixing", ("E3",), "The best share of downstream data in pretraining"),
    Entry("beyond-linear", ("D1", "D4"), "What still holds for tanh and ReLU students"),
    Entry("beyond-linear-remedies", ("D7", "E1", "E2", "E3"), "What helps tanh and ReLU students"),
    Entry("olmo1b-fine-tuning", ("F1",), "OLMo-1B, base and fine-tuned, against pretraining tokens"),
    Entry("scaling-fit", ("F2",), "A law fitted to annealed language models, plus the cost of quantization"),
    Entry("sum-rule-llm", ("B8", "F3"), "The sum rule compared with published exponents: close, but not equal"),
    Entry("control", ("F4",), "Base models that get worse without any perturbation"),
    Entry("bridge", ("C1", "B1", "F1"), "Theory, simulation and language model on the same axes"),
)
"""The figures, in the order of the claims."""
