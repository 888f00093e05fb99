"""small-random-starts (A8, D1): from small Gaussian weights every mode has a random start, whose law is known.

Protocol: two features from Gaussian weights of two layers, many starts. Prediction: the mean loss over starts, at the
lengths at which a quarter of a feature is learned on average, is that of balanced modes from `ε_i ~ ½ς² χ²_{h−i+1}`;
and from each start's own ε, the squared diagonal of R in the QR decomposition of `(W1 V + W2ᵀU)/2`, the error of the
loss vanishes as `ς^{2(1−r)}`, r the ratio of the two singular values. The same after fine-tuning on a task with the
teacher's singular vectors, for both losses. Refuted if a mean deviates by more than chance, if an error has another
order in ς, or if it exceeds the estimate or is below a twentieth of it. Limits: nearly equal singular values, and the
fan-in start.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import Layers, follow, pretrain, respond
from overtraining.experiments.verdict import Check, Outcome, judge_order, judge_z_scores, map_limit
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.resolved import resolve
from overtraining.setting.starts import FanIn, SmallGaussian
from overtraining.setting.tasks import SharedVectors
from overtraining.setting.teachers import Spectrum
from overtraining.setting.training import GradientFlow
from overtraining.simulations.networks import product
from overtraining.theory.fine_tuning.tuned_flow import fine_tune_mode
from overtraining.theory.learning.balanced_mode import singular_value, unlearned
from overtraining.theory.learning.random_start_error import start_error
from overtraining.theory.solvers.exact import follow as predict, respond as predict_response

WIDTHS = {"d_in": 4, "h": 8, "d_out": 3}
STDS = np.array([1e-3, 1e-4, 1e-5])
RATIOS = (0.5, 0.75)
LEAST_SHARE = 0.05  # of the estimate
TASK = (0.6, 0.9)  # which fine-tuning asks of the two modes
BUDGETS = (0.5, 1.5)


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
    checks = [judge_mean("mean loss over starts (A8)", predicted.loss, [data.loss for data in measured])]
    tuning = tuned(setup)
    tuned_loss = predict_response(tuning)
    found = [respond(tuning, key + n) for n in range(repeats)]
    for name, variable in (("pretraining", "after"), ("downstream", "downstream_after")):
        title = f"mean {name} loss after fine-tuning (D1r)"
        checks.append(judge_mean(title, tuned_loss[variable], [data[variable] for data in found]))
    for ratio in RATIOS:
        errors = [_error(protocol(preset, ratio, float(std)), key, starts) for std in STDS]
        checks += judge_errors(
            f"r = {ratio:g} (A8)", 2 * (1 - ratio), errors, [_told(ratio, float(std)) for std in STDS]
        )
    setups = [tuned(_after_first(protocol(preset, RATIOS[0], float(std)))) for std in STDS]
    told = [float(predict_response(setup).approximation_error) * _scale(setup) for setup in setups]
    errors = [_tuned_error(setup, key, starts) for setup in setups]
    checks += judge_errors("fine-tuning (D1r)", 2 * (1 - RATIOS[0]), errors, told)
    return Outcome((*checks, _limits(preset, key, starts)), {"theory": predicted, "measured": measured[0]})


def tuned(setup: Protocol) -> Protocol:
    """The same protocol, fine-tuned on a task that asks less of the first mode and more of the second."""
    return replace(setup, strengths=BUDGETS, perturbation=FineTuning(SharedVectors(TASK), GradientFlow(rtol=1e-9)))


def _after_first(setup: Protocol) -> Protocol:
    """Lengths around that at which a start of mean size has half learned the first mode, of one start each."""
    sigma = resolve(setup).sigma
    assert isinstance(setup.start, SmallGaussian)
    half = np.log(2 * sigma[0] / (WIDTHS["h"] * setup.start.std**2)) / (2 * sigma[0])
    return replace(
        setup, lengths=half + np.linspace(-1, 2, 7), pretraining=GradientFlow(rtol=1e-10), sampling=Sampling()
    )


def judge_mean(title: str, predicted: xr.DataArray, measured: Sequence[xr.DataArray]) -> Check:
    """The mean over the seeds of every measurement, in standard errors from the prediction."""
    loss = np.array([data.values for data in measured])  # (repetition, seed, length, …)
    error = loss.std(axis=1, ddof=1) / loss.shape[1] ** 0.5
    z = (loss.mean(axis=1) - predicted.values) / error
    return judge_z_scores(title, z, predicted.values / error)


def _error(setup: Protocol, key: int, starts: int) -> float:
    """Largest mean error of the loss over starts, against balanced modes from each start's own ε, along pretraining."""
    sigma = resolve(setup).sigma
    end = 1.3 * setup.lengths[-1]
    lengths = np.linspace(0, end, 53)
    setup = replace(setup, lengths=lengths, pretraining=GradientFlow(rtol=1e-10), sampling=Sampling())
    off = np.zeros((starts, lengths.size))
    for n in range(starts):
        layers = pretrain(setup, key + n)
        epsilon = _epsilon(setup, layers)
        expected = (np.asarray(unlearned(lengths[:, None], sigma, epsilon)) ** 2).sum(axis=1) / 2
        missing = np.asarray(product(layers)) - resolve(setup).teacher
        off[n] = (missing**2).sum(axis=(1, 2)) / 2 - expected
    return float(np.abs(off).mean(axis=0).max())


def _epsilon(setup: Protocol, layers: Layers) -> np.ndarray:
    """What the start of a run, whose first length is 0, has of every mode: squares of the diagonal of R."""
    u, v = resolve(setup).frames
    modes = resolve(setup).sigma.size
    w1, w2 = (np.asarray(layer.weight)[0] for layer in layers)
    return np.diag(np.linalg.qr((w1 @ v[:, :modes] + w2.T @ u[:, :modes]) / 2, mode="r")) ** 2


def _tuned_error(setup: Protocol, key: int, starts: int) -> float:
    """The same of both losses after fine-tuning, at the protocol's lengths and budgets."""
    sigma, task = resolve(setup).sigma, np.array(TASK)
    off = np.zeros((starts, 2, len(setup.lengths), len(setup.strengths)))
    for n in range(starts):
        epsilon = _epsilon(setup, pretrain(replace(setup, lengths=(0.0,)), key + n))
        s = np.asarray(singular_value(np.array(setup.lengths)[:, None, None], sigma, epsilon))
        x = np.asarray(fine_tune_mode(np.array(setup.strengths)[:, None], s, task)[0])
        measured = respond(setup, key + n).isel(seed=0)
        for i, (name, target) in enumerate((("after", sigma), ("downstream_after", task))):
            off[n, i] = measured[name].values - ((target - x) ** 2).sum(axis=-1) / 2
    return float(np.abs(off).mean(axis=0).max())


def _scale(setup: Protocol) -> float:
    """What the estimated error after fine-tuning is a share of."""
    return float(max((resolve(setup).sigma ** 2).sum(), (np.array(TASK) ** 2).sum()) / 2)


def _told(ratio: float, std: float) -> float:
    sigma = np.array([1.0, ratio])
    return start_error(sigma, **WIDTHS, std_in=std, std_out=std) * float((sigma**2).sum() / 2)


def judge_errors(name: str, order: float, errors: Sequence[float], told: Sequence[float]) -> list[Check]:
    """The order of the errors in ς, and whether the estimates are above them, and not by far."""
    share = np.array(errors) / np.array(told)
    passed = bool((share < 1).all() and (share > LEAST_SHARE).all())
    answer = f"{', '.join(f'{x:.2g}' for x in share)} at ς = 1e-3, 1e-4, 1e-5; it must be {LEAST_SHARE} to 1"
    return [
        judge_order(f"error, {name}", STDS, np.array(errors), order, "ς"),
        Check(f"error / estimate, {name}", passed, answer),
    ]


def _limits(preset: Preset, key: int, starts: int) -> Check:
    """The largest mean error of the loss, where the claim does not say it is small."""
    close = protocol(preset, 0.95, 1e-4)
    fan_in = replace(protocol(preset, 0.5, 1e-2), start=FanIn(1.0))
    setups = {"r = 0.95": close, "fan-in": fan_in}
    errors = {name: _error(setup, key, starts) for name, setup in setups.items()}
    listed = ", ".join(f"{error:.2g} ({name})" for name, error in errors.items())
    return map_limit("starts that are not small", f"largest mean error of the loss: {listed}", errors)
