"""The experiment on small random starts refutes another law of the starts, and another order of the error."""

from dataclasses import replace

import numpy as np
import pytest

from overtraining.experiments import small_random_starts
from overtraining.experiments.small_random_starts import STDS, judge_errors, judge_mean, protocol
from overtraining.setting.starts import Aligned
from overtraining.simulations.measurements import follow, respond
from overtraining.theory.solvers import random_path
from overtraining.theory.solvers.exact import follow as predict, respond as predict_response


def test_as_many_degrees_of_freedom_for_every_mode_are_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the second mode has h instead of h − 1; of the same measurements, the claim passes."""
    setup = protocol("quick")
    measured = [follow(setup, n) for n in range(8)]
    judged = lambda: judge_mean("mean", predict(setup).loss, [data.loss for data in measured])
    assert judged().passed
    mean_mode = random_path.mean_mode
    monkeypatch.setattr(random_path, "mean_mode", lambda t, s, v, k, mu: mean_mode(t, s, v, np.full_like(k, k[0]), mu))
    assert judged().passed is False


def test_errors_of_another_order_or_size_are_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths from another ε than the start's have an error of the same size at every ς."""
    errors = lambda: [small_random_starts._error(protocol("quick", 0.5, float(std)), 0, 2) for std in STDS]
    found, told = errors(), [small_random_starts._told(0.5, float(std)) for std in STDS]
    judged = lambda measured: [check.passed for check in judge_errors("r = 0.5", 1.0, measured, told)]
    assert judged(found) == [True, True]
    assert judged([20 * x for x in found]) == judged([x / 20 for x in found]) == [True, False]
    unlearned = small_random_starts.unlearned
    monkeypatch.setattr(small_random_starts, "unlearned", lambda t, s, epsilon: unlearned(t, s, 1.2 * epsilon))
    assert judged(errors())[0] is False


def test_a_law_that_fine_tuning_forgets_is_refuted() -> None:
    """Starts of the mean size, as from an aligned start, have other means after fine-tuning."""
    setup = small_random_starts.tuned(protocol("quick"))
    measured = [respond(setup, n).downstream_after for n in range(2)]
    assert judge_mean("mean", predict_response(setup).downstream_after, measured).passed
    mean = replace(setup, start=Aligned(1e-10 / 2 * 7.5), lengths=setup.lengths)
    assert judge_mean("mean", predict_response(mean).downstream_after, measured).passed is False
