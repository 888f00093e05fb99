"""Plan a measurement: how many checkpoints, test items and seeds it takes to detect a decline."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from overtraining.figures.llm.statistics.decline import largest_contrast
from overtraining.setting.domain import nonnegative, positive
from overtraining.setting.errors import DomainError

CHECKPOINTS, SEEDS, POWER = (5, 7, 10, 14, 20), (1, 2, 3, 5, 10), 0.8


@dataclass(frozen=True)
class SampleSizePlan:
    """Test items needed for these checkpoints and seeds; None if no number suffices: the seeds scatter too much."""

    checkpoints: int
    seeds: int
    items: int | None


@cache
def needed_ratio(checkpoints: int, confidence: float = 0.95, power: float = POWER, draws: int = 4000) -> float:
    """The decline, in standard errors of one checkpoint, that the test detects with this power.

    The assumed course falls linearly to the middle checkpoint and rises equally far to the last, on a logarithmic scale
    of lengths. The ratio is found by bisection on simulated series, with the same draws at every ratio so that the
    power increases with it.

    >>> 3.5 < needed_ratio(9) < 4.5
    True
    """
    rng = np.random.default_rng(0)
    errors = np.ones(checkpoints)
    noise = rng.standard_normal((2, draws, checkpoints))
    critical = float(np.quantile(largest_contrast(noise[0], errors), confidence))
    middle = (checkpoints - 1) // 2
    course = np.abs(np.arange(checkpoints) - middle) / (checkpoints - 1 - middle)
    course[:middle] *= (checkpoints - 1 - middle) / max(middle, 1)
    low, high = 0.0, 50.0
    for _ in range(40):
        ratio = (low + high) / 2
        detected = np.mean(largest_contrast(ratio * course + noise[1], errors) > critical)
        low, high = (ratio, high) if detected < power else (low, ratio)
    return high


def sample_size_plans(
    decline: float, level: float = 0.6, seed_scatter: float = 0.0, confidence: float = 0.95
) -> list[SampleSizePlan]:
    """What it takes to detect, with 80% power, that an accuracy of about `level` falls by `decline`.

    The variance of a checkpoint is `level(1 − level)/items + seed_scatter²/seeds`: all seeds share the test items.
    Raises DomainError.

    >>> sample_size_plans(0.02)[0]
    SampleSizePlan(checkpoints=5, seeds=1, items=9948)
    """
    size, scatter = float(positive("decline", decline)), float(nonnegative("seed_scatter", seed_scatter))
    if not (0 < level < 1 and size < 1 and 0 < confidence < 1):
        given = f"decline = {decline!r}, level = {level!r}, confidence = {confidence!r}"
        raise DomainError(given, "they are fractions", "pass numbers between 0 and 1")
    if scatter > 1:
        raise DomainError(f"seed_scatter = {scatter:g}", "fractions scatter by less than 1", "pass 0 to 1")
    plans = []
    for checkpoints in CHECKPOINTS:
        for seeds in SEEDS:
            variance = (size / needed_ratio(checkpoints, confidence)) ** 2 - scatter**2 / seeds
            items = int(np.ceil(level * (1 - level) / variance)) if variance > 0 else None
            plans.append(SampleSizePlan(checkpoints, seeds, items))
    return plans


def as_text(plans: list[SampleSizePlan], decline: float, level: float, seed_scatter: float) -> str:
    """The plans as a table of text: one column per number of checkpoints, one row per number of seeds."""
    cell = {(p.checkpoints, p.seeds): "-" if p.items is None else str(p.items) for p in plans}
    seeds = SEEDS if seed_scatter else SEEDS[:1]  # if seeds do not scatter, more of them do not help
    lines = [
        f"Test items needed to detect, with {POWER:.0%} power, that an accuracy near {level:g} falls by {decline:g}",
        f"from the middle checkpoint to the last one; standard deviation between seeds {seed_scatter:g}.",
        "",
        "seeds \\ checkpoints" + "".join(f"{n:>9}" for n in CHECKPOINTS),
        *(f"{s:>19}" + "".join(f"{cell[n, s]:>9}" for n in CHECKPOINTS) for s in seeds),
    ]
    return "\n".join(lines)
