"""The table of published figures: against the raw measurements where they are at hand, and against itself."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from overtraining.figures.llm.olmo1b import after_mnli, after_paws, after_tulu
from overtraining.figures.llm.published_table import published, table_response
from overtraining.setting.errors import SchemaError
from overtraining.setting.grid_inflection import inflection_point
from overtraining.setting.responses import curve, sensitivity

RAW = Path(__file__).parents[3] / "shared/data/llm/amurochar_olmo1b_finetune_by_checkpoint.csv"


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


def test_numbers_of_the_ledger() -> None:
    """Means after TULU as in paper_notes.md, and that their decline is not significant."""
    mean = after_tulu().sel(task=["mean"])
    after = curve(mean, "after").value.values.ravel()
    assert after[2:].round(3).tolist() == [0.601, 0.611, 0.617, 0.605, 0.607]
    assert mean.before.values.ravel()[2:].round(3).tolist() == [0.572, 0.572, 0.579, 0.571, 0.582]
    assert not inflection_point(mean).exists.any()
    best = inflection_point(mean, which="best", confidence=1e-6)
    assert (float(best.rise.item()), float(best.rise_stderr.item())) == pytest.approx((0.010, 0.010), abs=5e-4)


def test_paws_falls_and_mnli_does_not() -> None:
    paws, mnli = (inflection_point(data, "downstream") for data in (after_paws(), after_mnli()))
    assert paws.exists.item()
    assert paws.length.item() == 505_000 * 4_194_304
    assert paws.rise.item() == pytest.approx(0.179, abs=5e-4)
    assert not mnli.exists.item()


def test_scores_are_better_when_higher() -> None:
    """Fine-tuning on PAWS improves PAWS, so its sensitivity is negative from the second checkpoint on."""
    assert (sensitivity(after_paws(), "downstream").value.values.ravel()[1:] < 0).all()


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
