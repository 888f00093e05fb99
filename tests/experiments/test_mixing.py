"""The share with the least loss, between the points of a grid."""

import numpy as np
import pytest

from overtraining.experiments.mixing import minimizers

SHARES = np.linspace(0.0, 1.0, 11)


@pytest.mark.parametrize("best", [0.12, 0.3, 0.5, 0.77])
def test_the_minimum_of_a_parabola_is_exact(best: float) -> None:
    assert minimizers(((SHARES - best) ** 2)[None], SHARES) == [pytest.approx(best)]


@pytest.mark.parametrize(("best", "end"), [(-0.3, 0.0), (1.4, 1.0)])
def test_a_minimum_beyond_the_grid_is_at_its_end(best: float, end: float) -> None:
    assert minimizers(((SHARES - best) ** 2)[None], SHARES) == [end]
