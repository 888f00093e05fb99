"""The shipped tables of annealed runs and of Pythia: against the raw measurements, and what is told of them."""

import csv
import gzip
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from overtraining.figures.llm import annealed, olmo1b, pythia
from overtraining.figures.llm.annealed import GROWTH
from overtraining.figures.llm.curves import measured_curves
from overtraining.figures.llm.published_table import published
from overtraining.figures.llm.readers import read
from overtraining.figures.llm.statistics.turning_point import find_turning_point
from overtraining.setting.grid_inflection import inflection_point
from overtraining.setting.responses import validate
from tests.figures import samples

FOLDER = Path(str(files("overtraining.figures.llm")))


def shipped(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / name)


def test_every_row_has_source_and_licence_and_they_are_few() -> None:
    """At most 2,000 numbers in all, values and standard errors counted."""
    tables = [shipped(name) for name in ("annealed.csv", "pythia.csv")] + [published()]
    for table in tables:
        assert table[["source", "licence", "value", "stderr"]].notna().all(axis=None)
    assert sum(2 * len(table) for table in tables) <= 2000


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


def test_pythia_against_the_raw_measurements() -> None:
    with gzip.open(samples.shared("llm/pythia_v1_evals_core_tasks.csv.gz"), "rt") as stream:
        raw = {(row["model"], row["step"], row["shots"], row["task"], row["metric"]): (row["value"], row["stderr"])
               for row in csv.DictReader(stream)}  # fmt: skip
    rows = list(csv.DictReader((FOLDER / "pythia.csv").read_text().splitlines()))
    assert len(rows) == 112
    for row in rows:
        assert (row["value"], row["stderr"]) == raw[row["model"], row["step"], "0", row["task"], row["metric"]]


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
    for bits, length in zip(data.strength.values, inflection_point(data).length.values, strict=True):
        assert abs(np.log(length / data.attrs[f"turning_{bits:.0f}"])) <= step


def test_the_sum_rule_is_near_and_not_equal() -> None:
    data = validate(annealed.exponents())
    predicted = 1 - data.beta.values
    assert data.sizes["fit"] == 12
    assert data.attrs["runs"] == 104
    assert ((predicted > GROWTH) & (predicted < 0.8)).all()


def test_the_control() -> None:
    """Small Pythia models get worse with nothing done to them; by the scatter between checkpoints, one at most."""
    small = [pythia.pythia_70m(), pythia.pythia_70m_deduped(), pythia.pythia_160m(), pythia.pythia_160m_deduped()]
    large = [pythia.pythia_410m(), pythia.pythia_410m_deduped(), pythia.pythia_14b(), pythia.pythia_14b_deduped()]
    assert all(data.attrs["p_value_given"] < 1e-3 for data in small)
    assert all(data.attrs["p_value_given"] > 0.05 for data in large)
    assert all(data.attrs["scatter"] > data.before_stderr.median() for data in small)
    assert [data.attrs["p_value_scatter"] <= 0.05 for data in small].count(True) <= 1


def test_olmo1b_is_not_significant() -> None:
    """F1, computed: the mean of six after TULU declines after 2.1 T by 0.010 ± 0.010, within what chance makes."""
    table, _ = read([FOLDER / "published.csv"])
    tulu = table[(table.perturbation == "fine-tuning on TULU") & (table.stage == "fine-tuned")]
    (mean,), _ = measured_curves(tulu, "tokens", group="model")
    point = find_turning_point(mean.series)
    assert -mean.series.value == pytest.approx(olmo1b.after_tulu().sel(task="mean").after.values.ravel())
    assert point.best == pytest.approx(2.118e12, rel=1e-3)
    assert (point.rise, point.rise_stderr) == pytest.approx((0.010, 0.010), abs=5e-4)
    assert point.p_value > 0.2
    assert not point.found
    (paws,), _ = measured_curves(table[(table.task == "paws") & (table.stage == "fine-tuned")], "tokens")
    assert find_turning_point(paws.series).found
