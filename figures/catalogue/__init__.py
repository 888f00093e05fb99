"""The catalogue: one row per figure, in the order in which the story is told.

A figure `some-name` is the module `figures.catalogue.some_name` with three functions: `recipes()` says where its data
come from, `draw(data)` draws them, and `caption(data)` describes the figure, with numbers and the limits of the theory.
"""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType


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
        """The figure's module; importing it imports neither JAX nor Matplotlib's machinery for drawing."""
        return import_module(self.module_name)


CATALOGUE = (
    Entry("incremental-learning", ("A2", "A3", "A7"), "Features are learned one at a time"),
    Entry("progressive-sensitivity", ("B1", "B4"), "The longer the pretraining, the more the same noise costs"),
    Entry("catastrophic-overtraining", ("C1", "C4"), "Beyond an inflection point the loss after noise only rises"),
    Entry("depth", ("A6", "B2", "B4"), "The deeper, the later and the more abruptly; one layer never changes"),
    Entry("random-start", ("A1", "A7", "B4"), "What survives of the aligned theory from random starts"),
    Entry("lazy-to-rich", ("A4", "B4"), "The larger the imbalance, the less sensitivity grows"),
    Entry("curvature", ("B3",), "Curvature grows with the features, and is what noise costs"),
    Entry("conventions", ("B6",), "Progressive in every unit of noise, and not under rounding"),
    Entry("noise-universality", ("B1", "B5"), "All laws of noise cost the same in the mean, not in their scatter"),
    Entry("rates", ("B7", "B8"), "Power laws of loss and sensitivity, whose exponents add up"),
    Entry("any-start", ("C2",), "From every start the loss after noise turns where two rates balance"),
    Entry("inflection-scaling", ("C3", "C5"), "The inflection point moves as one over the noise's variance"),
    Entry("many-minima", ("C4",), "On the way there may be several minima"),
    Entry(
        "numerical-error",
        (
            "A3",
            "A4",
            "A5",
            "A6",
            "A7",
            "B1",
            "B2",
            "B3",
            "B4",
            "B5",
            "B6",
            "B7",
            "B8",
            "C1",
            "C4",
            "C5",
            "D1",
            "D2",
            "D3",
            "D4",
            "D5",
            "D6",
            "D7",
            "E1",
            "E2",
            "E3",
        ),
        "Every closed form is right to rounding all along pretraining",
    ),
    Entry("forgetting", ("D1", "D2"), "What fine-tuning leaves of pretraining, by the angle of the task"),
    Entry("the-trap", ("D3", "D4"), "The cost of fine-tuning is not monotone, inside a stage or between plateaus"),
    Entry(
        "plasticity-and-forgetting", ("D4",), "The more is learned, the better the task is met, and the more forgotten"
    ),
    Entry("label-noise", ("D5",), "What noisy labels cost a fitted task, at every learning rate"),
    Entry("learning-rate", ("D6",), "The best rate by checkpoint; tuning does not remove the inflection"),
    Entry("regularization", ("D7",), "Anchors delay the inflection and cost the task; replay trades best"),
    Entry("noise-robust-objective", ("E1",), "Weight decay per layer bears noise better than any stop"),
    Entry("annealing", ("E2",), "Schedules at equal steps: decay gives features back, and fragility with them"),
    Entry("mixing", ("E3",), "The share of downstream data in pretraining that is best"),
    Entry("beyond-linear", ("D1", "D4"), "What survives on tanh and ReLU students"),
    Entry("beyond-linear-remedies", ("D7", "E1", "E2", "E3"), "What helps tanh and ReLU students"),
    Entry("olmo1b-fine-tuning", ("F1",), "OLMo-1B, base and fine-tuned, against pretraining tokens"),
    Entry("scaling-fit", ("F2",), "Annealed language models: a law of their loss, and the price of quantization added"),
    Entry("sum-rule-llm", ("B8", "F3"), "The sum rule against published exponents: near, not equal"),
    Entry("control", ("F4",), "Base models that get worse with nothing done to them"),
    Entry("bridge", ("C1", "B1", "F1"), "Theory, toy and language model on the same axes"),
)
