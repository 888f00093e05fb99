"""Verdicts: true predictions pass, wrong ones fail, and a check that cannot fail is refused."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from overtraining.experiments.verdict import (
    CONTROL,
    Check,
    Outcome,
    judge_bound,
    judge_order,
    judge_response,
    judge_z_scores,
    map_limit,
)
from overtraining.setting.errors import NotSolved
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.responses import Quantity
from overtraining.setting.teachers import PowerLaw
from overtraining.simulations.measurements import respond
from overtraining.theory.solvers.exact import respond as predict

PROTOCOL = Protocol(PowerLaw(2), (1.0, 2.0, 4.0, 8.0), (0.1, 0.3), sampling=Sampling(draws=4096, antithetic=True))
PASSED, FAILED, LIMIT = Check("a", True, ""), Check("b", False, ""), map_limit("c", "", {})


@pytest.fixture(scope="module")
def measured() -> list[xr.Dataset]:
    return [respond(PROTOCOL, key=key) for key in range(2)]


@pytest.fixture
def normal() -> np.ndarray:
    """200 z-scores as chance gives them."""
    return np.random.default_rng(1).normal(size=200)


def scaled(data: xr.Dataset, factor: float) -> xr.Dataset:
    """The Response with all sensitivities wrong by a factor."""
    wrong = data.copy(deep=True)
    wrong["sensitivity"] *= factor
    wrong["after"] = wrong["before"] + wrong["sensitivity"]
    wrong["after"].attrs = data["after"].attrs
    return wrong


@pytest.mark.parametrize("quantity", ["sensitivity", "after"])
def test_the_truth_passes(measured: list[xr.Dataset], quantity: Quantity) -> None:
    check = judge_response("truth", predict(PROTOCOL), measured, quantity)
    assert check.passed
    assert check.z.size == 2 * 8
    assert check.numbers["max_abs_z"] == np.abs(check.z).max()
    assert check.numbers["detectable"] < 0.02


@pytest.mark.parametrize("factor", [0.95, 0.96, 1.04])
def test_an_error_of_4_percent_does_not(measured: list[xr.Dataset], factor: float) -> None:
    assert not judge_response("wrong", scaled(predict(PROTOCOL), factor), measured).passed


def test_runs_that_cannot_refute_give_no_verdict(measured: list[xr.Dataset]) -> None:
    weak = measured[0].copy()
    weak["sensitivity_stderr"] = np.sqrt(4096 / 8) * weak["sensitivity_stderr"]  # as of 8 draws
    with pytest.raises(NotSolved, match="take more draws"):
        judge_response("weak", predict(PROTOCOL), [weak])


@pytest.mark.parametrize(("leverage", "enough"), [(4.0, False), (28.0, False), (29.0, True), (100.0, True)])
def test_two_percent_must_be_detectable_at_four_sigma(leverage: float, enough: bool) -> None:
    """Of 50 points with this leverage, `4/√(50 · leverage²) ≤ 0.02` from 28.3 on."""
    z = np.random.default_rng(0).normal(size=50)
    if enough:
        assert judge_z_scores("precise", z, np.full(50, leverage)).passed
    else:
        with pytest.raises(NotSolved, match="2% is needed"):
            judge_z_scores("cannot tell", z, np.full(50, leverage))


@pytest.mark.parametrize(
    ("name", "change", "passes"),
    [
        ("as chance gives them", lambda z: z, True),
        ("one outlier", lambda z: np.append(z[:-1], 6.5), False),
        ("an outlier that chance allows", lambda z: np.append(z[:-1], 4.0), True),
        ("too narrow", lambda z: z / 2, False),
        ("too wide", lambda z: 2 * z, False),
        ("a common error", lambda z: z + 0.5, False),
        ("a common error of the other sign", lambda z: z - 0.5, False),
    ],
)
def test_z_scores_of_the_wrong_law_fail(
    normal: np.ndarray, name: str, change: Callable[[np.ndarray], np.ndarray], passes: bool
) -> None:
    assert judge_z_scores(name, change(normal), np.full(200, 100.0)).passed is passes


def test_a_claim_that_is_wrong_by_the_factor_of_the_control_is_refuted(normal: np.ndarray) -> None:
    """The prediction × 1.05 fits these runs; that is no reason to give no verdict on the prediction."""
    leverage = np.full(200, 30.0)
    assert judge_z_scores("5% too small", normal + (CONTROL - 1) * leverage, leverage).passed is False
    assert judge_bound("5% too small", np.ones(3), np.full(3, CONTROL), 1e-8, "rounding").passed is False


@pytest.mark.parametrize(("error", "passes"), [(0.0, True), (1e-9, True), (1e-7, False), (-1e-7, False)])
def test_bounds(error: float, passes: bool) -> None:
    check = judge_bound("close", np.array([1.0, 2.0]), np.array([1.0, 2.0 + 2 * error]), 1e-8, "rounding")
    assert check.passed is passes
    assert check.numbers["error"] == pytest.approx(abs(error), rel=1e-6, abs=1e-15)
    assert "rounding" in check.answer


def test_a_bound_that_the_control_meets_is_refused() -> None:
    with pytest.raises(NotSolved, match="cannot reject"):
        judge_bound("too lax", np.ones(3), np.ones(3), 0.1, "reason")


@pytest.mark.parametrize(
    ("power", "order", "passes"),
    [(1.0, 1.0, True), (1.08, 1.0, True), (1.12, 1.0, False), (2.0, 1.0, False), (3.08, 3.0, True), (3.2, 3.0, False),
     (0.42, 0.4, True), (0.46, 0.4, False)],
)  # fmt: skip
def test_orders(power: float, order: float, passes: bool) -> None:
    """To a tenth of the order, or to 0.1 if it is higher than 1."""
    size = np.geomspace(1e-3, 1e-1, 5)
    check = judge_order("order", size, 3 * size**power, order, "η")
    assert check.passed is passes
    assert check.numbers["slope"] == pytest.approx(power)


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [
        ((PASSED,), "agrees"),
        ((PASSED, LIMIT), "limits-mapped"),
        ((LIMIT,), "limits-mapped"),
        ((FAILED,), "refuted"),
        ((PASSED, LIMIT, FAILED), "refuted"),
    ],
)
def test_verdicts(checks: tuple[Check, ...], verdict: str) -> None:
    assert Outcome(checks, {}).verdict == verdict


def test_an_outcome_pools_the_z_scores_of_its_checks(normal: np.ndarray) -> None:
    assert Outcome((PASSED,), {}).max_abs_z is Outcome((PASSED,), {}).ks_p is None
    outcome = Outcome((Check("a", True, "", z=normal[:50]), LIMIT, Check("b", True, "", z=normal[50:] - 10)), {})
    assert outcome.z.size == 200
    assert outcome.max_abs_z == pytest.approx(np.abs(normal[50:] - 10).max())
    assert outcome.ks_p is not None
    assert outcome.ks_p < 1e-6
