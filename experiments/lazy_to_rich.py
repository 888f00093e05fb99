"""lazy-to-rich (A4, B4): how much sensitivity grows, from small starts to starts whose layers differ by much.

Protocol: three features in a 5→4→3 network, the imbalance λ = w2² − w1² of every mode from −1 over 0 to 8, unequal
noise in the two layers. Prediction: `p = w1w2` by a Riccati equation, and a mode adds `√(λ²+4σ²) − √(λ²+4ε²)` to
`‖W‖²`, which vanishes as 1/|λ|. Where it ends: random starts, of which large ones even lose sensitivity.
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
END = 40.0  # the weakest mode of the richest start is then 1e-8 of itself away from the teacher


def protocol(preset: Preset, imbalance: float = 0.0) -> Protocol:
    """From the start to convergence; scales that differ, so that the sign of λ matters."""
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
    setup = {imbalance: protocol(preset, imbalance) for imbalance in IMBALANCES}
    predicted = {x: predict(p) for x, p in setup.items()}
    measured, checks = {}, []
    for imbalance, one in setup.items():
        measured[imbalance] = responses(one, range(key, key + 3), preset)
        checks.append(
            judge_response(f"rise of the loss at λ = {imbalance:g} (A4)", predicted[imbalance], measured[imbalance])
        )
    checks += [_path(setup), _gained(key), _lazy(key), _random_starts(setup[0.0], key)]
    data = {f"theory λ {x:g}": r for x, r in predicted.items()}
    return Outcome(tuple(checks), data | {f"measured λ {x:g}": r[0] for x, r in measured.items()})


def gained(imbalance: float, key: int) -> float:
    """What the weights' squared norm has gained at the end."""
    norm = follow(protocol("quick", imbalance), key).weight_norm.values[0]
    return float(norm[-1] - norm[0])


def gain_measured(setup: Protocol, key: int) -> xr.Dataset:
    """What ‖W‖² gains in training, as a Trajectory over the imbalance, which the protocol leaves open."""
    grid = np.geomspace(0.05, 20, 6)
    starts = [replace(setup, start=Aligned(EPSILON, float(x))) for x in grid]
    norms = [follow(one, key).weight_norm.values[0] for one in starts]
    return _gain(grid, np.array([norm[-1] - norm[0] for norm in norms]), setup, "simulation")


def gain_predicted(setup: Protocol) -> xr.Dataset:
    """The same by `Σ √(λ² + 4σ²) − √(λ² + 4ε²)` (claim B4)."""
    grid = np.geomspace(0.05, 20, 61)
    return _gain(grid, norm_gained(SIGMA, grid[:, None], EPSILON).sum(axis=1), setup, "theory")


def _gain(grid: np.ndarray, values: np.ndarray, setup: Protocol, method: Method) -> xr.Dataset:
    return trajectory(
        {"norm_gained": (("pretraining", "imbalance"), values[None])},
        {"pretraining": [setup.lengths[-1]], "imbalance": grid},
        method=method,
        source="Σ √(λ² + 4σ²) − √(λ² + 4ε²) (claim B4)" if method == "theory" else "gradient flow to convergence",
        model=f"three features {', '.join(f'{s:g}' for s in SIGMA)}",
    )


def _path(setup: dict[float, Protocol]) -> Check:
    seen, expected = (
        np.stack([f(p).singular_value.values.reshape(-1, SIGMA.size) for p in setup.values()])
        for f in (lambda p: follow(p, 0), predict_path)
    )
    return judge_bound(
        "singular values (A4)", expected, seen, 1e-5, "an rtol of 1e-8 per step, and early growth multiplies errors"
    )


def _gained(key: int) -> Check:
    expected = np.array([norm_gained(SIGMA, x, EPSILON).sum() for x in IMBALANCES])
    seen = np.array([gained(x, key) for x in IMBALANCES])
    reason = "an rtol of 1e-8 per step on norms up to a hundred times what is gained"
    return judge_bound("gain of the norm, of its own size (B4)", np.ones(seen.size), seen / expected, 1e-4, reason)


def _lazy(key: int) -> Check:
    seen = np.array([gained(x, key) for x in LAZY])
    return judge_order("gain of the norm of lazy starts (B4)", 1 / LAZY, seen, 1.0, "(1/λ)")


def _random_starts(setup: Protocol, key: int) -> Check:
    """The trace of the Hessian, and so the sensitivity, at the end over what it was at the start."""
    found = {}
    for gain in (0.1, 0.5, 1.0, 4.0):
        w1, w2 = (np.asarray(layer.weight) for layer in pretrain(replace(setup, start=FanIn(gain)), key))
        before, *_, after = (hessian_trace(w) for w in zip(w1, w2, strict=True))
        found[f"gain_{gain:g}"] = float(after / before)
    listed = ", ".join(f"× {ratio:.3g} at {name.replace('_', ' ')}" for name, ratio in found.items())
    answer = (
        f"tr H from a fan-in start to convergence: {listed}; a large random start has more to unlearn than to learn"
    )
    return map_limit("random starts have no λ", answer, found)
