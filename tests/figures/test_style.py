"""The style: in force inside the block only, sizes for slides, panel letters."""

import matplotlib as mpl

from overtraining.figures.style import COLOURS, MARKERS, canvas, letter, styled


def test_the_style_ends_with_its_block() -> None:
    before = dict(mpl.rcParams)
    with styled():
        assert mpl.rcParams["font.size"] != before["font.size"]
    assert dict(mpl.rcParams) == before


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
