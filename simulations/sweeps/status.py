"""The status of the sweep in a folder, from its recipe and file names; nothing is changed."""

from itertools import islice
from pathlib import Path

from filelock import FileLock, Timeout

from overtraining.simulations.sweeps.chunk_format import Damaged, decode
from overtraining.simulations.sweeps.measures import allow_measure
from overtraining.simulations.sweeps.recipe import fingerprint, sweep_in_recipe
from overtraining.simulations.sweeps.result import failures, recipe_of
from overtraining.simulations.sweeps.store import (
    LOCK,
    RECIPE,
    RESULT,
    SUM,
    StoreRefused,
    chunk_paths,
    has_stated_checksum,
)
from overtraining.simulations.sweeps.sweep_plan import SweepPlan


def status_lines(folder: Path, measure: str | None = None) -> list[str]:
    """The status in lines. Raises StoreRefused if there is no sweep in the folder, or its recipe or result is damaged.

    measure: a Measure of your own, `module:NAME`, if the sweep has one.
    """
    try:
        recipe = (folder / RECIPE).read_text(encoding="utf-8")
        _refuse_damaged(folder, recipe)
        sweep = sweep_in_recipe(recipe)
    except StoreRefused:
        raise
    except (OSError, ValueError) as error:
        raise StoreRefused(str(folder), f"there is no sweep in it ({error})", "pass the --out of a sweep") from None
    allow_measure(sweep.measure, measure)
    plan = SweepPlan(sweep)
    finished = len(chunk_paths(folder).keys() & set(range(plan.chunks)))
    lines = [f"{plan.sweep.cells:,} cells in {plan.chunks:,} chunks of {plan.sweep.chunk}: {plan.sweep.measure}"]
    if _finished(folder):
        failed = failures(folder / RESULT, plan)
        lines.append(f"finished: {folder / RESULT}, {plan.sweep.cells - len(failed):,} cells")
        lines += [f"failed: {cell}: {why}" for cell, why in failed[:10]]
        lines += [f"… and {len(failed) - 10:,} more, in `failure` of the result"] if len(failed) > 10 else []
    else:
        there = "there" if plan.measure.batched else "there, whole or in part"
        lines.append(f"{finished:,} chunks are {there}, {plan.chunks - finished:,} are missing")
    return [*lines, "a process is at work in it" if _in_use(folder) else "no process is at work in it"]


def _finished(folder: Path) -> bool:
    return (folder / RESULT).exists() and (folder / SUM).exists()


def _refuse_damaged(folder: Path, recipe: str) -> None:
    """Refuse a result without its checksum, and a recipe of which neither the result nor any of some chunks is made."""
    if _finished(folder):
        if not has_stated_checksum(folder / RESULT):
            why = f"its checksum is not the one in {SUM}, one of them is damaged"
            raise StoreRefused(str(folder / RESULT), why, "run the same sweep again, which makes it again")
        fits = recipe_of(folder / RESULT) == recipe
    else:
        some = [path for paths in islice(chunk_paths(folder).values(), 3) for path in paths]
        fits = not some or any(_made_by(recipe, path) for path in some)
    if not fits:
        why = "what is stored was not made from it, one of them is damaged"
        raise StoreRefused(str(folder / RECIPE), why, f"restore it, or delete {folder}")


def _made_by(recipe: str, chunk: Path) -> bool:
    try:
        decode(chunk, fingerprint(recipe))
    except Damaged:
        return False
    return True


def _in_use(folder: Path) -> bool:
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # we may not open the lock, so that no process of ours holds it
        return False
