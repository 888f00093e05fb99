"""incremental-learning (A7): as the start shrinks, features are learned one at a time, each at `τ = 1/σ`.

Protocol: three features at the times `t = τ·½ln(1/ε)`, with aligned starts ε from 1e-4 to 1e-13. Prediction:
`s → σ·1{στ > 1}` with an error `ε^{|στ−1|}`, and `s = σ/(1 + σ)` at `τ = 1/σ`. Refuted if an error vanishes at another
order, if the value at the jump deviates, or if an error exceeds A7's bound. Limits: random starts of the same size, the
standard fan-in start, and a ReLU network.
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

ROUNDING = 4 * np.finfo(float).eps
"""What a product of matrices and its singular values may be off: of σ − s at starts of 1e-13, a hundredth."""


def protocol(preset: Preset, epsilon: float = 1e-6) -> Protocol:
    """Lengths at the rescaled times PHASES."""
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
    epsilons = np.geomspace(1e-4, 1e-13, 4 if preset == "quick" else 10)
    s = np.array([_singular_values(protocol(preset, float(epsilon)), key) for epsilon in epsilons])
    error = np.abs(s - np.asarray(feature_limit(PHASES[:, None], SIGMA)))
    checks = [
        judge_order(f"error at τ = {PHASES[i]:g}, σ = {SIGMA[j]:g} (A7)", epsilons, error[:, i, j], order, "ε")
        for i, j in ((0, 0), (2, 0), (2, 1), (2, 2), (3, 1))
        for order in [abs(float(PHASES[i] * SIGMA[j]) - 1)]
    ]
    at_jump = np.full(epsilons.size, SIGMA[0] / (1 + SIGMA[0]))
    checks.append(judge_bound("value at the jump (A7)", at_jump, s[:, 1, 0], 1e-4, "the start itself, at most 1e-4"))
    away = np.array([0, 2, 3])  # phases at which no feature jumps
    bound = np.asarray(limit_error(PHASES[away, None], SIGMA, epsilons[:, None, None]))
    excess = np.maximum(error[:, away] - ROUNDING, 0) / bound
    ratio = np.array([excess.max()])
    name = "largest error / A7's bound, which is attained"
    reason = "the excess shrinks with the integrator's tolerance, here 1e-10; the rounding of s is not counted"
    checks.append(judge_bound(name, np.ones(1), ratio, 1e-6, reason))
    checks.append(_other_starts(preset, key))
    setup = protocol(preset)
    fine = replace(setup, lengths=np.linspace(0, setup.lengths[-1], 201))
    return Outcome(tuple(checks), {"theory": predict(fine), "measured": follow(setup, key)})


def _singular_values(setup: Protocol, key: int) -> np.ndarray:
    """The student's singular values, (length, mode), as many as the teacher has."""
    return np.linalg.svd(np.asarray(product(pretrain(setup, key))), compute_uv=False)[:, : SIGMA.size]


def _other_starts(preset: Preset, key: int) -> Check:
    """Deviation of singular values from the aligned closed form whose start is as large as the random product."""
    epsilon = 1e-4
    lengths = np.linspace(0, 32, 17)
    # the usual tolerance: at a smaller one the kinks of ReLU take the integrator many steps
    setup = replace(protocol(preset, epsilon), lengths=lengths, pretraining=GradientFlow())
    exact = predict(setup).singular_value.values
    gaussian = SmallGaussian((epsilon / setup.network.h) ** 0.5)
    relu = replace(setup.network, activation="relu")
    variants = {
        "Gaussian of the same size": replace(setup, start=gaussian),
        "fan-in": replace(setup, start=FanIn()),
        "ReLU": replace(setup, network=relu, start=gaussian, inputs=Inputs(samples=256)),
    }
    deviation = {}
    for name, variant in variants.items():
        if name == "ReLU":
            s = follow(variant, key).singular_value.values[0, :, : SIGMA.size]
        else:
            s = _singular_values(variant, key)
        deviation[name] = float(np.abs(s - exact).max())
    listed = ", ".join(f"{value:.2g} ({name})" for name, value in deviation.items())
    answer = f"largest deviation from the aligned closed form: {listed}"
    return map_limit("other starts and networks", answer, deviation)
