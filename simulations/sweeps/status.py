"""The status of the sweep in a folder, from its recipe and file names; nothing is changed."""

from pathlib import Path

from filelock import FileLock, Timeout

from overtraining.simulations.sweeps.measures import allow_measure
from overtraining.simulations.sweeps.recipe import sweep_in_recipe
from overtraining.simulations.sweeps.result import failures
from overtraining.simulations.sweeps.store import LOCK, RECIPE, RESULT, SUM, StoreRefused, chunk_paths
from overtraining.simulations.sweeps.sweep_plan import SweepPlan


def status_lines(folder: Path, measure: str | None = None) -> list[str]:
    """The status in lines. Raises StoreRefused if there is no sweep in the folder.

    measure: a Measure of your own, `module:NAME`, if the sweep has one.
    """
    try:
        sweep = sweep_in_recipe((folder / RECIPE).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError) as error:
        raise StoreRefused(str(folder), f"there is no sweep in it ({error})", "pass the --out of a sweep") from None
    allow_measure(sweep.measure, measure)
    plan = SweepPlan(sweep)
    finished = len(chunk_paths(folder).keys() & set(range(plan.chunks)))
    lines = [f"{plan.sweep.cells:,} cells in {plan.chunks:,} chunks of {plan.sweep.chunk}: {plan.sweep.measure}"]
    if (folder / RESULT).exists() and (folder / SUM).exists():
        failed = failures(folder / RESULT)
        lines.append(f"finished: {folder / RESULT}, {plan.sweep.cells - len(failed):,} cells")
        lines += [f"failed: {cell}: {why}" for cell, why in failed[:10]]
        lines += [f"… and {len(failed) - 10:,} more, in `failed_cell` of the result"] if len(failed) > 10 else []
    else:
        lines.append(f"{finished:,} chunks are there, {plan.chunks - finished:,} are missing")
    return [*lines, "a process is at work in it" if _in_use(folder) else "no process is at work in it"]


def _in_use(folder: Path) -> bool:
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # we may not open the lock, so that no process of ours holds it
        return False
