"""inflection-scaling (C5): the inflection point of a dense spectrum is proportional to 1/variance, up to a logarithm.

Protocol: 24 features σ = 1/i from ε = 1e-6, noise costs c from 0.03 to 0.2; the zero of the sampled slope of the loss
after noise. Prediction: exactly the minimum along the path (C4), and `t* = [ln(2c/ε) − (2 − 1/α)]/(4c)` up to terms of
relative order 1/ln(2c/ε). Refuted if the z-scores against the path's minimum are not those of chance. Limits: the
law at a finite start, when few features are being learned at once; steep spectra, which have one minimum per feature.
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
from overtraining.setting.teachers import PowerLaw, mode_count, singular_values
from overtraining.simulations.noise_slopes import turning_point
from overtraining.theory.inflection.noisy_path import minima
from overtraining.theory.inflection.scaling import dense_inflection_time, features_under_way

EPSILON, ALPHA, MODES = 1e-6, 1.0, 24
NOISE_COSTS = np.geomspace(0.03, 0.2, 6)


def protocol(preset: Preset) -> Protocol:
    """Strengths with these noise costs; c = γ²d in a square network."""
    return Protocol(
        PowerLaw(MODES, ALPHA),
        lengths=np.geomspace(5, 120, 24),
        strengths=np.sqrt(NOISE_COSTS / MODES),
        start=Aligned(EPSILON),
        sampling=Sampling(draws=512 if preset == "quick" else 16384, antithetic=True),
    )


def inflection_points(setup: Protocol, key: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every strength: the path's deepest minimum, the zero of the slope measured around it, its standard error."""
    sigma, rows = singular_values(setup.teacher), []
    _, epsilon, noise_costs = _law_of(setup)
    for i, noise_cost in enumerate(noise_costs.tolist()):
        minimum = minima(sigma, epsilon, noise_cost).at("best")
        around = replace(setup, lengths=minimum * np.linspace(0.96, 1.04, 5), strengths=(setup.strengths[i],))
        mean, stderr = slopes(around, 100 * key + i)  # every strength has its own draws
        rows.append((minimum, *turning_point(np.array(around.lengths), mean[:, 0], stderr[:, 0])))
    predicted, measured, measured_stderr = np.array(rows).T
    return predicted, measured, measured_stderr


def _law_of(setup: Protocol) -> tuple[float, float, np.ndarray]:
    """α, ε, and the noise cost c = γ²d of every strength."""
    assert isinstance(setup.teacher, PowerLaw)
    assert isinstance(setup.start, Aligned)
    return setup.teacher.alpha, setup.start.epsilon, setup.network.d_in * np.square(setup.strengths)


def path_minimum(setup: Protocol) -> xr.Dataset:
    """The length of the path's deepest minimum for every strength, as a Trajectory: at each length its strength."""
    sigma, (_, epsilon, noise_costs) = singular_values(setup.teacher), _law_of(setup)
    lengths = np.array([minima(sigma, epsilon, noise_cost).at("best") for noise_cost in noise_costs.tolist()])
    return _as_trajectory(setup, lengths, None, "theory", "deepest minimum of the path (claim C4)")


def dense_law(setup: Protocol) -> xr.Dataset:
    """The length by the dense law for every strength, corrected for a finite start."""
    lengths = np.asarray(dense_inflection_time(*_law_of(setup)))
    return _as_trajectory(setup, lengths, None, "theory", "[ln(2c/ε) − (2 − 1/α)]/(4c) (claim C5)")


def leading_order(setup: Protocol) -> xr.Dataset:
    """The dense law to leading order in ln(1/ε)."""
    _, epsilon, noise_costs = _law_of(setup)
    lengths = np.log(1 / epsilon) / (4 * noise_costs)
    return _as_trajectory(setup, lengths, None, "theory", "ln(1/ε)/(4c) (claim C5)")


def measured_inflection(setup: Protocol, key: int) -> xr.Dataset:
    """The zero of the sampled slope for every strength, with its standard error."""
    _, lengths, stderr = inflection_points(setup, key)
    source = f"{setup.sampling.draws:,} pairs of draws"
    return _as_trajectory(setup, lengths, stderr, "simulation", source)


def _as_trajectory(
    setup: Protocol, lengths: np.ndarray, stderr: np.ndarray | None, method: Method, source: str
) -> xr.Dataset:
    order = np.argsort(lengths)
    variables = {"turning_strength": np.array(setup.strengths)} | ({} if stderr is None else {"length_error": stderr})
    return trajectory(
        {name: (("pretraining",), values[order]) for name, values in variables.items()},
        {"pretraining": lengths[order]},
        method=method,
        source=source,
        model=f"{mode_count(setup.teacher)} features i^-{_law_of(setup)[0]:g}",
    )


def run(preset: Preset, key: int) -> Outcome:
    """Inflection points against the path's minimum, and the distance of the dense law from both."""
    setup = protocol(preset)
    results = [inflection_points(setup, number) for number in range(key, key + 3)]
    z = np.concatenate([(measured - predicted) / stderr for predicted, measured, stderr in results])
    leverage = np.concatenate([predicted / stderr for predicted, _, stderr in results])
    against_path = judge_z_scores("inflection point against the path's minimum (C4, C5)", z, leverage)
    checks = (against_path, _dense_law(results[0][1]), _steep())
    return Outcome(checks, {"theory": path_minimum(setup), "measured": measured_inflection(setup, key)})


def _dense_law(measured: np.ndarray) -> Check:
    """The dense law against the measured inflection points of one key."""
    law = np.asarray(dense_inflection_time(ALPHA, EPSILON, NOISE_COSTS))
    leading = np.log(1 / EPSILON) / (4 * NOISE_COSTS)
    under_way = np.asarray(features_under_way(ALPHA, EPSILON, NOISE_COSTS))
    law_error, leading_error = (float(np.abs(lengths / measured - 1).max()) for lengths in (law, leading))
    fit = stats.linregress(np.log(NOISE_COSTS), np.log(measured))
    answer = (
        f"measured T* ∝ c^({fit.slope:.2f} ± {fit.stderr:.2f}); the corrected law is within {law_error:.0%} of it, the "
        f"leading order within {leading_error:.0%}; {under_way.min():.1f} to {under_way.max():.1f} features are being "
        "learned at once"
    )
    numbers = {"slope": float(fit.slope), "slope_stderr": float(fit.stderr)}
    return map_limit("the dense law at a finite start", answer, numbers | {"law": law_error, "leading": leading_error})


def _steep() -> Check:
    """The number of minima of a spectrum, by its exponent, at one noise cost."""
    spectra = {alpha: singular_values(PowerLaw(MODES, alpha)) for alpha in (0.75, 1.0, 1.5, 2.0, 3.0)}
    counts = {alpha: minima(sigma, EPSILON, 0.03).times.size for alpha, sigma in spectra.items()}
    listed = ", ".join(f"{count} at α = {alpha:g}" for alpha, count in counts.items())
    numbers = {f"minima_{alpha:g}": float(count) for alpha, count in counts.items()}
    return map_limit("steep spectra", f"minima at c = 0.03: {listed}", numbers)
