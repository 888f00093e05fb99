"""The style: in force inside the block only, in one thread at a time; sizes for slides, panel letters."""

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from overtraining.figures.presets import STYLE_PRESETS
from overtraining.figures.style import COLOURS, MARKERS, canvas, colour_at, letter, styled


def test_the_style_ends_with_its_block() -> None:
    before = dict(mpl.rcParams)
    with styled():
        assert mpl.rcParams["font.size"] != before["font.size"]
    assert dict(mpl.rcParams) == before


def test_users_settings_do_not_change_the_picture() -> None:
    ours = _picture("paper")
    with mpl.rc_context({"lines.linewidth": 9, "axes.facecolor": "black", "font.family": "monospace"}):
        assert _picture("paper") == ours


def test_eight_threads_draw_the_same_pictures_as_one() -> None:
    """Matplotlib's settings are those of the process: two styles at once would spoil each other."""
    presets: list[Any] = ["paper", "slides"] * 4
    alone = [_picture(preset) for preset in presets[:2]]
    before = dict(mpl.rcParams)
    with ThreadPoolExecutor(8) as threads:
        pictures = list(threads.map(_picture, presets))
    assert pictures == alone * 4
    assert alone[0] != alone[1]
    assert dict(mpl.rcParams) == before


def test_a_figure_is_drawn_in_its_style_later() -> None:
    with styled("slides"):
        figure, _ = canvas(1.0, 1.0)
        at_once = _bytes(figure)
    assert _bytes(figure) == at_once
    assert figure._repr_png_().startswith(b"\x89PNG")  # what a notebook shows, without pyplot


def _picture(preset: Any) -> bytes:
    with styled(preset):
        figure, (ax,) = canvas(1.0, 1.0)
        ax.plot([0, 1], [1, 0])
        ax.set_xlabel("length")
    return _bytes(figure)


def _bytes(figure: Any) -> bytes:
    with io.BytesIO() as file:
        figure.savefig(file, format="png")
        return file.getvalue()


def test_figures_for_slides_are_twice_as_large() -> None:
    with styled():
        paper, axes = canvas(3.0, 2.0, rows=2, columns=2)
    with styled("slides"):
        slides, _ = canvas(3.0, 2.0)
    assert len(axes) == 4
    assert paper.get_size_inches().tolist() == [3.0, 2.0]
    assert slides.get_size_inches().tolist() == [6.0, 4.0]


def test_letters_stand_before_the_titles() -> None:
    _, axes = canvas(3.0, 2.0, columns=2)
    axes[0].set_title("noise", loc="left")
    letter(axes)
    assert [ax.get_title(loc="left") for ax in axes] == ["(a) noise", "(b)"]


def test_every_colour_has_its_marker() -> None:
    assert len(set(COLOURS)) == len(set(MARKERS)) == len(COLOURS) == len(MARKERS)


def test_texts_keep_their_proportions_to_a_users_font_size() -> None:
    """Titles, names and numbers of axes: twice as large for a font twice as large, in both presets."""
    texts = ("axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize")
    for preset in STYLE_PRESETS:
        with styled(preset):
            ours = {name: mpl.rcParams[name] for name in ("font.size", *texts)}
        with styled(preset, f"font.size: {2 * ours['font.size']}\nxtick.labelsize: 5\nfigure.facecolor: 0.9"):
            theirs = {name: mpl.rcParams[name] for name in ours}
            title = Figure().suptitle("a title").get_fontsize()
        assert theirs == {name: 2 * size for name, size in ours.items()} | {"xtick.labelsize": 5}
        assert title == theirs["axes.titlesize"]


def test_colours_follow_a_users_cycle_and_not_matplotlibs() -> None:
    with styled(style="axes.prop_cycle: cycler('color', ['112233', 'red'])"):
        assert [colour_at(place) for place in range(3)] == ["#112233", "red", "#112233"]
    with styled(style="axes.prop_cycle: cycler('linewidth', [1, 2])"):
        assert colour_at(1) == COLOURS[1]
    with styled():
        assert [colour_at(place) for place in range(8)] == [*COLOURS, COLOURS[0]]
