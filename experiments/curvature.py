"""curvature (B3): every eigenvalue of the Hessian along the path, and its trace at every depth, by autodiff.

Protocol: widths that leave hidden units over, and widths that leave features over. Prediction: the whole spectrum on
the balanced aligned path with its multiplicities; `tr H`, which does not see the residual, at any weights, depth and
inputs. Where it ends: the eigenvalues off the path; and λ_max, which need not fall before it rises.
"""

from dataclasses import replace

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import hessian_eigenvalues, pretrain
from overtraining.experiments.verdict import Check, Outcome, judge_bound, map_limit
from overtraining.setting.inputs import Inputs, input_covariance
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.responses import Method, trajectory
from overtraining.setting.starts import Aligned, Balanced, FanIn, Start
from overtraining.setting.teachers import PowerLaw, Spectrum, singular_values
from overtraining.theory.learning.balanced_mode import singular_value, unlearned
from overtraining.theory.sensitivity.curvature import hessian_spectrum, hessian_trace

WIDTHS = ((4, 5, 3), (5, 2, 4))
TOLERANCE = "gradient flow at an rtol of 1e-8 per step"


def protocol(preset: Preset, widths: tuple[int, int, int] = WIDTHS[0]) -> Protocol:
    """Three features from the start to convergence; in the second network only two find a hidden unit."""
    return Protocol(
        Spectrum((1.0, 0.6, 0.3)),
        lengths=np.linspace(0, 24, 9 if preset == "quick" else 97),
        strengths=(0.0,),
        network=Network(*widths),
        start=Aligned(1e-2),
    )


def run(preset: Preset, key: int) -> Outcome:
    """Spectra of two shapes, the trace anywhere, the spectrum off the path, and the way of the largest eigenvalue."""
    checks: list[Check] = []
    data: dict[str, xr.Dataset] = {}
    for widths in WIDTHS:
        asked = protocol(preset, widths)
        expected, seen = eigenvalues_predicted(asked), eigenvalues_measured(asked, key)
        name = f"all {seen.sizes['index']} eigenvalues of {'→'.join(map(str, widths))} (B3)"
        checks.append(judge_bound(name, expected.eigenvalue.values, seen.eigenvalue.values, 1e-6, TOLERANCE))
        data |= {f"theory {widths}": expected, f"measured {widths}": seen}
    checks += [_traces(key), _off_the_path(protocol(preset), key), _sharpness(key)]
    return Outcome(tuple(checks), data)


def eigenvalues_predicted(asked: Protocol) -> xr.Dataset:
    """The closed form along the path as a Trajectory: all eigenvalues, in increasing order."""
    n, (sigma, t) = asked.network, (singular_values(asked.teacher), np.array(asked.lengths)[:, None])
    kept = sigma[: n.width]
    s, left = (f(t, kept, asked.start.epsilon) for f in (singular_value, unlearned))  # type: ignore[union-attr]
    rest = np.broadcast_to(sigma[n.width :], (t.size, sigma.size - kept.size))
    s, left = np.concatenate([s, 0 * rest], axis=1), np.concatenate([left, rest], axis=1)
    return _spectrum(asked, hessian_spectrum(s, left, d_in=n.d_in, h=n.h, d_out=n.d_out).all, "theory", "claim B3")


def eigenvalues_measured(asked: Protocol, key: int) -> xr.Dataset:
    """The same by autodiff at the checkpoints of a run."""
    return _spectrum(asked, hessian_eigenvalues(asked, key), "simulation", "autodiff along gradient flow")


def _spectrum(asked: Protocol, values: np.ndarray, method: Method, source: str) -> xr.Dataset:
    return trajectory(
        {"eigenvalue": (("pretraining", "index"), values)},
        {"pretraining": list(asked.lengths), "index": np.arange(1, values.shape[1] + 1)},
        method=method,
        source=source,
        model=f"{asked.network}",
    )


def _traces(key: int) -> Check:
    """Depth 1 to 4, random weights, inputs of unequal variances in axes of their own, along training."""
    expected, seen = [], []
    for depth in (1, 2, 4):
        asked = Protocol(
            PowerLaw(3),
            lengths=(0.0, 1.0),
            strengths=(0.0,),
            network=Network(3, 4, 3, depth=depth),
            start=FanIn(0.8),
            inputs=Inputs(spectrum=(2.0, 1.0, 0.25), shared=False),
        )
        sx = input_covariance(asked.inputs, asked.teacher, 3, 3)
        layers = [np.asarray(layer.weight) for layer in pretrain(asked, key)]
        expected += [float(hessian_trace(w, sx)) for w in zip(*layers, strict=True)]
        seen += hessian_eigenvalues(asked, key).sum(axis=1).tolist()
    return judge_bound(
        "trace at depths 1, 2, 4, at random weights (B3)", np.array(expected), np.array(seen), 1e-12, "the same weights"
    )


def _off_the_path(asked: Protocol, key: int) -> Check:
    """The path's formula at the singular values that the network has, against the spectrum that it has."""
    numbers, starts = {}, (Aligned(1e-2), Balanced(1e-2, angle=0.5), Aligned(1e-2, imbalance=0.3))
    for start in starts:
        one: Start = start
        given = replace(asked, start=one)
        seen, layers = hessian_eigenvalues(given, key), [np.asarray(layer.weight) for layer in pretrain(given, key)]
        s = np.linalg.svd(layers[1] @ layers[0], compute_uv=False)
        n, sigma = given.network, singular_values(given.teacher)
        at_values = hessian_spectrum(s, sigma - s, d_in=n.d_in, h=n.h, d_out=n.d_out).all
        numbers[f"{start}"] = float(np.abs(seen - at_values).max())
    listed = ", ".join(f"{off:.1g} from {start}" for start, off in numbers.items())
    return map_limit(
        "off the path", f"largest error of the path's formula at the true singular values: {listed}", numbers
    )


def _sharpness(key: int) -> Check:
    numbers: dict[str, float] = {}
    for name, sigma in (("one feature", (1.0,)), ("two close ones", (1.0, 0.97)), ("two far apart", (1.0, 0.4))):
        values = np.array(sigma + (0.0,) * (2 - len(sigma)))
        asked = Protocol(Spectrum(values), np.linspace(0, 40, 81), (0.0,), start=Aligned(1e-3))
        edge = hessian_eigenvalues(asked, key)[:, -1]
        numbers |= {f"{name}, start": edge[0], f"{name}, lowest": edge.min(), f"{name}, end": edge[-1]}
    listed = ", ".join(f"{name} {value:.3f}" for name, value in numbers.items())
    return map_limit("λ_max may fall before it rises", listed, {k: float(v) for k, v in numbers.items()})
