"""rates (B7, B8): power laws of loss and sensitivity for power-law spectra, whose exponents add up to one.

Protocol: 48 features σ = i^(−α) in a square network, α from 0.6 to 1.5, a start of 1e-6, lengths at which features 3 to
24 are learned. Prediction: loss and growth of Σs along the path, exactly; `L ∝ t^(−β)` and `dΣs/dt ∝ t^(s−1)` with
`β = 2 − 1/α`, `s = 1/α − 1`, so that `β + s = 1`; a finite start raises each exponent by the factor `1/(1 − 1/ℓ)`,
`ℓ = ln(σ/ε)`, up to terms of order 1/ℓ². Refuted if a curve deviates by more than the integrator's error, or β or
β + s by more than 2/ℓ². Limit: the exponents themselves, which no start that can be simulated reaches.
"""

from dataclasses import replace

import numpy as np
import xarray as xr
from scipy import stats
from scipy.special import zeta

from overtraining.experiments import Preset
from overtraining.experiments.memoized import pretrain
from overtraining.experiments.verdict import Check, Outcome, judge_bound, map_limit
from overtraining.setting.protocol import Protocol
from overtraining.setting.resolved import resolve
from overtraining.setting.responses import Method, trajectory
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw, mode_count
from overtraining.theory.sensitivity.large_spectra import power_law_path
from overtraining.theory.sensitivity.rates import power_law_rates
from overtraining.theory.sensitivity.sum_rule import local_factor

ALPHAS = (0.6, 0.75, 1.0, 1.5)
MODES, EPSILON = 48, 1e-6
FIRST, LAST = 3, MODES // 2  # the features that are learned while the exponents are fitted


def protocol(preset: Preset, alpha: float = 0.75) -> Protocol:
    """Lengths from the one at which the feature FIRST is half learned to that of the feature LAST."""
    sigma = np.array([FIRST, LAST]) ** -alpha
    begin, end = (np.log(sigma / EPSILON) / (2 * sigma)).tolist()
    return Protocol(
        PowerLaw(MODES, alpha),
        lengths=np.geomspace(begin, end, 25 if preset == "quick" else 97),
        strengths=(0.0,),
        start=Aligned(EPSILON),
    )


def run(preset: Preset, key: int) -> Outcome:
    """The curves, their exponents, and the sums of the exponents."""
    setups = [protocol(preset, alpha) for alpha in ALPHAS]
    predicted = [curve_predicted(setup) for setup in setups]
    measured = [curve_measured(setup, key) for setup in setups]
    checks = [_curves(name, predicted, measured) for name in ("loss", "norm_gained")]
    fitted, limits = _exponents(setups, measured, "simulation"), exponents_predicted(setups[0])
    fits, limit = fitted.isel(pretraining=0), limits.sel(alpha=list(ALPHAS), method="nearest").isel(pretraining=0)
    ell = float(np.log(LAST ** -max(ALPHAS) / EPSILON))
    reason = f"2/ℓ² at the last feature, ℓ = {ell:.1f}; relative to each value"
    for name, title in (("beta", "loss exponent β (B7)"), ("total", "sum of the exponents β + s (B8)")):
        ratio = fits[name].values / limit[f"{name}_finite"].values
        checks.append(judge_bound(title, np.ones(ratio.size), ratio, 2 / ell**2, reason))
    checks.append(_limits(fits, limit))
    return Outcome(tuple(checks), {"theory": limits, "measured": fitted})


def curve_predicted(setup: Protocol) -> xr.Dataset:
    """Predicted loss and growth of Σs along the path, as a Trajectory."""
    path = power_law_path(np.array(setup.lengths), _alpha(setup), _epsilon(setup), mode_count(setup.teacher))
    return _curve(setup, np.asarray(path.loss), np.asarray(path.norm_gained), "theory", "closed form (claims B7, B8)")


def curve_measured(setup: Protocol, key: int) -> xr.Dataset:
    """The same from the weights of a run; at the start every mode contributes ε to the norm."""
    w1, w2 = (np.asarray(layer.weight) for layer in pretrain(setup, key))
    difference = w2 @ w1 - resolve(setup).teacher
    gained = (w1**2).sum(axis=(1, 2)) - mode_count(setup.teacher) * _epsilon(setup)
    return _curve(setup, (difference**2).sum(axis=(1, 2)) / 2, gained, "simulation", "gradient flow")


def exponents_measured(setup: Protocol, key: int) -> xr.Dataset:
    """The measured exponents of loss and norm and their sum, with the fits' standard errors, for all of ALPHAS."""
    setups = []
    for alpha in ALPHAS:
        at_alpha = protocol("quick", alpha)
        setups.append(replace(setup, teacher=at_alpha.teacher, lengths=at_alpha.lengths))
    return _exponents(setups, [curve_measured(variant, key) for variant in setups], "simulation")


def exponents_predicted(setup: Protocol) -> xr.Dataset:
    """The exponents in the limit of a small start for every α, and the larger ones of a finite start."""
    alpha = np.union1d(np.linspace(0.55, 1.6, 43), ALPHAS)
    limit = power_law_rates(alpha)
    factor = np.asarray(local_factor(np.sqrt(FIRST * LAST) ** -alpha, EPSILON))
    beta, norm = np.asarray(limit.loss_exponent), np.asarray(limit.norm_exponent)
    values = {"beta": beta, "norm": norm, "total": beta + norm}
    finite = {"beta_finite": beta * factor, "norm_finite": norm * factor, "total_finite": factor}
    return _over_alpha(values | finite, alpha, "theory", "claims B7, B8")


def _exponents(setups: list[Protocol], curves: list[xr.Dataset], method: Method) -> xr.Dataset:
    """Slopes of the curves in log-log, and their sum."""
    rows = []
    for setup, curve in zip(setups, curves, strict=True):
        t, alpha = np.array(setup.lengths), _alpha(setup)
        # the features that the network lacks add a constant to the loss of the whole spectrum
        loss = curve.loss.values + zeta(2 * alpha, MODES + 1) / 2
        loss_fit = stats.linregress(np.log(t), np.log(loss))
        growth = np.diff(curve.norm_gained.values) / np.diff(t)
        growth_fit = stats.linregress(np.log(t[1:] * t[:-1]) / 2, np.log(growth))
        rows.append((-loss_fit.slope, loss_fit.stderr, growth_fit.slope + 1, growth_fit.stderr))
    beta, beta_stderr, norm, norm_stderr = np.array(rows).T
    values = {"beta": beta, "beta_stderr": beta_stderr, "norm": norm, "norm_stderr": norm_stderr}
    values |= {"total": beta + norm, "total_stderr": np.hypot(beta_stderr, norm_stderr)}
    return _over_alpha(values, np.array([_alpha(setup) for setup in setups]), method, "fits in log-log")


def _over_alpha(values: dict[str, np.ndarray], alpha: np.ndarray, method: Method, source: str) -> xr.Dataset:
    return trajectory(
        {name: (("pretraining", "alpha"), column[None]) for name, column in values.items()},
        {"pretraining": [1.0], "alpha": alpha},
        method=method,
        source=source,
        model=f"{MODES} features i^-α",
        extra={"first": FIRST, "last": LAST},
    )


def _curve(setup: Protocol, loss: np.ndarray, gained: np.ndarray, method: Method, source: str) -> xr.Dataset:
    variables = {"loss": (("pretraining",), loss), "norm_gained": (("pretraining",), gained)}
    axes, model = {"pretraining": list(setup.lengths)}, f"{mode_count(setup.teacher)} features i^-{_alpha(setup):g}"
    return trajectory(variables, axes, method=method, source=source, model=model)


def _alpha(setup: Protocol) -> float:
    assert isinstance(setup.teacher, PowerLaw)
    return setup.teacher.alpha


def _epsilon(setup: Protocol) -> float:
    assert isinstance(setup.start, Aligned)
    return setup.start.epsilon


def _curves(name: str, predicted: list[xr.Dataset], measured: list[xr.Dataset]) -> Check:
    ratio = np.array([m[name].values / p[name].values for p, m in zip(predicted, measured, strict=True)])
    reason = "an rtol of 1e-8 per step, relative to each value"
    return judge_bound(f"{name.replace('_', ' ')} along the path (B7)", np.ones(ratio.shape), ratio, 1e-5, reason)


def _limits(fits: xr.Dataset, limit: xr.Dataset) -> Check:
    """The fitted exponents and those in the limit of a small start."""
    numbers = {}
    for i, alpha in enumerate(ALPHAS):
        for name in ("beta", "norm", "total"):
            numbers[f"{name} at {alpha:g}"] = float(fits[name][i])
            numbers[f"{name} at {alpha:g}, limit"] = float(limit[name][i])
    listed = "; ".join(
        f"α = {alpha:g}: β {float(fits.beta[i]):.3f} ± {float(fits.beta_stderr[i]):.3f} (limit "
        f"{float(limit.beta[i]):.3f}), s {float(fits.norm[i]):.3f} ± {float(fits.norm_stderr[i]):.3f} "
        f"({float(limit.norm[i]):.3f}), β + s {float(fits.total[i]):.3f} (1)"
        for i, alpha in enumerate(ALPHAS)
    )
    return map_limit("finite starts raise the exponents", listed, numbers)
