"""Run experiments: choose them by name, run several side by side, write each result as soon as it is known."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from overtraining.experiments import EXPERIMENTS, Experiment, Preset
from overtraining.experiments.memoized import storing
from overtraining.experiments.own_experiment import load_experiment
from overtraining.experiments.verdict import ExperimentVerdict
from overtraining.runtime.atomic_files import no_leftovers, write_files
from overtraining.runtime.netcdf import as_netcdf
from overtraining.runtime.worker_process import is_worker
from overtraining.runtime.worker_processes import UNUSED, WorkerDied, WorkerProcesses
from overtraining.setting.domain import one_of, whole
from overtraining.setting.errors import DomainError, NotSolved, Refusal
from overtraining.setting.near_names import near_names
from overtraining.setting.plain_data import first_repeated
from overtraining.simulations.double_precision import in_double_precision

LONGEST = ("beyond-linear-remedies", "stages", "inflection", "invariants", "beyond-linear")
"""Experiments that take longest: they are begun first, so that no process waits for another in the end."""


@dataclass(frozen=True)
class Result:
    """The report on one run of an experiment; `seconds` is wall time and includes compilation."""

    experiment: str
    claims: tuple[str, ...]
    verdict: ExperimentVerdict
    max_abs_z: float | None
    ks_p: float | None
    seconds: float
    preset: str
    key: int
    checks: tuple[dict[str, object], ...]


def choose(names: Sequence[str]) -> list[Experiment]:
    """The experiments with these names, or in these files of users, or all of the project's if nothing is given.

    What ends in .py is a path. Raises DomainError for an unknown name, and lists similar ones; Refusal for a file that
    is no experiment, and for two of one name.
    """
    known = {e.name: e for e in EXPERIMENTS}
    for name in names:
        if name not in known and not name.endswith(".py"):
            near = f"{near_names(name, known)}; or pass the path of a .py file"
            raise DomainError(f"experiment {name!r}", "there is no such experiment", near)
    chosen = [known[name] if name in known else load_experiment(name) for name in dict.fromkeys(names)]
    if again := first_repeated(experiment.name for experiment in chosen):
        raise DomainError(f"experiment {again!r}", "two files have this name, and so would their results", "rename one")
    return chosen or list(EXPERIMENTS)


@in_double_precision
def run_experiment(name: str, preset: Preset = "quick", key: int = 0, out: Path | None = None) -> Result:
    """Run one experiment; with `out`, write `NAME.json` (the Result) and `NAME.nc` (the measured data) there.

    The result is determined by the preset and the key. With `out` the full preset also stores every measurement in
    `out/sweeps/NAME` and runs in a process of one thread, so that the same call continues after a crash. Raises
    DomainError for an unknown experiment or preset.
    """
    (experiment,) = choose([name])
    one_of("preset", preset, Preset)
    key = whole("key", key, least=0)
    began = time.perf_counter()
    stores = out / "sweeps" / experiment.name if out and preset == "full" else None
    if stores and not is_worker():
        return run_experiments([experiment], preset, key, out)[0]
    with storing(stores):
        outcome = experiment.run(preset, key)
    result = Result(
        experiment.name,
        experiment.claims,
        outcome.verdict,
        outcome.max_abs_z,
        outcome.ks_p,
        round(time.perf_counter() - began, 2),
        preset,
        key,
        tuple(
            {
                "name": check.name,
                "passed": check.passed,
                "answer": check.answer,
                "numbers": dict(check.numbers),
                "z": check.z.tolist(),
            }
            for check in outcome.checks
        ),
    )
    if out is not None:
        named = {"nc": as_netcdf(outcome.data), "json": as_json([result]).encode()}
        contents = {f"{experiment.name}.{kind}": content for kind, content in named.items()}
        write_files({out / file: content for file, content in contents.items()})
    return result


def run_experiments(
    experiments: Sequence[Experiment],
    preset: Preset = "quick",
    key: int = 0,
    out: Path | None = None,
    processes: int = 2,
    report: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Run several experiments, `processes` at a time; call `report` on each result when it is known.

    Results come back in the order of the list. An experiment that gives no verdict does not stop the others: after they
    have run, NotSolved names it with its reason.
    """
    job = partial(run_experiment, preset=preset, key=key, out=out)
    results: dict[str, Result] = {}
    failed: dict[str, str] = {}
    names = [experiment.source for experiment in experiments]
    waiting = iter([name for name in LONGEST if name in names] + [name for name in names if name not in LONGEST])
    written = [out / f"{one.name}.{kind}" for one in experiments for kind in ("nc", "json")] if out else []
    with no_leftovers(written), WorkerProcesses(job, processes, UNUSED) as crew:
        for name, answer in crew.answers(lambda: next(waiting, None)):
            match answer:
                case Result():
                    results[name] = answer
                    report(answer)
                case Refusal():
                    failed[name] = str(answer)
                case WorkerDied(why):
                    failed[name] = why
                case fault:
                    raise fault
    if failed:
        reasons = "; ".join(f"{name}: {why}" for name, why in failed.items()).rstrip(".")
        raise NotSolved("a verdict", reasons, "correct these experiments; the results of the others are written")
    return [results[name] for name in names]


def as_json(results: Sequence[Result]) -> str:
    """Results as JSON, with null for a number that does not apply."""
    return json.dumps([vars(result) for result in results], indent=1, allow_nan=False) + "\n"


def verdict_line(result: Result) -> str:
    """The result as one line of the table of verdicts."""
    z = "" if result.max_abs_z is None else f"max |z| {result.max_abs_z:.2f}"
    p = "" if result.ks_p is None else f"KS p {result.ks_p:.2g}"
    claims = ", ".join(result.claims)
    return f"{result.experiment:26}{claims:16}{result.verdict:15}{z:14}{p:13}{result.seconds:7.1f} s"
