"""The page's formulas equal the theory's to 1e-10 of the result's scale, also at every extreme."""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest

from overtraining.setting.teachers import PowerLaw, singular_values
from overtraining.theory.fine_tuning.tuned_flow import fine_tune, fine_tune_mode
from overtraining.theory.inflection.noisy_mode import inflection_time
from overtraining.theory.inflection.noisy_path import minima
from overtraining.theory.learning.balanced_mode import learned_and_unlearned
from overtraining.theory.learning.matrix_modes import Modes
from overtraining.theory.sensitivity.noise import expected_increase, mode_cost
from tests.demos.engine import Run, engine

WIDTH = {"d_in": 8, "h": 8, "d_out": 8}
SHARES = np.array([0.0, 0.02, 0.1, 0.25, 0.4, 0.6, 0.8, 1.0])  # of the longest pretraining in the pictures
BUDGETS = np.array([0.0, 0.01, 0.2, 1.0, 5.0, 30.0, 100.0])
Protocol = dict[str, Any]


@pytest.fixture(scope="module")
def run() -> Run:
    return engine()


def protocols(run: Run, **values: Any) -> Iterator[tuple[Protocol, np.ndarray, np.ndarray]]:
    """Every combination of these values and of n, α, ε with their extremes; its σ, and lengths up to the horizon."""
    stops = run("STOPS")
    ends = lambda name, *between: (stops[name][0], *between, stops[name][-1])
    grid = {"n": ends("n", 2, 5), "alpha": ends("alpha", 0.55, 1.0), "eps": ends("eps", 1e-5)} | values
    for chosen in product(*grid.values()):
        p = run("DEFAULT") | {"task": "aligned"} | dict(zip(grid, chosen, strict=True))
        yield p, singular_values(PowerLaw(p["n"], float(p["alpha"]))), SHARES * run("horizon(p)", p=p)


def apart(found: Any, true: np.ndarray, scale: float) -> float:
    """The largest difference over the scale; what is not finite is infinitely far."""
    found = np.asarray(found, dtype=float)
    assert found.shape == true.shape
    return float(np.nan_to_num(np.abs(found - true), nan=np.inf).max() / scale)


def features_errors(run: Run) -> Iterator[float]:
    """A3: each singular value, and what it lacks, relative to itself."""
    for p, sigma, t in protocols(run):
        s, left = learned_and_unlearned(t[:, None], sigma, p["eps"])
        found = run(
            "[ts.map(t => features(t, p)), ts.map(t => spectrum(p).map(x => unlearned(t, x, p.eps)))]", p=p, ts=t
        )
        yield apart(found[0] / s, np.ones_like(s), 1.0)
        least = np.maximum(left, 1e-290)  # below it digits are lost to the smallest number there is
        yield apart(found[1] / least, left / least, 1.0)


def noise_errors(run: Run) -> Iterator[float]:
    """B1 and C1: the loss before and after noise over the largest loss, and the turns relative to themselves."""
    for p, sigma, t in protocols(run, gamma=(0.0, 0.005, 0.15, 0.4)):
        s, left = learned_and_unlearned(t[:, None], sigma, p["eps"])
        before, norm, gamma = (left**2).sum(-1) / 2, s.sum(-1), float(p["gamma"])
        rise = expected_increase(norm, norm, gamma, gamma, **WIDTH)
        found = run("[lossBefore, noiseRise, lossAfterNoise].map(f => ts.map(t => f(t, p)))", p=p, ts=t)
        yield apart(found, np.stack([before, rise, before + rise]), float((before + rise).max()))
        if gamma:
            turns = inflection_time(sigma, p["eps"], mode_cost(gamma, gamma, d_in=8, d_out=8))
            yield apart(run("turns(p)", p=p), turns, float(turns.max()) or 1.0)


def aligned_errors(run: Run) -> Iterator[float]:
    """D1 and D2 on a shared task: both losses and the rise, over the largest."""
    for p, sigma, t in protocols(run, k=(0.0, 0.5, 1.0, 2.0)):
        s, before = learned_and_unlearned(t[:, None], sigma, p["eps"])
        x, left = fine_tune_mode(BUDGETS[:, None, None], s, p["k"] * sigma)
        yield _losses_error(run, p, t, ((sigma - x) ** 2, left**2), (before**2).sum(-1) / 2)


def rotated_errors(run: Run) -> Iterator[float]:
    """D1 by A5 on two rotated features: both losses and the rise, over the largest."""
    grid: Protocol = {"n": (2,), "task": ("turned",), "k": (0.0, 0.5, 2.0), "angle": (0, 30, 89, 90)}
    for p, sigma, t in protocols(run, **grid):
        s, before = learned_and_unlearned(t[:, None], sigma, p["eps"])
        cos, sin = np.cos(np.deg2rad(p["angle"])), np.sin(np.deg2rad(p["angle"]))
        rotation = np.array([[cos, -sin], [sin, cos]])
        teacher, task = np.diag(sigma), p["k"] * (rotation * sigma) @ rotation.T
        after = _fine_tuned(*(tuple(map(tuple, matrix)) for matrix in (s, teacher, task)))
        yield _losses_error(run, p, t, after, (before**2).sum(-1) / 2)


@cache  # five tests need it
def _fine_tuned(*matrices: tuple[tuple[float, ...], ...]) -> list[np.ndarray]:
    s, teacher, task = map(np.array, matrices)
    after = [fine_tune(BUDGETS, Modes(np.eye(2), row, np.eye(2)), teacher, task) for row in s]
    return [np.stack([2 * getattr(a, name) for a in after], 1)[..., None] for name in ("pretraining", "downstream")]


def _losses_error(run: Run, p: Protocol, t: np.ndarray, squares: Any, before: np.ndarray) -> float:
    pretraining, downstream = (x.sum(-1) / 2 for x in squares)  # (budget, length)
    true = np.stack([pretraining, downstream, pretraining - before], -1)
    found = run("Ts.map(T => ts.map(t => Object.values(afterTuning(t, {...p, T}))))", p=p, ts=t, Ts=BUDGETS)
    return apart(found, true, float(np.abs(true).max()))


def minima_errors(run: Run) -> Iterator[float]:
    """C4: every minimum of the loss after noise, against the search that misses none, relative to the last."""
    for p, sigma, _ in protocols(run, gamma=(0.005, 0.05, 0.1, 0.16, 0.25, 0.4)):
        noise_cost = mode_cost(p["gamma"] * 1.0, p["gamma"] * 1.0, d_in=8, d_out=8)
        true, found = _minima(tuple(sigma), p["eps"], noise_cost), run("noiseMinima(p)", p=p)
        yield apart(found, true, float(true.max()) or 1.0) if len(found) == true.size else np.inf


@cache  # three tests need it
def _minima(sigma: tuple[float, ...], epsilon: float, noise_cost: float) -> np.ndarray:
    return minima(np.array(sigma), epsilon, noise_cost).times


ERRORS = (features_errors, noise_errors, aligned_errors, rotated_errors, minima_errors)


@pytest.mark.parametrize("errors", ERRORS)
def test_formulas_are_the_theory_s(run: Run, errors: Any) -> None:
    assert max(errors(run)) < 1e-10


MISTAKES = (
    (features_errors, "1 / (2 * t * exprel(-2 * sigma * t)", "1 / (1.000001 * 2 * t * exprel(-2 * sigma * t)"),
    (features_errors, "Math.exp(-2 * sigma * t) / epsilon);\n\n//", "Math.exp(-sigma * t) / epsilon);\n\n//"),
    (features_errors, "(sigma - epsilon) * (Math.exp", "sigma * (Math.exp"),
    (noise_errors, "WIDTH * square(p.gamma)", "p.n * square(p.gamma)"),
    (noise_errors, "(WIDTH * square(noiseCost(p))) / 2", "square(noiseCost(p)) / 2"),
    (noise_errors, "(sigma / epsilon) * (sigma - c - epsilon)", "(sigma / epsilon - 1) * (sigma - c - epsilon)"),
    (aligned_errors, "x - learned(p.T, p.k * x, s[i])", "x - learned(p.T, x, s[i])"),
    (aligned_errors, "unlearned(p.T, p.k * x, s[i])", "unlearned(p.T, p.k * x, p.eps)"),
    (aligned_errors, "pretraining - lossBefore(t, p)", "pretraining"),
    (rotated_errors, "(b - a) * sin * cos", "(a + b) * sin * cos"),
    (rotated_errors, "e1 * e1 * k11 * c2 +", "e1 * e1 * k11 * c1 +"),
    (rotated_errors, "rotated(s2, s1)", "rotated(s1, s2)"),
    (rotated_errors, "[0, 1, 1, 2].map", "[0, 1, 2].map"),
    (minima_errors, "u * (noiseCost(p) - u)", "u * (2 * noiseCost(p) - u)"),
    (minima_errors, "const last = 1.001", "const last = 0.9"),
)


@pytest.mark.parametrize(("errors", "old", "new"), MISTAKES)
def test_a_mistake_in_a_formula_is_noticed(errors: Any, old: str, new: str) -> None:
    assert any(error > 1e-10 for error in errors(engine({old: new})))


def test_without_noise_nothing_turns(run: Run) -> None:
    assert run("noiseMinima({...DEFAULT, gamma: 0})") == []
