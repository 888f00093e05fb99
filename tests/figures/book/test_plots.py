"""Small plots in the book: the same bytes each time, unique identifiers, and a swatch for every curve."""

import re

import numpy as np

from overtraining.figures.book.plots import COLOURS, identified, small_plot, swatch
from overtraining.theory.derivations.checker.core import Curves

CURVES = Curves(np.array([1.0, 2.0, 3.0]), {"one": np.array([1.0, 2.0, 4.0]), "two": np.ones(3)}, "length", "loss")


def test_a_plot_repeats_to_the_byte_and_names_its_parts_after_itself() -> None:
    plot = small_plot(CURVES)
    assert plot == small_plot(CURVES)
    plot = identified(plot, "first")
    assert plot.startswith("<svg")
    assert "xmlns" not in plot
    identifiers = [part.split('"')[0] for part in plot.split(' id="')[1:]]
    assert identifiers
    assert all(name.startswith("first-") for name in identifiers)
    targets = re.findall(r'(?:href="|url\()#([^")]+)', plot)
    assert targets
    assert set(targets) <= set(identifiers)


def test_curves_have_the_colours_of_their_swatches() -> None:
    plot = small_plot(CURVES).lower()
    for i in range(2):
        colour, _ = swatch(i)
        assert colour.lower() in plot
    assert swatch(7)[0] == COLOURS[0]
    assert swatch(0)[1] == ""
    assert swatch(1)[1] != swatch(2)[1]
