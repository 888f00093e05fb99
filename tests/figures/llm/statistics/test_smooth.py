"""Consistent curves: mean and covariance of the draws, by direct conditioning."""

import numpy as np
import pytest

from overtraining.figures.llm.statistics import smooth
from tests.figures.llm.samples import series


def test_curves_are_draws_from_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one scale and size: mean and covariance of the draws are those of Gaussian conditioning, done directly."""
    monkeypatch.setattr(smooth, "SCALES", np.array([0.4]))
    monkeypatch.setattr(smooth, "HEIGHTS", 1)
    one = series([3.0, 1.0, 0.5, 2.0, 2.5], [0.1, 0.3, 0.2, 0.1, 0.4])
    places, found = smooth.consistent_curves(one, draws=40_000, grid=9)
    size = 0.1 * np.sqrt(np.mean(one.stderr**2))  # the first of the sizes that are tried
    r = np.sqrt(3) * np.abs(places[:, None] - places) / 0.4
    prior = size**2 * (1 + r) * np.exp(-r) + 1e3 * (1 + np.outer(places - 0.5, places - 0.5))
    here = np.searchsorted(places, one.clock)
    gain = prior[:, here] @ np.linalg.inv(prior[np.ix_(here, here)] + np.diag(one.stderr**2))
    covariance = prior - gain @ prior[here]
    error = np.sqrt(np.diag(covariance) / 40_000)
    assert np.all(np.abs(found.mean(axis=0) - gain @ one.value) < 5 * error + 1e-6)
    np.testing.assert_allclose(np.cov(found.T), covariance, atol=0.04 * np.diag(covariance).max())
