"""rates (B7, B8): how fast loss falls and sensitivity grows for power-law spectra, and that the exponents add up.

Protocol: 48 features σ = i^(−α) in a square network, α from 0.6 to 1.5, a start of 1e-6, lengths at which features 3 to
24 are learned. Prediction: the sums over the path, exactly; `L ∝ t^(−β)`, `dΣs/dt ∝ t^(s−1)` with `β = 2 − 1/α`,
`s = 1/α − 1`, `β + s = 1`, each raised by `1/(1 − 1/ℓ)`, `ℓ = ln(σ/ε)`, up to terms of order 1/ℓ². Where it ends: the
exponents themselves, which no start that can be simulated reaches.
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
from overtraining.setting.responses import Method, trajectory
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw, teacher_matrix
from overtraining.theory.sensitivity.rates import power_law_rates
from overtraining.theory.sensitivity.spectral_path import power_law_path
from overtraining.theory.sensitivity.sum_rule import local_factor

ALPHAS = (0.6, 0.75, 1.0, 1.5)
MODES, EPSILON = 48, 1e-6
FIRST, LAST = 3, MODES // 2  # features whose learning the fits see


def protocol(preset: Preset, alpha: float = 0.75) -> Protocol:
    """Lengths between those at which the first and the last of the features fitted are half learned."""
    sigma = np.array([FIRST, LAST]) ** -alpha
    begin, end = (np.log(sigma / EPSILON) / (2 * sigma)).tolist()
    return Protocol(
        PowerLaw(MODES, alpha),
        lengths=np.geomspace(begin, end, 25 if preset == "quick" else 97),
        strengths=(0.0,),
        start=Aligned(EPSILON),
    )


def run(preset: Preset, key: int) -> Outcome:
    """Curves, their exponents and the sums of these."""
    setup = [protocol(preset, alpha) for alpha in ALPHAS]
    predicted, measured = [curve_predicted(one) for one in setup], [curve_measured(one, key) for one in setup]
    checks = [_curves(name, predicted, measured) for name in ("loss", "norm_gained")]
    fitted, limits = _exponents(setup, measured, "simulation"), exponents_predicted(setup[0])
    at = limits.sel(alpha=list(ALPHAS), method="nearest").isel(pretraining=0)
    seen = fitted.isel(pretraining=0)
    ell = float(np.log(LAST ** -max(ALPHAS) / EPSILON))
    reason = f"2/ℓ² at the last feature, ℓ = {ell:.1f}; of its own size"
    for name, what in (("beta", "loss exponent β (B7)"), ("total", "sum of the exponents β + s (B8)")):
        ratio = seen[name].values / at[f"{name}_finite"].values
        checks.append(judge_bound(what, np.ones(ratio.size), ratio, 2 / ell**2, reason))
    checks.append(_limits(seen, at))
    return Outcome(tuple(checks), {"theory": limits, "measured": fitted})


def curve_predicted(setup: Protocol) -> xr.Dataset:
    """Loss and growth of Σs along the path, as a Trajectory."""
    found = power_law_path(np.array(setup.lengths), _alpha(setup), EPSILON, MODES)
    return _curve(setup, np.asarray(found.loss), np.asarray(found.norm_gained), "theory", "closed form (claims B7, B8)")


def curve_measured(setup: Protocol, key: int) -> xr.Dataset:
    """The same from the weights of a run; the start's own norm is what ε gives to every mode."""
    w1, w2 = (np.asarray(layer.weight) for layer in pretrain(setup, key))
    missing = w2 @ w1 - teacher_matrix(setup.teacher, MODES, MODES)
    gained = (w1**2).sum(axis=(1, 2)) - MODES * EPSILON
    return _curve(setup, (missing**2).sum(axis=(1, 2)) / 2, gained, "simulation", "gradient flow")


def exponents_measured(setup: Protocol, key: int) -> xr.Dataset:
    """Exponents of loss, norm and their sum, with the fits' errors, for every α, whatever that of the protocol."""
    given = [replace(setup, teacher=p.teacher, lengths=p.lengths) for p in (protocol("quick", a) for a in ALPHAS)]
    return _exponents(given, [curve_measured(one, key) for one in given], "simulation")


def exponents_predicted(setup: Protocol) -> xr.Dataset:
    """The limits of a small start for every α, and what they are raised to by a finite one."""
    alpha = np.union1d(np.linspace(0.55, 1.6, 43), ALPHAS)
    limit = power_law_rates(alpha)
    factor = np.asarray(local_factor(np.sqrt(FIRST * LAST) ** -alpha, EPSILON))
    beta, norm = np.asarray(limit.loss_exponent), np.asarray(limit.norm_exponent)
    values = {"beta": beta, "norm": norm, "total": beta + norm}
    finite = {"beta_finite": beta * factor, "norm_finite": norm * factor, "total_finite": factor}
    return _over_alpha(values | finite, alpha, "theory", "claims B7, B8")


def _exponents(setup: list[Protocol], curves: list[xr.Dataset], method: Method) -> xr.Dataset:
    rows = []
    for one, seen in zip(setup, curves, strict=True):
        t, alpha = np.array(one.lengths), _alpha(one)
        # features that the network lacks are a constant in the loss of the whole spectrum
        loss = seen.loss.values + zeta(2 * alpha, MODES + 1) / 2
        fall = stats.linregress(np.log(t), np.log(loss))
        grown = np.diff(seen.norm_gained.values) / np.diff(t)
        rise = stats.linregress(np.log(t[1:] * t[:-1]) / 2, np.log(grown))
        rows.append((-fall.slope, fall.stderr, rise.slope + 1, rise.stderr))
    beta, beta_error, norm, norm_error = np.array(rows).T
    values = {"beta": beta, "beta_stderr": beta_error, "norm": norm, "norm_stderr": norm_error}
    values |= {"total": beta + norm, "total_stderr": np.hypot(beta_error, norm_error)}
    return _over_alpha(values, np.array([_alpha(one) for one in setup]), method, "fits in log-log")


def _over_alpha(values: dict[str, np.ndarray], alpha: np.ndarray, method: Method, source: str) -> xr.Dataset:
    return trajectory(
        {name: (("pretraining", "alpha"), column[None]) for name, column in values.items()},
        {"pretraining": [1.0], "alpha": alpha},
        method=method,
        source=source,
        model=f"{MODES} features i^-α",
    )


def _curve(setup: Protocol, loss: np.ndarray, gained: np.ndarray, method: Method, source: str) -> xr.Dataset:
    variables = {"loss": (("pretraining",), loss), "norm_gained": (("pretraining",), gained)}
    axes, model = {"pretraining": list(setup.lengths)}, f"{MODES} features i^-{_alpha(setup):g}"
    return trajectory(variables, axes, method=method, source=source, model=model)


def _alpha(setup: Protocol) -> float:
    assert isinstance(setup.teacher, PowerLaw)
    return setup.teacher.alpha


def _curves(name: str, predicted: list[xr.Dataset], measured: list[xr.Dataset]) -> Check:
    ratio = np.array([m[name].values / p[name].values for p, m in zip(predicted, measured, strict=True)])
    reason = "an rtol of 1e-8 per step, of each value's own size"
    return judge_bound(f"{name.replace('_', ' ')} along the path (B7)", np.ones(ratio.shape), ratio, 1e-5, reason)


def _limits(seen: xr.Dataset, limit: xr.Dataset) -> Check:
    numbers = {}
    for i, alpha in enumerate(ALPHAS):
        for name in ("beta", "norm", "total"):
            numbers[f"{name} at {alpha:g}"] = float(seen[name][i])
            numbers[f"{name} at {alpha:g}, limit"] = float(limit[name][i])
    listed = "; ".join(
        f"α = {alpha:g}: β {float(seen.beta[i]):.3f} ± {float(seen.beta_stderr[i]):.3f} (limit "
        f"{float(limit.beta[i]):.3f}), s {float(seen.norm[i]):.3f} ± {float(seen.norm_stderr[i]):.3f} "
        f"({float(limit.norm[i]):.3f}), β + s {float(seen.total[i]):.3f} (1)"
        for i, alpha in enumerate(ALPHAS)
    )
    return map_limit("finite starts raise the exponents", listed, numbers)
