"""many-minima (C4): overtraining is inevitable, and the loss after noise may have several minima on the way.

Protocol: σ = (1, ½, ¼), price c = 0.1, start 1e-6. Measured: the loss after noise at every predicted minimum, at the
maximum after each, and at the end. Prediction: three minima; what is lost from the best of them to the end. Where it
ends: a start above the teacher, from which the loss after noise only falls.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from overtraining.experiments import Preset
from overtraining.experiments.memoized import respond, responses
from overtraining.experiments.verdict import Check, Outcome, judge_response, map_limit
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import Spectrum
from overtraining.theory.inflection.noisy_path import minima, overtraining_bounds
from overtraining.theory.solvers.exact import respond as predict

SIGMA, PRICE, EPSILON, END = np.array([1.0, 0.5, 0.25]), 0.1, 1e-6, 60.0


def protocol(preset: Preset) -> Protocol:
    """Lengths at the predicted minima, at the maxima between them, and at the end."""
    fine = np.linspace(0, END, 6001)
    found = minima(SIGMA, EPSILON, PRICE).times
    gamma = float(np.sqrt(PRICE / SIGMA.size))
    shape = Protocol(Spectrum(SIGMA), fine, (gamma,), start=Aligned(EPSILON))
    after = predict(shape).after.values[:, 0]
    between = [fine[(fine > a) & (fine < b)] for a, b in pairwise(found)]
    peaks = [piece[after[np.isin(fine, piece)].argmax()] for piece in between]
    draws = Sampling(draws=32768 if preset == "quick" else 500_000, antithetic=True)
    return replace(shape, lengths=np.sort([*found, *peaks, END]), sampling=draws)


def run(preset: Preset, key: int) -> Outcome:
    """The curve, the rises and falls between its turning points, and what is lost in the end."""
    setup = protocol(preset)
    predicted = predict(setup)
    measured = responses(setup, range(key, key + 3), preset)
    checks = (
        judge_response("loss after noise at its turning points (C4)", predicted, measured, "after"),
        _rises(setup, predicted.after.values[:, 0], key),
        _inside_the_bounds(predicted.after.values[:, 0]),
        _from_above(setup, key),
    )
    fine = replace(setup, lengths=np.linspace(0, END, 601))
    return Outcome(checks, {"theory": predict(fine), "measured": measured[0]})


def _rises(setup: Protocol, after: np.ndarray, key: int) -> Check:
    """Between neighbouring turning points the loss rises or falls, by more than chance: as many signs as predicted."""
    many = replace(setup.sampling, draws=8 * setup.sampling.draws)  # a bump is small against the noise's scatter
    seen = respond(replace(setup, sampling=many), 100 * key).isel(seed=0, strength=0)
    error = seen.after_stderr.values
    steps = np.diff(seen.after.values) / np.hypot(error[1:], error[:-1])
    right = bool((np.sign(steps) == np.sign(np.diff(after))).all() and np.abs(steps).min() > 4)
    listed = ", ".join(f"{step:+.0f}" for step in steps)
    answer = f"steps from turning point to turning point, in standard errors: {listed}"
    return Check("three minima, told apart (C4)", right, answer, {"smallest_step": float(np.abs(steps).min())})


def _inside_the_bounds(after: np.ndarray) -> Check:
    lost, bounds = float(after[-1] - after.min()), overtraining_bounds(SIGMA, EPSILON, PRICE)
    low, high = float(bounds.lower), float(bounds.upper)
    answer = f"{lost:.4f} is lost from the best length to the end, bounds {low:.4f} and {high:.4f}"
    return Check("what is lost (C4)", low <= lost <= high, answer, {"lost": lost, "lower": low, "upper": high})


def _from_above(setup: Protocol, key: int) -> Check:
    """Every mode starts above its teacher and comes down: no minimum, longer is better."""
    above = replace(setup, start=Aligned(2.0), lengths=np.linspace(0, 20, 9))
    seen = respond(above, key).isel(seed=0, strength=0)
    rise = np.diff(seen.after.values) / np.hypot(seen.after_stderr.values[1:], seen.after_stderr.values[:-1])
    answer = f"from s(0) = 2 the largest rise between two lengths is {rise.max():.1f} standard errors: nothing is lost"
    return map_limit("a start above the teacher", answer, {"largest_rise": float(rise.max())})
