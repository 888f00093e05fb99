"""Repetitions: seeds in names of models are pooled into one curve with errors from their scatter."""

import numpy as np
import pandas as pd
import pytest

from overtraining.figures.llm.replicates import pool_replicates
from overtraining.figures.llm.report import checkpoint_report
from tests.figures.llm.samples import GROWS, RISES, rows


@pytest.mark.parametrize(
    ("names", "model", "seeds"),
    [
        (["m-seed1", "m-seed12"], "m", [1, 12]),
        (["m_seed1", "m_seed=2"], "m", [1, 2]),
        (["runs/seed-0", "runs/seed-1"], "runs", [0, 1]),
        (["run seed:3 wide", "run seed:4 wide"], "run wide", [3, 4]),
        (["m", "m-Seed2"], "m", [np.nan, 2]),
    ],
)
def test_seeds_in_names(names: list[str], model: str, seeds: list[float]) -> None:
    pooled, members = pool_replicates(pd.DataFrame({"model": names, "seed": np.nan}))
    assert pooled["model"].tolist() == [model, model]
    assert pooled["seed"].tolist() == pytest.approx(seeds, nan_ok=True)
    assert members == {model: sorted(names)}


@pytest.mark.parametrize(
    "names", [["m-seed1", "n-seed1"], ["linseed1", "linseed2"], ["seed1", "seed2"], ["m-s1", "m-s2"]]
)
def test_other_names_stay(names: list[str]) -> None:
    pooled, members = pool_replicates(pd.DataFrame({"model": names, "seed": np.nan}))
    assert pooled["model"].tolist() == names
    assert pooled["seed"].isna().all()
    assert not members


def test_a_seed_of_the_file_is_kept() -> None:
    pooled, _ = pool_replicates(pd.DataFrame({"model": ["m-seed1", "m-seed2"], "seed": [7.0, np.nan]}))
    assert pooled["seed"].tolist() == [7.0, 2.0]


def test_runs_of_several_seeds_are_one_curve() -> None:
    """Two runs 0.02 apart: the mean, with the error of two repetitions; the report says what was pooled."""
    runs = [rows(RISES).assign(model="m-seed1"), rows(tuple(x + 0.02 for x in RISES)).assign(model="m-seed2")]
    table = pd.concat([*runs, rows(GROWS).assign(model="other")], ignore_index=True)
    report = checkpoint_report(table)
    one = next(a.curve for a in report.answers if a.curve.model == "m")
    assert len(report.answers) == 2
    np.testing.assert_allclose(-one.series.value, np.array(RISES) + 0.01)
    np.testing.assert_allclose(one.series.stderr, 0.01)
    assert one.series.freedom == 7
    assert "repetitions of m, pooled: m-seed1, m-seed2" in report.text
    assert report.data["pooled"] == {"m": ["m-seed1", "m-seed2"]}
