"""sum-rule (B8): the loss curve alone predicts how sensitivity grows, up to one constant.

Protocol: 16 features σ = i^(−0.75), starts from 1e-6 to 1e-24, Gaussian noise. Measured: the loss before, the norm of
the weights, the sensitivity. Prediction: `d(Σs)/dt = −(2t/m) dL/dt`, `m = ½ln(1/ε)`, as ε → 0, so that what Σs gains
by the end is missed by a part of order 1/ln(1/ε). Where it ends: that part at starts of a usual size. Below 1e-32 a
start cannot be simulated in random frames: the rounding of learned features, 1e-16 in a weight, starts the others.
"""

from dataclasses import replace

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import pretrain, respond
from overtraining.experiments.verdict import Check, Outcome, judge_order, map_limit
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw, teacher_matrix
from overtraining.theory.sensitivity.predicted_sensitivity import fitted_line
from overtraining.theory.sensitivity.sum_rule import norm_growth
from overtraining.theory.solvers.exact import respond as predict

MODES, ALPHA, GAMMA = 16, 0.75, 0.05
STARTS = np.array([1e-6, 1e-9, 1e-12, 1e-18, 1e-24])


def protocol(preset: Preset, epsilon: float = 1e-8) -> Protocol:
    """From before the first feature to after the last one."""
    last = MODES**-ALPHA
    t = np.geomspace(np.log(1 / epsilon) / 8, 1.5 * np.log(last / epsilon) / (2 * last), 161)
    draws = Sampling(draws=512 if preset == "quick" else 8192, antithetic=True)
    return Protocol(PowerLaw(MODES, ALPHA), t, (GAMMA,), start=Aligned(epsilon), sampling=draws)


def run(preset: Preset, key: int) -> Outcome:
    """What the rule misses by the order in which it vanishes, and how well its constant, fitted early, serves late."""
    missed = np.array([_missed(protocol(preset, float(x)), key) for x in STARTS])
    constant = float(np.mean(missed * np.log(1 / STARTS)))
    listed = ", ".join(f"{off:.1%} at ε = {x:g}" for x, off in zip(STARTS, missed, strict=True))
    numbers = {f"missed at {x:g}": float(off) for x, off in zip(STARTS, missed, strict=True)}
    name = "what the rule misses of the growth of Σs (B8)"
    checks = [judge_order(name, 1 / np.log(1 / STARTS), missed, 1.0, "(1/ln(1/ε))")]
    checks.append(map_limit("finite starts", f"missed: {listed}; about {constant:.2f}/ln(1/ε)", numbers))
    thin = slice(0, None, 8)  # for the sensitivity; the order above needs no draws and sees more lengths
    ends = [replace(p, lengths=p.lengths[thin]) for p in (protocol(preset, float(STARTS[i])) for i in (0, -1))]
    measured = [respond(one, key) for one in ends]
    checks += [_fitted(one, seen) for one, seen in zip(ends, measured, strict=True)]
    return Outcome(tuple(checks), {"theory": predict(ends[0]), "measured": measured[0]})


def _missed(setup: Protocol, key: int) -> float:
    """The part of what Σs gains that the loss curve does not account for."""
    w1, w2 = (np.asarray(layer.weight) for layer in pretrain(replace(setup, sampling=Sampling()), key))
    loss = ((w2 @ w1 - teacher_matrix(setup.teacher, MODES, MODES)) ** 2).sum(axis=(1, 2)) / 2
    norm = (w1**2).sum(axis=(1, 2))
    return float(1 - np.asarray(norm_growth(setup.lengths, loss, _constant(setup)))[-1] / (norm[-1] - norm[0]))


def _constant(setup: Protocol) -> float:
    """`m = ½ ln(1/ε)`."""
    assert isinstance(setup.start, Aligned)
    return float(np.log(1 / setup.start.epsilon) / 2)


def _fitted(setup: Protocol, seen: xr.Dataset) -> Check:
    """The constant from the first half of the lengths, the sensitivity at the last one from it."""
    one = seen.isel(seed=0, strength=0)
    rise, error = one.sensitivity.values, one.sensitivity_stderr.values
    growth, half = np.asarray(norm_growth(setup.lengths, one.before.values)), len(setup.lengths) // 2
    line = fitted_line(growth[:half], rise[:half], error[:half])
    off = float(line.sensitivity(growth[-1]) / rise[-1] - 1)
    price = line.price * _constant(setup) / (GAMMA**2 * MODES)
    answer = (
        f"constant fitted on the first half of the lengths {price:.2f} of c/m; the last sensitivity from it is off by "
        f"{off:+.1%}"
    )
    numbers = {"price_over_theory": float(price), "off": off}
    return map_limit(f"one free constant, {setup.start}", answer, numbers)
