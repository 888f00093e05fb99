"""inflection-scaling (C5): the inflection point of a dense spectrum moves as one over the perturbation's variance.

Protocol: 24 features σ = 1/i from ε = 1e-6, noise of prices c from 0.03 to 0.2. Measured: the zero of the sampled slope
of the loss after noise. Prediction: `t* = [ln(2c/ε) − (2 − 1/α)]/(4c)` up to terms of order 1/ln(2c/ε), and exactly the
path's own minimum (C4). Where it ends: few features under way, steep spectra, which have one minimum per feature.
"""

from dataclasses import replace

import numpy as np
import xarray as xr
from scipy import stats

from overtraining.experiments import Preset
from overtraining.experiments.memoized import slopes
from overtraining.experiments.verdict import Check, Outcome, judge_z_scores, map_limit
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.responses import Method, trajectory
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw, singular_values
from overtraining.simulations.noise_slopes import turning_point
from overtraining.theory.inflection.noisy_path import minima
from overtraining.theory.inflection.scaling import dense_inflection_time, features_under_way

EPSILON, ALPHA, MODES = 1e-6, 1.0, 24
PRICES = np.geomspace(0.03, 0.2, 6)


def protocol(preset: Preset) -> Protocol:
    """Strengths with these prices; c = γ²d in a square network."""
    return Protocol(
        PowerLaw(MODES, ALPHA),
        lengths=np.geomspace(5, 120, 24),
        strengths=np.sqrt(PRICES / MODES),
        start=Aligned(EPSILON),
        sampling=Sampling(draws=512 if preset == "quick" else 16384, antithetic=True),
    )


def turning_times(setup: Protocol, key: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every strength the path's deepest minimum, the measured zero of the slope next to it, its standard error."""
    sigma, rows = singular_values(setup.teacher), []
    for i, price in enumerate(PRICES):
        predicted = minima(sigma, EPSILON, float(price)).at("best")
        near = replace(setup, lengths=predicted * np.linspace(0.96, 1.04, 5), strengths=(setup.strengths[i],))
        mean, stderr = slopes(near, 100 * key + i)  # each point its own draws
        rows.append((predicted, *turning_point(np.array(near.lengths), mean[:, 0], stderr[:, 0])))
    predicted, measured, error = np.array(rows).T
    return predicted, measured, error


def path_minimum(setup: Protocol) -> xr.Dataset:
    """The length of the path's deepest minimum for every strength, as a Trajectory: at that length, that strength."""
    sigma, gamma = singular_values(setup.teacher), np.array(setup.strengths)
    times = np.array([minima(sigma, EPSILON, float(MODES * g**2)).at("best") for g in gamma])
    return _turning(times, gamma, None, "theory", "deepest minimum of the path (claim C4)")


def dense_law(setup: Protocol) -> xr.Dataset:
    """The dense law's length for every strength, corrected for a finite start."""
    gamma = np.array(setup.strengths)
    times = np.asarray(dense_inflection_time(MODES * gamma**2, EPSILON, ALPHA))
    return _turning(times, gamma, None, "theory", "[ln(2c/ε) − (2 − 1/α)]/(4c) (claim C5)")


def leading_order(setup: Protocol) -> xr.Dataset:
    """The dense law to leading order in ln(1/ε)."""
    gamma = np.array(setup.strengths)
    return _turning(np.log(1 / EPSILON) / (4 * MODES * gamma**2), gamma, None, "theory", "ln(1/ε)/(4c) (claim C5)")


def measured_turning(setup: Protocol, key: int) -> xr.Dataset:
    """The zero of the sampled slope for every strength, with its standard error."""
    _, times, error = turning_times(setup, key)
    return _turning(times, np.array(setup.strengths), error, "simulation", f"{setup.sampling.draws:,} pairs of draws")


def _turning(times: np.ndarray, gamma: np.ndarray, error: np.ndarray | None, method: Method, source: str) -> xr.Dataset:
    order = np.argsort(times)
    found = {"turning_strength": gamma} | ({} if error is None else {"length_error": error})
    return trajectory(
        {name: (("pretraining",), values[order]) for name, values in found.items()},
        {"pretraining": times[order]},
        method=method,
        source=source,
        model=f"{MODES} features i^-{ALPHA:g}",
    )


def run(preset: Preset, key: int) -> Outcome:
    """Turning times against the exact minimum, and how far the dense law is from both."""
    setup = protocol(preset)
    found = [turning_times(setup, one) for one in range(key, key + 3)]
    z, leverage = (np.concatenate(x) for x in zip(*(((m - p) / e, p / e) for p, m, e in found), strict=True))
    checks = (
        judge_z_scores("turning time against the path's minimum (C4, C5)", z, leverage),
        _dense_law(found[0]),
        _steep(),
    )
    return Outcome(checks, {"theory": path_minimum(setup), "measured": measured_turning(setup, key)})


def _dense_law(found: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Check:
    law = np.asarray(dense_inflection_time(PRICES, EPSILON, ALPHA))
    leading = np.log(1 / EPSILON) / (4 * PRICES)
    under_way = np.asarray(features_under_way(PRICES, EPSILON, ALPHA))
    off, off_leading = (float(np.abs(x / found[1] - 1).max()) for x in (law, leading))
    fit = stats.linregress(np.log(PRICES), np.log(found[1]))
    answer = (
        f"measured T* ∝ c^({fit.slope:.2f} ± {fit.stderr:.2f}); the corrected law is within {off:.0%} of it, "
        f"the leading order within {off_leading:.0%}; {under_way.min():.1f} to {under_way.max():.1f} features at once"
    )
    numbers = {"slope": float(fit.slope), "slope_stderr": float(fit.stderr), "law": off, "leading": off_leading}
    return map_limit("the dense law at a finite start", answer, numbers)


def _steep() -> Check:
    """How many minima a spectrum has, by its exponent, at one price."""
    spectra = {alpha: singular_values(PowerLaw(MODES, alpha)) for alpha in (0.75, 1.0, 1.5, 2.0, 3.0)}
    counts = {alpha: minima(sigma, EPSILON, 0.03).times.size for alpha, sigma in spectra.items()}
    listed = ", ".join(f"{count} at α = {alpha:g}" for alpha, count in counts.items())
    numbers = {f"minima_{alpha:g}": float(count) for alpha, count in counts.items()}
    return map_limit("steep spectra", f"minima at c = 0.03: {listed}", numbers)
