"""balanced-mode (A3): every mode of a balanced aligned network follows one logistic curve, whatever the others do.

Protocol: three features in a 5→4→6 network; singular values along gradient flow from a small start, from above the
teacher, and with weight decay below, at and above a feature, and along gradient descent at four learning rates.
Prediction: `s = κ/(1 + (κ/ε − 1)e^{−2κt})` with `κ = σ − μ`. Refuted if the flow deviates by more than its integrator's
error, or if gradient descent deviates by anything but the first order in η. Limits: starts that are unbalanced or
rotated away from the teacher.
"""

from dataclasses import replace

import numpy as np

from overtraining.experiments import Preset
from overtraining.experiments.memoized import follow, pretrain
from overtraining.experiments.verdict import Check, Outcome, judge_bound, judge_order, map_limit
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned, Balanced, Start
from overtraining.setting.teachers import Spectrum
from overtraining.setting.training import GradientDescent, GradientFlow
from overtraining.simulations.networks import product
from overtraining.theory.solvers.exact import follow as predict

SIGMA, EPSILON = np.array([1.0, 0.6, 0.3]), 1e-3
LEARNING_RATES = np.array([0.04, 0.02, 0.01, 0.005])
BOUND = 1e-6
REASON = "a hundred times the integrator's tolerance of 1e-8, because local errors grow on the way out of the saddle"


def protocol(preset: Preset, start: Start | None = None, weight_decay: float = 0.0) -> Protocol:
    """Lengths from the start until the last feature is learned."""
    return Protocol(
        Spectrum(SIGMA),
        lengths=np.linspace(0, 32, 17 if preset == "quick" else 65),
        strengths=(0.0,),
        network=Network(d_in=5, h=4, d_out=6),
        start=start or Aligned(EPSILON),
        pretraining=GradientFlow(weight_decay=weight_decay),
    )


def run(preset: Preset, key: int) -> Outcome:
    """The flow against the closed form, decaying modes by factors, the order of gradient descent, and other starts."""
    setup = protocol(preset)
    variants = {
        "small start": setup,
        "start above the teacher": protocol(preset, Aligned(2.0)),
        "weight decay below two features": protocol(preset, weight_decay=0.4),
        "weight decay equal to a feature": protocol(preset, weight_decay=0.6),
    }
    checks = [_singular_values(name, variant, key + i) for i, (name, variant) in enumerate(variants.items())]
    checks.append(_decaying_modes(protocol(preset, weight_decay=0.6), key))
    checks += [_descent(protocol("quick"), key), _other_starts(setup, key)]
    fine = replace(setup, lengths=np.linspace(0, 32, 321))
    return Outcome(tuple(checks), {"theory": predict(fine), "measured": follow(setup, key)})


def measured(setup: Protocol, key: int) -> np.ndarray:
    """The student's singular values, (length, mode), as many as the teacher has."""
    return np.linalg.svd(np.asarray(product(pretrain(setup, key))), compute_uv=False)[:, : SIGMA.size]


def predicted(setup: Protocol) -> np.ndarray:
    """The same in closed form."""
    return predict(setup).singular_value.values


def _singular_values(name: str, setup: Protocol, key: int) -> Check:
    return judge_bound(f"singular values, {name} (A3)", predicted(setup), measured(setup, key), BOUND, REASON)


def _decaying_modes(setup: Protocol, key: int) -> Check:
    """A mode with σ = μ decays algebraically, one with σ < μ exponentially; both are judged relative to themselves.

    A usual absolute tolerance of the integrator is small compared with the start but not compared with a decayed mode:
    a smaller one is set.
    """
    precise = replace(setup, pretraining=GradientFlow(1e-12, setup.pretraining.weight_decay))
    ratio = measured(precise, key)[:, 1:] / predicted(setup)[:, 1:]
    reason = "1e-15 of the start's size, the absolute tolerance, at every step, against modes down to 1e-11"
    return judge_bound("decaying modes, relative to themselves (A3)", np.ones(1), ratio, 1e-4, reason)


def _descent(setup: Protocol, key: int) -> Check:
    """The deviation of gradient descent, at lengths that are whole numbers of steps of every learning rate."""
    expected = predicted(setup)
    deviation = [
        np.abs(measured(replace(setup, pretraining=GradientDescent(float(learning_rate))), key) - expected).max()
        for learning_rate in LEARNING_RATES
    ]
    return judge_order("deviation of gradient descent (A3)", LEARNING_RATES, np.array(deviation), 1.0, "η")


def _other_starts(setup: Protocol, key: int) -> Check:
    starts: dict[str, Start] = {f"λ = {lam:g}": Aligned(EPSILON, lam) for lam in (0.01, 0.1, 1.0)}
    starts |= {f"rotated by {angle:g}": Balanced(EPSILON, angle) for angle in (0.1, 0.5, 1.5)}
    deviation = {
        name: float(np.abs(measured(replace(setup, start=start), key) - predicted(setup)).max())
        for name, start in starts.items()
    }
    listed = ", ".join(f"{value:.2g} ({name})" for name, value in deviation.items())
    return map_limit("other starts with the same ε", f"largest deviation from the closed form: {listed}", deviation)
