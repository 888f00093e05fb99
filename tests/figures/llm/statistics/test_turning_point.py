"""The turning point: known minima, curves that only rise or fall, reproducibility."""

import numpy as np
import pytest

from overtraining.figures.llm.statistics.turning_point import _near_the_best, _plateau, find_turning_point
from overtraining.setting.errors import DomainError
from tests.figures.llm.samples import series


def test_a_precise_parabola() -> None:
    """The minimum of a parabola on the clock, within the neighbours of the best checkpoint."""
    length = 1e9 * 2.0 ** np.arange(9)
    found = find_turning_point(series((np.log2(length / 1e9) - 4.3) ** 2, 0.01, length))
    assert found.significant
    assert 1e9 * 2**3 < found.low < 1e9 * 2**4.3 < found.high < 1e9 * 2**5
    assert found.best == 1e9 * 2**4
    assert found.rise == pytest.approx(3.7**2 - 0.3**2)
    assert found.decline_low < 3.7**2 - 0.3**2 < found.decline_high


def test_only_hurts_and_only_helps() -> None:
    rising, falling = find_turning_point(series(np.arange(6.0))), find_turning_point(series(-np.arange(6.0)))
    assert rising.significant
    assert rising.low == rising.best == 1e9
    assert not falling.significant
    assert falling.low == falling.high == np.inf
    assert falling.decline_low == 0


def test_no_end_in_a_gap_far_above_the_best() -> None:
    """As of OLMo-2 7B on pes2o: a steep fall over a wide gap, then losses 0.37 nats above the last; none rises."""
    length = np.concatenate([[0.0], 5e3 * np.arange(1.0, 41)])
    loss = np.concatenate([[12.27], 1.7 + 0.72 * np.arange(1.0, 41) ** -0.4])
    assert loss[2] - loss[-1] > 0.37
    noise = 0.0008 * np.random.default_rng(0).normal(size=41)
    assert find_turning_point(series(loss + noise, 0.0008, length)).low > 1.8e5


def test_the_best_checkpoint_is_in_the_interval() -> None:
    """OLMo-1B after TULU on BoolQ: consistent curves still rise at the end, but an earlier checkpoint was the best."""
    length = np.array([4.2e9, 7.5e10, 1.43e12, 1.78e12, 2.12e12, 2.48e12, 3.1e12])
    accuracy = np.array([0.5214, 0.5765, 0.6768, 0.6786, 0.6988, 0.6987, 0.6979])
    found = find_turning_point(series(-accuracy, 0.008, length))
    assert found.low <= found.best == 2.12e12


def test_a_checkpoint_that_is_clearly_worse_is_not_in_the_interval() -> None:
    """Between the best two, equal checkpoints the curve is not known; what is excluded is compared with what is."""
    k = np.arange(1.0, 8.0)
    found = find_turning_point(series(-(0.5 + 0.1 * k - 0.02 * k**2), 0.001, 1e9 * k))
    assert 1e9 < found.low <= 2e9
    assert 3e9 <= found.high < 4e9


def test_a_dip_is_no_deeper_than_a_rise_that_was_seen() -> None:
    """1 above the best: where a rise of 2 was seen that lasts, but not one of 0.5, nor one of a single checkpoint."""
    length, gap = 2.0 ** np.arange(9), np.array([2.5 / 8])
    for bump, near in (([2.0, 2.0], True), ([0.5, 0.5], False), ([0.0, 2.0], False)):
        one = series([9.0, 5.0, 1.0, 1.0, *bump, 0.0, 0.0, 0.0], 0.01, length)
        assert _near_the_best(one, gap).item() is near
    fall = series([5.0, 1.0, 0.22, 0.2, 0.0, 0.0], 0.05)  # 3√2 · 0.05 = 0.212
    assert _near_the_best(fall, fall.clock).tolist() == [False, False, False, True, True, True]


def test_a_plateau_is_where_a_curve_is_within_half_of_its_smaller_change() -> None:
    """A fall of 4 and a rise of 2: places at most 1 above the lowest."""
    places = np.linspace(0, 1, 11)
    curve = np.array([4.0, 2.0, 1.0, 0.5, 0.0, 0.2, 0.9, 1.1, 0.5, 1.5, 2.0])
    assert _plateau(places, curve) == pytest.approx(0.4)  # from the third to the seventh place; the ninth is beyond
    assert _plateau(places, curve[::-1]) == pytest.approx(0.4)
    assert _plateau(places, np.zeros(11)) == 1
    assert _plateau(places, places) == _plateau(places, -places) == 0
    fine = np.linspace(0, 1, 1001)
    assert _plateau(fine, (fine - 0.5) ** 2) == pytest.approx(np.sqrt(0.5), abs=0.003)


@pytest.mark.parametrize("noise", [0.02, 0.05])
def test_a_long_plateau_is_told_from_a_minimum_and_a_kink(noise: float) -> None:
    u = np.linspace(0, 1, 20)
    errors = noise * np.random.default_rng(1).normal(size=20)
    length = 1e9 * 1000**u
    long = find_turning_point(series(np.exp(-15 * u) + 3 * np.clip(u - 0.75, 0, None) + errors, noise, length))
    assert long.on_long_plateau
    assert 0.6 < long.plateau < 0.9
    for course in ((2 * u - 1) ** 2 * (2 - u), np.abs(u - 0.7), u, -u):
        assert not find_turning_point(series(course + errors, noise, length)).on_long_plateau


def test_the_same_seed_gives_the_same_answer() -> None:
    one = series([3.0, 1.0, 0.8, 1.0, 2.0], 0.4)
    assert find_turning_point(one) == find_turning_point(one)
    assert find_turning_point(one).low != find_turning_point(one, key=1).low or find_turning_point(
        one
    ) != find_turning_point(one, key=1)


@pytest.mark.parametrize(
    ("call", "refusal", "word"),
    [(lambda: find_turning_point(series([1.0, 2.0, 3.0, 4.0]), confidence=1.0), DomainError, "confidence")],
)
def test_refusals(call, refusal, word: str) -> None:
    with pytest.raises(refusal, match=word):
        call()
