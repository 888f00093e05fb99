"""lazy-to-rich (A4, B4): the growth of sensitivity, from balanced starts to starts with a large imbalance.

Protocol: three features in a 5→4→3 network, the imbalance λ = w2² − w1² of every mode from −1 through 0 to 8, unequal
noise in the two layers. Prediction: `p = w1w2` follows a Riccati equation, and learning a mode adds
`√(λ²+4σ²) − √(λ²+4ε²)` to `‖W‖²`, which vanishes as 1/|λ|. Refuted if a sensitivity, a singular value or a gain
deviates, or if the gain vanishes at another order. Limit: random starts, from which sensitivity may even fall.
"""

from dataclasses import replace

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import follow, pretrain, responses
from overtraining.experiments.verdict import Check, Outcome, judge_bound, judge_order, judge_response, map_limit
from overtraining.setting.perturbations import Noise
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.responses import Method, trajectory
from overtraining.setting.starts import Aligned, FanIn
from overtraining.setting.teachers import Spectrum
from overtraining.theory.sensitivity.curvature import hessian_trace
from overtraining.theory.sensitivity.growth import norm_gained
from overtraining.theory.solvers.exact import follow as predict_path, respond as predict

SIGMA, EPSILON = np.array([1.0, 0.6, 0.3]), 1e-2
IMBALANCES = (-1.0, 0.0, 0.1, 1.0, 8.0)
LAZY = np.array([8.0, 16.0, 32.0, 64.0])
END = 40.0  # by then the weakest mode from the balanced start is learned to a relative error of 1e-8


def protocol(preset: Preset, imbalance: float = 0.0) -> Protocol:
    """From the start to convergence; the layers' noise differs, so that the sign of λ matters."""
    return Protocol(
        Spectrum(SIGMA),
        lengths=(0.0, 1.0, 3.0, 6.0, 12.0, END),
        strengths=(0.1, 0.3),
        network=Network(d_in=5, h=4, d_out=3),
        start=Aligned(EPSILON, imbalance),
        perturbation=Noise(scales=(1.0, 0.5)),
        sampling=Sampling(draws=2048 if preset == "quick" else 16384, antithetic=True),
    )


def run(preset: Preset, key: int) -> Outcome:
    """Sensitivity by z-scores, path and gain by the integrator's tolerance, the lazy limit by its order."""
    setups = {imbalance: protocol(preset, imbalance) for imbalance in IMBALANCES}
    checks: list[Check] = []
    theory: dict[str, xr.Dataset] = {}
    measured: dict[str, xr.Dataset] = {}
    for imbalance, setup in setups.items():
        predicted, repeated = predict(setup), responses(setup, range(key, key + 3), preset)
        checks.append(judge_response(f"rise of the loss at λ = {imbalance:g} (A4)", predicted, repeated))
        theory[f"theory λ {imbalance:g}"] = predicted
        measured[f"measured λ {imbalance:g}"] = repeated[0]
    checks += [_path(setups), _gains(key), _lazy_limit(key), _random_starts(setups[0.0], key)]
    return Outcome(tuple(checks), theory | measured)


def gain(setup: Protocol, key: int) -> float:
    """The measured gain of the weights' squared norm, from the first length to the last."""
    norm = follow(setup, key).weight_norm.values[0]
    return float(norm[-1] - norm[0])


def gain_measured(setup: Protocol, key: int) -> xr.Dataset:
    """The gain of ‖W‖² in training, as a Trajectory over the imbalance, which replaces that of the protocol."""
    imbalances = np.geomspace(0.05, 20, 6)
    gains = [gain(replace(setup, start=Aligned(EPSILON, float(imbalance))), key) for imbalance in imbalances]
    return _gain(imbalances, np.array(gains), setup, "simulation")


def gain_predicted(setup: Protocol) -> xr.Dataset:
    """The gain by `Σ √(λ² + 4σ²) − √(λ² + 4ε²)` (claim B4)."""
    imbalances = np.geomspace(0.05, 20, 61)
    return _gain(imbalances, norm_gained(SIGMA, imbalances[:, None], EPSILON).sum(axis=1), setup, "theory")


def _gain(imbalances: np.ndarray, gains: np.ndarray, setup: Protocol, method: Method) -> xr.Dataset:
    return trajectory(
        {"norm_gained": (("pretraining", "imbalance"), gains[None])},
        {"pretraining": [setup.lengths[-1]], "imbalance": imbalances},
        method=method,
        source="Σ √(λ² + 4σ²) − √(λ² + 4ε²) (claim B4)" if method == "theory" else "gradient flow to convergence",
        model=f"three features {', '.join(f'{s:g}' for s in SIGMA)}",
    )


def _path(setups: dict[float, Protocol]) -> Check:
    shape = (len(setups), -1, SIGMA.size)
    measured = np.stack([follow(setup, 0).singular_value.values for setup in setups.values()]).reshape(shape)
    expected = np.stack([predict_path(setup).singular_value.values for setup in setups.values()]).reshape(shape)
    reason = "an rtol of 1e-8 per step, and early growth multiplies errors"
    return judge_bound("singular values (A4)", expected, measured, 1e-5, reason)


def _gains(key: int) -> Check:
    expected = np.array([norm_gained(SIGMA, imbalance, EPSILON).sum() for imbalance in IMBALANCES])
    measured = np.array([gain(protocol("quick", imbalance), key) for imbalance in IMBALANCES])
    reason = "an rtol of 1e-8 per step, on norms up to a hundred times the gain"
    name = "gain of the norm, relative to itself (B4)"
    return judge_bound(name, np.ones(measured.size), measured / expected, 1e-4, reason)


def _lazy_limit(key: int) -> Check:
    measured = np.array([gain(protocol("quick", imbalance), key) for imbalance in LAZY])
    return judge_order("gain of the norm from lazy starts (B4)", 1 / LAZY, measured, 1.0, "(1/λ)")


def _random_starts(setup: Protocol, key: int) -> Check:
    """The trace of the Hessian, and so the sensitivity, at the end divided by that at the start."""
    ratios = {}
    for scale in (0.1, 0.5, 1.0, 4.0):
        w1, w2 = (np.asarray(layer.weight) for layer in pretrain(replace(setup, start=FanIn(scale)), key))
        before, *_, after = (hessian_trace(weights) for weights in zip(w1, w2, strict=True))
        ratios[f"gain_{scale:g}"] = float(after / before)
    listed = ", ".join(f"× {ratio:.3g} at {name.replace('_', ' ')}" for name, ratio in ratios.items())
    answer = (
        f"tr H from a fan-in start to convergence: {listed}; a large random start has more to unlearn than to learn"
    )
    return map_limit("random starts have no single λ", answer, ratios)
