"""The vocabulary draws what is in the data: values, units, errors, one colour per kind of thing."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.style import COLOURS
from overtraining.setting.responses import response, trajectory


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
    assert drawn(drawing.against_length, data(), "y", unit=2.0, label="y", colour=2) == [
        ("y", [1, 2], [0.5, 2], COLOURS[2])
    ]
    lines = drawn(drawing.against_length, data(), "x", by="kind", label="k = {:g}")
    assert [(line[0], line[2]) for line in lines] == [("k = 0.5", [0, 3]), ("k = 1", [1, 4]), ("k = 2", [2, 5])]
    assert [line[3] for line in lines] == list(COLOURS[:3])
    together = drawn(drawing.against_length, data(), "x", label="all", colour=1)
    assert [(line[0], line[3]) for line in together] == [("all", COLOURS[1])] + 2 * [("_nolegend_", COLOURS[1])]


def test_across_takes_the_last_length() -> None:
    assert drawn(drawing.against_coordinate, data(), "x", "kind", label="x") == [
        ("x", [0.5, 1, 2], [3, 4, 5], COLOURS[0])
    ]


def test_categories_are_named_places_at_the_last_length() -> None:
    found = drawn(drawing.categories, data("simulation"), "x", "kind", label="x", colour=1, shift=0.25)
    assert found == [("x", [0.25, 1.25, 2.25], [3, 4, 5], COLOURS[1])]
    ax = Figure().subplots()
    drawing.categories(ax, data("simulation"), "x", "kind", shift=0.25)
    assert [x.get_text() for x in ax.get_xticklabels()] == ["0.5", "1.0", "2.0"]
    assert ax.get_xticks().tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "function",
    [
        lambda ax, d: drawing.against_length(ax, d, "y"),
        lambda ax, d: drawing.against_coordinate(ax, d, "x", "kind"),
        lambda ax, d: drawing.categories(ax, d, "x", "kind"),
    ],
)
def test_errors_become_bars(function) -> None:
    errors = {"y_stderr": (("pretraining",), [0.1, 0.2]), "x_stderr": (("pretraining", "kind"), np.full((2, 3), 0.1))}
    ax = Figure().subplots()
    function(ax, data("simulation", **errors))
    assert ax.containers[0].has_yerr
    function(ax, data("simulation"))
    assert not ax.containers[1].has_yerr


def test_a_trade_goes_from_length_to_length_and_marks_the_end() -> None:
    both = ("pretraining", "strength")
    made = response(
        {
            "before": (("pretraining",), [1.0, 1.0]),
            "after": (both, [[1.0, 2.0], [3.0, 4.0]]),
            "downstream_before": (("pretraining",), [1.0, 1.0]),
            "downstream_after": (both, [[5.0, 6.0], [7.0, 8.0]]),
        },
        {"pretraining": [0.0, 1.0], "strength": [0.1, 0.2]},
        method="theory",
        source="made up",
        perturbation="none",
        model="none",
    )
    ax = Figure().subplots()
    drawing.trade_off(ax, made, label="T = {:g}", colour=1)
    seen = [(line.get_label(), *map(list, line.get_data()), line.get_color()) for line in ax.lines[::2]]
    assert seen == [("T = 0.1", [5, 7], [1, 3], COLOURS[1]), ("T = 0.2", [6, 8], [2, 4], COLOURS[2])]
    assert [list(line.get_xdata()) for line in ax.lines[1::2]] == [[7], [8]]


def test_heat_knows_its_axes() -> None:
    variables = {"share": (("pretraining", "angle", "strength"), np.arange(12.0).reshape(2, 2, 3) / 12)}
    axes = {"pretraining": [0.0, 1.0], "angle": [1.0, 2.0], "strength": ("strength", [0.1, 0.2, 0.4], {"units": "1"})}
    made = trajectory(variables, axes, method="theory", source="made up", model="none")
    ax = Figure().subplots()
    drawing.heat_map(ax, made, "share", "strength", "angle")
    (mesh,) = ax.collections
    np.testing.assert_allclose(np.asarray(mesh.get_array()), np.arange(6.0, 12.0).reshape(2, 3) / 12)
    assert ax.get_xlim()[1] < 1 < ax.get_ylim()[1]
