"""incremental-learning (A7): as the start shrinks, features switch on at `τ = 1/σ`, one at a time.

Protocol: three features on the clock `t = τ·½ln(1/ε)`, starts from 1e-4 to 1e-13. Prediction: `s → σ·1{στ > 1}` with an
error `ε^{|στ−1|}`, and `σ/(1 + σ)` exactly at `τ = 1/σ`. Where it ends: random starts of the same size, the standard
fan-in start, and a ReLU network.
"""

from dataclasses import replace

import numpy as np

from overtraining.experiments import Preset
from overtraining.experiments.memoized import follow, pretrain
from overtraining.experiments.verdict import Check, Outcome, judge_bound, judge_order, map_limit
from overtraining.setting.inputs import Inputs
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned, FanIn, SmallGaussian
from overtraining.setting.teachers import Spectrum
from overtraining.setting.training import GradientFlow
from overtraining.simulations.networks import product
from overtraining.theory.learning.incremental import feature_limit, limit_error
from overtraining.theory.solvers.exact import follow as predict

SIGMA = np.array([1.0, 0.6, 0.4])
PHASES = np.array([0.75, 1.0, 1.25, 2.0])  # τ: before, at and after the first feature, and between the other two


def protocol(preset: Preset, epsilon: float = 1e-6) -> Protocol:
    """Lengths at the phases."""
    return Protocol(
        Spectrum(SIGMA),
        lengths=PHASES * np.log(1 / epsilon) / 2,
        strengths=(0.0,),
        network=Network(d_in=5, h=4, d_out=4),
        start=Aligned(epsilon),
        pretraining=GradientFlow(rtol=1e-10),
    )


def run(preset: Preset, key: int) -> Outcome:
    """The order of every feature's error at every phase, the value at the jump, the bound, and other starts."""
    starts = np.geomspace(1e-4, 1e-13, 4 if preset == "quick" else 10)
    seen = np.array([_values(protocol(preset, float(epsilon)), key) for epsilon in starts])
    off = np.abs(seen - np.asarray(feature_limit(PHASES[:, None], SIGMA)))
    checks = [
        judge_order(f"error at τ = {PHASES[i]:g}, σ = {SIGMA[j]:g} (A7)", starts, off[:, i, j], order, "ε")
        for i, j in ((0, 0), (2, 0), (2, 1), (2, 2), (3, 1))
        for order in [abs(float(PHASES[i] * SIGMA[j]) - 1)]
    ]
    at_jump, reason = SIGMA[0] / (1 + SIGMA[0]), "the start itself, 1e-4 and less"
    checks.append(judge_bound("value at the jump (A7)", np.full(starts.size, at_jump), seen[:, 1, 0], 1e-4, reason))
    apart = np.array([0, 2, 3])
    bound = np.asarray(limit_error(PHASES[apart, None], SIGMA, starts[:, None, None]))
    share = float((off[:, apart] / bound).max())
    reason = "the excess shrinks with the integrator's tolerance, here 1e-10, down to the rounding of starts of 1e-13"
    checks.append(
        judge_bound("largest error over A7's bound, which is sharp", np.ones(1), np.array([share]), 1e-6, reason)
    )
    checks.append(_other_starts(preset, key))
    setup = protocol(preset)
    fine = replace(setup, lengths=np.linspace(0, setup.lengths[-1], 201))
    return Outcome(tuple(checks), {"theory": predict(fine), "measured": follow(setup, key)})


def _values(setup: Protocol, key: int) -> np.ndarray:
    """The student's singular values, (length, mode), as many as the teacher has."""
    return np.linalg.svd(np.asarray(product(pretrain(setup, key))), compute_uv=False)[:, : SIGMA.size]


def _other_starts(preset: Preset, key: int) -> Check:
    """How far singular values are from the aligned closed form whose start has the size of the random product."""
    epsilon, setup = 1e-4, protocol(preset, 1e-4)
    setup = replace(setup, lengths=np.linspace(0, 32, 17), pretraining=GradientFlow())  # the kinks of ReLU cost steps
    exact, h = predict(setup).singular_value.values, setup.network.h
    sampled = replace(setup.network, activation="relu")
    others = {
        "Gaussian of the same size": replace(setup, start=SmallGaussian((epsilon / h) ** 0.5)),
        "fan-in": replace(setup, start=FanIn()),
        "ReLU": replace(setup, network=sampled, start=SmallGaussian((epsilon / h) ** 0.5), inputs=Inputs(samples=256)),
    }
    far = {}
    for name, one in others.items():
        seen = follow(one, key).singular_value.values[0, :, : SIGMA.size] if name == "ReLU" else _values(one, key)
        far[name] = float(np.abs(seen - exact).max())
    listed = ", ".join(f"{distance:.2g} ({name})" for name, distance in far.items())
    return map_limit("other starts and networks", f"largest distance from the aligned closed form: {listed}", far)
