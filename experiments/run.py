"""Running experiments: chosen by name, side by side, each result written as soon as it is there."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import xarray as xr

from overtraining.experiments import EXPERIMENTS, Experiment, Preset
from overtraining.experiments.memoized import storing
from overtraining.experiments.outcome import Outcome, Verdict
from overtraining.setting.domain import whole
from overtraining.setting.errors import DomainError, NotSolved, Refusal
from overtraining.setting.training import one_of
from overtraining.simulations.sweeps.worker import is_worker
from overtraining.simulations.sweeps.worker_processes import Crew, Died


@dataclass(frozen=True)
class Result:
    """What is reported of one run; `seconds` is wall time, compilation included."""

    experiment: str
    claims: tuple[str, ...]
    verdict: Verdict
    max_abs_z: float | None
    ks_p: float | None
    seconds: float
    preset: str
    seed: int
    checks: tuple[dict[str, object], ...]


def choose(names: Sequence[str]) -> list[Experiment]:
    """The experiments of these names, all of them for none; DomainError lists the near ones of an unknown."""
    known = {e.name: e for e in EXPERIMENTS}
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=3, cutoff=0.3) or list(known)
            raise DomainError(f"experiment {name!r}", "there is no such experiment", f"try {', '.join(near)}")
    return [known[name] for name in dict.fromkeys(names)] or list(EXPERIMENTS)


def run(name: str, preset: Preset = "quick", seed: int = 0, out: Path | None = None) -> Result:
    """Run one experiment and, with `out`, write `NAME.json` (the Result) and `NAME.nc` (what it measured) there.

    Deterministic for a preset and a seed. With `out` the full preset also keeps measurements, in `out/sweeps/NAME`, so
    that the same call goes on after a crash, and runs in a process of one thread. Raises DomainError for what is not
    known.
    """
    (experiment,) = choose([name])
    one_of("preset", preset, Preset)
    seed, began = whole("seed", seed, least=0), time.perf_counter()
    stores = out / "sweeps" / name if out and preset == "full" else None
    if stores and not is_worker():
        return run_all([experiment], preset, seed, out)[0]
    with storing(stores):
        outcome: Outcome = experiment.module().run(preset, seed)
    result = Result(
        experiment.name,
        experiment.claims,
        outcome.verdict,
        outcome.max_abs_z,
        outcome.ks_p,
        round(time.perf_counter() - began, 2),
        preset,
        seed,
        tuple(
            {"name": c.name, "passed": c.passed, "says": c.says, "numbers": dict(c.numbers), "z": c.z.tolist()}
            for c in outcome.checks
        ),
    )
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        tree = xr.DataTree.from_dict({f"/{label}": data for label, data in outcome.data.items()})
        tree.to_netcdf(out / f"{name}.nc", engine="h5netcdf")
        (out / f"{name}.json").write_text(as_json([result]), encoding="utf-8")
    return result


def run_all(
    experiments: Sequence[Experiment],
    preset: Preset = "quick",
    seed: int = 0,
    out: Path | None = None,
    processes: int = 2,
    report: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Run several, `processes` at a time, and report each when it is done; results in the order of the list.

    One that gives no verdict does not stop the others: they are run, then NotSolved names it and its reason.
    """
    job = partial(run, preset=preset, seed=seed, out=out)
    found, failed = {}, {}
    names = [experiment.name for experiment in experiments]
    waiting = iter(names)
    with Crew(job, processes) as crew:
        for name, answer in crew.answers(lambda: next(waiting, None)):
            match answer:
                case Result():
                    found[name] = answer
                    report(answer)
                case Refusal():
                    failed[name] = str(answer)
                case Died(why):
                    failed[name] = why
                case fault:
                    raise fault
    if failed:
        reasons = "; ".join(f"{name}: {why}" for name, why in failed.items()).rstrip(".")
        raise NotSolved("a verdict", reasons, "mend these experiments; the others' results are written")
    return [found[name] for name in names]


def as_json(results: Sequence[Result]) -> str:
    """Results as JSON; null where a number does not apply."""
    return json.dumps([vars(result) for result in results], indent=1, allow_nan=False) + "\n"


def line(result: Result) -> str:
    """One line of the verdict table."""
    z = "" if result.max_abs_z is None else f"max |z| {result.max_abs_z:.2f}"
    p = "" if result.ks_p is None else f"KS p {result.ks_p:.2g}"
    claims = ", ".join(result.claims)
    return f"{result.experiment:26}{claims:16}{result.verdict:15}{z:14}{p:13}{result.seconds:7.1f} s"
