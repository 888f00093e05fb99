"""The matrix solution (claim A5) of a large network, compared with an ODE solver and with sampling noise."""

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
SMALL = 64  # dimension at which the solver's steps are counted; their number does not depend on d


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """One table: the closed form, DOP853 on all weights, Monte Carlo."""
    d, times, horizon, far, draws, rounds = SIZES[preset]
    lengths = np.linspace(0, horizon, times)
    w1, w2, teacher = problem(d)
    solution: dict[str, Any] = {}
    workloads: dict[str, Workload] = {
        f"matrix_flow at {times} times": lambda: matrix_flow(lengths, w1, w2, teacher),
        f"DOP853 to t = {horizon:g}": lambda: solution.update(flow=solvers.flow(lengths, w1, w2, teacher)),
        f"Monte Carlo, {draws} draws at one time": lambda: solvers.rises(w1, w2, teacher, GAMMA, draws),
    }
    form, solver, monte_carlo = workloads
    memory = peak_memory(workloads[form])  # also the first run of this workload; the others have nothing to compile
    timings = time_interleaved(workloads, rounds, warm=False)
    solved, evaluations = solution["flow"]
    exact = matrix_flow(lengths[-1], w1, w2, teacher)
    error = np.abs(solved[-1] - exact.product).max()
    longer = solvers.flow(np.array([far]), *problem(SMALL))[1] / solvers.flow(np.array([horizon]), *problem(SMALL))[1]
    sample = solvers.rises(exact.factor_in.T, exact.factor_out, teacher, GAMMA, draws)
    expected = float(expected_increase(exact.norm, exact.norm, GAMMA, GAMMA, d_in=d, h=d, d_out=d))
    scatter = solvers.relative_error(sample, expected)
    z = (sample.mean() / expected - 1) / scatter

    def row(what: str, workload: str, factor: float = 1.0) -> dict[str, str | float]:
        seconds, ratio = factor * timings.least(workload), factor * timings.ratio(workload, form)
        return {"what": what, "seconds": seconds, "× matrix_flow": ratio}

    return [
        BenchmarkReport(
            "matrix-flow",
            f"A balanced start rotated away from its teacher, {d} × {d}: product, Gram matrices, norms and loss",
            [
                *(row(workload, workload) for workload in workloads),
                row(f"DOP853 to t = {far:g} *", solver, longer),
                row(f"Monte Carlo, {draws} draws at every time *", monte_carlo, times),
            ],
            [
                f"Peak memory of matrix_flow's arrays: {memory:.0f} MiB.",
                f"DOP853 at rtol {solvers.RTOL:g} took {evaluations:,} right-hand sides, with a largest error of "
                f"{error:.1g}; to t = {far:g} it takes {longer:.0f} times as many (counted at d = {SMALL}), while the "
                "time of the closed form does not depend on t.",
                f"Monte Carlo needs the weights: from {draws} draws at γ = {GAMMA:g}, the sensitivity has a relative "
                f"standard error of {scatter:.1g} and differs by {z:+.1f} standard errors from claim B1 with "
                f"matrix_flow's norms; an error of 1e-12 would take {draws * (scatter / 1e-12) ** 2:.0e} draws.",
                "* extrapolated: measured time × the ratio of the numbers of right-hand sides or of draws.",
            ],
        )
    ]


def problem(d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W1, W2 and the teacher; all singular values of W2 W1 are 1e-3, in frames rotated by 0.5 from the teacher's."""
    u, v = start_frames(Balanced(), PowerLaw(d), d, d)
    return *balanced_weights(1e-3 * u @ v.T, d), teacher_matrix(PowerLaw(d), d, d)
