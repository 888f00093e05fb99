"""From table to curves: where errors come from, means over tasks, perplexities, the axis."""

import numpy as np
import pandas as pd
import pytest

from overtraining.figures.llm.model_curves import length_column, measured_curves
from overtraining.setting.errors import SchemaError
from tests.figures.llm.samples import GROWS, RISES, rows


def test_where_errors_come_from() -> None:
    def how(table: pd.DataFrame, **options: object) -> tuple[str, float, float]:
        one = measured_curves(table, "tokens", **options)[0][0].series  # type: ignore[arg-type]
        return one.errors_from, float(one.stderr[0]), one.freedom

    long = pd.concat([rows(GROWS), rows(GROWS).assign(tokens=lambda t: t.tokens * 100)], ignore_index=True)
    seeds = pd.concat([rows(GROWS).assign(seed=0.0), rows(GROWS).assign(seed=1.0, value=lambda t: t.value + 0.02)])
    assert how(rows(GROWS)) == ("as given", 0.01, np.inf)
    assert how(rows(GROWS, stderr=np.nan, items=2400.0)) == (
        "binomial, from the test items",
        pytest.approx(0.01),
        np.inf,
    )
    assert how(seeds) == ("scatter of 14 repetitions", pytest.approx(0.01), 7.0)
    assert how(long, errors="scatter")[0] == "scatter between neighbouring checkpoints"
    assert how(long.assign(stderr=np.nan))[0] == "scatter between neighbouring checkpoints"
    assert "neighbouring checkpoints scatter" in how(long.assign(stderr=1e-4))[0]
    with pytest.raises(SchemaError, match="7 checkpoints: without standard errors"):
        measured_curves(rows(GROWS, stderr=np.nan), "tokens")


def test_values_that_do_not_scatter_have_no_errors() -> None:
    """Constant values, a straight line on the clock, and copies that were taken for repetitions."""
    long = pd.concat([rows(GROWS), rows(GROWS).assign(tokens=lambda t: t.tokens * 1000)], ignore_index=True)
    unknown = long.assign(stderr=np.nan)
    with pytest.raises(SchemaError, match="14 checkpoints: all values are the same"):
        measured_curves(unknown.assign(value=0.3), "tokens")
    with pytest.raises(SchemaError, match="a line through neighbours"):
        measured_curves(unknown.assign(value=np.log1p(long.tokens / 1000)), "tokens")
    with pytest.raises(SchemaError, match="28 repetitions: the repetitions of each checkpoint are the same"):
        measured_curves(pd.concat([long.assign(seed=1.0), long.assign(seed=2.0)]), "tokens")
    assert measured_curves(long.assign(value=0.3), "tokens")[0][0].series.errors_from == "as given"


def test_a_mean_over_tasks() -> None:
    """Mean of two tasks at the checkpoints that both have; errors as of independent tasks."""
    other = rows(GROWS).assign(task="piqa").iloc[1:]
    (mean,), _ = measured_curves(pd.concat([rows(), other], ignore_index=True), "tokens", group="model")
    assert mean.name == "mean of 2 tasks (acc)"
    assert (-mean.series.value).tolist() == pytest.approx((np.array(RISES) + GROWS)[1:] / 2)
    assert mean.series.stderr.tolist() == pytest.approx([0.01 / np.sqrt(2)] * 6)


def test_perplexities_are_logarithms() -> None:
    table = rows((40.0, 20.0, 10.0, 8.0, 7.0, 9.0, 12.0), unit="perplexity", orientation="lower", stderr=0.5)
    (one,), _ = measured_curves(table, "tokens")
    assert one.series.value.tolist() == pytest.approx(np.log(table.value))
    assert one.series.stderr.tolist() == pytest.approx(0.5 / table.value)


def test_the_axis() -> None:
    table = rows()
    assert length_column(table) == "tokens"
    assert length_column(table.assign(tokens=np.nan, step=table.tokens)) == "step"
    with pytest.raises(SchemaError, match="--tokens-per-step"):
        length_column(table.assign(tokens=np.nan), "tokens")
