"""many-minima (C4): overtraining is inevitable, and the loss after noise may have several minima on the way.

Protocol: σ = (1, ½, ¼), noise cost c = 0.1, start 1e-6; the loss after noise at every predicted minimum, at the maximum
after each, and at the end. Prediction: three minima, and bounds on the rise of the loss from the best of them to the
end. Refuted if a z-score, the sign of a rise or fall, or a bound fails. Limit: a start above the teacher, from which
the loss after noise only falls.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import respond, responses
from overtraining.experiments.verdict import Check, Outcome, judge_response, map_limit
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import Spectrum
from overtraining.theory.inflection.noisy_path import minima, overtraining_bounds
from overtraining.theory.solvers.exact import respond as predict

SIGMA, NOISE_COST, EPSILON, END = np.array([1.0, 0.5, 0.25]), 0.1, 1e-6, 60.0


def protocol(preset: Preset) -> Protocol:
    """Lengths at the predicted minima, at the maxima between them, and at the end."""
    grid = np.linspace(0, END, 6001)
    troughs = minima(SIGMA, EPSILON, NOISE_COST).times
    gamma = float(np.sqrt(NOISE_COST / SIGMA.size))
    setup = Protocol(Spectrum(SIGMA), grid, (gamma,), start=Aligned(EPSILON))
    after = predict(setup).after.values[:, 0]
    stretches = [(grid > begin) & (grid < end) for begin, end in pairwise(troughs)]
    peaks = [grid[stretch][after[stretch].argmax()] for stretch in stretches]
    sampling = Sampling(draws=32768 if preset == "quick" else 500_000, antithetic=True)
    return replace(setup, lengths=np.sort([*troughs, *peaks, END]), sampling=sampling)


def run(preset: Preset, key: int) -> Outcome:
    """The loss at its turning points, its rises and falls between them, and its rise from the best one to the end."""
    setup = protocol(preset)
    predicted = predict(setup)
    measured = responses(setup, range(key, key + 3), preset)
    checks = (
        judge_response("loss after noise at its turning points (C4)", predicted, measured, "after"),
        judge_rises_and_falls(_precise_steps(setup, key), predicted.after.values[:, 0]),
        judge_bounds(predicted.after.values[:, 0]),
        _from_above(setup, key),
    )
    fine = replace(setup, lengths=np.linspace(0, END, 601))
    return Outcome(checks, {"theory": predict(fine), "measured": measured[0]})


def _steps(response: xr.Dataset) -> np.ndarray:
    """The changes of the loss from length to length, in standard errors."""
    stderr = response.after_stderr.values
    return np.diff(response.after.values) / np.hypot(stderr[1:], stderr[:-1])


def _precise_steps(setup: Protocol, key: int) -> np.ndarray:
    """The changes measured with more draws, because the rises are small compared with the scatter of the noise."""
    sampling = replace(setup.sampling, draws=8 * setup.sampling.draws)
    return _steps(respond(replace(setup, sampling=sampling), 100 * key).isel(seed=0, strength=0))


def judge_rises_and_falls(steps: np.ndarray, after: np.ndarray) -> Check:
    """Between neighbouring turning points the loss rises or falls as predicted, by more than chance.

    steps: measured changes in standard errors.  after: the predicted loss at the turning points.
    """
    passed = bool((np.sign(steps) == np.sign(np.diff(after))).all() and np.abs(steps).min() > 4)
    listed = ", ".join(f"{step:+.0f}" for step in steps)
    answer = f"change from turning point to turning point, in standard errors: {listed}"
    return Check("three distinct minima (C4)", passed, answer, {"smallest_step": float(np.abs(steps).min())})


def judge_bounds(after: np.ndarray) -> Check:
    """The rise of the loss after noise from its lowest value to the end lies within the bounds of claim C4.

    after: the loss after noise at increasing lengths, up to convergence.
    """
    rise, bounds = float(after[-1] - after.min()), overtraining_bounds(SIGMA, EPSILON, NOISE_COST)
    low, high = float(bounds.lower), float(bounds.upper)
    answer = f"the loss rises by {rise:.4f} from the best length to the end; bounds {low:.4f} and {high:.4f}"
    numbers = {"rise": rise, "lower": low, "upper": high}
    return Check("rise from the best length to the end (C4)", low <= rise <= high, answer, numbers)


def _from_above(setup: Protocol, key: int) -> Check:
    """If every mode starts above its teacher and decreases, there is no minimum: longer pretraining is better."""
    above = replace(setup, start=Aligned(2.0), lengths=np.linspace(0, 20, 9))
    steps = _steps(respond(above, key).isel(seed=0, strength=0))
    answer = f"from s(0) = 2 the largest rise between two lengths is {steps.max():.1f} standard errors: no overtraining"
    return map_limit("a start above the teacher", answer, {"largest_rise": float(steps.max())})
