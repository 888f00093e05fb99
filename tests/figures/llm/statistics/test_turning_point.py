"""The turning point: known minima, curves that only rise or fall, reproducibility."""

import numpy as np
import pytest

from overtraining.figures.llm.statistics.turning_point import find_turning_point
from overtraining.setting.errors import DomainError
from tests.figures.llm.samples import series


def test_a_precise_parabola() -> None:
    """The minimum of a parabola on the clock, to one spacing: between checkpoints the course may do what it likes."""
    length = 1e9 * 2.0 ** np.arange(9)
    found = find_turning_point(series((np.log2(length / 1e9) - 4.3) ** 2, 0.01, length))
    assert found.significant
    assert found.low < 1e9 * 2**4.3 < found.high < 2 * found.low
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
