"""stages (C3): from a very small start, what does each whole feature do to the loss after noise?

Protocol: three features, a start of 1e-30, noise of four strengths; the loss after noise on the plateaus between the
features and where each feature should stop. Prediction: feature σ changes it by `σ(c − σ/2)`, so that it pays exactly
if σ > 2c; learned beyond `σ − c` it costs `½c²` more. Where it ends: the error of a finite start, `ε^{|στ − 1|}`.
"""

from dataclasses import replace

import numpy as np

from overtraining.experiments import Preset
from overtraining.experiments.memoized import follow, respond, responses
from overtraining.experiments.verdict import Check, Outcome, judge_order, judge_z_scores
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import Spectrum
from overtraining.theory.inflection.noisy_mode import inflection_time
from overtraining.theory.inflection.stages import stage
from overtraining.theory.sensitivity.noise import mode_cost
from overtraining.theory.solvers.exact import respond as predict

SIGMA = np.array([1.0, 0.7, 0.5])


def protocol(preset: Preset, epsilon: float = 1e-30) -> Protocol:
    """Lengths on the four plateaus, as far from the features on either side as they can be."""
    learned = np.log(1 / epsilon) / (2 * SIGMA)
    plateaus = [0.0, *(learned[:-1] + learned[1:]) / 2, 1.5 * learned[-1]]
    return Protocol(
        Spectrum(SIGMA),
        lengths=plateaus,
        strengths=np.sqrt(np.array([0.15, 0.3, 0.4, 0.6]) / SIGMA.size),
        start=Aligned(epsilon),
        sampling=Sampling(draws=16384 if preset == "quick" else 65536, antithetic=True),
    )


def run(preset: Preset, key: int) -> Outcome:
    """Each feature's change, each feature's bump, and the order in which a finite start departs from both."""
    setup = protocol(preset)
    gamma, d = np.array(setup.strengths), SIGMA.size
    c = np.asarray(mode_cost(gamma, gamma, d_in=d, d_out=d))
    features = stage(SIGMA[:, None], c)
    changes, bumps = [], []
    measured = responses(setup, range(key, key + 3), preset)
    for i, one in enumerate(measured):
        seen = one.isel(seed=0)
        changes.append(_z(seen.after.values, seen.after_stderr.values, np.asarray(features.change)))
        bumps += [_bump(setup, c, j, 100 * (key + i) + j) for j in np.flatnonzero(c < SIGMA[-1]).tolist()]
    checks = (
        judge_z_scores("change by a whole feature (C3)", *map(np.concatenate, zip(*changes, strict=True))),
        judge_z_scores("rise after a feature's best point (C3)", *map(np.concatenate, zip(*bumps, strict=True))),
        _order(setup, key),
    )
    fine = replace(setup, lengths=np.linspace(0, setup.lengths[-1], 400))
    return Outcome(checks, {"theory": predict(fine), "measured": measured[0]})


def _z(after: np.ndarray, stderr: np.ndarray, change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Differences between neighbouring plateaus, every second one: those in between share a measurement."""
    found, error = np.diff(after, axis=0)[::2], np.hypot(stderr[:-1], stderr[1:])[::2]
    return ((found - change[::2]) / error).ravel(), (change[::2] / error).ravel()


def _bump(setup: Protocol, c: np.ndarray, j: int, key: int) -> tuple[np.ndarray, np.ndarray]:
    """From every feature's best point, where C1 puts it, to the plateau after it."""
    best = np.asarray(inflection_time(SIGMA, setup.start.epsilon, c[j]))  # type: ignore[union-attr]
    lengths = np.sort(np.concatenate([best, setup.lengths[1:]]))
    many = replace(setup.sampling, draws=16 * setup.sampling.draws)  # a bump is small against the noise's scatter
    one = replace(setup, lengths=lengths, strengths=(setup.strengths[j],), sampling=many)
    seen = respond(one, key).isel(seed=0, strength=0)
    at = np.searchsorted(lengths, best)
    rise = seen.after.values[at + 1] - seen.after.values[at]
    error = np.hypot(seen.after_stderr.values[at + 1], seen.after_stderr.values[at])
    bump = np.asarray(stage(SIGMA, c[j]).bump)
    return (rise - bump) / error, bump / error


def _order(setup: Protocol, key: int) -> Check:
    """In the middle between the first two features `|στ − 1|` is the same for both up to the factor σ: the second's."""
    starts, off = np.array([1e-10, 1e-14, 1e-18, 1e-22]), []
    for epsilon in starts:
        at = protocol("quick", float(epsilon))
        s = follow(replace(at, lengths=at.lengths[:2]), key).singular_value.values[0, 1]
        off.append(np.abs(s - SIGMA * (np.arange(3) < 1)).max())
    order = (1 - SIGMA[1] / SIGMA[0]) / 2
    return judge_order(
        "what a finite start leaves on the second plateau (A7)", starts, np.array(off), float(order), "ε"
    )
