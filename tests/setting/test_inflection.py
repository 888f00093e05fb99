"""The inflection point of a Response on its own grid of lengths."""

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, SchemaError
from overtraining.setting.inflection import inflection_point
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw, Spectrum
from overtraining.theory.solvers.exact import respond
from tests.setting.samples import make


@pytest.mark.parametrize(
    ("after", "which", "length"),
    [
        ([3, 1, 2, 4], "last", 1),
        ([3, 2, 1], "last", np.inf),  # still falling: no such point in this range
        ([1, 2, 3], "last", 0),  # only hurts
        ([1, 1, 1], "last", np.inf),  # nothing happens
        ([5, 1, 3, 2, 4], "last", 3),
        ([5, 1, 3, 2, 4], "first", 1),
        ([5, 3, 4, 1, 2], "best", 3),
        ([5, 1, 3, 2, 4], "best", 1),
        ([5, 2, 3, 1, 0.5], "first", 1),
        ([5, 2, 3, 1, 0.5], "last", np.inf),
        ([5, 2, 3, 1, 0.5], "best", np.inf),
    ],
)
def test_inflection_point(after: list[float], which: str, length: float) -> None:
    """Of a loss, and mirrored of a score."""
    point = inflection_point(make(after), which=which)
    exists = np.isfinite(length)
    assert point.exists.item() == exists
    assert point.length.item() == (length if exists else np.inf)
    mirrored = inflection_point(make([-a for a in after], orientation="higher"), which=which)
    assert mirrored.length.item() == point.length.item()
    assert mirrored.rise.item() == point.rise.item()


def test_noise_is_no_inflection() -> None:
    """Wiggles that chance makes neither make a point nor move one."""
    wiggly = [5.0, 1.0, 1.1, 1.05, 1.12, 3.0]
    assert inflection_point(make(wiggly)).length.item() == 3
    assert inflection_point(make(wiggly, stderr=0.05)).length.item() == 1
    assert not inflection_point(make([2.0, 1.0, 1.1], stderr=0.1)).exists.item()
    assert inflection_point(make([2.0, 1.0, 1.1], stderr=0.1), confidence=0.1).exists.item()
    with pytest.raises(DomainError, match="middle"):
        getattr(inflection_point, "__wrapped__", inflection_point)(make([3.0, 1.0, 2.0]), which="middle")


@pytest.mark.parametrize(("rise", "exists"), [(2.0**-51, False), (2.0**-48, True)])
def test_rounding_is_no_inflection_and_more_is_one(rise: float, exists: bool) -> None:
    """Of exact losses: 2 units in the last place may be rounding, 16 are a rise, as of the loss 1 so of 1e-30."""
    for size in (1.0, 1e-30):
        assert inflection_point(make([2.0 * size, size, size * (1 + rise)])).exists.item() == exists


def test_chance_rarely_hides_an_inflection() -> None:
    """Of 200 noisy copies of a clear U on 21 lengths at least 95% keep their point, near where it is."""
    lengths, draw = np.linspace(0, 20, 21), np.random.default_rng(0)
    u = 1 + 0.02 * (lengths - 8) ** 2
    found = [inflection_point(make(u + 0.1 * draw.normal(size=21), stderr=0.1)).length.item() for _ in range(200)]
    assert np.mean(np.abs(np.array(found) - 8) <= 4) >= 0.95


def test_rounding_is_no_inflection() -> None:
    """On its plateau the exact loss wobbles in the last bits."""
    flat = respond(Protocol(PowerLaw(5), lengths=np.linspace(0, 1e6, 200), strengths=(0.0,)))
    assert not inflection_point(flat).exists.item()


def test_theory_agrees_with_c1_on_a_grid() -> None:
    from overtraining.theory.inflection.noisy_mode import inflection_time

    lengths = np.linspace(0, 10, 2001)
    data = respond(Protocol(Spectrum((1.0,)), lengths, (0.3, 0.5), Network(3, 1, 2), Aligned(1e-3)))
    exact = inflection_time(1.0, 1e-3, 2.5 * np.array([0.3, 0.5]) ** 2)
    np.testing.assert_allclose(inflection_point(data).length, exact, atol=lengths[1] / 2)


def test_a_gain_or_rise_that_the_error_of_the_values_may_make_does_not_count() -> None:
    wiggly, error = [5.0, 1.0, 1.1, 1.05, 1.12, 3.0], {"imbalance_error": 0.05}
    point = inflection_point(make(wiggly).assign_attrs(error))
    assert (point.length.item(), point.resolution.item()) == (1, 3)  # the lengths 1 … 3 may be least, and up to 4
    assert not inflection_point(make([2.0, 1.0, 1.09]).assign_attrs(error)).exists.item()
    assert inflection_point(make([2.0, 1.0, 1.11]).assign_attrs(error)).exists.item()
    for wrong in ("text", -1.0, np.nan, [0.1]):
        with pytest.raises(SchemaError, match="imbalance_error"):
            inflection_point(make(wiggly).assign_attrs(imbalance_error=wrong))


def test_the_best_length_of_all_values_within_the_error_is_within_the_resolution() -> None:
    generator, found = np.random.default_rng(0), 0
    for _ in range(40):
        values = 3 + np.cumsum(generator.normal(size=30))
        error = 10 ** generator.uniform(-2, 0)
        point = inflection_point(make(values).assign_attrs(imbalance_error=error), which="best")
        for _ in range(15 * point.exists.item()):
            true = inflection_point(make(values + error * generator.uniform(-1, 1, 30)), which="best")
            found += abs(true.length.item() - point.length.item()) > 1
            assert abs(true.length.item() - point.length.item()) <= point.resolution.item()
    assert found > 5
