"""inflection (C1, C2): the length beyond which more pretraining raises the loss after noise.

Protocol: the slope of the loss after noise along gradient flow, `−⟨∇L(θ + n), ∇L(θ)⟩` averaged over noise n, and the
length at which it vanishes. Prediction: on the balanced aligned path one mode has its inflection point at
`t = (1/2σ) ln[(σ/ε − 1)(σ − c)/c]` (C1); at any weights the slope is `−‖∇L‖² + 2c⟨f, A − f⟩` (C2). Refuted if the
z-scores of the inflection points or of the slopes are not those of chance. Limit of C1: the same mode from a start
that is neither balanced nor aligned.
"""

from dataclasses import replace

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import pretrain, respond, slopes
from overtraining.experiments.verdict import Check, Outcome, judge_z_scores, map_limit
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.resolved import resolve
from overtraining.setting.responses import Method, trajectory
from overtraining.setting.starts import Aligned, Balanced, FanIn, SmallGaussian, Start
from overtraining.setting.teachers import PowerLaw, Spectrum
from overtraining.simulations.noise_slopes import turning_point
from overtraining.theory.inflection.noisy_flow import slope_after_noise
from overtraining.theory.inflection.noisy_mode import inflection_time
from overtraining.theory.sensitivity.noise import mode_cost
from overtraining.theory.solvers.exact import respond as predict

STARTS: tuple[Start, ...] = (SmallGaussian(0.1), FanIn(0.7), Balanced(0.05, angle=1.0), Aligned(0.05, imbalance=0.5))


def one_mode(preset: Preset) -> Protocol:
    """A single feature in a 3→2→4 network, under four noise scales."""
    return Protocol(
        Spectrum((1.0,)),
        lengths=(0.0,),
        strengths=(0.1, 0.2, 0.3, 0.4),
        network=Network(d_in=3, h=2, d_out=4),
        start=Aligned(1e-4),
        sampling=Sampling(draws=2048 if preset == "quick" else 32768),
    )


def any_start(preset: Preset) -> Protocol:
    """Four features in a 5→6→4 network, along the whole of pretraining."""
    return Protocol(
        PowerLaw(4),
        lengths=(0.5, 1.0, 2.0, 4.0, 8.0, 16.0),
        strengths=(0.1, 0.3),
        network=Network(d_in=5, h=6, d_out=4),
        sampling=Sampling(draws=2048 if preset == "quick" else 32768),
    )


def slope_measured(setup: Protocol, key: int) -> xr.Dataset:
    """The measured slope of the loss after noise along pretraining, as a Trajectory."""
    mean, stderr = slopes(setup, key)
    source = f"{setup.sampling.draws} draws of noise, gradients by autodiff"
    return _slope({"slope": mean, "slope_stderr": stderr}, setup, "simulation", source)


def slope_predicted(setup: Protocol, key: int) -> xr.Dataset:
    """The slope by claim C2 at the weights of a run, since for most starts no formula gives the weights."""
    return _slope({"slope": _expected(setup, key)}, setup, "theory", "claim C2 at the weights of a run")


def _slope(variables: dict[str, np.ndarray], setup: Protocol, method: Method, source: str) -> xr.Dataset:
    return trajectory(
        {name: (("pretraining", "noise"), values) for name, values in variables.items()},
        {"pretraining": list(setup.lengths), "noise": list(setup.strengths)},
        method=method,
        source=source,
        model=str(setup.start),
    )


def _expected(setup: Protocol, key: int) -> np.ndarray:
    """C2's slope at the weights of a run, (length, strength)."""
    gamma = np.array(setup.strengths)
    teacher = resolve(setup).teacher
    w1, w2 = (np.asarray(layer.weight) for layer in pretrain(setup, key))
    return np.stack([slope_after_noise(*w, teacher, gamma, gamma) for w in zip(w1, w2, strict=True)])


def inflection_points(setup: Protocol, key: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every strength: the predicted inflection point, the measured one, its standard error."""
    n, (sigma,) = setup.network, setup.teacher.values  # type: ignore[union-attr]
    gamma = np.array(setup.strengths)
    c = mode_cost(gamma, gamma, d_in=n.d_in, d_out=n.d_out)
    predicted = inflection_time(sigma, setup.start.epsilon, c)  # type: ignore[union-attr]
    zeros = []
    for i, length in enumerate(np.atleast_1d(predicted)):
        around = replace(setup, lengths=length + np.linspace(-0.1, 0.1, 5), strengths=(setup.strengths[i],))
        mean, stderr = slopes(around, 100 * key + i)  # every strength has its own draws
        zeros.append(turning_point(np.array(around.lengths), mean[:, 0], stderr[:, 0]))
    measured, measured_stderr = np.array(zeros).T
    return np.asarray(predicted), measured, measured_stderr


def run(preset: Preset, key: int) -> Outcome:
    """Inflection points on the path, slopes anywhere, and starts to which C1 does not apply."""
    keys = range(key, key + 3)
    path = one_mode(preset)
    z, leverage = [], []
    for number in keys:
        predicted, measured, stderr = inflection_points(path, number)
        z.append((measured - predicted) / stderr)
        leverage.append(predicted / stderr)
    checks = (
        judge_z_scores("inflection point of one mode (C1)", np.concatenate(z), np.concatenate(leverage)),
        _slopes_anywhere(any_start(preset), keys),
        _off_the_path(path, key),
    )
    shown = replace(path, lengths=np.linspace(0.0, 12.0, 25), sampling=replace(path.sampling, antithetic=True))
    return Outcome(checks, {"theory": predict(shown), "measured": respond(shown, key)})


def _slopes_anywhere(setup: Protocol, keys: range) -> Check:
    """C2 at the weights of runs from every kind of start."""
    z, leverage = [], []
    for i, start in enumerate(STARTS):
        variant = replace(setup, start=start)
        for run_key in (100 * number + i for number in keys):
            expected, (mean, stderr) = _expected(variant, run_key), slopes(variant, run_key)
            z.append(((mean - expected) / stderr).ravel())
            leverage.append((expected / stderr).ravel())
    return judge_z_scores(f"slope at {len(STARTS)} kinds of start (C2)", np.concatenate(z), np.concatenate(leverage))


def _off_the_path(path: Protocol, key: int) -> Check:
    """The last length at which the loss after noise falls, from starts that are not both balanced and aligned."""
    predicted = float(inflection_points(replace(path, strengths=(0.3,)), key)[0][0])
    long = replace(path, strengths=(0.3,), lengths=np.linspace(0.25, 20.0, 80), sampling=Sampling(draws=1024))
    last_falls = {}
    starts: tuple[Start, ...] = (SmallGaussian(0.01), SmallGaussian(0.1), Balanced(1e-4, angle=1.0))
    for start in starts:
        mean, stderr = slopes(replace(long, start=start), key)
        falling = np.flatnonzero(mean[:, 0] < -4 * stderr[:, 0])
        last_falls[str(start)] = float(long.lengths[int(falling[-1])])
    listed = ", ".join(f"{length:.2f} from {start}" for start, length in last_falls.items())
    answer = (
        f"C1's inflection point is {predicted:.2f} at γ = 0.3; the loss after noise last falls at {listed}, where only "
        "C2 applies"
    )
    return map_limit("off the path", answer, {"aligned": predicted} | last_falls)
