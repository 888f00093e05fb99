"""The cost of noise at every length and scale (claims A3, B1), compared with an ODE solver and with sampling noise."""

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
EPSILON, HORIZON = 1e-6, 1e4  # at the horizon every mode is learned


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """One table: the closed form, the whole Response, DOP853 on the modes and on the network, Monte Carlo."""
    d, times, scales, draws, rounds = SIZES[preset]
    sigma = singular_values(PowerLaw(d))
    gamma = np.geomspace(1e-3, 0.1, scales)
    lengths = np.linspace(0, HORIZON, times)
    protocol = Protocol(PowerLaw(d), lengths=lengths, strengths=gamma, start=Aligned(EPSILON))
    weight = np.diag(np.sqrt(singular_value(HORIZON, sigma, EPSILON)))
    teacher = np.diag(sigma)
    sample = partial(solvers.rises, weight, weight, teacher, float(gamma[-1]), draws)

    def exact() -> np.ndarray:
        return np.asarray(singular_value(lengths[:, None], sigma, EPSILON))

    workloads: dict[str, Workload] = {
        "theory.respond": lambda: respond(protocol),
        "its formulas on whole arrays, sensitivity only": lambda: cost_of_noise(exact(), gamma),
        "DOP853, one equation per mode": lambda: cost_of_noise(solvers.modes(lengths, sigma, EPSILON)[0], gamma),
        "one right-hand side of the network's own equations": lambda: solvers.gradient(weight, weight, teacher),
        f"Monte Carlo, {draws} draws at one length and scale": sample,
    }
    response, formulas, by_mode, right_hand_side, monte_carlo = workloads
    timings = time_interleaved(workloads, rounds)
    solved, evaluations = solvers.modes(lengths, sigma, EPSILON)
    error = np.abs(solved / exact() - 1).max()
    scatter = solvers.relative_error(sample(), float(cost_of_noise(exact()[-1:], gamma[-1:])[0, 0]))

    def row(what: str, workload: str, factor: float = 1.0) -> dict[str, str | float]:
        seconds, ratio = factor * timings.least(workload), factor * timings.ratio(workload, response)
        return {"what": what, "seconds": seconds, "× respond": ratio}

    return [
        BenchmarkReport(
            "noise-grid",
            f"{d:,} modes × {times:,} lengths × {scales:,} noise scales in one call",
            [
                *(row(workload, workload) for workload in (response, formulas, by_mode)),
                row("DOP853 on all weights of the network *", right_hand_side, evaluations),
                row(monte_carlo, monte_carlo),
                row(f"Monte Carlo, {draws} draws at every length and scale *", monte_carlo, times * scales),
            ],
            [
                f"Peak memory of the arrays: respond {peak_memory(workloads[response]):.0f} MiB, its formulas on whole "
                f"arrays {peak_memory(workloads[formulas]):.0f} MiB.",
                f"DOP853 at rtol {solvers.RTOL:g} took {evaluations:,} right-hand sides; the largest relative error of "
                f"its singular values is {error:.1g}. "
                "One equation per mode is valid only because modes decouple (claim A2).",
                f"From {draws} draws, the sensitivity at the last length and the largest scale has a relative standard "
                f"error of {scatter:.1g}; the closed form's error of 1e-12 would take "
                f"{draws * (scatter / 1e-12) ** 2:.0e} draws.",
                "* extrapolated: time of one right-hand side, or of the draws at one point, × the number needed.",
            ],
        )
    ]


def cost_of_noise(
    s: Float[np.ndarray, "times modes"], gamma: Float[np.ndarray, " scales"]
) -> Float[np.ndarray, "times scales"]:
    """The expected rise of the loss under noise on the balanced path, where `‖W1‖² = ‖W2‖² = Σ s_i`."""
    norm, d = s.sum(axis=1)[:, None], s.shape[1]
    return np.asarray(expected_increase(norm, norm, gamma, gamma, d_in=d, h=d, d_out=d))
