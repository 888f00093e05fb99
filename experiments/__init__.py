"""The experiments: for each claim, a run that could refute it. One row per experiment, in the order of the claims.

The experiment `some-name` is the module `experiments.some_name`. Its docstring states the claim, the protocol, the
prediction and what would refute it; its `run(preset, key)` returns an Outcome. Predictions come from `theory` and
measurements from `simulations`, which contains none of theory's formulas; the two meet only here. How an experiment
decides between *agrees*, *refuted* and *limits-mapped* is in `experiments.verdict`.
"""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from overtraining.experiments.verdict import Outcome

Preset = Literal["quick", "full"]


@dataclass(frozen=True)
class Experiment:
    """A row of the table: the experiment's name, the claims that it tests, and its title."""

    name: str
    claims: tuple[str, ...]
    title: str

    @property
    def module_name(self) -> str:
        return f"overtraining.experiments.{self.name.replace('-', '_')}"

    @property
    def source(self) -> str:
        """By what a worker process finds it: its name."""
        return self.name

    def module(self) -> ModuleType:
        """The experiment's module, which imports JAX."""
        return import_module(self.module_name)

    def run(self, preset: Preset, key: int) -> "Outcome":
        """Predict, measure and judge."""
        outcome: Outcome = self.module().run(preset, key)
        return outcome


EXPERIMENTS = (
    Experiment("invariants", ("A1",), "What gradient flow conserves, and what it does not"),
    Experiment("decoupling", ("A2",), "With shared singular vectors the flow splits into one scalar flow per feature"),
    Experiment("balanced-mode", ("A3",), "A balanced mode follows a logistic curve"),
    Experiment("matrix-solution", ("A5",), "The whole matrix from any balanced start, and its saddle points"),
    Experiment(
        "depth", ("A6", "B2", "B4"), "Features and the cost of noise at every depth; it is constant for one layer"
    ),
    Experiment("incremental-learning", ("A7",), "From a very small start, features are learned one at a time"),
    Experiment("small-random-starts", ("A8", "D1"), "From small Gaussian weights: means over starts, and their error"),
    Experiment("lazy-to-rich", ("A4", "B4"), "The larger the imbalance, the less sensitivity grows"),
    Experiment("noise-sensitivity", ("B1", "B4"), "The cost of noise along pretraining is exact and grows"),
    Experiment(
        "noise-universality",
        ("B1", "B5"),
        "Noise of any law costs the same on average, but its cost scatters differently",
    ),
    Experiment("curvature", ("B3",), "Every eigenvalue of the Hessian along the path, and its trace everywhere"),
    Experiment("growth", ("B4",), "Sensitivity grows exactly while the unlearned part points along what is learned"),
    Experiment("conventions", ("B6",), "The cost of noise in four units, and of rounding"),
    Experiment("rates", ("B7", "B8"), "Power laws of loss and sensitivity, whose exponents add up to one"),
    Experiment("sum-rule", ("B8",), "The loss curve predicts how sensitivity grows"),
    Experiment("inflection", ("C1", "C2"), "Where longer pretraining stops lowering the loss after noise"),
    Experiment("stages", ("C3",), "Which features lower the loss after noise, one after another"),
    Experiment("many-minima", ("C4",), "Overtraining is inevitable; there may be several minima on the way"),
    Experiment(
        "inflection-scaling",
        ("C5",),
        "The inflection point is proportional to 1/variance of the noise, up to a logarithm",
    ),
    Experiment("forgetting", ("D1",), "Both losses after fine-tuning on any task, at any length and budget"),
    Experiment(
        "shared-task",
        ("D2", "D3"),
        "Shared singular vectors: forgetting peaks within a stage; only overshoot makes longer worse",
    ),
    Experiment("misaligned-tasks", ("D4",), "What each learned feature adds to the loss that fine-tuning causes"),
    Experiment(
        "finite-plateaus", ("D4",), "What fine-tuning costs on plateaus of ordinary starts, and what limits miss"
    ),
    Experiment(
        "label-noise", ("D5",), "The excess loss that noisy labels leave after fine-tuning, whatever the pretraining"
    ),
    Experiment(
        "learning-rate", ("D6",), "Which learning rates are stable in fine-tuning, and what tuning them can repair"
    ),
    Experiment("regularization", ("D7",), "Remedies delay the inflection point and raise the downstream loss"),
    Experiment(
        "noise-robust", ("E1",), "The weights that are most robust to noise are those of weight decay per layer"
    ),
    Experiment(
        "annealing", ("E2",), "Noisy labels shrink and unbalance what is learned; annealing restores most of it"
    ),
    Experiment("mixing", ("E3",), "The best share of downstream data in pretraining, by loss and by length"),
    Experiment(
        "beyond-linear", ("C1", "D1", "D4"), "Noise and fine-tuning of tanh and ReLU students: what carries over"
    ),
    Experiment(
        "beyond-linear-remedies", ("D7", "E1", "E2", "E3"), "Remedies for tanh and ReLU students: what carries over"
    ),
)
"""The experiments, in the order of the claims."""
