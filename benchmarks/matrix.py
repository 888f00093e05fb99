"""The matrix solution (claim A5) of a large network, beside an ODE solver and beside drawing noise."""

from typing import Any

import numpy as np

from benchmarks import solvers
from benchmarks.measure import BenchmarkPreset, Workload, peak_memory, time_interleaved
from benchmarks.report import BenchmarkReport
from overtraining.setting.starts import Balanced, start_frames
from overtraining.setting.teachers import PowerLaw, teacher_matrix
from overtraining.theory.learning.matrix_solution import balanced_weights, matrix_flow
from overtraining.theory.sensitivity.noise import expected_increase

SIZES = {"full": (512, 100, 20.0, 1e3, 32, 2), "tiny": (6, 4, 2.0, 4.0, 4, 2)}  # d, times, two horizons, draws, rounds
GAMMA = 0.01
SMALL = 64  # the solver's steps follow the largest singular value and the horizon, not d: counted here


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """One table: the closed form, DOP853 on all weights, Monte Carlo."""
    d, times, horizon, far, draws, rounds = SIZES[preset]
    t, (w1, w2, teacher) = np.linspace(0, horizon, times), problem(d)
    made: dict[str, Any] = {}
    tasks: dict[str, Workload] = {
        f"matrix_flow at {times} times": lambda: matrix_flow(t, w1, w2, teacher),
        f"DOP853 to t = {horizon:g}": lambda: made.update(solved=solvers.flow(t, w1, w2, teacher)),
        f"Monte Carlo, {draws} draws at one time": lambda: solvers.rises(w1, w2, teacher, GAMMA, draws),
    }
    form, solver, drawn = tasks
    memory = peak_memory(tasks[form])  # warms up, too; the others have nothing to compile
    timings = time_interleaved(tasks, rounds, warm=False)
    solved, evaluations = made["solved"]
    exact = matrix_flow(t[-1], w1, w2, teacher)
    error = np.abs(solved[-1] - exact.product).max()
    longer = solvers.flow(np.array([far]), *problem(SMALL))[1] / solvers.flow(np.array([horizon]), *problem(SMALL))[1]
    sample = solvers.rises(exact.factor_in.T, exact.factor_out, teacher, GAMMA, draws)
    expected = float(expected_increase(exact.norm, exact.norm, GAMMA, GAMMA, d_in=d, h=d, d_out=d))
    scatter = solvers.relative_error(sample, expected)
    z = (sample.mean() / expected - 1) / scatter

    def row(what: str, task: str, times: float = 1.0) -> dict[str, str | float]:
        return {"what": what, "seconds": times * timings.best(task), "× matrix_flow": times * timings.ratio(task, form)}

    return [
        BenchmarkReport(
            "matrix-flow",
            f"A balanced start turned away from its teacher, {d} × {d}: product, Gram matrices, norms and loss",
            [
                *(row(task, task) for task in tasks),
                row(f"DOP853 to t = {far:g} *", solver, longer),
                row(f"Monte Carlo, {draws} draws at every time *", drawn, times),
            ],
            [
                f"Peak memory of matrix_flow's arrays: {memory:.0f} MiB.",
                f"DOP853 at rtol {solvers.RTOL:g} took {evaluations:,} right-hand sides and is off by at most "
                f"{error:.1g}; to t = {far:g} it takes {longer:.0f} times as many (counted at d = {SMALL}), while the "
                "closed form does not feel the time.",
                f"Monte Carlo takes weights from elsewhere: {draws} draws at γ = {GAMMA:g} give their sensitivity to "
                f"{scatter:.1g} of it, {z:+.1f} standard errors from claim B1 on matrix_flow's norms; 1e-12 would take "
                f"{draws * (scatter / 1e-12) ** 2:.0e} draws.",
                "* extrapolated: measured time × how many times as many right-hand sides or draws.",
            ],
        )
    ]


def problem(d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W1, W2 of singular values 1e-3 in frames turned by half a radian from those of their teacher, and the teacher."""
    u, v = start_frames(Balanced(), PowerLaw(d), d, d)
    return *balanced_weights(1e-3 * u @ v.T, d), teacher_matrix(PowerLaw(d), d, d)
