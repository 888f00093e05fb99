"""sum-rule (B8): the loss curve alone predicts how sensitivity grows, up to one constant.

Protocol: 16 features σ = i^(−0.75), starts from 1e-6 to 1e-24, Gaussian noise; measured are the loss before noise, the
norm of the weights and the sensitivity. Prediction: `d(Σs)/dt = −(2t/m) dL/dt` with `m = ½ln(1/ε)` as ε → 0, so that
the rule misses a share of order 1/ln(1/ε) of the growth of Σs. Refuted if this share vanishes at another order. Limit:
the share at starts of a usual size. Starts below 1e-32 cannot be simulated in random frames, because rounding in the
weights of learned features, 1e-16, acts as a larger start of the others.
"""

from dataclasses import replace

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import pretrain, respond
from overtraining.experiments.verdict import Check, Outcome, judge_order, map_limit
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.resolved import resolve
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw
from overtraining.theory.sensitivity.sum_rule import fitted_line, norm_growth
from overtraining.theory.solvers.exact import respond as predict

MODES, ALPHA, GAMMA = 16, 0.75, 0.05
STARTS = np.array([1e-6, 1e-9, 1e-12, 1e-18, 1e-24])


def protocol(preset: Preset, epsilon: float = 1e-8) -> Protocol:
    """From before the first feature is learned to after the last one."""
    last = MODES**-ALPHA
    lengths = np.geomspace(np.log(1 / epsilon) / 8, 1.5 * np.log(last / epsilon) / (2 * last), 161)
    sampling = Sampling(draws=512 if preset == "quick" else 8192, antithetic=True)
    return Protocol(PowerLaw(MODES, ALPHA), lengths, (GAMMA,), start=Aligned(epsilon), sampling=sampling)


def run(preset: Preset, key: int) -> Outcome:
    """The share that the rule misses, by its order; and a prediction whose constant is fitted to the first half."""
    missed = np.array([_missed_share(protocol(preset, float(epsilon)), key) for epsilon in STARTS])
    constant = float(np.mean(missed * np.log(1 / STARTS)))
    pairs = list(zip(STARTS, missed, strict=True))
    listed = ", ".join(f"{share:.1%} at ε = {epsilon:g}" for epsilon, share in pairs)
    numbers = {f"missed at {epsilon:g}": float(share) for epsilon, share in pairs}
    name = "share of the growth of Σs that the rule misses (B8)"
    checks = [judge_order(name, 1 / np.log(1 / STARTS), missed, 1.0, "(1/ln(1/ε))")]
    checks.append(map_limit("finite starts", f"missed: {listed}; about {constant:.2f}/ln(1/ε)", numbers))
    extremes = [protocol(preset, float(STARTS[i])) for i in (0, -1)]
    # every eighth length: the sensitivity needs draws, which the share above does not
    sampled = [replace(setup, lengths=setup.lengths[::8]) for setup in extremes]
    measured = [respond(setup, key) for setup in sampled]
    checks += [_fitted_constant(setup, response) for setup, response in zip(sampled, measured, strict=True)]
    return Outcome(tuple(checks), {"theory": predict(sampled[0]), "measured": measured[0]})


def _missed_share(setup: Protocol, key: int) -> float:
    """The share of the growth of Σs for which the loss curve does not account."""
    w1, w2 = (np.asarray(layer.weight) for layer in pretrain(replace(setup, sampling=Sampling()), key))
    loss = ((w2 @ w1 - resolve(setup).teacher) ** 2).sum(axis=(1, 2)) / 2
    norm = (w1**2).sum(axis=(1, 2))
    accounted = np.asarray(norm_growth(setup.lengths, loss, _constant(setup)))[-1]
    return float(1 - accounted / (norm[-1] - norm[0]))


def _constant(setup: Protocol) -> float:
    """`m = ½ ln(1/ε)`."""
    assert isinstance(setup.start, Aligned)
    return float(np.log(1 / setup.start.epsilon) / 2)


def _fitted_constant(setup: Protocol, measured: xr.Dataset) -> Check:
    """The constant fitted to the first half of the lengths, and the sensitivity at the last one predicted from it."""
    response = measured.isel(seed=0, strength=0)
    sensitivity, stderr = response.sensitivity.values, response.sensitivity_stderr.values
    growth, half = np.asarray(norm_growth(setup.lengths, response.before.values)), len(setup.lengths) // 2
    line = fitted_line(growth[:half], sensitivity[:half], stderr[:half])
    error = float(line.sensitivity(growth[-1]) / sensitivity[-1] - 1)
    ratio = float(line.slope * _constant(setup) / (GAMMA**2 * MODES))
    answer = (
        f"the constant fitted on the first half of the lengths is {ratio:.2f} c/m; the last sensitivity from "
        f"it is off by {error:+.1%}"
    )
    numbers = {"constant_over_theory": ratio, "relative_error": error}
    return map_limit(f"one free constant, {setup.start}", answer, numbers)
