"""small-random-starts (A8): from small Gaussian weights every mode has a random start, whose law is known.

Protocol: two features from Gaussian weights of two layers, many starts. Prediction: the mean loss over starts, at the
lengths at which a quarter of a feature is learned on average, is that of balanced modes from `ε_i ~ ½ς² χ²_{h−i+1}`;
and from each start's own ε, the squared diagonal of R in the QR decomposition of `(W1 V + W2ᵀU)/2`, the error of the
loss vanishes as `ς^{2(1−r)}`, r the ratio of the two singular values. Refuted if the mean deviates by more than
chance, if the error has another order in ς, or if it exceeds the estimate. Limits: nearly equal singular values, and
the fan-in start.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import follow, pretrain
from overtraining.experiments.verdict import Check, Outcome, judge_order, judge_z_scores, map_limit
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.resolved import resolve
from overtraining.setting.starts import FanIn, SmallGaussian
from overtraining.setting.teachers import Spectrum
from overtraining.setting.training import GradientFlow
from overtraining.simulations.networks import product
from overtraining.theory.learning.balanced_mode import unlearned
from overtraining.theory.learning.random_start import start_error
from overtraining.theory.solvers.exact import follow as predict

WIDTHS = {"d_in": 4, "h": 8, "d_out": 3}
STDS = np.array([1e-3, 1e-4, 1e-5])
RATIOS = (0.5, 0.75)


def protocol(preset: Preset, ratio: float = 0.4, std: float = 1e-5) -> Protocol:
    """Lengths at which a quarter of each feature is learned from the mean of its random starts."""
    sigma = np.array([1.0, ratio])
    mean = std**2 / 2 * (WIDTHS["h"] - np.arange(2))
    return Protocol(
        Spectrum(sigma),
        lengths=np.log(sigma / mean / 3) / (2 * sigma),
        strengths=(0.0,),
        network=Network(WIDTHS["d_in"], WIDTHS["h"], WIDTHS["d_out"]),
        start=SmallGaussian(std),
        pretraining=GradientFlow(rtol=1e-6),
        sampling=Sampling(seeds=256),
    )


def run(preset: Preset, key: int) -> Outcome:
    """The mean over starts, the order of the error at two ratios, the estimate, and where there is no small error."""
    setup = protocol(preset)
    predicted = predict(setup)
    repeats = 8 if preset == "quick" else 24
    measured = [follow(setup, key + n) for n in range(repeats)]
    starts = 8 if preset == "quick" else 40
    checks = [judge_mean(predicted, measured)]
    for ratio in RATIOS:
        checks += judge_errors(ratio, [_error(protocol(preset, ratio, float(std)), key, starts) for std in STDS])
    return Outcome((*checks, _limits(preset, key, starts)), {"theory": predicted, "measured": measured[0]})


def judge_mean(predicted: xr.Dataset, measured: Sequence[xr.Dataset]) -> Check:
    """The mean loss over the seeds of every measurement, in standard errors from the prediction."""
    loss = np.array([data.loss.values for data in measured])  # (repetition, seed, length)
    error = loss.std(axis=1, ddof=1) / loss.shape[1] ** 0.5
    z = (loss.mean(axis=1) - predicted.loss.values) / error
    return judge_z_scores("mean loss over starts (A8)", z, predicted.loss.values / error)


def _error(setup: Protocol, key: int, starts: int) -> float:
    """Largest mean error of the loss over starts, against balanced modes from each start's own ε, along pretraining."""
    sigma = resolve(setup).sigma
    end = 1.3 * setup.lengths[-1]
    lengths = np.linspace(0, end, 53)
    setup = replace(setup, lengths=lengths, pretraining=GradientFlow(rtol=1e-10), sampling=Sampling())
    u, v = resolve(setup).frames
    off = np.zeros((starts, lengths.size))
    for n in range(starts):
        layers = pretrain(setup, key + n)
        w1, w2 = (np.asarray(layer.weight)[0] for layer in layers)
        grows = (w1 @ v[:, : sigma.size] + w2.T @ u[:, : sigma.size]) / 2
        epsilon = np.diag(np.linalg.qr(grows, mode="r")) ** 2
        expected = (np.asarray(unlearned(lengths[:, None], sigma, epsilon)) ** 2).sum(axis=1) / 2
        missing = np.asarray(product(layers)) - resolve(setup).teacher
        off[n] = (missing**2).sum(axis=(1, 2)) / 2 - expected
    return float(np.abs(off).mean(axis=0).max())


def judge_errors(ratio: float, errors: Sequence[float]) -> list[Check]:
    """The order of the errors in ς, and whether the estimate is above them and below a thousand times them."""
    sigma = np.array([1.0, ratio])
    told = [start_error(sigma, **WIDTHS, std_in=float(std), std_out=float(std)) for std in STDS]
    share = np.array(errors) / (np.array(told) * (sigma**2).sum() / 2)
    passed = bool((share < 1).all() and (share > 0.001).all())
    answer = f"{', '.join(f'{x:.2g}' for x in share)} at ς = 1e-3, 1e-4, 1e-5; it must be 0.001 to 1"
    return [
        judge_order(f"error at r = {ratio:g} (A8)", STDS, np.array(errors), 2 * (1 - ratio), "ς"),
        Check(f"error / estimate at r = {ratio:g} (A8)", passed, answer),
    ]


def _limits(preset: Preset, key: int, starts: int) -> Check:
    """The largest mean error of the loss, where the claim does not say it is small."""
    close = protocol(preset, 0.95, 1e-4)
    fan_in = replace(protocol(preset, 0.5, 1e-2), start=FanIn(1.0))
    setups = {"r = 0.95": close, "fan-in": fan_in}
    errors = {name: _error(setup, key, starts) for name, setup in setups.items()}
    listed = ", ".join(f"{error:.2g} ({name})" for name, error in errors.items())
    return map_limit("starts that are not small", f"largest mean error of the loss: {listed}", errors)
