"""Reports: text and data agree, B8's prediction and the law are added on request, and what is refused."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from overtraining.figures.llm.model_curves import measured_curves
from overtraining.figures.llm.panels import draw_answers
from overtraining.figures.llm.report import CheckpointReport, checkpoint_report, fitted_laws, predictions, write_report
from overtraining.figures.llm.tidy import Row, tidy_table, with_changed_model
from overtraining.setting.errors import SchemaError
from tests.figures.llm.samples import GROWS, RISES, STEPS, rows
from tests.figures.test_plain_text import HOSTILE


def losses(values: np.ndarray) -> pd.DataFrame:
    return rows(tuple(values), unit="nats", orientation="lower").assign(metric="loss")


def test_text_and_data_say_the_same() -> None:
    report = checkpoint_report(rows(RISES))
    (answer,) = report.data["answers"]
    assert report.length_units == "tokens"
    assert answer["verdict"] == report.answers[0].verdict
    assert answer["verdict"] in report.text
    assert report.data["confounding"]["m"] in report.text
    assert "adjusted for" not in report.text
    assert (
        "adjusted for 2 curves"
        in checkpoint_report(pd.concat([rows(RISES), rows(GROWS).assign(task="t")], ignore_index=True)).text
    )
    json.dumps(report.data, allow_nan=False)


def test_a_curve_that_cannot_be_used_is_named() -> None:
    short = rows(GROWS).iloc[:3].assign(task="short")
    report = checkpoint_report(pd.concat([rows(RISES), short], ignore_index=True))
    (reason,) = report.data["left_out"]
    assert reason.startswith("m, short, acc: 3 checkpoints")
    assert f"left out: {reason}" in report.text


def test_two_lines_come_first_and_a_screen_is_short() -> None:
    many = [rows(GROWS).assign(task=f"t{i:02}") for i in range(25)]
    report = checkpoint_report(pd.concat([rows(RISES), *many], ignore_index=True))
    first, second = report.text.split("\n")[:2]
    assert first.startswith("26 curve(s), 1 with a real decline")
    assert second.startswith("strongest evidence: m, sciq (acc), base: inflection between")
    assert all(f"m, t{i:02}" in report.text for i in range(25))
    assert sum(f"m, t{i:02} (acc), base  " in report.screen() for i in range(25)) == 19  # sciq is the 20th line
    assert "… and 6 more: --out FOLDER writes all to answers.txt" in report.screen()
    assert "more: --out" not in report.text
    found = report.screen(only_found=True)
    assert "m, sciq (acc), base  " in found
    assert not any(f"m, t{i:02} (acc), base  " in found for i in range(25))
    assert "errors of 26 measures: as given" in report.text


def test_an_odd_checkpoint_is_named() -> None:
    course = (0.40, 0.55, 0.70, 0.30, 0.78, 0.79, 0.80)
    long = pd.concat([rows(course), rows((0.80,) * 7).assign(tokens=lambda t: t.tokens * 1000)], ignore_index=True)
    report = checkpoint_report(long)
    assert "m, sciq (acc), base: the value at 8000 tokens does not fit between its neighbours" in report.text
    assert report.data["answers"][0]["odd_checkpoints"] == [8000.0]
    assert "does not fit" not in checkpoint_report(long.assign(value=0.8)).text


def test_a_long_plateau_is_warned_of_where_the_decline_is_real() -> None:
    u = np.linspace(0, 1, 20)
    noise = 0.02 * np.random.default_rng(1).normal(size=20)

    def report_of(course: np.ndarray) -> CheckpointReport:
        table = tidy_table(
            Row("m", "web", "loss", value, tokens=1e9 * 1000**x, stderr=0.02, unit="nats", orientation="lower")
            for x, value in zip(u, course + noise, strict=True)
        )
        return checkpoint_report(table)

    flat = np.exp(-15 * u)
    plateau = report_of(flat + 3 * np.clip(u - 0.75, 0, None))
    assert plateau.data["answers"][0]["on_long_plateau"]
    assert "warning: m, web (loss), base: a plateau over" in plateau.text
    assert "a plateau over" in plateau.screen()
    for course in (np.abs(u - 0.7), flat):  # a kink; a plateau without a turn, whose interval has no end
        assert not report_of(course).data["answers"][0]["on_long_plateau"]
        assert "a plateau over" not in report_of(course).text


def test_predictions_are_of_losses_with_a_changed_model() -> None:
    lengths = np.array(STEPS, float)
    base = losses(1 + lengths**-0.5)
    changed = losses(1 + lengths**-0.5 + 1e-3 * lengths**0.5)
    curves, _ = measured_curves(with_changed_model(base, changed, "noise"), "tokens")
    (made,), (sentence, short) = predictions(curves)
    assert "no power law plus power law to compare with: 4 runs" in short
    assert made["power_laws"] is None
    assert made["curve"] == "m, sciq (loss), noise"
    assert made["noise_cost"] == pytest.approx(5e-4, rel=0.05)  # G = −2∫t dL = 2√t
    assert "B8 is off by" in sentence
    with pytest.raises(SchemaError, match="accuracies are not losses"):
        predictions(measured_curves(with_changed_model(rows(), rows(GROWS), "noise"), "tokens")[0])


def test_a_rival_is_fitted_to_the_same_checkpoints() -> None:
    """Exact power laws at 14 lengths: the rival's turning point is (βB / γC)^{1/(β + γ)}."""
    lengths = 1000 * 2.0 ** np.arange(14)
    before = 1 + lengths**-0.5
    table = tidy_table(
        Row(
            "m",
            "web",
            "loss",
            value,
            tokens=x,
            stderr=1e-4,
            unit="nats",
            orientation="lower",
            stage=stage,
            perturbation=p,
        )
        for stage, p, values in (("base", "", before), ("perturbed", "noise", before + 1e-3 * lengths**0.4))
        for x, value in zip(lengths, values, strict=True)
    )
    (made,), (_, rival) = predictions(measured_curves(table, "tokens")[0])
    assert made["power_laws"]["inflection"] == pytest.approx((0.5 / 0.4e-3) ** (1 / 0.9), rel=1e-3)
    assert made["power_laws"]["fitted"] == made["fitted"] == 7
    assert f"predicted inflection at {made['power_laws']['inflection']:.3g}" in rival
    json.dumps(made, allow_nan=False)


def test_a_law_needs_sizes_and_annealed_runs() -> None:
    runs = tidy_table(
        Row(
            f"m{n:g}",
            "web",
            "loss",
            1.5 + 50 * n**-0.2 + 400 * (20 * n * k) ** -0.3,
            params=n,
            tokens=20 * n * k,
            annealed="yes",
            unit="nats",
        )
        for n in (1e7, 1e8, 1e9)
        for k in (1, 2, 4, 8)
    )
    (row,) = fitted_laws(runs)
    assert [row[symbol][0] for symbol in ("E", "A", "alpha", "B", "beta")] == pytest.approx(
        [1.5, 50, 0.2, 400, 0.3], rel=1e-3
    )
    with pytest.raises(SchemaError, match="not for checkpoints along one run"):
        fitted_laws(runs.assign(annealed="no"))
    with pytest.raises(SchemaError, match="params and tokens"):
        fitted_laws(runs.assign(params=np.nan))


def test_a_report_is_written_with_its_panels(tmp_path) -> None:
    paths = write_report(checkpoint_report(rows(RISES)), tmp_path)
    assert [path.name for path in paths] == ["answers.txt", "curves.pdf", "curves.svg", "curves.png"]
    assert "inflection between" in paths[0].read_text()


def test_hostile_names_are_text_in_every_file(tmp_path: Path) -> None:
    """Names of a model, a task and a change that a terminal, a page or Matplotlib would obey."""
    name = f"{HOSTILE}\x1b[2J\ud800"
    base = rows(RISES).assign(model=name, task=name)
    table = pd.concat([base, base.assign(stage="perturbed", perturbation=f"_{name}")])
    named = tidy_table(Row(**row) for row in table.to_dict("records"))
    report = checkpoint_report(named)
    files = write_report(report, tmp_path)
    assert r"\x1b[2J\ud800" in report.text
    assert all(line.isprintable() for line in (tmp_path / "answers.txt").read_text(encoding="utf-8").split("\n"))
    (drawn,) = (path.read_text(encoding="utf-8") for path in files if path.suffix == ".svg")
    assert "<script" not in drawn
    assert "evil" not in re.sub("<!--.*?-->", "", drawn)  # letters are drawn as paths
    (figure,) = draw_answers(report.answers, report.length_units)
    (ax,) = figure.axes
    (_, entry) = (text.get_text().replace(r"\$", "$") for text in ax.get_legend().get_texts())
    assert entry == f" _{HOSTILE[:38]}…"
