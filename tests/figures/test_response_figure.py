"""plot(): names from the data, strengths that can be told apart without colours, maps, the user's axes, refusals."""

from itertools import combinations
from typing import Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from overtraining.figures.response_figure import CURVES, DASHES, _edges, plot
from overtraining.figures.style import BASE, COLOURS, MARKERS
from overtraining.setting.errors import Refusal
from overtraining.setting.inflection import inflection_point
from overtraining.setting.responses import response, trajectory

LENGTHS = np.array([0.0, 1.0, 2.0, 4.0])


def made(method: Any = "theory", strengths: Any = (0.1, 0.2), name: str = "noise scale γ") -> xr.Dataset:
    """A loss that falls as 1/(1 + length) and rises by strength² × length²."""
    before = 1 / (1 + LENGTHS)
    both = ("pretraining", "strength")
    after = before[:, None] + np.square(np.outer(LENGTHS, strengths))
    return response(
        {"before": (both[:1], before), "after": (both, after)},
        {"pretraining": LENGTHS, "strength": np.asarray(strengths, float)},
        method=method,
        source="made up",
        perturbation="Gaussian noise on every weight",
        model="none",
        strength_name=name,
        strength_units="gradient-flow time" if name.endswith("T") else "1",
    )


def u_shape() -> xr.Dataset:
    """Curves that leave no place for a large legend where axes are low."""
    lengths, strengths = np.linspace(0, 60, 121), np.array([0.05, 0.1, 0.4])
    both = ("pretraining", "strength")
    before = np.exp(-lengths / 4)
    return response(
        {
            "before": (both[:1], before),
            "after": (both, before[:, None] + np.outer(lengths / (5 + lengths), 5 * strengths)),
        },
        {"pretraining": lengths, "strength": strengths},
        method="theory",
        source="made up",
        perturbation="noise",
        model="none",
        strength_name="noise scale γ",
    )


def entries(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


@pytest.mark.parametrize(
    ("name", "title", "first"),
    [
        ("noise scale γ", "noise scale γ", "γ = 0.1"),
        ("fine-tuning budget T", "fine-tuning budget T (gradient-flow time)", "T = 0.1"),
        ("share of every row set to 0", "share of every row set to 0", "0.1"),
    ],
)
def test_the_legend_names_the_strength_by_its_attribute(name: str, title: str, first: str) -> None:
    figure = plot(made(name=name), made("simulation", name=name))
    assert figure.axes[0].get_legend().get_title().get_text() == title
    assert entries(figure)[0] == first
    assert entries(figure)[2:] == ["before", "inflection point"]


def test_strengths_differ_without_colours() -> None:
    strengths = np.linspace(0.01, 0.1, CURVES)
    for method in ("theory", "simulation", "measurement"):
        looks = [
            (line.get_linestyle(), line._dash_pattern, line.get_marker())  # type: ignore[attr-defined]
            for line in plot(made(method, strengths)).axes[0].get_lines()
            if line.get_marker() != "*" and line.get_color() != BASE
        ]
        assert len(looks) == CURVES
        assert all(one != other for one, other in combinations(looks, 2))
    assert len(DASHES) == CURVES


def test_every_entry_of_the_legend_shows_line_and_marker() -> None:
    figure = plot(made(), made("simulation"))
    lines = figure.axes[0].get_legend().findobj(Line2D)
    assert [line.get_marker() for line in lines if line.get_marker().lower() != "none"] == ["o", "s", "+", "*"]
    assert sum(line.get_linestyle() != "None" for line in lines) == 3


def test_the_model_before_hides_no_strength() -> None:
    base, first, *_ = plot(made("simulation")).axes[0].containers
    assert (base[0].get_color(), base[0].get_marker(), first[0].get_marker()) == (BASE, "+", "o")
    assert base[0].get_zorder() <= first[0].get_zorder()  # drawn first, therefore below


def test_many_strengths_are_a_map_with_its_ridge() -> None:
    data = made(strengths=np.linspace(0.1, 0.8, CURVES + 1))
    ax, bar = plot(data).axes
    (mesh,) = ax.collections
    np.testing.assert_allclose(np.asarray(mesh.get_array()), data.after.values.T)
    points = inflection_point(data).length.values
    np.testing.assert_allclose(np.asarray(ax.lines[-1].get_xdata(), float), np.where(np.isinf(points), np.nan, points))
    assert np.isfinite(points).any()
    assert (ax.get_ylabel(), bar.get_ylabel()) == ("noise scale γ", "loss after noise")
    assert not plot(data, quantity="sensitivity").axes[0].lines
    assert len(plot(data, quantity="before").axes) == 1  # which has no strengths


def test_one_value_does_not_take_the_scale_of_a_map() -> None:
    data = made(strengths=np.linspace(0.1, 0.8, 30))
    data["before"][0] = data["after"][0, 0] = 1e-12
    (mesh,) = plot(data).axes[0].collections
    assert mesh.norm.vmin > 1e-3
    assert isinstance(mesh.norm, LogNorm) == (data.after.max() > 10 * data.after.quantile(0.05))


def test_cells_reach_half_way_to_their_neighbours() -> None:
    np.testing.assert_allclose(_edges(np.array([0.0, 1.0, 3.0])), [-0.5, 0.5, 2, 4])
    np.testing.assert_allclose(_edges(np.array([1.0, 100.0, 10000.0])), [0.1, 10, 1000, 100000])
    grid = made(strengths=np.geomspace(0.01, 1, 9))
    assert plot(grid).axes[0].get_yscale() == "log"


def test_it_draws_onto_the_axes_of_the_user_in_their_style() -> None:
    with mpl.rc_context({"lines.linewidth": 7.0}):
        figure = Figure(figsize=(4, 3))
        left, right = figure.subplots(1, 2)
        before = dict(mpl.rcParams)
        assert plot(made(), ax=right, title="mine") is figure
        assert dict(mpl.rcParams) == before
    assert not left.lines
    assert right.get_title(loc=mpl.rcParams["axes.titlelocation"]) == "mine"
    assert {line.get_linewidth() for line in right.lines if line.get_marker() != "*"} == {7.0}
    assert figure.get_size_inches().tolist() == [4, 3]


@pytest.mark.parametrize(
    ("style", "size", "layout", "beside"),
    [
        ("default", (9, 7), None, False),
        ("ggplot", (7, 3), None, True),
        ("ggplot", (7, 3), "constrained", True),
        ("fivethirtyeight", (6, 3.2), "tight", True),
        ("fivethirtyeight", (6, 3.2), "axes of no grid", True),
    ],
)
def test_the_legend_in_the_axes_of_the_user_hides_no_curve(style: str, size: Any, layout: Any, beside: bool) -> None:
    with matplotlib.style.context(style), mpl.rc_context({"font.size": 13.0}):
        grid = layout != "axes of no grid"
        figure = Figure(figsize=size, layout=layout if grid else None)
        ax = figure.subplots() if grid else figure.add_axes((0.1, 0.1, 0.85, 0.8))
        plot(u_shape(), ax=ax)
        figure.draw_without_rendering()
        places = np.concatenate([ax.transData.transform(np.transpose(line.get_data())) for line in ax.lines])
        legend = ax.get_legend()
        assert legend is not None
        box = legend.get_window_extent()
        assert not any(box.contains(x, y) for x, y in places)
        assert (box.x0 > ax.bbox.x1 - 1) == beside
        assert figure.bbox.padded(1).count_contains([[box.x0, box.y0], [box.x1, box.y1]]) == 2


def test_a_title_of_many_lines_takes_its_room_before_the_legend_is_placed() -> None:
    """The layout makes the axes lower only when it is executed: before that a legend in them would hide nothing."""
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    ax = figure.subplots(1, 2)[0]
    plot(u_shape(), ax=ax, title="\n".join("abcdef"))
    figure.draw_without_rendering()
    legend = ax.get_legend()
    assert legend is not None
    assert legend.get_window_extent().x0 > ax.bbox.x1


def test_a_legend_that_is_too_wide_for_a_place_beside_the_axes_stays_in_them() -> None:
    figure = Figure(figsize=(3, 2))
    ax = figure.subplots()
    before = ax.get_position().bounds
    plot(u_shape(), ax=ax)
    assert ax.get_position().bounds == before
    figure.draw_without_rendering()
    legend = ax.get_legend()
    assert legend is not None
    assert legend.get_window_extent().x1 <= ax.bbox.x1


def test_axes_that_became_narrower_are_laid_out_later() -> None:
    with matplotlib.style.context("ggplot"), mpl.rc_context({"font.size": 13.0}):
        figure = Figure(figsize=(7, 3))
        ax = figure.subplots()
        plot(u_shape(), ax=ax)
        figure.tight_layout()
        figure.draw_without_rendering()
        box = ax.get_tightbbox()
        assert box is not None
        assert box.x1 <= figure.bbox.x1
        assert box.y0 >= 0  # the name of the axis of lengths, which was cut off


def test_colours_are_those_of_the_users_cycle_and_markers_ours() -> None:
    def looks() -> list[tuple[Any, Any]]:
        lines = plot(made("simulation"), ax=Figure().subplots()).axes[0].containers[1:]
        return [(line[0].get_color(), line[0].get_marker()) for line in lines]

    assert looks() == list(zip(COLOURS, MARKERS, strict=True))[:2]
    with mpl.rc_context({"axes.prop_cycle": mpl.cycler(color=["red", "blue"], linestyle=["-", ":"])}):
        assert looks() == [("red", MARKERS[0]), ("blue", MARKERS[1])]
        assert plot(made()).axes[0].lines[1].get_color() == COLOURS[0]  # a figure of its own


@pytest.mark.parametrize(
    ("perturbation", "name"),
    [
        ("Gaussian noise on every weight", "loss after noise"),
        ("rounding to nearest", "loss after rounding"),
        ("fine-tuning on a task, SharedVectors", "loss after fine-tuning"),
        ("magnitude pruning", "loss after pruning"),
        ("DPO", "loss after DPO"),
        ("everything that was done in the second stage", "loss after perturbation"),
        ("none", "loss after no perturbation"),
    ],
)
def test_the_axis_names_the_perturbation(perturbation: str, name: str) -> None:
    one = made().assign_attrs(perturbation=perturbation)
    assert plot(one).axes[0].get_ylabel() == name
    assert plot(one, quantity="sensitivity").axes[0].get_ylabel() == name.replace("loss after", "sensitivity Δ to")


def test_the_axis_names_scores_and_both_of_two_perturbations() -> None:
    scores = made("measurement")
    for one in scores.data_vars.values():
        one.attrs["orientation"] = "higher"
    assert plot(scores).axes[0].get_ylabel() == "score after noise"
    rounded = made().assign_attrs(perturbation="dithered rounding")
    assert plot(rounded, made()).axes[0].get_ylabel() == "loss after rounding or noise"


def test_title_and_size_are_those_asked_for() -> None:
    figure = plot(made(), title="Noise", size=(5, 2))
    assert figure.axes[0].get_title(loc="left") == "Noise"
    assert figure.get_size_inches().tolist() == [5, 2]


def along(strengths: Any = (0.1, 0.2), **axes: Any) -> xr.Dataset:
    """The made-up loss times 1, 2, … along the first axis, and 10, 100, … along a second one."""
    data = made("simulation", strengths)
    for place, (name, values) in enumerate(axes.items()):
        factors = xr.DataArray(10.0 ** (place * np.arange(1, len(values) + 1)), {name: list(values)})
        factors = factors if place else factors.cumsum()
        data = data.map(lambda one, factors=factors: (factors * one).assign_attrs(one.attrs))
    return data


def at_once() -> xr.Dataset:
    return along(angle=(0.1, 0.2, 0.4), budget=(1, 2)).isel(pretraining=[2], strength=[1])


def test_an_axis_of_a_sweep_has_a_panel_for_each_value() -> None:
    """Repetitions are averaged; the legend stands once, with a marker for each strength."""
    data = xr.concat([along(angle=(0.1, 0.2, 0.4, 0.8)) * factor for factor in (0.5, 1.5)], "repeat")
    data = data.assign_coords(repeat=[0, 1]).assign_attrs(made("simulation").attrs | {"axes": "angle repeat"})
    for name, one in made("simulation").data_vars.items():
        data[name].attrs = one.attrs
    figure = plot(data, title="A sweep", size=(6, 4))
    assert [ax.get_title(loc="left") for ax in figure.axes] == [f"angle = {a}" for a in (0.1, 0.2, 0.4, 0.8)]
    for factor, ax in enumerate(figure.axes, start=1):
        drawn = np.asarray(ax.containers[1][0].get_ydata(), float)
        np.testing.assert_allclose(drawn, factor * made().after.values[:, 0])
        assert ax.get_legend() is None
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["γ = 0.1", "γ = 0.2", "before"]
    markers = [line.get_marker() for line in legend.findobj(Line2D)]
    assert [marker for marker in markers if marker.lower() != "none"] == ["o", "s", "+"]
    assert figure.get_suptitle() == "A sweep"
    assert figure.get_size_inches().tolist() == [6, 4]


def test_two_axes_of_numbers_at_one_length_and_strength_are_a_map() -> None:
    data = at_once()
    ax, bar = plot(data.isel(budget=[1, 0])).axes
    (mesh,) = ax.collections
    drawn = data.after.squeeze().transpose(ax.get_ylabel(), ax.get_xlabel())
    np.testing.assert_allclose(np.asarray(mesh.get_array()), drawn.values)
    scales = {ax.get_xlabel(): ax.get_xscale(), ax.get_ylabel(): ax.get_yscale()}
    assert scales == {"angle": "log", "budget": "linear"}
    assert ax.get_title(loc="left") == "pretraining length 2, noise scale γ = 0.2"
    assert bar.get_ylabel() == "loss after noise"


def elsewhere() -> xr.Dataset:
    return trajectory({"x": (("pretraining",), [1.0])}, {"pretraining": [0.0]}, method="theory", source="a", model="b")


@pytest.mark.parametrize(
    ("responses", "options", "words"),
    [
        ((), {}, "nothing to draw"),
        ((elsewhere(),), {}, "plot\\(\\) draws Responses only"),
        ((made(), made().isel(strength=[0])), {}, "different strengths"),
        ((made().expand_dims(task=["a"]),) * 2, {}, r"task: of several Responses .*data.sel\({'task': 'a'}\)"),
        ((made().expand_dims(task=["a"]),), {"ax": Figure().subplots()}, "a panel of its own"),
        ((made().expand_dims(task=list("abcdefghij")),), {}, "as many panels"),
        ((made().expand_dims(task=["a"], angle=[0.5]),), {}, r"panels for one axis.*data.sel\({'angle': 0.5}\)"),
        ((at_once().expand_dims(task=["a", "b"]),), {}, "for a map of two axes of numbers"),
        ((along(angle=(0.1, 0.2), budget=(1, 2)),), {}, r"data.sel\(pretraining=\[4\], strength=\[0.2\]\)"),
        ((along(np.arange(1, 10), task=("a", "b")),), {}, "a map shows one Response"),
        ((made(strengths=np.arange(1, 10)),) * 2, {}, "a map shows one Response"),
        ((made(),), {"ax": Figure()}, "no axes"),
        ((made(),), {"ax": Figure().subplots(), "size": (1, 1)}, "has its size"),
        ((made(),), {"size": (1, 2, 3)}, "two numbers"),
        ((made(),), {"size": (1, -2)}, "must be positive"),
    ],
)
def test_what_plot_refuses(responses: Any, options: Any, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        getattr(plot, "__wrapped__", plot)(*responses, **options)
