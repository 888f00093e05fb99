"""Checks of arguments: numbers become finite float64 arrays, or are refused by name."""

import numpy as np
import pytest

from overtraining.setting.domain import check_broadcast, finite, nonnegative, one_nonnegative, positive, whole
from overtraining.setting.errors import DomainError, ShapeError


@pytest.mark.parametrize("bad", [1j, "1", None, [1, None], [[1], [1, 2]], np.array(["a"]), {}, np.nan, [0, np.inf]])
def test_finite_refuses(bad) -> None:
    with pytest.raises(DomainError, match="x"):
        finite("x", bad)


def test_finite_keeps_numbers_and_shape() -> None:
    given = np.arange(6, dtype=np.int32).reshape(2, 3)
    assert finite("x", given).dtype == np.float64
    assert (finite("x", given) == given).all()
    assert finite("x", 3).shape == ()


def test_messages_point_at_the_entry() -> None:
    with pytest.raises(DomainError, match=r"x\[1, 0\] = -2.0: .*Instead: "):
        nonnegative("x", [[0.0, 1.0], [-2.0, 3.0]])
    with pytest.raises(DomainError, match=r"x = 0.0: it must be positive"):
        positive("x", 0)


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "2", np.nan, np.inf, None, [1], 10**400, 2**53 + 1])
def test_whole_refuses(bad) -> None:
    with pytest.raises(DomainError):
        whole("n", bad)


def test_whole_accepts() -> None:
    assert [whole("n", n) for n in (1, 3.0, np.int64(7))] == [1, 3, 7]
    assert whole("n", 0, least=0) == 0


def test_together() -> None:
    with pytest.raises(ShapeError, match="insert axes"):
        check_broadcast(a=np.zeros((2, 3)), b=np.zeros(2))


def test_one_number_is_no_array() -> None:
    assert one_nonnegative("x", np.float64(2)) == 2.0
    with pytest.raises(ShapeError, match=r"x of shape \(1,\)"):
        one_nonnegative("x", [2.0])
    with pytest.raises(DomainError, match="negative"):
        one_nonnegative("x", -1)
