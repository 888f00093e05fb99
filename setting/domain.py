"""The checks at the door of every formula: numbers become float64 arrays or are refused by name."""

from collections.abc import Sequence
from numbers import Real
from typing import Any, get_args

import numpy as np

from overtraining.setting.errors import DomainError, ShapeError


def _where(x: np.ndarray, bad: Any) -> str:
    """Name the first offending entry, so that the message points into a large array."""
    if x.ndim == 0:
        return f"= {x[()]!r}"
    index = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"[{', '.join(map(str, index))}] = {x[index]!r}"


def _refuse(name: str, x: np.ndarray, bad: Any, why: str, instead: str) -> None:
    if bad.any():
        spot = _where(x, bad).replace("np.float64(", "").replace(")", "")
        raise DomainError(f"{name} {spot}" if spot.startswith("=") else name + spot, why, instead)


def finite(name: str, x: Any) -> np.ndarray:
    """`x` as a float64 array of finite numbers; shape kept.

    >>> finite("t", [1, 2]).dtype
    dtype('float64')
    """
    if np.ma.is_masked(x):  # NumPy would take what is hidden for numbers
        raise DomainError(f"{name} with masked entries", "they are no numbers", "fill or drop them")
    try:
        given = np.asarray(x)
        if given.dtype.kind not in "fiub":  # complex, text, objects: a cast could drop a part in silence
            raise TypeError
        array = given.astype(np.float64)
    except (TypeError, ValueError):
        raise DomainError(f"{name} = {x!r}", "it is not an array of real numbers", "pass real numbers") from None
    _refuse(name, array, ~np.isfinite(array), "it is not a finite number", "pass finite numbers")
    return array


def nonnegative(name: str, x: Any, instead: str = "pass a number >= 0") -> np.ndarray:
    """`x` as a float64 array of finite numbers >= 0; shape kept."""
    array = finite(name, x)
    _refuse(name, array, array < 0, "it must not be negative", instead)
    return array


def positive(name: str, x: Any, instead: str = "pass a number > 0") -> np.ndarray:
    """`x` as a float64 array of finite numbers > 0; shape kept."""
    array = finite(name, x)
    _refuse(name, array, array <= 0, "it must be positive", instead)
    return array


def normal_inverse(name: str, x: Any, instead: str) -> np.ndarray:
    """`x` > 0 whose reciprocal is a finite float64: from about 5.6e-309 up."""
    array = positive(name, x, instead)
    with np.errstate(over="ignore"):
        _refuse(name, array, np.isinf(1 / array), "its reciprocal overflows in float64", instead)
    return array


def whole(name: str, n: Any, least: int = 1) -> int:
    """`n` as an int >= `least`, at most 2⁵³ (exact in float64); 3.0 is accepted, 3.5 and True are not."""
    number: Any = n if isinstance(n, Real) and not isinstance(n, bool) else np.nan
    if not abs(number) <= 2**53 or number % 1 != 0 or number < least:  # NaN fails the first
        raise DomainError(f"{name} = {n!r}", f"it must be a whole number >= {least}", f"pass an integer >= {least}")
    return int(float(number))


def one_finite(name: str, x: Any) -> float:
    """`x` as one finite number, no array."""
    number = finite(name, x)
    if number.ndim:
        raise ShapeError(f"{name} of shape {number.shape}", "it is one number", "call once for each")
    return float(number)


def one_positive(name: str, x: Any, instead: str = "pass a number > 0") -> float:
    """`x` as one finite number > 0, no array."""
    return float(positive(name, one_finite(name, x), instead))


def one_nonnegative(name: str, x: Any) -> float:
    """`x` as one finite number >= 0, no array."""
    return float(nonnegative(name, one_finite(name, x)))


def listed(name: str, x: Any) -> list[Any]:
    """The members of a list, a tuple, a range or an array; DomainError for what has none.

    >>> listed("widths", (2, 3))
    [2, 3]
    """
    members = isinstance(x, Sequence) and not isinstance(x, str | bytes)
    if not (members or (isinstance(x, np.ndarray) and x.ndim)):
        raise DomainError(f"{name} = {x!r}", "it is no list", "pass a list")
    return list(x)


def instance(name: str, x: Any, *kinds: type) -> None:
    """Refuse, with a DomainError that names them, what is of none of these classes.

    >>> instance("sigma", 1.0, float)
    """
    if not isinstance(x, kinds):
        known = " or ".join(kind.__name__ for kind in kinds)
        raise DomainError(f"{name} = {x!r}", f"it is no {known}", f"pass {known}(…)")


def truth(name: str, x: Any) -> None:
    """Refuse, with a DomainError, what is neither True nor False."""
    if not isinstance(x, bool):
        raise DomainError(f"{name} = {x!r}", "it is neither true nor false", "pass True or False")


def one_of(name: str, given: Any, known: Any) -> None:
    """Refuse, with a DomainError that lists them, what is none of a Literal's values.

    >>> from typing import Literal
    >>> one_of("per", "row", Literal["tensor", "row"])
    """
    if not isinstance(given, str) or given not in get_args(known):  # an array has no truth value
        choice = ", ".join(map(repr, get_args(known)))
        raise DomainError(f"{name} = {given!r}", "it is none that is known", f"pass one of {choice}")


def check_broadcast(**arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """The arrays unchanged, after checking that they broadcast against each other.

    >>> check_broadcast(t=np.zeros(3), sigma=np.ones((2, 1)))[1].shape
    (2, 1)
    """
    try:
        np.broadcast_shapes(*(a.shape for a in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in arrays.items())
        raise ShapeError(
            shapes, "these shapes do not broadcast", "insert axes, for example t[:, None] against sigma[None, :]"
        ) from None
    return tuple(arrays.values())


def freeze(frozen: Any, **fields: Any) -> None:
    """Fix checked values in a frozen dataclass under construction, arrays as floats and tuples of floats.

    So that `Aligned(1)`, `Aligned(1.0)` and `Aligned(np.float64(1))` are equal, hash alike and are written alike.
    """
    for name, value in fields.items():
        plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        object.__setattr__(frozen, name, _tuples(plain))


def _tuples(plain: Any) -> Any:
    return tuple(map(_tuples, plain)) if isinstance(plain, list) else plain
