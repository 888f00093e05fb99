"""The experiments' own judges: a check that cannot fail is refused, one that should fail does."""

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from overtraining.commands.app import main
from overtraining.experiments import memoized
from overtraining.experiments.learning_rate import GRID, trend
from overtraining.experiments.runner import choose
from overtraining.experiments.verdict import (
    Check,
    Outcome,
    judge_bound,
    judge_order,
    judge_response,
    judge_z_scores,
    map_limit,
)
from overtraining.setting.errors import DomainError, NotSolved
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.teachers import PowerLaw
from overtraining.setting.training import GradientDescent
from overtraining.simulations.measurements import respond
from overtraining.simulations.sweeps.worker import ONE_THREAD
from overtraining.simulations.sweeps.worker_processes import environment
from overtraining.theory.solvers.exact import respond as predict

ASKED = Protocol(PowerLaw(2), (1.0, 2.0, 4.0, 8.0), (0.1, 0.3), sampling=Sampling(draws=4096, antithetic=True))


@pytest.fixture(scope="module")
def measured() -> list[xr.Dataset]:
    return [respond(ASKED, key=k) for k in range(2)]


def _off(data: xr.Dataset, factor: float) -> xr.Dataset:
    wrong = data.copy(deep=True)
    wrong["sensitivity"] *= factor
    wrong["after"] = wrong["before"] + wrong["sensitivity"]
    wrong["after"].attrs = data["after"].attrs
    return wrong


def test_truth_passes_and_an_error_of_2_percent_does_not(measured: list[xr.Dataset]) -> None:
    truth = predict(ASKED)
    assert judge_response("truth", truth, measured).passed
    assert not judge_response("4% off", _off(truth, 1.04), measured).passed


def test_a_run_too_weak_to_refute_is_no_evidence() -> None:
    weak = respond(replace(ASKED, sampling=Sampling(draws=8)), key=0)
    with pytest.raises(NotSolved, match="take more draws"):
        judge_response("weak", predict(ASKED), [weak])
    z = np.random.default_rng(0).normal(size=50)
    with pytest.raises(NotSolved, match="take more draws"):
        judge_z_scores("cannot tell", z, np.full(50, 4.0))


def test_z_scores_of_the_wrong_law_fail() -> None:
    z, sharp = np.random.default_rng(1).normal(size=200), np.full(200, 100.0)
    assert judge_z_scores("normal", z, sharp).passed
    assert not judge_z_scores("one outlier", np.append(z[:-1], 6.5), sharp).passed
    assert not judge_z_scores("too narrow", z / 2, sharp).passed
    assert not judge_z_scores("a common error", z + 0.5, sharp).passed


def test_bounds_and_orders() -> None:
    x = np.geomspace(1e-3, 1e-1, 5)
    assert judge_order("first", x, 3 * x, 1.0, "η").passed
    assert not judge_order("second instead of first", x, 3 * x**2, 1.0, "η").passed
    assert judge_bound("close", np.ones(3), np.ones(3) + 1e-9, 1e-8, "why").passed
    assert not judge_bound("not close", np.ones(3), np.ones(3) + 1e-7, 1e-8, "why").passed
    with pytest.raises(NotSolved, match="cannot reject"):
        judge_bound("too lax", np.ones(3), np.ones(3), 0.1, "why")


def test_verdicts() -> None:
    good, bad, limit = Check("a", True, ""), Check("b", False, ""), map_limit("c", "", {})
    assert Outcome((good,), {}).verdict == "agrees"
    assert Outcome((good, limit), {}).verdict == "limits-mapped"
    assert Outcome((good, limit, bad), {}).verdict == "refuted"
    assert Outcome((good,), {}).max_abs_z is Outcome((good,), {}).ks_p is None


@pytest.mark.parametrize(
    ("places", "expected"),
    [((3, 1, 1), "falls"), ((1, 2, 4), "rises"), ((3, 0, 2), "valley"), ((0, 3, 1), "hill"), ((2, 1, 2), "level")],
)
def test_trends_of_rates_on_a_grid(places: tuple[int, ...], expected: str) -> None:
    """One step of the grid is no change."""
    assert trend(GRID[list(places)]) == expected


def test_unknown_names_are_refused() -> None:
    with pytest.raises(DomainError, match="noise-sensitivity"):
        choose(["noise-sensitivty"])


def test_a_verdict_and_what_was_measured_can_be_read(tmp_path, monkeypatch, capsys) -> None:
    """Two of the cheap ones by the command; all of them are run by `make simulate`."""
    report, names = tmp_path / "some.json", ["decoupling", "noise-sensitivity"]
    arguments = ["overtraining", "simulate", *names, "--out", str(tmp_path / "out"), "--json", str(report)]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0, capsys.readouterr().out
    rows = json.loads(report.read_text())
    assert [row["experiment"] for row in rows] == names
    for row in rows:
        assert {"experiment", "claims", "verdict", "max_abs_z", "ks_p", "seconds"} <= set(row)
        assert row["verdict"] in ("agrees", "limits-mapped")
        assert row["checks"]
        with xr.open_datatree(tmp_path / "out" / f"{row['experiment']}.nc", engine="h5netcdf") as tree:
            assert list(tree.children)


def test_the_full_preset_keeps_its_measurements(tmp_path) -> None:
    """As a sweep's cells they have the numbers of the loop, each repetition its own, and are not measured again."""
    asked = replace(
        ASKED, lengths=(1.0,), strengths=(0.1,), pretraining=GradientDescent(0.1), sampling=Sampling(draws=64)
    )
    loop = memoized.responses(asked, (3, 5), "full")
    with environment(ONE_THREAD), memoized.storing(tmp_path):  # this process passes for a worker
        stored = memoized.responses(asked, (3, 5), "full")
        (result,) = tmp_path.glob("*/result.nc")
        written = result.stat().st_mtime_ns
        again = memoized.responses(asked, (3, 5), "full")
        memoized.responses(asked, (3,), "quick")
        alone = memoized.respond(asked, key=3)
    assert result.stat().st_mtime_ns == written
    assert len(list(tmp_path.iterdir())) == 2  # one of the repetitions, one of the call
    xr.testing.assert_identical(alone, respond(asked, key=3))
    for one, other, third in zip(loop, stored, again, strict=True):
        np.testing.assert_allclose(one.sensitivity, other.sensitivity, rtol=1e-12)
        xr.testing.assert_identical(other, third)
    assert loop[0].sensitivity.values != loop[1].sensitivity.values
