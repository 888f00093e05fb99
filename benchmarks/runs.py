"""The speed of many small runs: batched descent, a loop over runs, batched NumPy, and the rate of matrix products."""

from dataclasses import asdict
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from benchmarks.batched_descent import cached_chunk, descend
from benchmarks.measure import BenchmarkPreset, Growth, Workload, cores, time_growth, time_interleaved
from benchmarks.report import BenchmarkReport
from overtraining.figures.style import BASE, COLOURS, PAGE, canvas, letter

STEPS = 1_000  # steps of a run in "runs per second"; fewer are timed, since time is proportional to steps
WIDTHS = {"full": (8, 16, 32, 64, 128), "tiny": (4, 8)}
WORK = {"full": 1e10, "tiny": 1e6}  # floating-point operations of a workload
PRODUCT = {"full": 2_048, "tiny": 64}  # rows of the matrix whose square gives the machine's rate
ROUNDS = 7
LEARNING_RATE = 0.01

Batch = list[np.ndarray]


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """One row for each width; the growth of the time with the number of runs."""
    rows = [width(d, preset) for d in WIDTHS[preset]]
    growth = grid(preset)
    return [
        BenchmarkReport(
            "runs",
            f"Runs of {STEPS:,} steps per second, two layers d × d, float64, {cores()} threads",
            rows,
            [
                "loop: one call of a jitted function per run and step, from Python. NumPy: the same steps on stacked "
                "matrices. Ratios are medians over interleaved rounds; all other numbers are from the best round.",
                f"GF/s counts the 6d³ operations of a step's three products. share: as a fraction of the rate at which "
                f"the faster of JAX and NumPy squares a matrix of {PRODUCT[preset]:,} rows in float64, in the same "
                "process with the same threads.",
                f"Time grows with the number of runs to the power of {growth.exponent:.3f} ± {growth.error:.3f} "
                f"({growth.sizes[0]:,} to {growth.sizes[-1]:,} runs at d = 16).",
            ],
            [asdict(growth)],
        )
    ]


def width(d: int, preset: BenchmarkPreset) -> dict[str, Any]:
    """Speed of every method at one width, in interleaved rounds."""
    chunk = cached_chunk((d, d), (d, d))
    operations = 6 * d**3  # of one step of one run
    runs = 4 * cores() * chunk

    def steps_for(work: float) -> int:
        return max(2, round(work / operations))

    steps = {
        "batched": steps_for(WORK[preset] / runs),
        "loop": min(steps_for(WORK[preset] / 10), 10_000),
        "NumPy": steps_for(WORK[preset] / runs / 5),
    }
    batch = w1, w2, teachers = sample(d, runs)
    square = np.random.default_rng(1).normal(size=(PRODUCT[preset],) * 2)
    square_in_jax = jnp.asarray(square)
    product = jax.jit(jnp.matmul)
    timings = time_interleaved(
        {
            "batched": batched(batch, steps["batched"], chunk),
            "loop": lambda: loop(w1[0], w2[0], teachers[0], steps["loop"]),
            "NumPy": lambda: numpy_steps(w1, w2, teachers, steps["NumPy"]),
            "product (NumPy)": lambda: square @ square,
            "product (JAX)": lambda: product(square_in_jax, square_in_jax).block_until_ready(),
        },
        ROUNDS,
    )
    done = {"batched": runs * steps["batched"], "loop": steps["loop"], "NumPy": runs * steps["NumPy"]}
    per_second = {name: done[name] / STEPS / timings.least(name) for name in done}
    machine = 2 * PRODUCT[preset] ** 3 / min(timings.least("product (NumPy)"), timings.least("product (JAX)"))

    def times(name: str) -> float:
        return timings.ratio(name, "batched") * done["batched"] / done[name]

    rate = per_second["batched"] * STEPS * operations
    return {
        "d": d,
        "chunk": chunk,
        **per_second,
        "× loop": times("loop"),
        "× NumPy": times("NumPy"),
        "GF/s": rate / 1e9,
        "product GF/s": machine / 1e9,
        "share": rate / machine,
    }


def grid(preset: BenchmarkPreset, d: int = 16) -> Growth:
    """The growth of the time with the number of runs."""
    chunk, steps = (cached_chunk((d, d), (d, d)), 200) if preset == "full" else (1, 2)
    sizes = [chunk * cores() * times for times in (2, 8, 32, 128)]  # every thread has the same number of chunks
    return time_growth(lambda runs: batched(sample(d, runs), steps, chunk), sizes, ROUNDS)


def sample(d: int, runs: int) -> Batch:
    """Random W1, W2 and teachers, of a size at which nothing diverges or underflows."""
    generator = np.random.default_rng(0)
    return [0.3 / np.sqrt(d) * generator.normal(size=(runs, d, d)) for _ in range(3)]


def batched(batch: Batch, steps: int, chunk: int) -> Workload:
    """A workload: all runs by `descend`."""
    w1, w2, teachers = batch
    return lambda: descend((w1, w2), teachers, LEARNING_RATE, (steps,), chunk=chunk, threads=cores())


@jax.jit
def _step(w1: jax.Array, w2: jax.Array, teacher: jax.Array) -> tuple[jax.Array, jax.Array]:
    deviation = w2 @ w1 - teacher
    return w1 - LEARNING_RATE * w2.T @ deviation, w2 - LEARNING_RATE * deviation @ w1.T


def loop(w1: np.ndarray, w2: np.ndarray, teacher: np.ndarray, steps: int) -> tuple[jax.Array, jax.Array]:
    """One run: every step is a call of a compiled function."""
    state = jnp.asarray(w1), jnp.asarray(w2)
    teacher_in_jax = jnp.asarray(teacher)
    for _ in range(steps):
        state = _step(*state, teacher_in_jax)
    return jax.block_until_ready(state)


def numpy_steps(w1: np.ndarray, w2: np.ndarray, teacher: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """All runs in NumPy, one step after another."""
    for _ in range(steps):
        deviation = w2 @ w1 - teacher
        w1, w2 = w1 - LEARNING_RATE * w2.swapaxes(1, 2) @ deviation, w2 - LEARNING_RATE * deviation @ w1.swapaxes(1, 2)
    return w1, w2


def draw(report: BenchmarkReport) -> Figure:
    """(a) runs per second against width, (b) seconds against the number of runs."""
    figure, (speed, grid) = canvas(PAGE, 2.6, columns=2)
    d = [row["d"] for row in report.rows]
    for i, (name, label) in enumerate(
        (("batched", "descend"), ("NumPy", "NumPy, batched"), ("loop", "loop of jitted steps"))
    ):
        speed.loglog(d, [row[name] for row in report.rows], "osD"[i] + "-", color=COLOURS[i], mfc="white", label=label)
    ceiling = [1e9 * row["product GF/s"] / 6 / row["d"] ** 3 / STEPS for row in report.rows]
    speed.loglog(d, ceiling, ":", color=BASE, label="at the rate of large products")
    speed.set_xticks(d, list(map(str, d)), minor=False)
    speed.minorticks_off()
    speed.set(xlabel="width $d$", ylabel=f"runs of {STEPS:,} steps per second")
    speed.legend()
    growth = Growth(**report.curves[0])
    grid.loglog(growth.sizes, growth.seconds, "o", color=COLOURS[0], mfc="white", zorder=3)
    grid.loglog(
        growth.sizes, growth.line, color=COLOURS[0], label=f"exponent {growth.exponent:.3f} ± {growth.error:.3f}"
    )
    grid.set(xlabel="number of runs, $d = 16$", ylabel="seconds")
    grid.legend()
    letter([speed, grid])
    return figure
