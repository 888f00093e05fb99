"""Drawing: values, units, error bars, colours, legends and stars are those of the data."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.response_figure import plot
from overtraining.figures.style import BASE, COLOURS
from overtraining.figures.summary import show
from overtraining.setting.errors import SchemaError
from overtraining.setting.inflection import inflection_point
from overtraining.setting.protocol import Protocol
from overtraining.setting.responses import curve, response, sensitivity, trajectory
from overtraining.setting.teachers import PowerLaw
from overtraining.theory.solvers.exact import respond


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
    drawing.trade_off(ax, made.assign_attrs(perturbation="Fine-tuning on a task"))
    assert ax.get_xlabel() == "downstream loss after fine-tuning"
    assert ax.get_ylabel() == "pretraining loss after fine-tuning"


def test_every_label_says_after_what() -> None:
    sources = [*Path("figures").rglob("*.py"), *Path("demos").rglob("*.py")]
    assert len(sources) > 50
    assert not [path for path in sources if re.search(r"loss after[\"']", path.read_text(encoding="utf-8"))]


def test_heat_knows_its_axes() -> None:
    variables = {"share": (("pretraining", "angle", "strength"), np.arange(12.0).reshape(2, 2, 3) / 12)}
    axes = {"pretraining": [0.0, 1.0], "angle": [1.0, 2.0], "strength": ("strength", [0.1, 0.2, 0.4], {"units": "1"})}
    made = trajectory(variables, axes, method="theory", source="made up", model="none")
    ax = Figure().subplots()
    drawing.heat_map(ax, made, "share", "strength", "angle")
    (mesh,) = ax.collections
    np.testing.assert_allclose(np.asarray(mesh.get_array()), np.arange(6.0, 12.0).reshape(2, 3) / 12)
    assert ax.get_xlim()[1] < 1 < ax.get_ylim()[1]


def noisy(method: str = "theory", **errors):
    """A Response with two strengths, of which the second turns at length 1."""
    both = ("pretraining", "strength")
    return response(
        {"before": (("pretraining",), [3.0, 2.0, 1.0]), "after": (both, [[4.0, 5.0], [3.0, 4.0], [2.0, 6.0]])} | errors,
        {"pretraining": [0.0, 1.0, 2.0], "strength": [0.1, 0.2]},
        method=method,  # type: ignore[arg-type]
        source="made up",
        perturbation="none",
        model="none",
        strength_name="bits",
    )


def test_a_strength_is_named_by_its_attribute() -> None:
    names = {"noise scale γ in units of the start's": "γ", "fine-tuning budget T": "T", "share of a row": None}
    for name, symbol in names.items():
        made = noisy()
        made["strength"].attrs |= {"long_name": name, "units": "steps"}
        assert drawing.symbol(made) == symbol
        assert drawing.strength_name(made) == f"{name} (steps)"


def test_curves_have_one_colour_and_entry_per_strength() -> None:
    assert drawn(drawing.curves, noisy(), "after", unit=2.0, colour=1) == [
        ("bits = 0.1", [0, 1, 2], [2, 1.5, 1], COLOURS[1]),
        ("bits = 0.2", [0, 1, 2], [2.5, 2, 3], COLOURS[2]),
    ]
    assert [line[2] for line in drawn(drawing.curves, noisy(), "sensitivity", label=None)] == [[1, 1, 1], [2, 2, 5]]
    assert {line[0] for line in drawn(drawing.curves, noisy(), "after", label=None)} == {"_nolegend_"}


def test_the_base_model_is_grey() -> None:
    assert drawn(drawing.base, noisy()) == [("before", [0, 1, 2], [3, 2, 1], BASE)]
    assert drawn(drawing.base, noisy(), label=None)[0][0] == "_nolegend_"


def test_theory_is_a_line_simulation_is_points_measurement_is_joined_points() -> None:
    ax = Figure().subplots()
    for method in ("theory", "simulation", "measurement"):
        drawing.base(ax, noisy(method))
    seen = [(line.get_linestyle(), line.get_marker()) for line in (c[0] for c in ax.containers)]
    assert seen == [("--", "None"), ("None", "o"), ("-", "o")]


def test_a_star_marks_a_turning_point_where_there_is_one() -> None:
    ax = Figure().subplots()
    drawing.inflections(ax, noisy(), label="inflection point")
    (star,) = ax.lines
    assert (star.get_xdata().item(), star.get_ydata().item()) == (1.0, 4.0)
    assert (star.get_color(), star.get_marker(), star.get_label()) == (COLOURS[1], "*", "inflection point")


def test_singular_values_are_averaged_over_seeds() -> None:
    values = np.array([[[3.0, 1.0], [4.0, 2.0]], [[5.0, 3.0], [6.0, 4.0]]])  # seed, length, mode
    variables = {"singular_value": (("seed", "pretraining", "mode"), values)}
    axes = {"pretraining": [0.0, 1.0], "mode": [0, 1], "seed": [0, 1]}
    made = trajectory(variables, axes, method="simulation", source="made up", model="none")
    ax = Figure().subplots()
    drawing.singular_values(ax, made)
    assert [(c.get_label(), list(c[0].get_ydata())) for c in ax.containers] == [("mode 1", [4, 5]), ("mode 2", [2, 3])]
    bars = ax.containers[0][2][0].get_segments()
    np.testing.assert_allclose(bars[0][:, 1], [4 - np.sqrt(2), 4 + np.sqrt(2)])


def test_final_decline_is_from_the_best_length_to_the_last() -> None:
    errors = {"after_stderr": (("pretraining", "strength"), [[0.3, 0.3], [0.3, 0.3], [0.4, 0.4]])}
    made = noisy("measurement", **errors).isel(strength=[1])
    assert drawing.final_decline(made) == pytest.approx((2.0, 0.5))


READERS: dict[str, Callable[[xr.Dataset], Any]] = {
    "inflection_point": inflection_point,
    "on the grid": lambda r: inflection_point(r.drop_dims("turn")),
    "sensitivity": sensitivity,
    "difference": lambda r: sensitivity(r.drop_vars("sensitivity")),
    "curve": lambda r: curve(r, "after"),
    "plot": plot,
    "show": show,
    "curves": lambda r: drawing.curves(Figure().subplots(), r, "after"),
    "base": lambda r: drawing.base(Figure().subplots(), r),
    "inflections": lambda r: drawing.inflections(Figure().subplots(), r),
}


@pytest.mark.parametrize("reader", READERS)
def test_an_attribute_that_is_missing_is_named(reader: str) -> None:
    """Whatever attribute is lost, as by `assign_coords` or arithmetic: the reader does without, or says what to set."""
    whole = respond(Protocol(PowerLaw(2), (0.0, 4.0, 40.0), (0.1, 0.3)))
    named: dict[tuple[str | None, str], str] = {}
    READERS[reader](whole)
    for name in (None, "pretraining", "strength", "before", "after", "sensitivity", "turn_length", "turn_after"):
        for attribute in (whole if name is None else whole[name]).attrs.keys() - {"found_by"}:
            lost = whole.copy(deep=True)
            del (lost if name is None else lost[name]).attrs[attribute]
            try:
                READERS[reader](lost)
            except SchemaError as refused:
                named[name, attribute] = str(refused)
    assert all(attribute in refusal for (_, attribute), refusal in named.items())
    assert all(str(name or "") in refusal for (name, _), refusal in named.items())
    assert named or reader in ("curve", "sensitivity")


def test_lengths_in_another_unit_say_where_to_write_it() -> None:
    response_of_theory = respond(Protocol(PowerLaw(2), (0.0, 4.0, 40.0), (0.1,)))
    with pytest.raises(SchemaError, match=r"set data\['pretraining'\].attrs\['units'\]"):
        inflection_point(response_of_theory.assign_coords(pretraining=[0.0, 1.0, 10.0]))
