"""What noise costs for every length and every scale (claims A3, B1), beside an ODE solver and beside drawing noise."""

from functools import partial

import numpy as np
from jaxtyping import Float

from benchmarks import solvers
from benchmarks.measure import Preset, Task, interleaved, peak_memory
from benchmarks.report import Report
from theory import Aligned, PowerLaw, Protocol, expected_increase, respond, singular_value, singular_values

SIZES = {"full": (1_000, 10_000, 100, 8, 5), "tiny": (6, 20, 3, 4, 2)}  # modes, times, scales, draws, rounds
EPSILON, HORIZON = 1e-6, 1e4  # by the horizon every mode is learned


def run(preset: Preset) -> list[Report]:
    """One table: the closed form, the whole Response, DOP853 on the modes and on the network, Monte Carlo."""
    d, times, scales, draws, rounds = SIZES[preset]
    sigma, t, gamma = singular_values(PowerLaw(d)), np.linspace(0, HORIZON, times), np.geomspace(1e-3, 0.1, scales)
    protocol = Protocol(PowerLaw(d), lengths=t, strengths=gamma, start=Aligned(EPSILON))
    weight, teacher = np.diag(np.sqrt(singular_value(HORIZON, sigma, EPSILON))), np.diag(sigma)
    sample = partial(solvers.rises, weight, weight, teacher, float(gamma[-1]), draws)
    exact = lambda: np.asarray(singular_value(t[:, None], sigma, EPSILON))
    tasks: dict[str, Task] = {
        "closed form: sensitivity": lambda: rise(exact(), gamma),
        "theory.respond: losses before and after": lambda: respond(protocol),
        "DOP853, one equation per mode": lambda: rise(solvers.modes(t, sigma, EPSILON)[0], gamma),
        "one right-hand side of the network's own equations": lambda: solvers.gradient(weight, weight, teacher),
        f"Monte Carlo, {draws} draws at one length and scale": sample,
    }
    form, response, by_mode, slope, drawn = tasks
    timings = interleaved(tasks, rounds)
    solved, evaluations = solvers.modes(t, sigma, EPSILON)
    error = np.abs(solved / exact() - 1).max()
    enough = solvers.draws_for_percent(sample())

    def row(what: str, task: str, times: float = 1.0) -> dict[str, str | float]:
        beside = {f"× {name}": times * timings.ratio(task, to) for name, to in (("form", form), ("respond", response))}
        return {"what": what, "seconds": times * timings.best(task), **beside}

    return [
        Report(
            "noise-grid",
            f"{d:,} modes × {times:,} lengths × {scales:,} noise scales in one call",
            [
                *(row(task, task) for task in (form, response, by_mode)),
                row("DOP853 on all weights of the network *", slope, evaluations),
                row(drawn, drawn),
                row("Monte Carlo to 1% at every length and scale *", drawn, enough / draws * times * scales),
            ],
            [
                f"Peak memory of the arrays: closed form {peak_memory(tasks[form]):.0f} MiB, "
                f"respond {peak_memory(tasks[response]):.0f} MiB.",
                f"DOP853 at rtol {solvers.RTOL:g} took {evaluations:,} right-hand sides; its singular values are off "
                f"by at most {error:.1g}. One equation per mode takes the decoupling (claim A2) for granted.",
                f"1% takes {enough:,.0f} draws at the last length and the largest scale.",
                "* extrapolated: time of one right-hand side, or of one draw, × how many are needed.",
            ],
        )
    ]


def rise(s: Float[np.ndarray, "times modes"], gamma: Float[np.ndarray, " scales"]) -> Float[np.ndarray, "times scales"]:
    """Of the loss, on the balanced path, where `‖W1‖² = ‖W2‖² = Σ s_i`."""
    norm, d = s.sum(axis=1)[:, None], s.shape[1]
    return np.asarray(expected_increase(norm, norm, gamma, gamma, d_in=d, h=d, d_out=d))
