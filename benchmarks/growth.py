"""How the cost of the closed forms grows with dimension, number of times and depth: fitted exponents, a figure."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from benchmarks.matrix import problem
from benchmarks.measure import BenchmarkPreset, Growth, Workload, time_growth
from benchmarks.noise_grid import rise
from benchmarks.report import BenchmarkReport
from overtraining.figures.style import COLOURS, MARKERS, PAGE, canvas, letter
from overtraining.setting.teachers import PowerLaw, singular_values
from overtraining.theory.learning import deep_mode
from overtraining.theory.learning.balanced_mode import singular_value
from overtraining.theory.learning.matrix_solution import matrix_flow
from overtraining.theory.sensitivity.deep_noise import deep_increase_at

ROUNDS = 5


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """One row for each formula and what it is measured against."""
    scale = 1 if preset == "full" else 64
    of = lambda *sizes: tuple(max(2, n // scale) for n in sizes)
    lines: tuple[tuple[str, str, Callable[[int], Workload], Sequence[int]], ...] = (
        ("matrix solution (A5), 2 times", "dimension", lambda d: solution(2, d), of(64, 128, 256, 512)),
        ("modes and noise (A3, B1)", "dimension", lambda d: along(2_000 // scale, d), of(64, 128, 256, 512)),
        ("matrix solution (A5), d = 32", "times", lambda n: solution(n, 32), of(16, 64, 256, 1_024)),
        ("modes and noise (A3, B1)", "times", lambda n: along(n, 32), of(8_192, 32_768, 131_072, 524_288)),
        ("noise, layers 64 × 64 (B2)", "depth", deep_noise, (4, 8, 16, 32)),
        ("one mode (A6)", "depth", partial(deep_values, 100_000 // scale), (4, 8, 16, 32)),
    )
    curves = [(name, against, time_growth(make, sizes, ROUNDS)) for name, against, make, sizes in lines]
    return [
        BenchmarkReport(
            "growth",
            "Seconds grow with size to the power of",
            [row(*made) for made in curves],
            [
                "Least squares on logarithms; ± is the standard error of the slope, which is mostly curvature: small "
                "sizes cost calls rather than arithmetic."
            ],
            [{"what": name, "against": against, **asdict(made)} for name, against, made in curves],
        )
    ]


def row(name: str, against: str, made: Growth) -> dict[str, str | int | float]:
    """Of the table."""
    return {
        "what": name, "against": against, "from": made.sizes[0], "to": made.sizes[-1], "exponent": made.exponent,
        "±": made.error, "seconds at the largest": made.seconds[-1],
    }  # fmt: skip


def solution(times: int, d: int) -> Workload:
    """The matrix solution (A5)."""
    return partial(matrix_flow, np.linspace(1, 20, times), *problem(d))


def along(times: int, modes: int) -> Workload:
    """Singular values (A3) and the cost of noise (B1) on a grid of times and ten scales."""
    t, sigma, gamma = np.linspace(0, 100, times)[:, None], singular_values(PowerLaw(modes)), np.linspace(0.01, 0.1, 10)
    return lambda: rise(np.asarray(singular_value(t, sigma, 1e-6)), gamma)


def deep_noise(depth: int) -> Workload:
    """The cost of noise on a network of this depth (B2), from its weights."""
    return partial(deep_increase_at, [np.eye(64)] * depth, np.full(depth, 0.01))


def deep_values(points: int, depth: int) -> Workload:
    """One mode of a network of this depth (A6) at many times."""
    return partial(deep_mode.singular_value, np.linspace(0, 100, points), 1.0, 1e-3, depth)


def draw(report: BenchmarkReport) -> Figure:
    """One panel for each kind of size: measured points, and the fitted power law."""
    axis = {"dimension": "dimension $d$", "times": "number of times", "depth": "depth $L$"}
    figure, axes = canvas(PAGE, 2.8, columns=3)
    for ax, (against, label) in zip(axes, axis.items(), strict=True):
        curves = [curve for curve in report.curves if curve["against"] == against]
        for i, curve in enumerate(curves):
            made = Growth(**{f.name: curve[f.name] for f in fields(Growth)})
            ax.loglog(made.sizes, made.seconds, MARKERS[i], color=COLOURS[i], mfc="white", zorder=3)
            power = f"{curve['what']}: {made.exponent:.2f} ± {made.error:.2f}"
            ax.loglog(made.sizes, made.line, color=COLOURS[i], label=power)
        if against != "times":  # less than a decade: the sizes themselves
            ax.set_xticks(curves[0]["sizes"], [str(n) for n in curves[0]["sizes"]])
            ax.minorticks_off()
        ax.set_xlabel(label)
        ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.25))
    axes[0].set_ylabel("seconds")
    letter(axes)
    return figure
