"""How good the turning-point procedure is: on synthetic series with a known turning point, and without one.

`python -m overtraining.figures.llm.statistics.calibration` prints the table for 1,000 series of each.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from overtraining.figures.llm.statistics.series import Series, pooled
from overtraining.figures.llm.statistics.turning_point import TurningPoint, turning_point

FIRST, RATIO = 1e9, 1000.0  # tokens at the first checkpoint, and how many times more at the last
Course = Callable[[np.ndarray], np.ndarray]  # the true value on the clock


@dataclass(frozen=True)
class Truth:
    """A course on the clock, and where it turns; infinite where it does not."""

    name: str
    course: Course
    turn: float


@dataclass(frozen=True)
class Trial:
    """One synthetic series, what is true of it and what was said of it."""

    truth: Truth
    errors: str
    checkpoints: int
    said: TurningPoint
    covered: bool
    decline_covered: bool
    bootstrap_covered: bool


def turning(rng: np.random.Generator) -> Truth:
    """A random course with one turning point: parabola, sum of two exponentials, kink, late rise, a noisy network."""
    at = rng.uniform(0.15, 0.85)
    match str(rng.choice(["parabola", "two powers", "kink", "late rise", "C1"])):
        case "parabola":
            return Truth("parabola", lambda u: (u - at) ** 2, at)
        case "two powers":  # of the length, exponentials of the clock: F2
            down, up = rng.uniform(1, 8, 2)
            weight = down / up * np.exp(-(down + up) * at)
            return Truth("two powers", lambda u: np.exp(-down * u) + weight * np.exp(up * u), at)
        case "kink":
            left, right = rng.uniform(0.5, 3, 2)
            return Truth("kink", lambda u: np.where(u < at, left * (at - u), right * (u - at)), at)
        case "late rise":
            width, slope = rng.uniform(0.05, 0.2), rng.uniform(0.3, 1)
            rise = lambda u: 1 / (1 + np.exp((u - 0.3) / width)) + slope * np.clip(u - 0.4, 0, None) ** 1.5
            return Truth("late rise", rise, _minimum(rise))
        case _:
            course = _noisy_network(rng.uniform(0.6, 1.5), rng.uniform(0.05, 0.25))
            return Truth("C1", course, _minimum(course))


def staying(rng: np.random.Generator) -> Truth:
    """A random course without one: nothing at all (half of them), a power law, a step down to a plateau."""
    match str(rng.choice(["flat", "flat", "power law", "plateau"])):
        case "flat":
            return Truth("flat", np.zeros_like, np.inf)
        case "power law":
            rate = rng.uniform(0.5, 6)
            return Truth("power law", lambda u: np.exp(-rate * u), np.inf)
        case _:
            at, width = rng.uniform(0.1, 0.6), rng.uniform(0.02, 0.1)
            return Truth("plateau", lambda u: 1 / (1 + np.exp(np.clip((u - at) / width, -50, 50))), np.inf)


def _minimum(course: Course) -> float:
    clock = np.linspace(0, 1, 20_001)
    return float(clock[course(clock).argmin()])


def _noisy_network(alpha: float, c: float) -> Course:
    """Loss after noise on the aligned path (C1), in a course of our own making and not from the formula under test."""
    sigma, epsilon = np.arange(1, 13) ** -alpha, 1e-4
    length = lambda u: 0.5 * 400.0**u  # from 0.5 to 200, evenly in its logarithm
    learned = lambda u: sigma / (1 + (sigma / epsilon - 1) * np.exp(-2 * np.multiply.outer(length(u), sigma)))
    return lambda u: ((sigma - learned(u)) ** 2).sum(axis=-1) / 2 + c * learned(u).sum(axis=-1)


def measured(truth: Truth, rng: np.random.Generator) -> tuple[str, Series, np.ndarray]:
    """A noisy series of this course, and its true values: 5 to 40 checkpoints, errors of three kinds.

    known; ties: binomial, of so few items that values repeat; seeds: estimated from three repetitions.
    """
    n = int(rng.choice([5, 5, 7, 10, 20, 40]))
    clock = np.linspace(0, 1, n)
    if rng.random() < 0.5:  # unevenly spaced
        clock = np.cumsum(rng.uniform(0.3, 1, n))
        clock = (clock - clock[0]) / (clock[-1] - clock[0])
    length, true, errors = FIRST * RATIO**clock, truth.course(clock), str(rng.choice(["known", "ties", "seeds"]))
    fine = truth.course(np.linspace(0, 1, 20_001))
    rise = fine[-1] - fine.min() if np.isfinite(truth.turn) else np.ptp(fine) / 3
    sigma = rise / np.exp(rng.uniform(np.log(2), np.log(20))) or 1.0
    if errors == "ties":
        items = int(rng.choice([100, 400]))
        true = np.clip(0.2 + (true - fine.min()) * np.sqrt(0.16 / items) / sigma, 0, 0.98)
        wrong = rng.binomial(items, true) / items
        share = np.clip(wrong, 0.5 / items, 1 - 0.5 / items)
        return errors, Series(length, wrong, np.sqrt(share * (1 - share) / items)), true
    if errors == "seeds":
        mean, stderr, freedom = pooled(list(true[:, None] + np.sqrt(3) * sigma * rng.standard_normal((n, 3))))
        return errors, Series(length, mean, stderr, freedom), true
    stderr = sigma * np.exp(0.2 * rng.standard_normal(n))
    return errors, Series(length, true + stderr * rng.standard_normal(n), stderr), true


def trial(truth: Truth, rng: np.random.Generator, **options: int) -> Trial:
    """Measure a course once and ask the procedure about it; beside it, a plain bootstrap of the best checkpoint."""
    errors, series, true = measured(truth, rng)
    said, turn = turning_point(series, **options), FIRST * RATIO**truth.turn
    again = series.value + series.stderr * rng.standard_normal((400, series.value.size))
    best = np.quantile(series.length[again.argmin(axis=1)], [0.025, 0.975], method="nearest")
    return Trial(
        truth, errors, series.value.size, said, covered=bool(said.low <= turn <= said.high),
        decline_covered=bool(said.decline_low <= true[-1] - true.min() <= said.decline_high),
        bootstrap_covered=bool(best[0] <= min(turn, FIRST * RATIO) <= best[1]),
    )  # fmt: skip


def trials(make: Callable[[np.random.Generator], Truth], n: int, seed: int = 0, **options: int) -> Iterator[Trial]:
    """`n` trials with random courses."""
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        yield trial(make(rng), rng, **options)


def table(with_turn: list[Trial], without: list[Trial]) -> str:
    """Coverage of the 95% intervals, detections and false alarms, by kind of series."""
    lines = [f"{'':34}{'n':>6}{'interval':>10}{'decline':>9}{'bootstrap':>11}{'detected':>10}"]
    for title, group in (("with a turning point", with_turn), ("without", without)):
        keys = [
            lambda t: "all",
            lambda t: t.truth.name,
            lambda t: f"errors {t.errors}",
            lambda t: f"{t.checkpoints} checkpoints",
        ]
        for key in keys:
            for name in sorted({key(t) for t in group}, key=lambda s: (len(s), s)):
                some = [t for t in group if key(t) == name]
                shares = [np.mean([getattr(t, what) for t in some]) for what in
                          ("covered", "decline_covered", "bootstrap_covered")]  # fmt: skip
                shares.append(np.mean([t.said.found for t in some]))
                lines.append(f"{title + ', ' + name:34}{len(some):6}" + "".join(f"{100 * s:9.1f}%" for s in shares))
    return "\n".join(lines)


if __name__ == "__main__":
    from tqdm import tqdm

    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(table(*(list(tqdm(trials(make, count), total=count, disable=None)) for make in (turning, staying))))
