"""Panels: one per base curve, up to twelve per figure, starred where the decline is significant."""

import pandas as pd

from overtraining.figures.llm.answers import answer_all
from overtraining.figures.llm.model_curves import measured_curves
from overtraining.figures.llm.panels import draw_answers, pictures
from overtraining.figures.llm.tidy import with_changed_model
from tests.figures.llm.samples import GROWS, RISES, rows


def test_a_significant_decline_has_its_interval_and_star() -> None:
    both = pd.concat([rows(RISES), rows(GROWS).assign(task="piqa")], ignore_index=True)
    (figure,) = draw_answers(answer_all(measured_curves(both, "tokens")[0]), "tokens")
    shown = {ax.get_title(loc="left").splitlines()[1]: ax for ax in figure.axes}
    assert list(shown) == ["sciq", "piqa"]  # the strongest evidence first
    assert [ax.get_title(loc="left").splitlines()[0] for ax in figure.axes] == ["(a) m", "(b) m"]
    assert len(shown["sciq"].patches) == 1
    assert [line.get_marker() for line in shown["sciq"].lines].count("*") == 1
    assert not shown["piqa"].patches
    (only,) = draw_answers(answer_all(measured_curves(both, "tokens")[0]), "tokens", only_found=True)
    assert [ax.get_title(loc="left").splitlines()[1] for ax in only.axes] == ["sciq"]


def test_shots_are_in_the_title_and_step_0_on_the_axis() -> None:
    table = rows(RISES, shots=5.0)
    (figure,) = draw_answers(
        answer_all(measured_curves(table.assign(tokens=table.tokens - 1000), "tokens")[0]), "tokens"
    )
    (ax,) = figure.axes
    assert ax.get_title(loc="left") == "(a) m\nsciq, 5-shot"
    assert ax.get_xscale() == "symlog"
    assert ax.get_xlim()[0] == ax.get_xticks()[0] == 0
    (logarithmic,) = draw_answers(answer_all(measured_curves(table, "tokens")[0]), "tokens")
    assert logarithmic.axes[0].get_xscale() == "log"
    near = table.assign(tokens=table.tokens + 1e6)
    (linear,) = draw_answers(answer_all(measured_curves(near, "tokens")[0]), "tokens")
    assert linear.axes[0].get_xscale() == "linear"


def test_a_fall_from_the_start_has_no_star() -> None:
    (figure,) = draw_answers(answer_all(measured_curves(rows(GROWS[::-1]), "tokens")[0]), "tokens")
    assert "*" not in [line.get_marker() for line in figure.axes[0].lines]
    assert not figure.axes[0].patches


def test_base_and_changed_model_share_a_panel() -> None:
    table = with_changed_model(rows(GROWS), rows(RISES), "noise")
    (figure,) = draw_answers(answer_all(measured_curves(table, "tokens")[0]), "tokens")
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["base", "noise"]


def test_more_than_twelve_panels_are_several_figures() -> None:
    many = pd.concat([rows(GROWS).assign(task=f"t{i:02}") for i in range(13)], ignore_index=True)
    figures = list(draw_answers(answer_all(measured_curves(many, "tokens")[0]), "tokens"))
    assert [len(figure.axes) for figure in figures] == [12, 1]
    assert list(pictures(iter(figures[1:]), "part")) == ["part.pdf", "part.svg", "part.png"]
