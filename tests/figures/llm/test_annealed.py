"""The shipped annealed runs: against the raw measurements, the fitted law, and the cost of quantization."""

import csv

import numpy as np
import pytest

from overtraining.figures.llm import annealed
from overtraining.figures.llm.annealed import GROWTH, quantization_cost
from overtraining.setting.inflection import inflection_point
from overtraining.setting.responses import validate
from tests.figures.llm import samples


def test_published_law_of_quantization() -> None:
    """Rows of table 1 of arXiv 2411.17691 recomputed: size, bits, tokens and the loss."""
    for params, bits, tokens, loss in ((1e9, 2.0, 1.1e9, 0.19432), (7e9, 3.0, 303.8e9, 0.25786)):
        assert quantization_cost(params, bits) * tokens**GROWTH == pytest.approx(loss, abs=1e-5)


def test_annealed_runs_against_the_raw_measurements() -> None:
    raw = {}
    for row in csv.DictReader(samples.shared("llm/openlm_overtraining_losses.csv").read_text().splitlines()):
        task = row["val_data"].split("/")[-2]
        width = float(row["loss_tokens_upper_95"]) - float(row["loss_tokens_lower_95"])
        raw[row["dataset"], task, float(row["params_no_embed"]), float(row["tokens"])] = (
            row["loss_nats"],
            width / 3.92,
        )
    table = annealed.runs()
    assert len(table) == 416
    for row in table.itertuples():
        value, stderr = raw[row.trained, row.task, row.params, row.tokens]
        assert row.value == float(f"{float(value):.7g}")
        assert row.stderr == pytest.approx(stderr, rel=2e-2)


def test_the_law_of_annealed_runs() -> None:
    """β on web text as in the caption; every size is described to the scatter that is stated."""
    assert 0.2 < annealed.law().law.beta < 0.4
    low, high = annealed.law().interval("beta")
    assert low < annealed.law().law.beta < high
    for make in (annealed.size_6m, annealed.size_53m, annealed.size_125m, annealed.size_360m):
        data = validate(make())
        assert np.median(np.abs(np.log(data.loss / data.law))) < 2 * data.attrs["scatter"]


def test_where_quantization_turns_the_law() -> None:
    """The inflection point on the grid of lengths is the closed form's, to the grid's width."""
    data = validate(annealed.quantized())
    step = np.log(data.pretraining.values[1] / data.pretraining.values[0])
    for turning, length in zip(data.attrs["turning"], inflection_point(data).length.values, strict=True):
        assert abs(np.log(length / turning)) <= step


def test_the_sum_rule_is_near_and_not_equal() -> None:
    data = validate(annealed.exponents())
    predicted = 1 - data.beta.values
    assert data.sizes["fit"] == 12
    assert data.attrs["runs"] == 104
    assert ((predicted > GROWTH) & (predicted < 0.8)).all()
