"""inflection (C1, C2): where the next bit of pretraining stops lowering the loss after noise.

Measured: the slope of the loss after noise along the flow, `−⟨∇L(θ + n), ∇L(θ)⟩` averaged over draws, and its zero.
Prediction: on the balanced aligned path one mode turns at `t = (1/2σ) ln[(σ/ε − 1)(σ − c)/c]` (C1); at any weights the
slope is `−‖∇L‖² + 2c⟨f, A − f⟩` (C2). Where C1 ends: the same mode from a start that is neither balanced nor aligned.
"""

from dataclasses import replace

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import pretrain, respond, slopes
from overtraining.experiments.verdict import Check, Outcome, judge_z_scores, map_limit
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.responses import Method, trajectory
from overtraining.setting.starts import Aligned, Balanced, FanIn, SmallGaussian, Start
from overtraining.setting.teachers import PowerLaw, Spectrum, teacher_matrix
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
    """The slope of the loss after noise along pretraining, as a Trajectory."""
    mean, stderr = slopes(setup, key)
    source = f"{setup.sampling.draws} draws of noise, gradients by autodiff"
    return _slope({"slope": mean, "slope_stderr": stderr}, setup, "simulation", source)


def slope_predicted(setup: Protocol, key: int) -> xr.Dataset:
    """The same by claim C2 at the weights that a run passes, which no formula gives from most starts."""
    return _slope({"slope": _expected(setup, key)}, setup, "theory", "claim C2 at the weights of a run")


def _slope(variables: dict[str, np.ndarray], setup: Protocol, method: Method, source: str) -> xr.Dataset:
    return trajectory(
        {name: (("pretraining", "noise"), values) for name, values in variables.items()},
        {"pretraining": list(setup.lengths), "noise": list(setup.strengths)},
        method=method, source=source, model=str(setup.start),
    )  # fmt: skip


def _expected(setup: Protocol, key: int) -> np.ndarray:
    n, gamma = setup.network, np.array(setup.strengths)
    teacher = teacher_matrix(setup.teacher, n.d_out, n.d_in)
    w1, w2 = (np.asarray(layer.weight) for layer in pretrain(setup, key))
    return np.stack([slope_after_noise(*w, teacher, gamma, gamma) for w in zip(w1, w2, strict=True)])


def turning_times(setup: Protocol, key: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every strength: predicted turning time, the measured one, its standard error."""
    n, (sigma,) = setup.network, setup.teacher.values  # type: ignore[union-attr]
    gamma = np.array(setup.strengths)
    c = mode_cost(gamma, gamma, d_in=n.d_in, d_out=n.d_out)
    predicted = inflection_time(sigma, setup.start.epsilon, c)  # type: ignore[union-attr]
    found = []
    for i, time in enumerate(np.atleast_1d(predicted)):
        near = replace(setup, lengths=time + np.linspace(-0.1, 0.1, 5), strengths=(setup.strengths[i],))
        mean, stderr = slopes(near, 100 * key + i)  # each point its own draws
        found.append(turning_point(np.array(near.lengths), mean[:, 0], stderr[:, 0]))
    measured, error = np.array(found).T
    return np.asarray(predicted), measured, error


def run(preset: Preset, key: int) -> Outcome:
    """Turning times on the path, slopes anywhere, and where the path's formula no longer serves."""
    keys = range(key, key + 3)
    path = one_mode(preset)
    times = [turning_times(path, one) for one in keys]
    z, leverage = (np.concatenate(x) for x in zip(*((((m - p) / e), p / e) for p, m, e in times), strict=True))
    checks = [judge_z_scores("turning time of one mode (C1)", z, leverage), _slopes_anywhere(any_start(preset), keys)]
    checks.append(_beyond_the_path(path, key))
    shown = replace(path, lengths=np.linspace(0.0, 12.0, 25), sampling=replace(path.sampling, antithetic=True))
    return Outcome(tuple(checks), {"theory": predict(shown), "measured": respond(shown, key)})


def _slopes_anywhere(setup: Protocol, keys: range) -> Check:
    z, leverage = [], []
    for i, start in enumerate(STARTS):
        for key in (100 * number + i for number in keys):
            given = replace(setup, start=start)
            expected, (mean, stderr) = _expected(given, key), slopes(given, key)
            z.append(((mean - expected) / stderr).ravel())
            leverage.append((expected / stderr).ravel())
    return judge_z_scores(f"slope at {len(STARTS)} kinds of start (C2)", np.concatenate(z), np.concatenate(leverage))


def _beyond_the_path(path: Protocol, key: int) -> Check:
    """The same product at the start, by weights that are neither balanced nor aligned."""
    one = replace(path, strengths=(0.3,), lengths=np.linspace(0.25, 20.0, 80))
    predicted = float(turning_times(replace(path, strengths=(0.3,)), key)[0][0])
    found = {}
    starts: tuple[Start, ...] = (SmallGaussian(0.01), SmallGaussian(0.1), Balanced(1e-4, angle=1.0))
    for start in starts:
        mean, stderr = slopes(replace(one, start=start, sampling=Sampling(draws=1024)), key)
        falls = np.flatnonzero(mean[:, 0] < -4 * stderr[:, 0])
        found[str(start)] = float(one.lengths[int(falls[-1])])
    listed = ", ".join(f"{time:.2f} from {start}" for start, time in found.items())
    answer = (
        f"C1's time is {predicted:.2f} at γ = 0.3; the loss after noise last falls at {listed}: there only C2 holds"
    )
    return map_limit("off the path", answer, {"aligned": predicted} | found)
