"""The growth of the closed forms' time with dimension, number of times and depth: fitted exponents and a figure."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from benchmarks.matrix import problem
from benchmarks.measure import BenchmarkPreset, Growth, Workload, time_growth
from benchmarks.noise_grid import cost_of_noise
from benchmarks.report import BenchmarkReport
from overtraining.figures.style import COLOURS, MARKERS, PAGE, canvas, letter
from overtraining.setting.teachers import PowerLaw, singular_values
from overtraining.theory.learning import deep_mode
from overtraining.theory.learning.balanced_mode import singular_value
from overtraining.theory.learning.matrix_solution import matrix_flow
from overtraining.theory.sensitivity.deep_noise import deep_increase_at

ROUNDS = 5


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """One row for each formula and each size that is varied."""
    divisor = 1 if preset == "full" else 64

    def sizes(*full: int) -> tuple[int, ...]:
        return tuple(max(2, n // divisor) for n in full)

    few_times, points = 2_000 // divisor, 100_000 // divisor
    lines: tuple[tuple[str, str, Callable[[int], Workload], Sequence[int]], ...] = (
        ("matrix solution (A5), 2 times", "dimension", partial(solution_of_dimension, 2), sizes(64, 128, 256, 512)),
        ("modes and noise (A3, B1)", "dimension", partial(path_and_noise, few_times), sizes(64, 128, 256, 512)),
        ("matrix solution (A5), d = 32", "times", lambda n: solution_of_dimension(n, 32), sizes(16, 64, 256, 1_024)),
        ("modes and noise (A3, B1)", "times", lambda n: path_and_noise(n, 32), sizes(8_192, 32_768, 131_072, 524_288)),
        ("noise, layers 64 × 64 (B2)", "depth", deep_noise, (4, 8, 16, 32)),
        ("one mode (A6)", "depth", partial(deep_values, points), (4, 8, 16, 32)),
    )
    curves = [(name, against, time_growth(make, varied, ROUNDS)) for name, against, make, varied in lines]
    return [
        BenchmarkReport(
            "growth",
            "Seconds grow with size to the power of",
            [row(*curve) for curve in curves],
            [
                "Least squares on logarithms; ± is the standard error of the slope. It comes mostly from curvature: at "
                "small sizes, calls take longer than arithmetic."
            ],
            [{"what": name, "against": against, **asdict(growth)} for name, against, growth in curves],
        )
    ]


def row(name: str, against: str, growth: Growth) -> dict[str, str | int | float]:
    """One row of the table."""
    return {
        "what": name,
        "against": against,
        "from": growth.sizes[0],
        "to": growth.sizes[-1],
        "exponent": growth.exponent,
        "±": growth.error,
        "seconds at the largest": growth.seconds[-1],
    }


def solution_of_dimension(times: int, d: int) -> Workload:
    """The matrix solution (A5) of a d × d network at this number of times."""
    return partial(matrix_flow, np.linspace(1, 20, times), *problem(d))


def path_and_noise(times: int, modes: int) -> Workload:
    """Singular values (A3) and the cost of noise (B1) on a grid of times and ten noise scales."""
    lengths, gamma = np.linspace(0, 100, times)[:, None], np.linspace(0.01, 0.1, 10)
    sigma = singular_values(PowerLaw(modes))
    return lambda: cost_of_noise(np.asarray(singular_value(lengths, sigma, 1e-6)), gamma)


def deep_noise(depth: int) -> Workload:
    """The cost of noise for a network of this depth (B2), from its weights."""
    return partial(deep_increase_at, [np.eye(64)] * depth, np.full(depth, 0.01))


def deep_values(points: int, depth: int) -> Workload:
    """One mode of a network of this depth (A6) at many times."""
    return partial(deep_mode.singular_value, np.linspace(0, 100, points), 1.0, 1e-3, depth)


def draw(report: BenchmarkReport) -> Figure:
    """One panel for each size that is varied: measured points and the fitted power law."""
    labels = {"dimension": "dimension $d$", "times": "number of times", "depth": "depth $L$"}
    figure, axes = canvas(PAGE, 2.8, columns=3)
    for ax, (against, label) in zip(axes, labels.items(), strict=True):
        curves = [curve for curve in report.curves if curve["against"] == against]
        for i, curve in enumerate(curves):
            growth = Growth(**{f.name: curve[f.name] for f in fields(Growth)})
            ax.loglog(growth.sizes, growth.seconds, MARKERS[i], color=COLOURS[i], mfc="white", zorder=3)
            power = f"{curve['what']}: {growth.exponent:.2f} ± {growth.error:.2f}"
            ax.loglog(growth.sizes, growth.line, color=COLOURS[i], label=power)
        if against != "times":  # less than a decade: the ticks are the sizes themselves
            ax.set_xticks(curves[0]["sizes"], [str(n) for n in curves[0]["sizes"]])
            ax.minorticks_off()
        ax.set_xlabel(label)
        ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.25))
    axes[0].set_ylabel("seconds")
    letter(axes)
    return figure
