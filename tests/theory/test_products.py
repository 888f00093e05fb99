"""Products of any size: right where an intermediate result over- or underflows, refused where the product overflows."""

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest

from overtraining.setting.errors import DomainError
from overtraining.theory.products import product, refuse_overflow
from overtraining.theory.sensitivity.deep_noise import deep_increase
from overtraining.theory.sensitivity.growth import growth_at, norm_gained
from overtraining.theory.sensitivity.noise import expected_increase
from overtraining.theory.sensitivity.noise_variance import Invariants, invariants_at, loss_variance

SIZES = {"d_in": 2, "h": 3, "d_out": 5}


def test_any_order_gives_the_product() -> None:
    factors = (1e300, -1e-200, 3e-200, 1e250, 7e-150)
    exact = float(np.prod([Fraction(x) for x in factors]))
    for order in permutations(factors):
        assert product(*order) == pytest.approx(exact, rel=1e-15)
    assert product(np.array([0.0, 1.0]), 1e200, 1e200 * 0).tolist() == [0.0, 0.0]


def test_refuses_what_overflows_on_the_way() -> None:
    assert refuse_overflow("x", lambda: 1.0) == 1.0
    for bad in (np.inf, np.nan, [1.0, np.inf]):
        with pytest.raises(DomainError, match="x: it overflows"):
            refuse_overflow("x", lambda bad=bad: bad)


@pytest.mark.parametrize(
    ("given", "exact"),
    [
        ((0.0, 0.0, 1e200, 1e-200), 15.0),  # ½ γ₁²γ₂² d_out h d_in alone
        ((1e300, 0.0, 0.0, 1e-170), 2.5e-40),
        ((1e-300, 0.0, 0.0, 1e170), 2.5e40),
        ((0.0, 1e-300, 1e155, 0.0), 1e10),
    ],
)
def test_noise_at_the_ends_of_float64(given: tuple[float, ...], exact: float) -> None:
    assert expected_increase(*given, **SIZES) == pytest.approx(exact, rel=1e-14)


def test_no_inputs_cost_nothing_whatever_the_noise() -> None:
    assert expected_increase(1.0, 1.0, 1e160, 0.0, **SIZES, input_trace=0.0) == 0.0


def test_the_rest_of_the_group_at_the_ends_of_float64() -> None:
    one, zero = np.ones((1, 1)), np.zeros((1, 1))
    assert growth_at(one, one, one, 1e200, 1e200) == 0.0  # f = A
    assert loss_variance(invariants_at(zero, zero, zero), 1e80, 0.0, h=1, d_out=1) == 0.0
    assert loss_variance(invariants_at(zero, zero, zero), 1e160, 0.0, h=1, d_out=1) == 0.0
    assert norm_gained(8e307, 0.0) == 1.6e308
    assert norm_gained(1e-12, 1e-12) == pytest.approx((np.sqrt(5) - 1) * 1e-12, rel=1e-14)
    assert deep_increase(np.zeros((3, 3)), np.array([1e70, 0.0])) == 0.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: expected_increase(1.0, 1.0, 1e200, 0.0, **SIZES),
        lambda: growth_at(np.ones((1, 1)), np.ones((1, 1)), np.zeros((1, 1)), 1e200, 1.0),
        lambda: growth_at(np.full((1, 1), 1e200), np.full((1, 1), 1e200), np.zeros((1, 1)), 1.0, 1.0),
        lambda: loss_variance(Invariants(*[1.0] * 12), 1e200, 1.0, h=1, d_out=1),
        lambda: norm_gained(1e308, 0.0),
        lambda: deep_increase(np.zeros((3, 3)), np.array([1e200, 1.0])),
        lambda: invariants_at(*(np.full((1, 1), 1e100),) * 3),
    ],
)
def test_refusals(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DomainError, match="overflow"):
        call()
