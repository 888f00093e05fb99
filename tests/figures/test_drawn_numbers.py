"""Numbers drawn: comparison of figures."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from overtraining.figures.drawn_numbers import FiguresDiffer, compare, numbers_in
from overtraining.figures.style import ROUNDING


def test_compare_notices() -> None:
    compare({"a": [1.0, 0.0]}, {"a": [1.0 + 1e-10, 1e-10]})
    for other in ({"a": [1.0 + 1e-8, 0.0]}, {"a": [1.0]}, {"b": [1.0, 0.0]}, {"a": [1.0, np.nan]}):
        with pytest.raises(FiguresDiffer):
            compare({"a": [1.0, 0.0]}, other)


def test_numbers_are_read_back_from_lines_and_bars() -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    left.errorbar([1.0, 2.0], [3.0, 4.0], yerr=[0.5, 0.25])
    (line,) = right.plot([0.0, 1.0], [1e-16, 2e-16])
    line.set_gid(f"{ROUNDING} 0")
    assert numbers_in(figure) == {
        "panel 0, line 0, x": [1.0, 2.0],
        "panel 0, line 0, y": [3.0, 4.0],
        "panel 0, bars 0, x": [1.0, 1.0, 2.0, 2.0],
        "panel 0, bars 0, y": [2.5, 3.5, 3.75, 4.25],
        "panel 1, line 0, x": [0.0, 1.0],  # rounding errors differ between processors, and are left out
    }
