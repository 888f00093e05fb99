"""The vocabulary draws what is in the data: values, units, errors, one colour per kind of thing."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from figures import draw
from figures.style import COLOURS
from theory import trajectory


def data(method: str = "theory", **extra):
    values = np.arange(6.0).reshape(2, 3)
    variables = {"x": (("pretraining", "kind"), values), "y": (("pretraining",), [1.0, 4.0])} | extra
    axes = {"pretraining": [1.0, 2.0], "kind": [0.5, 1.0, 2.0]}
    return trajectory(variables, axes, method=method, source="made up", model="none")  # type: ignore[arg-type]


def drawn(function, *arguments, **options) -> list[tuple[str, list[float], list[float], str]]:
    ax = Figure().subplots()
    function(ax, *arguments, **options)
    return [(c.get_label(), *(list(map(float, x)) for x in c[0].get_data()), c[0].get_color()) for c in ax.containers]


def test_along_divides_and_colours_by_what_is_asked() -> None:
    assert drawn(draw.along, data(), "y", unit=2.0, label="y", colour=2) == [("y", [1, 2], [0.5, 2], COLOURS[2])]
    lines = drawn(draw.along, data(), "x", by="kind", label="k = {:g}")
    assert [(line[0], line[2]) for line in lines] == [("k = 0.5", [0, 3]), ("k = 1", [1, 4]), ("k = 2", [2, 5])]
    assert [line[3] for line in lines] == list(COLOURS[:3])
    together = drawn(draw.along, data(), "x", label="all", colour=1)
    assert [(line[0], line[3]) for line in together] == [("all", COLOURS[1])] + 2 * [("_nolegend_", COLOURS[1])]


def test_across_takes_the_last_length() -> None:
    assert drawn(draw.across, data(), "x", "kind", label="x") == [("x", [0.5, 1, 2], [3, 4, 5], COLOURS[0])]


@pytest.mark.parametrize(
    "function", [lambda ax, d: draw.along(ax, d, "y"), lambda ax, d: draw.across(ax, d, "x", "kind")]
)
def test_errors_become_bars(function) -> None:
    errors = {"y_stderr": (("pretraining",), [0.1, 0.2]), "x_stderr": (("pretraining", "kind"), np.full((2, 3), 0.1))}
    ax = Figure().subplots()
    function(ax, data("simulation", **errors))
    assert ax.containers[0].has_yerr
    function(ax, data("simulation"))
    assert not ax.containers[1].has_yerr
