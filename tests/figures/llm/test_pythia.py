"""The shipped Pythia table: against the raw measurements, and the declines of base models."""

import csv
import gzip
from importlib.resources import files
from pathlib import Path

from overtraining.figures.llm import pythia
from tests.figures.llm import samples

FOLDER = Path(str(files("overtraining.figures.llm")))


def test_pythia_against_the_raw_measurements() -> None:
    with gzip.open(samples.shared("llm/pythia_v1_evals_core_tasks.csv.gz"), "rt") as stream:
        raw = {
            (row["model"], row["step"], row["shots"], row["task"], row["metric"]): (row["value"], row["stderr"])
            for row in csv.DictReader(stream)
        }
    rows = list(csv.DictReader((FOLDER / "pythia.csv").read_text().splitlines()))
    assert len(rows) == 112
    for row in rows:
        assert (row["value"], row["stderr"]) == raw[row["model"], row["step"], "0", row["task"], row["metric"]]


def test_the_control() -> None:
    """Small Pythia models get worse with nothing done to them; by the scatter between checkpoints, one at most."""
    small = [pythia.pythia_70m(), pythia.pythia_70m_deduped(), pythia.pythia_160m(), pythia.pythia_160m_deduped()]
    large = [pythia.pythia_410m(), pythia.pythia_410m_deduped(), pythia.pythia_14b(), pythia.pythia_14b_deduped()]
    assert all(data.attrs["p_value_given"] < 1e-3 for data in small)
    assert all(data.attrs["p_value_given"] > 0.05 for data in large)
    assert all(data.attrs["scatter"] > data.before_stderr.median() for data in small)
    assert [data.attrs["p_value_scatter"] <= 0.05 for data in small].count(True) <= 1
