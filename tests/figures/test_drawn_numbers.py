"""Numbers drawn: comparison of figures."""

import numpy as np
import pytest

from overtraining.figures.drawn_numbers import FiguresDiffer, compare


def test_compare_notices() -> None:
    compare({"a": [1.0, 0.0]}, {"a": [1.0 + 1e-10, 1e-10]})
    for other in ({"a": [1.0 + 1e-8, 0.0]}, {"a": [1.0]}, {"b": [1.0, 0.0]}, {"a": [1.0, np.nan]}):
        with pytest.raises(FiguresDiffer):
            compare({"a": [1.0, 0.0]}, other)
