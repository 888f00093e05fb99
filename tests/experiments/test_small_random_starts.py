"""The experiment on small random starts refutes another law of the starts, and another order of the error."""

import numpy as np
import pytest

from overtraining.experiments import small_random_starts
from overtraining.experiments.small_random_starts import STDS, judge_errors, judge_mean, protocol
from overtraining.simulations.measurements import follow
from overtraining.theory.solvers import random_path
from overtraining.theory.solvers.exact import follow as predict


def test_as_many_degrees_of_freedom_for_every_mode_are_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the second mode has h instead of h − 1; of the same measurements, the claim passes."""
    setup = protocol("quick")
    measured = [follow(setup, n) for n in range(8)]
    assert judge_mean(predict(setup), measured).passed
    mean_mode = random_path.mean_mode
    monkeypatch.setattr(random_path, "mean_mode", lambda t, s, v, k, mu: mean_mode(t, s, v, np.full_like(k, k[0]), mu))
    assert judge_mean(predict(setup), measured).passed is False


def test_errors_of_another_order_or_size_are_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths from another ε than the start's have an error of the same size at every ς."""
    errors = lambda: [small_random_starts._error(protocol("quick", 0.5, float(std)), 0, 2) for std in STDS]
    found = errors()
    assert [check.passed for check in judge_errors(0.5, found)] == [True, True]
    assert [check.passed for check in judge_errors(0.5, [1e3 * x for x in found])] == [True, False]
    unlearned = small_random_starts.unlearned
    monkeypatch.setattr(small_random_starts, "unlearned", lambda t, s, epsilon: unlearned(t, s, 1.2 * epsilon))
    assert judge_errors(0.5, errors())[0].passed is False
