"""balanced-mode (A3): every mode of a balanced aligned network follows one logistic curve, whatever the others do.

Protocol: three features in a 5→4→6 network. Measured: the singular values of gradient flow from a small start, from
above the teacher, and under weight decays below, at and above features; of gradient descent at four rates. Prediction:
`s = κ/(1 + (κ/ε − 1)e^{−2κt})`, `κ = σ − μ`. Where it ends: starts with an imbalance or turned from the teacher.
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
RATES = np.array([0.04, 0.02, 0.01, 0.005])
BOUND, WHY = 1e-6, "a hundred times the integrator's tolerance of 1e-8: local errors grow on the way out of the saddle"


def protocol(preset: Preset, start: Start | None = None, decay: float = 0.0) -> Protocol:
    """Lengths from the start to the last feature's end."""
    return Protocol(
        Spectrum(SIGMA),
        lengths=np.linspace(0, 32, 17 if preset == "quick" else 65),
        strengths=(0.0,),
        network=Network(d_in=5, h=4, d_out=6),
        start=start or Aligned(EPSILON),
        pretraining=GradientFlow(weight_decay=decay),
    )


def run(preset: Preset, key: int) -> Outcome:
    """Flow against the closed form, decayed modes in their own units, descent's order, and other starts."""
    asked = protocol(preset)
    pairs = {
        "small start": asked,
        "start above the teacher": protocol(preset, Aligned(2.0)),
        "weight decay below two features": protocol(preset, decay=0.4),
        "weight decay equal to a feature": protocol(preset, decay=0.6),
    }
    checks = [_along(name, one, key + i) for i, (name, one) in enumerate(pairs.items())]
    checks += [_dying(protocol(preset, decay=0.6), key), _descent(protocol("quick"), key), _other_starts(asked, key)]
    fine = replace(asked, lengths=np.linspace(0, 32, 321))
    return Outcome(tuple(checks), {"theory": predict(fine), "measured": follow(asked, key)})


def measured(asked: Protocol, key: int) -> np.ndarray:
    """The student's singular values, (length, mode), as many as the teacher has."""
    return np.linalg.svd(np.asarray(product(pretrain(asked, key))), compute_uv=False)[:, : SIGMA.size]


def predicted(asked: Protocol) -> np.ndarray:
    """The same in closed form."""
    return predict(asked).singular_value.values


def _along(name: str, asked: Protocol, key: int) -> Check:
    return judge_bound(f"singular values, {name} (A3)", predicted(asked), measured(asked, key), BOUND, WHY)


def _dying(asked: Protocol, key: int) -> Check:
    """σ = μ dies algebraically, σ < μ exponentially: by factors, since both are small against the feature that lives.

    The integrator's absolute tolerance, small against the start, is not small against what has died: it is sharpened.
    """
    sharp = replace(asked, pretraining=GradientFlow(1e-12, asked.pretraining.weight_decay))
    factor = measured(sharp, key)[:, 1:] / predicted(asked)[:, 1:]
    why = "1e-15 of the start's size, the absolute tolerance, at every step, against modes down to 1e-11"
    return judge_bound("dying modes, in units of themselves (A3)", np.ones(1), factor, 1e-4, why)


def _descent(asked: Protocol, key: int) -> Check:
    """At lengths that are whole numbers of steps of every rate."""
    steps = (measured(replace(asked, pretraining=GradientDescent(float(rate))), key) for rate in RATES)
    off = np.array([np.abs(s - predicted(asked)).max() for s in steps])
    return judge_order("what steps of gradient descent add (A3)", RATES, off, 1.0, "η")


def _other_starts(asked: Protocol, key: int) -> Check:
    starts: dict[str, Start] = {f"λ = {lam:g}": Aligned(EPSILON, lam) for lam in (0.01, 0.1, 1.0)}
    starts |= {f"turned by {angle:g}": Balanced(EPSILON, angle) for angle in (0.1, 0.5, 1.5)}
    off = {
        name: float(np.abs(measured(replace(asked, start=start), key) - predicted(asked)).max())
        for name, start in starts.items()
    }
    listed = ", ".join(f"{far:.2g} ({name})" for name, far in off.items())
    return map_limit("other starts with the same ε", f"largest distance from the closed form: {listed}", off)
