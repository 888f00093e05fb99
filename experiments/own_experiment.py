"""An experiment in a user's own file: EXPERIMENT says what it is, `run(preset, key)` predicts, measures and judges."""

import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import xarray as xr

from overtraining.experiments import EXPERIMENTS, Experiment, Preset
from overtraining.experiments.verdict import Check, Outcome
from overtraining.setting.errors import NotSolved, Refusal
from overtraining.setting.own_files import fault_in, imports_from, load_file


@dataclass(frozen=True)
class OwnExperiment(Experiment):
    """The experiment of a file, which is run as Python."""

    file: Path

    @property
    def source(self) -> str:
        """The file."""
        return str(self.file)

    def module(self) -> ModuleType:
        """The file as a module."""
        return load_file(self.file, "EXPERIMENT")

    def run(self, preset: Preset, key: int) -> Outcome:
        """What the file's `run` returns; what it raises, or returns instead, is a NotSolved that names the file."""
        try:
            with imports_from(self.file.parent):
                outcome = self.module().run(preset, key)
        except Refusal:
            raise
        except (Exception, SystemExit) as fault:
            raise NotSolved(str(self.file), fault_in(self.file, fault), "correct the file") from fault
        if not isinstance(outcome, Outcome):
            why = f"its run returns {type(outcome).__name__}"
        elif not outcome.checks or not all(isinstance(check, Check) for check in outcome.checks):
            why = "its run returns no Checks"
        elif not all(isinstance(one, xr.Dataset) for one in outcome.data.values()):
            why = "the data that its run returns are no Datasets"
        else:
            return outcome
        raise NotSolved(str(self.file), why, "return Outcome(checks, data), as docs/examples/my_experiment.py does")


def load_experiment(path: str | Path) -> OwnExperiment:
    """The EXPERIMENT of a user's own file. The file is run as Python: load only what you would run.

    Raises Refusal if the file is missing, raises, has no EXPERIMENT or no `run`, or if its name is one of the project's
    or cannot be a file's.
    """
    module = load_file(path, "EXPERIMENT")
    experiment, remedy = module.EXPERIMENT, "compare it with docs/examples/my_experiment.py"
    if not isinstance(experiment, Experiment):
        raise Refusal(str(path), f"it has a {type(experiment).__name__} as its EXPERIMENT", remedy)
    if not callable(getattr(module, "run", None)):
        raise Refusal(str(path), "it defines no run(preset, key)", remedy)
    if not re.fullmatch(r"\w[\w-]*", experiment.name):
        raise Refusal(str(path), f"its results cannot be in files named {experiment.name!r}", "use letters and hyphens")
    if experiment.name.lower() in {known.name for known in EXPERIMENTS}:
        raise Refusal(str(path), f"{experiment.name} is an experiment of the project", "call yours something else")
    return OwnExperiment(experiment.name, experiment.claims, experiment.title, Path(path))
