"""Calibrate the turning-point procedure on synthetic series with a known turning point, and on series without one.

`python -m overtraining.figures.llm.statistics.calibration` prints the table for 1,000 series of each kind.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from overtraining.figures.llm.statistics.series import Series, pooled
from overtraining.figures.llm.statistics.turning_point import TurningPoint, find_turning_point

FIRST, RATIO = 1e9, 1000.0  # tokens at the first checkpoint, and the ratio of last to first
CORRELATION = 0.5  # of the errors of neighbouring checkpoints, where they are correlated
Course = Callable[[np.ndarray], np.ndarray]  # the true value as a function of the clock


@dataclass(frozen=True)
class SyntheticCourse:
    """A true course, and the place on the clock where it turns; infinite if it does not."""

    name: str
    course: Course
    turn: float


@dataclass(frozen=True)
class Trial:
    """One synthetic series: its true course, the procedure's answer, and whether each interval contains the truth."""

    truth: SyntheticCourse
    errors: str
    checkpoints: int
    answer: TurningPoint
    covered: bool
    decline_covered: bool
    bootstrap_covered: bool


def turning_course(rng: np.random.Generator) -> SyntheticCourse:
    """A random course with one turning point: parabola, sum of two powers, kinks, late rise, or a noisy network."""
    at = rng.uniform(0.15, 0.85)
    match str(rng.choice(["parabola", "two powers", "kink", "late kink", "late rise", "C1"])):
        case "parabola":
            return SyntheticCourse("parabola", lambda u: (u - at) ** 2, at)
        case "two powers":  # powers of the length are exponentials of the clock: F2
            down, up = rng.uniform(1, 8, 2)
            weight = down / up * np.exp(-(down + up) * at)
            return SyntheticCourse("two powers", lambda u: np.exp(-down * u) + weight * np.exp(up * u), at)
        case "kink":
            before, after = rng.uniform(0.5, 3, 2)
            return SyntheticCourse("kink", lambda u: np.where(u < at, before * (at - u), after * (u - at)), at)
        case "late kink":
            return plateau_course(rng, (2.0, 5.0), (0.6, 0.9))
        case "late rise":
            width, slope = rng.uniform(0.05, 0.2), rng.uniform(0.3, 1)

            def rise(u: np.ndarray) -> np.ndarray:
                value: np.ndarray = 1 / (1 + np.exp((u - 0.3) / width)) + slope * np.clip(u - 0.4, 0, None) ** 1.5
                return value

            return SyntheticCourse("late rise", rise, _minimum(rise))
        case _:
            course = _noisy_network(rng.uniform(0.6, 1.5), rng.uniform(0.05, 0.25))
            return SyntheticCourse("C1", course, _minimum(course))


def plateau_course(
    rng: np.random.Generator, rates: tuple[float, float] = (8.0, 30.0), kinks: tuple[float, float] = (0.6, 0.95)
) -> SyntheticCourse:
    """An exponential of the clock that flattens before a late kink: the faster it is, the longer its plateau."""

    def kinked(u: np.ndarray) -> np.ndarray:
        value: np.ndarray = np.exp(-rate * u) + after * np.clip(u - late, 0, None)
        return value

    late, rate, after = rng.uniform(*kinks), rng.uniform(*rates), rng.uniform(0.5, 3)
    return SyntheticCourse("late kink", kinked, _minimum(kinked))


def course_without_turn(rng: np.random.Generator) -> SyntheticCourse:
    """A random course without a turning point: constant (half of them), a power law, or a step down to a plateau."""
    match str(rng.choice(["flat", "flat", "power law", "plateau"])):
        case "flat":
            return SyntheticCourse("flat", np.zeros_like, np.inf)
        case "power law":
            exponent = rng.uniform(0.5, 6)
            return SyntheticCourse("power law", lambda u: np.exp(-exponent * u), np.inf)
        case _:
            at, width = rng.uniform(0.1, 0.6), rng.uniform(0.02, 0.1)
            return SyntheticCourse("plateau", lambda u: 1 / (1 + np.exp(np.clip((u - at) / width, -50, 50))), np.inf)


def _minimum(course: Course) -> float:
    clock = np.linspace(0, 1, 20_001)
    return float(clock[course(clock).argmin()])


def _noisy_network(alpha: float, noise_cost: float) -> Course:
    """Loss after noise on the aligned path (C1), written out here and not taken from the project's theory."""
    sigma, epsilon = np.arange(1, 13) ** -alpha, 1e-4

    def loss_after_noise(u: np.ndarray) -> np.ndarray:
        length = 0.5 * 400.0**u  # from 0.5 to 200, evenly in its logarithm
        s = sigma / (1 + (sigma / epsilon - 1) * np.exp(-2 * np.multiply.outer(length, sigma)))
        value: np.ndarray = ((sigma - s) ** 2).sum(axis=-1) / 2 + noise_cost * s.sum(axis=-1)
        return value

    return loss_after_noise


def measured(truth: SyntheticCourse, rng: np.random.Generator) -> tuple[str, Series, np.ndarray]:
    """A kind of errors, a noisy series of this course at 5 to 40 checkpoints, and its true values.

    Kinds: known errors; ties, that is binomial errors of so few items that values repeat; seeds, that is errors
    estimated from three repetitions; correlated, known errors of which neighbouring ones have the correlation ½,
    although the procedure takes them for independent.
    """
    n = int(rng.choice([5, 5, 7, 10, 20, 40]))
    clock = np.linspace(0, 1, n)
    if rng.random() < 0.5:  # unevenly spaced
        clock = np.cumsum(rng.uniform(0.3, 1, n))
        clock = (clock - clock[0]) / (clock[-1] - clock[0])
    length, true = FIRST * RATIO**clock, truth.course(clock)
    errors = str(rng.choice(["known", "ties", "seeds", "correlated"]))
    fine = truth.course(np.linspace(0, 1, 20_001))
    rise = fine[-1] - fine.min() if np.isfinite(truth.turn) else np.ptp(fine) / 3
    scale = rise / np.exp(rng.uniform(np.log(2), np.log(20))) or 1.0
    if errors == "ties":
        items = int(rng.choice([100, 400]))
        true = np.clip(0.2 + (true - fine.min()) * np.sqrt(0.16 / items) / scale, 0, 0.98)
        wrong = rng.binomial(items, true) / items
        fraction = np.clip(wrong, 0.5 / items, 1 - 0.5 / items)
        return errors, Series(length, wrong, np.sqrt(fraction * (1 - fraction) / items)), true
    if errors == "seeds":
        mean, stderr, freedom = pooled(list(true[:, None] + np.sqrt(3) * scale * rng.standard_normal((n, 3))))
        return errors, Series(length, mean, stderr, freedom), true
    stderr = scale * np.exp(0.2 * rng.standard_normal(n))
    noise = rng.standard_normal(n)
    if errors == "correlated":
        for i in range(1, n):
            noise[i] = CORRELATION * noise[i - 1] + np.sqrt(1 - CORRELATION**2) * noise[i]
    return errors, Series(length, true + stderr * noise, stderr), true


def trial(truth: SyntheticCourse, rng: np.random.Generator, **options: int) -> Trial:
    """Measure a course once and apply the procedure, and for comparison a plain bootstrap of the best checkpoint."""
    errors, series, true = measured(truth, rng)
    answer = find_turning_point(series, **options)
    turn = FIRST * RATIO**truth.turn
    resampled = series.value + series.stderr * rng.standard_normal((400, series.value.size))
    best = np.quantile(series.length[resampled.argmin(axis=1)], [0.025, 0.975], method="nearest")
    return Trial(
        truth,
        errors,
        series.value.size,
        answer,
        covered=bool(answer.low <= turn <= answer.high),
        decline_covered=bool(answer.decline_low <= true[-1] - true.min() <= answer.decline_high),
        bootstrap_covered=bool(best[0] <= min(turn, FIRST * RATIO) <= best[1]),
    )


def trials(
    make: Callable[[np.random.Generator], SyntheticCourse], n: int, key: int = 0, **options: int
) -> Iterator[Trial]:
    """`n` trials with random courses."""
    for i in range(n):
        rng = np.random.default_rng([key, i])
        yield trial(make(rng), rng, **options)


def as_text(with_turn: list[Trial], without: list[Trial]) -> str:
    """Coverage of the 95% intervals, detections and false alarms, by kind of series."""
    lines = [f"{'':34}{'n':>6}{'interval':>10}{'decline':>9}{'bootstrap':>11}{'detected':>10}"]
    groupings: tuple[Callable[[Trial], str], ...] = (
        lambda trial: "all",
        lambda trial: trial.truth.name,
        lambda trial: f"errors {trial.errors}",
        lambda trial: f"{trial.checkpoints} checkpoints",
    )
    for title, group in (("with a turning point", with_turn), ("without", without)):
        for key in groupings:
            for name in sorted({key(t) for t in group}, key=lambda s: (len(s), s)):
                some = [t for t in group if key(t) == name]
                fractions = [
                    np.mean([t.covered for t in some]),
                    np.mean([t.decline_covered for t in some]),
                    np.mean([t.bootstrap_covered for t in some]),
                    np.mean([t.answer.significant for t in some]),
                ]
                lines.append(f"{title + ', ' + name:34}{len(some):6}" + "".join(f"{100 * x:9.1f}%" for x in fractions))
    return "\n".join(lines)


def main(count: int = 1000) -> None:
    """Try `count` series with a turning point and as many without, and print the table."""
    from tqdm import tqdm

    results = [
        list(tqdm(trials(make, count), total=count, disable=None)) for make in (turning_course, course_without_turn)
    ]
    print(as_text(*results))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
