"""The experiments: claim by claim, a run that could refute it. One row per experiment, in the order of the claims.

An experiment `some-name` is the module `experiments.some_name`. Its docstring says which claim it tests, by
what protocol, and what the theory predicts; its `run(preset, key)` returns an Outcome. Predictions come from
`theory`, measurements from the rest of `simulations`, which imports no formula; only here do the two meet.
"""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Literal

Preset = Literal["quick", "full"]


@dataclass(frozen=True)
class Experiment:
    """A row of the table."""

    name: str
    claims: tuple[str, ...]
    title: str

    @property
    def module_name(self) -> str:
        return f"overtraining.experiments.{self.name.replace('-', '_')}"

    def module(self) -> ModuleType:
        """The experiment's module, which imports JAX."""
        return import_module(self.module_name)


EXPERIMENTS = (
    Experiment("invariants", ("A1",), "What gradient flow conserves, and what does not"),
    Experiment("decoupling", ("A2",), "An aligned start in shared axes splits into one flow per feature"),
    Experiment("balanced-mode", ("A3",), "A balanced mode follows a logistic curve"),
    Experiment("matrix-solution", ("A5",), "The whole matrix from any balanced start, and its saddles"),
    Experiment("depth", ("A6", "B2", "B4"), "Features and the cost of noise at every depth; one layer is flat"),
    Experiment("incremental-learning", ("A7",), "From a very small start features switch on one at a time"),
    Experiment("lazy-to-rich", ("A4", "B4"), "The larger the imbalance, the less sensitivity grows"),
    Experiment("noise-sensitivity", ("B1", "B4"), "The cost of noise along pretraining is exact and grows"),
    Experiment("noise-universality", ("B1", "B5"), "All laws of noise cost the same in the mean, not in their scatter"),
    Experiment("curvature", ("B3",), "Every eigenvalue of the Hessian along the path, its trace everywhere"),
    Experiment("growth", ("B4",), "Sensitivity grows exactly while what is learned points at what is left"),
    Experiment("conventions", ("B6",), "The cost of noise in any unit, and of rounding"),
    Experiment("rates", ("B7", "B8"), "Power laws of loss and sensitivity, whose exponents add up"),
    Experiment("sum-rule", ("B8",), "The loss curve predicts the growth of sensitivity"),
    Experiment("inflection", ("C1", "C2"), "Where more pretraining stops lowering the loss after noise"),
    Experiment("stages", ("C3",), "Which features pay under noise, one after another"),
    Experiment("many-minima", ("C4",), "Overtraining is inevitable; on the way there may be several minima"),
    Experiment("inflection-scaling", ("C5",), "The inflection point moves as one over the noise's variance"),
    Experiment("forgetting", ("D1",), "Both losses after fine-tuning on any task, at any length and budget"),
    Experiment("shared-task", ("D2", "D3"), "A shared task: a trap inside the stage, and a turn only by overshoot"),
    Experiment("misaligned-tasks", ("D4",), "What each learned feature adds to the cost of fine-tuning"),
    Experiment("label-noise", ("D5",), "What noisy labels leave of a fitted task, whatever the pretraining"),
    Experiment("learning-rate", ("D6",), "Which learning rates fine-tuning bears, and what tuning them mends"),
    Experiment("regularization", ("D7",), "Remedies delay the inflection and cost the downstream task"),
    Experiment("noise-robust", ("E1",), "The weights that bear noise best are those of weight decay per layer"),
    Experiment("annealing", ("E2",), "Noisy labels shrink and tilt what is learned; annealing gives most of it back"),
    Experiment("mixing", ("E3",), "The share of downstream data that is best, for which loss and when"),
    Experiment("beyond-linear", ("C1", "D1", "D4"), "Noise and fine-tuning on tanh and ReLU students: what survives"),
    Experiment(
        "beyond-linear-remedies", ("D7", "E1", "E2", "E3"), "What helps, on tanh and ReLU students: what survives"
    ),
)
