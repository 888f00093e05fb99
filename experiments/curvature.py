"""curvature (B3): every eigenvalue of the Hessian along the path, and its trace at every depth, by autodiff.

Protocol: a network with more hidden units than features, and one with fewer; for the trace, random weights at depths 1,
2 and 4 and inputs of unequal variances. Prediction: the whole spectrum on the balanced aligned path, with its
multiplicities; `tr H`, which does not depend on the unlearned part, at any weights, depth and inputs. Refuted if one
eigenvalue or one trace deviates by more than rounding and the integrator's error. Limits: the eigenvalues off the path;
and λ_max, which may but need not fall before it rises.
"""

from dataclasses import replace

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import hessian_eigenvalues, pretrain
from overtraining.experiments.verdict import Check, Outcome, judge_bound, map_limit
from overtraining.setting.inputs import Inputs
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.resolved import resolve
from overtraining.setting.responses import Method, trajectory
from overtraining.setting.starts import Aligned, Balanced, FanIn, Start
from overtraining.setting.teachers import PowerLaw, Spectrum, singular_values
from overtraining.theory.learning.balanced_mode import singular_value, unlearned
from overtraining.theory.sensitivity.curvature import hessian_spectrum, hessian_trace

WIDTHS = ((4, 5, 3), (5, 2, 4))
TOLERANCE = "gradient flow at an rtol of 1e-8 per step"


def protocol(preset: Preset, widths: tuple[int, int, int] = WIDTHS[0]) -> Protocol:
    """Three features from the start to convergence; the second network has hidden units for two of them only."""
    return Protocol(
        Spectrum((1.0, 0.6, 0.3)),
        lengths=np.linspace(0, 24, 9 if preset == "quick" else 97),
        strengths=(0.0,),
        network=Network(*widths),
        start=Aligned(1e-2),
    )


def run(preset: Preset, key: int) -> Outcome:
    """Spectra of two shapes, the trace anywhere, the spectrum off the path, and the largest eigenvalue in time."""
    checks: list[Check] = []
    data: dict[str, xr.Dataset] = {}
    for widths in WIDTHS:
        setup = protocol(preset, widths)
        predicted, measured = eigenvalues_predicted(setup), eigenvalues_measured(setup, key)
        name = f"all {measured.sizes['index']} eigenvalues of {'→'.join(map(str, widths))} (B3)"
        checks.append(judge_bound(name, predicted.eigenvalue.values, measured.eigenvalue.values, 1e-6, TOLERANCE))
        data |= {f"theory {widths}": predicted, f"measured {widths}": measured}
    checks += [_traces(key), _off_the_path(protocol(preset), key), _sharpness(key)]
    return Outcome(tuple(checks), data)


def eigenvalues_predicted(setup: Protocol) -> xr.Dataset:
    """The closed form along the path as a Trajectory: all eigenvalues, in increasing order."""
    assert isinstance(setup.start, Aligned)
    n, epsilon, length = setup.network, setup.start.epsilon, np.array(setup.lengths)[:, None]
    sigma = singular_values(setup.teacher)
    learnable = sigma[: n.width]
    unlearnable = np.broadcast_to(sigma[n.width :], (length.size, sigma.size - learnable.size))
    s = np.concatenate([singular_value(length, learnable, epsilon), 0 * unlearnable], axis=1)
    remaining = np.concatenate([unlearned(length, learnable, epsilon), unlearnable], axis=1)
    spectrum = hessian_spectrum(s, remaining, d_in=n.d_in, h=n.h, d_out=n.d_out)
    return _spectrum(setup, spectrum.all, "theory", "claim B3")


def eigenvalues_measured(setup: Protocol, key: int) -> xr.Dataset:
    """The same measured by autodiff at the checkpoints of a run."""
    return _spectrum(setup, hessian_eigenvalues(setup, key), "simulation", "autodiff along gradient flow")


def _spectrum(setup: Protocol, values: np.ndarray, method: Method, source: str) -> xr.Dataset:
    return trajectory(
        {"eigenvalue": (("pretraining", "index"), values)},
        {"pretraining": list(setup.lengths), "index": np.arange(1, values.shape[1] + 1)},
        method=method,
        source=source,
        model=f"{setup.network}",
    )


def _traces(key: int) -> Check:
    """Depths 1, 2 and 4, random weights along training, inputs of unequal variances along axes of their own."""
    expected, measured = [], []
    for depth in (1, 2, 4):
        setup = Protocol(
            PowerLaw(3),
            lengths=(0.0, 1.0),
            strengths=(0.0,),
            network=Network(3, 4, 3, depth=depth),
            start=FanIn(0.8),
            inputs=Inputs(spectrum=(2.0, 1.0, 0.25), shared=False),
        )
        covariance = resolve(setup).input_covariance
        layers = [np.asarray(layer.weight) for layer in pretrain(setup, key)]
        expected += [float(hessian_trace(weights, covariance)) for weights in zip(*layers, strict=True)]
        measured += hessian_eigenvalues(setup, key).sum(axis=1).tolist()
    name = "trace at depths 1, 2, 4, at random weights (B3)"
    return judge_bound(name, np.array(expected), np.array(measured), 1e-12, "both use the same weights")


def _off_the_path(setup: Protocol, key: int) -> Check:
    """The path's formula at the network's own singular values, against the network's own spectrum."""
    n, sigma = setup.network, singular_values(setup.teacher)
    starts: tuple[Start, ...] = (Aligned(1e-2), Balanced(1e-2, angle=0.5), Aligned(1e-2, imbalance=0.3))
    numbers = {}
    for start in starts:
        variant = replace(setup, start=start)
        w1, w2 = (np.asarray(layer.weight) for layer in pretrain(variant, key))
        s = np.linalg.svd(w2 @ w1, compute_uv=False)
        on_path = hessian_spectrum(s, sigma - s, d_in=n.d_in, h=n.h, d_out=n.d_out).all
        numbers[f"{start}"] = float(np.abs(hessian_eigenvalues(variant, key) - on_path).max())
    listed = ", ".join(f"{deviation:.1g} from {start}" for start, deviation in numbers.items())
    answer = f"largest error of the path's formula at the network's singular values: {listed}"
    return map_limit("off the path", answer, numbers)


def _sharpness(key: int) -> Check:
    """λ_max at the start, at its lowest and at the end."""
    numbers: dict[str, float] = {}
    for name, sigma in (("one feature", (1.0,)), ("two close ones", (1.0, 0.97)), ("two far apart", (1.0, 0.4))):
        values = np.array(sigma + (0.0,) * (2 - len(sigma)))
        setup = Protocol(Spectrum(values), np.linspace(0, 40, 81), (0.0,), start=Aligned(1e-3))
        sharpness = hessian_eigenvalues(setup, key)[:, -1]
        numbers |= {f"{name}, start": sharpness[0], f"{name}, lowest": sharpness.min(), f"{name}, end": sharpness[-1]}
    listed = ", ".join(f"{name} {value:.3f}" for name, value in numbers.items())
    return map_limit("λ_max may fall before it rises", listed, {k: float(v) for k, v in numbers.items()})
