"""The rise of the loss under each draw of noise, and its variance."""

from dataclasses import replace

import numpy as np
import pytest

from overtraining.setting.errors import DomainError
from overtraining.setting.perturbations import Noise, Quantization
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import FanIn
from overtraining.setting.teachers import PowerLaw
from overtraining.simulations.measurements import respond
from overtraining.simulations.scatter import rise_and_spread, rises, variance

ASKED = Protocol(
    PowerLaw(2), (0.5, 2.0), (0.1, 0.4), network=Network(3, 2, 4), start=FanIn(1.0), sampling=Sampling(draws=4096)
)


def test_the_variance_and_its_error_are_those_of_the_normal_law() -> None:
    """Over many samples the variance is right in the mean, and its error is the scatter of the variances."""
    draws = 2 * np.random.default_rng(0).normal(size=(2000, 400))
    value, error = variance(draws)
    assert abs(value.mean() - 4) < 4 * value.std() / np.sqrt(2000)
    assert error.mean() == pytest.approx(value.std(), rel=0.06)
    assert error.mean() == pytest.approx(4 * np.sqrt(2 / 400), rel=0.03)


@pytest.mark.parametrize("convention", ["absolute", "initialization", "relative", "multiplicative"])
def test_the_mean_is_the_lab_s_other_mean(convention: str) -> None:
    asked = replace(ASKED, perturbation=Noise(convention=convention))
    one, other = rise_and_spread(asked, key=0), respond(asked, key=0).isel(seed=0)
    z = (one.rise - other.sensitivity) / np.hypot(one.rise_stderr, other.sensitivity_stderr)
    assert np.abs(z).max() < 4
    assert (one.spread / np.sqrt(4096) == one.rise_stderr).all()


def test_all_points_draw_independently() -> None:
    seen = rises(ASKED, key=0).reshape(4, -1)
    assert np.abs(np.corrcoef(seen) - np.eye(4)).max() < 5 / np.sqrt(4096)


@pytest.mark.parametrize(
    "wrong",
    [replace(ASKED, perturbation=Quantization()), replace(ASKED, sampling=Sampling(antithetic=True))],
    ids=["rounding", "pairs"],
)
def test_refusals(wrong: Protocol) -> None:
    with pytest.raises(DomainError, match="single draws"):
        rises(wrong, 0)
