"""A Protocol at a prompt and in a notebook: short, complete where it differs from the defaults, safe as HTML."""

from dataclasses import dataclass, fields

import numpy as np

from overtraining.setting.inputs import Inputs
from overtraining.setting.protocol import Protocol
from overtraining.setting.shown import LISTED, shown, table
from overtraining.setting.starts import Balanced
from overtraining.setting.teachers import Matrix, PowerLaw
from overtraining.setting.weights import Weights


def test_a_protocol_takes_one_short_line_whatever_its_lengths() -> None:
    text = repr(Protocol(PowerLaw(8), np.linspace(0, 60, 601), (0.1,), start=Balanced(angle=0.2)))
    assert len(text) < 200
    assert "(0.0, 0.1, …, 60.0: 601 numbers)" in text
    assert "start=Balanced(angle=0.2)" in text
    assert "sampling" not in text  # left to its default


def test_short_lists_are_shown_whole_and_can_be_typed() -> None:
    assert shown((1.0,)) == "(1.0,)"
    assert eval(repr(Matrix(((1.0, 2.0), (3.0, 4.0))))) == Matrix(((1.0, 2.0), (3.0, 4.0)))
    assert shown(tuple(range(LISTED))) == str(tuple(range(LISTED)))
    assert repr(Matrix(np.eye(3))) == "Matrix(entries=3 × 3 numbers)"
    assert repr(Weights(np.ones((9, 4)), np.ones((2, 9)))) == "Weights(layers=(9 × 4 numbers, 2 × 9 numbers))"
    assert eval(repr(Weights([[0.5]], tolerance=0.1))) == Weights([[0.5]], tolerance=0.1)


def test_what_is_left_to_its_default_is_not_shown() -> None:
    assert repr(Inputs()) == "Inputs()"
    assert repr(Inputs(samples=8)) == "Inputs(samples=8)"


def test_a_notebook_shows_a_row_for_every_field() -> None:
    protocol = Protocol(PowerLaw(2), (0,), (0.1,))
    assert protocol._repr_html_().count("<tr>") == len(fields(protocol))


def test_what_a_text_holds_is_text_in_a_notebook() -> None:
    @dataclass
    class Named:
        name: str

    assert "<script>" not in table(Named("<script>"))
