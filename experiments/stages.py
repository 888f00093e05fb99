"""stages (C3): from a very small start, how each learned feature changes the loss after noise.

Protocol: three features, a start of 1e-30, noise of four strengths; the loss after noise on the plateaus between the
features and at the best point of each feature. Prediction: learning feature σ completely changes the loss by
`σ(c − σ/2)`, which lowers it exactly if σ > 2c; from the best point `σ − c` to completion the loss rises by `½c²`; the
deviation of a finite start is of order `ε^{|στ − 1|}`. Refuted if a change, a rise or the order deviates.
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
    """Lengths on the four plateaus, as far as possible from the times at which features are learned."""
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
    """The change by each feature, the rise after its best point, and the order of a finite start's deviation."""
    setup = protocol(preset)
    gamma, d = np.array(setup.strengths), SIGMA.size
    noise_costs = np.asarray(mode_cost(gamma, gamma, d_in=d, d_out=d))
    expected = np.asarray(stage(SIGMA[:, None], noise_costs).change)
    changes, rises = [], []
    measured = responses(setup, range(key, key + 3), preset)
    for i, repeated in enumerate(measured):
        response = repeated.isel(seed=0)
        changes.append(_changes(response.after.values, response.after_stderr.values, expected))
        for j in np.flatnonzero(noise_costs < SIGMA[-1]).tolist():
            rises.append(_rises_after_best(setup, noise_costs, j, 100 * (key + i) + j))
    checks = (
        judge_z_scores("change by a whole feature (C3)", *map(np.concatenate, zip(*changes, strict=True))),
        judge_z_scores("rise after a feature's best point (C3)", *map(np.concatenate, zip(*rises, strict=True))),
        _order(key),
    )
    fine = replace(setup, lengths=np.linspace(0, setup.lengths[-1], 400))
    return Outcome(checks, {"theory": predict(fine), "measured": measured[0]})


def _changes(after: np.ndarray, stderr: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """z-scores and leverage of the differences between neighbouring plateaus.

    Only every second difference, because neighbouring ones share a measurement and are not independent.
    """
    change, change_stderr = np.diff(after, axis=0)[::2], np.hypot(stderr[:-1], stderr[1:])[::2]
    return ((change - expected[::2]) / change_stderr).ravel(), (expected[::2] / change_stderr).ravel()


def _rises_after_best(setup: Protocol, noise_costs: np.ndarray, j: int, key: int) -> tuple[np.ndarray, np.ndarray]:
    """z-scores and leverage of the rise from every feature's best point (C1) to the plateau after it."""
    best = np.asarray(inflection_time(SIGMA, setup.start.epsilon, noise_costs[j]))  # type: ignore[union-attr]
    lengths = np.sort(np.concatenate([best, setup.lengths[1:]]))
    # the rise is small compared with the scatter of the noise
    sampling = replace(setup.sampling, draws=16 * setup.sampling.draws)
    variant = replace(setup, lengths=lengths, strengths=(setup.strengths[j],), sampling=sampling)
    response = respond(variant, key).isel(seed=0, strength=0)
    after, stderr = response.after.values, response.after_stderr.values
    places = np.searchsorted(lengths, best)
    rise = after[places + 1] - after[places]
    rise_stderr = np.hypot(stderr[places + 1], stderr[places])
    expected = np.asarray(stage(SIGMA, noise_costs[j]).bump)
    return (rise - expected) / rise_stderr, expected / rise_stderr


def _order(key: int) -> Check:
    """The deviation on the plateau between the first two features, where the second one's is the larger."""
    epsilons, deviation = np.array([1e-10, 1e-14, 1e-18, 1e-22]), []
    for epsilon in epsilons:
        setup = protocol("quick", float(epsilon))
        s = follow(replace(setup, lengths=setup.lengths[:2]), key).singular_value.values[0, 1]
        deviation.append(np.abs(s - SIGMA * (np.arange(3) < 1)).max())
    order = (1 - SIGMA[1] / SIGMA[0]) / 2
    name = "deviation of a finite start on the second plateau (A7)"
    return judge_order(name, epsilons, np.array(deviation), float(order), "ε")
