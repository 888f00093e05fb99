"""OLMo-1B: the significance of its declines."""

from importlib.resources import files
from pathlib import Path

import pytest

from overtraining.figures.llm import olmo1b
from overtraining.figures.llm.model_curves import measured_curves
from overtraining.figures.llm.olmo1b import after_mnli, after_paws, after_tulu
from overtraining.figures.llm.readers import read
from overtraining.figures.llm.statistics.turning_point import find_turning_point
from overtraining.setting.inflection import inflection_point
from overtraining.setting.responses import curve, sensitivity

FOLDER = Path(str(files("overtraining.figures.llm")))


def test_olmo1b_is_not_significant() -> None:
    """F1, computed: the mean of six after TULU declines after 2.1 T by 0.010 ± 0.010, within what chance makes."""
    table = read([FOLDER / "published.csv"]).table
    tulu = table[(table.perturbation == "fine-tuning on TULU") & (table.stage == "fine-tuned")]
    (mean,), _ = measured_curves(tulu, "tokens", group="model")
    point = find_turning_point(mean.series)
    assert -mean.series.value == pytest.approx(olmo1b.after_tulu().sel(task="mean").after.values.ravel())
    assert point.best == pytest.approx(2.118e12, rel=1e-3)
    assert (point.rise, point.rise_stderr) == pytest.approx((0.010, 0.010), abs=5e-4)
    assert point.p_value > 0.2
    assert not point.significant
    (paws,), _ = measured_curves(table[(table.task == "paws") & (table.stage == "fine-tuned")], "tokens")
    assert find_turning_point(paws.series).significant


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
