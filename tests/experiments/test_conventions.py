"""The decision of the experiment on conventions: when a cost of noise counts as growing along pretraining."""

import numpy as np
import pytest

from overtraining.experiments.conventions import grows


@pytest.mark.parametrize(
    ("rise", "expected"),
    [
        ((1.0, 2.0, 3.0), True),
        ((1.0, 2.0, 1.9), True),  # a fall within chance
        ((1.0, 3.0, 2.0), False),  # a fall by more
        ((1.0, 1.1, 1.2), False),  # no rise by more than chance
    ],
)
def test_growth_is_judged_in_standard_errors(rise: tuple[float, ...], expected: bool) -> None:
    values = np.array(rise)[:, None]
    assert grows(values, np.full(values.shape, 0.1)) is expected


def test_every_strength_must_grow() -> None:
    rise = np.array([[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]])
    assert not grows(rise, np.full(rise.shape, 0.1))
