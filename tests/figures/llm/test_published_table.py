"""The table of published numbers: against the raw measurements, and against itself."""

import csv
import math
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from overtraining.figures.llm.olmo1b import after_tulu
from overtraining.figures.llm.published_table import published, table_response
from overtraining.setting.errors import SchemaError
from tests.figures.llm import samples

RAW = samples.SHARED / "llm/amurochar_olmo1b_finetune_by_checkpoint.csv"


def test_every_row_says_where_it_comes_from() -> None:
    rows = published()
    assert len(rows) == 112
    assert rows.notna().all(axis=None)
    assert rows["source"].str.contains("2408.06663").all()
    assert (rows["licence"] == "Apache-2.0").all()


def test_against_the_raw_measurements() -> None:
    if not RAW.exists():
        pytest.skip("the raw measurements are not beside this checkout")
    raw = {}
    for row in csv.DictReader(RAW.read_text().splitlines()):
        if row["step"] and row["shots"] in ("", "4"):
            stage = "base" if row["stage"] == "base" else row["ft_dataset"]
            raw[stage, row["eval_dataset"], row["shots"], int(float(row["tokens"]))] = (row["value"], row["std"])
    for row in published().itertuples():
        tuned_on = row.perturbation.removeprefix("fine-tuning on ").lower()
        shots = "" if tuned_on == "tulu" else "4"
        value, std = raw["base" if row.stage == "base" else tuned_on, row.task, shots, row.tokens]
        assert row.value == float(value)
        if tuned_on != "tulu":
            assert row.stderr == pytest.approx(float(std), rel=1e-5)


def test_binomial_errors_and_their_number_of_items() -> None:
    """Each value is a whole number of right answers out of n, to the four digits that were published."""
    for row in published().itertuples():
        if row.stderr_from.startswith("binomial"):
            n = int(row.stderr_from.split("n = ")[1].split()[0])
            assert abs(row.value * n - round(row.value * n)) / n < 6e-5
            assert row.stderr == pytest.approx(math.sqrt(row.value * (1 - row.value) / n), rel=1e-5)


def test_mean_has_the_error_of_independent_tests() -> None:
    six, mean = after_tulu().isel(task=slice(6)), after_tulu().sel(task="mean")
    np.testing.assert_allclose(mean.after_stderr, np.sqrt((six.after_stderr**2).sum("task")) / 6, rtol=1e-12)


def test_ragged_and_mixed_tables_are_refused() -> None:
    rows = published()
    tulu = rows[rows["perturbation"] == "fine-tuning on TULU"]
    with pytest.raises(SchemaError, match="sciq at 4194304000 tokens, base"):
        table_response(tulu[~((tulu.task == "sciq") & (tulu.tokens == 4194304000))], ("sciq", "boolq"))
    with pytest.raises(SchemaError, match="perturbation"):
        table_response(rows, ("paws", "sciq"))


FOLDER = Path(str(files("overtraining.figures.llm")))


def shipped(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / name)


def test_every_row_has_source_and_licence_and_they_are_few() -> None:
    """At most 2,000 numbers in all, values and standard errors counted."""
    tables = [shipped(name) for name in ("annealed.csv", "pythia.csv")] + [published()]
    for table in tables:
        assert table[["source", "licence", "value", "stderr"]].notna().all(axis=None)
    assert sum(2 * len(table) for table in tables) <= 2000
