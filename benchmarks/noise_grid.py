"""What noise costs for every length and every scale (claims A3, B1), beside an ODE solver and beside drawing noise."""

from functools import partial

import numpy as np
from jaxtyping import Float

from benchmarks import solvers
from benchmarks.measure import BenchmarkPreset, Workload, peak_memory, time_interleaved
from benchmarks.report import BenchmarkReport
from overtraining.setting.protocol import Protocol
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw, singular_values
from overtraining.theory.learning.balanced_mode import singular_value
from overtraining.theory.sensitivity.noise import expected_increase
from overtraining.theory.solvers.exact import respond

SIZES = {"full": (1_000, 10_000, 100, 8, 5), "tiny": (6, 20, 3, 4, 2)}  # modes, times, scales, draws, rounds
EPSILON, HORIZON = 1e-6, 1e4  # by the horizon every mode is learned


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """One table: the closed form, the whole Response, DOP853 on the modes and on the network, Monte Carlo."""
    d, times, scales, draws, rounds = SIZES[preset]
    sigma, t, gamma = singular_values(PowerLaw(d)), np.linspace(0, HORIZON, times), np.geomspace(1e-3, 0.1, scales)
    protocol = Protocol(PowerLaw(d), lengths=t, strengths=gamma, start=Aligned(EPSILON))
    weight, teacher = np.diag(np.sqrt(singular_value(HORIZON, sigma, EPSILON))), np.diag(sigma)
    sample = partial(solvers.rises, weight, weight, teacher, float(gamma[-1]), draws)
    exact = lambda: np.asarray(singular_value(t[:, None], sigma, EPSILON))
    tasks: dict[str, Workload] = {
        "theory.respond": lambda: respond(protocol),
        "its formulas on whole arrays, sensitivity only": lambda: rise(exact(), gamma),
        "DOP853, one equation per mode": lambda: rise(solvers.modes(t, sigma, EPSILON)[0], gamma),
        "one right-hand side of the network's own equations": lambda: solvers.gradient(weight, weight, teacher),
        f"Monte Carlo, {draws} draws at one length and scale": sample,
    }
    response, formulas, by_mode, slope, drawn = tasks
    timings = time_interleaved(tasks, rounds)
    solved, evaluations = solvers.modes(t, sigma, EPSILON)
    error = np.abs(solved / exact() - 1).max()
    scatter = solvers.relative_error(sample(), float(rise(exact()[-1:], gamma[-1:])[0, 0]))

    def row(what: str, task: str, times: float = 1.0) -> dict[str, str | float]:
        return {"what": what, "seconds": times * timings.best(task), "× respond": times * timings.ratio(task, response)}

    return [
        BenchmarkReport(
            "noise-grid",
            f"{d:,} modes × {times:,} lengths × {scales:,} noise scales in one call",
            [
                *(row(task, task) for task in (response, formulas, by_mode)),
                row("DOP853 on all weights of the network *", slope, evaluations),
                row(drawn, drawn),
                row(f"Monte Carlo, {draws} draws at every length and scale *", drawn, times * scales),
            ],
            [
                f"Peak memory of the arrays: respond {peak_memory(tasks[response]):.0f} MiB, its formulas on whole "
                f"arrays {peak_memory(tasks[formulas]):.0f} MiB.",
                f"DOP853 at rtol {solvers.RTOL:g} took {evaluations:,} right-hand sides; its singular values are off "
                f"by at most {error:.1g}. One equation per mode takes the decoupling (claim A2) for granted.",
                f"{draws} draws give the sensitivity, at the last length and the largest scale, to {scatter:.1g} of "
                f"it; 1e-12, as the closed form, would take {draws * (scatter / 1e-12) ** 2:.0e} draws.",
                "* extrapolated: time of one right-hand side, or of the draws at one place, × how many are needed.",
            ],
        )
    ]


def rise(s: Float[np.ndarray, "times modes"], gamma: Float[np.ndarray, " scales"]) -> Float[np.ndarray, "times scales"]:
    """Of the loss, on the balanced path, where `‖W1‖² = ‖W2‖² = Σ s_i`."""
    norm, d = s.sum(axis=1)[:, None], s.shape[1]
    return np.asarray(expected_increase(norm, norm, gamma, gamma, d_in=d, h=d, d_out=d))
