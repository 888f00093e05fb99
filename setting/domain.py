"""Checks of arguments: they convert numbers to float64 arrays, and refuse by name what cannot be an argument."""

from collections.abc import Sequence
from numbers import Real
from reprlib import Repr
from typing import Any, Literal, get_args, get_origin

import numpy as np

from overtraining.setting import limits
from overtraining.setting.errors import DomainError, ShapeError

_REPR = Repr()
_REPR.maxlong = _REPR.maxstring = _REPR.maxother = 200
_REPR.maxlist = _REPR.maxtuple = _REPR.maxdict = 20


def _where(x: np.ndarray, bad: Any) -> str:
    """The first refused entry and its index, so that the message points into a large array."""
    if x.ndim == 0:
        return f"= {x[()]!r}"
    index = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"[{', '.join(map(str, index))}] = {x[index]!r}"


def _refuse(name: str, x: np.ndarray, bad: Any, why: str, instead: str) -> None:
    if bad.any():
        spot = _where(x, bad).replace("np.float64(", "").replace(")", "")
        raise DomainError(f"{name} {spot}" if spot.startswith("=") else name + spot, why, instead)


def finite(name: str, x: Any) -> np.ndarray:
    """`x` as a float64 array of finite numbers, of the same shape.

    >>> finite("length", [1, 2]).dtype
    dtype('float64')
    """
    if np.ma.is_masked(x):  # NumPy would use the numbers behind the mask
        raise DomainError(f"{name} with masked entries", "they are not numbers", "fill or drop them")
    check_size(name, x)
    try:
        raw = np.asarray(x)
        if raw.dtype.kind not in "fiub":  # complex, text, objects: a cast could drop a part silently
            raise TypeError
        array = raw.astype(np.float64)
    except (TypeError, ValueError):
        raise DomainError(f"{name} = {_shown(x)}", "it is not an array of real numbers", "pass real numbers") from None
    _refuse(name, array, ~np.isfinite(array), "it is not a finite number", "pass finite numbers")
    return array


def check_size(name: str, x: Any) -> None:
    """Refuse, with a DomainError, an array or a list of more numbers than fit into 2 GiB, before they are made.

    >>> check_size("lengths", range(3))
    """
    size = x.size if isinstance(x, np.ndarray) else len(x) if isinstance(x, Sequence) else 1
    if size > limits.NUMBERS:
        raise DomainError(f"{name} of {size:,} numbers", f"at most {limits.NUMBERS:,} fit", "pass a part of them")


def check_memory(what: str, needed: int, instead: str) -> None:
    """Refuse, with a DomainError, an answer whose arrays need more bytes than fit, before they are made.

    >>> check_memory("10^6 lengths × 10^4 strengths", 8 * 10**10, "pass fewer of them")
    Traceback (most recent call last):
    overtraining.setting.errors.DomainError: 10^6 lengths × 10^4 strengths: it needs about 75 GiB of memory, and the
    limit is 4 GiB. Instead: pass fewer of them.
    """
    if needed > limits.MEMORY:
        why = f"it needs about {needed / 2**30:.2g} GiB of memory, and the limit is {limits.MEMORY / 2**30:g} GiB"
        raise DomainError(what, why, instead)


def _shown(x: Any) -> str:
    """`repr(x)`, shortened where it is long, and also where it is nested or has thousands of digits."""
    try:
        return repr(x) if isinstance(x, np.ndarray | np.generic | float) else _REPR.repr(x)
    except Exception:  # the `repr` of anybody's class
        return f"a {type(x).__name__}"


def nonnegative(name: str, x: Any, instead: str = "pass a number >= 0") -> np.ndarray:
    """`x` as a float64 array of finite numbers >= 0, of the same shape."""
    array = finite(name, x)
    _refuse(name, array, array < 0, "it must not be negative", instead)
    return array


def positive(name: str, x: Any, instead: str = "pass a number > 0") -> np.ndarray:
    """`x` as a float64 array of finite numbers > 0, of the same shape."""
    array = finite(name, x)
    _refuse(name, array, array <= 0, "it must be positive", instead)
    return array


def normal_inverse(name: str, x: Any, instead: str) -> np.ndarray:
    """`x` > 0 whose reciprocal is a finite float64: at least about 5.6e-309."""
    array = positive(name, x, instead)
    with np.errstate(over="ignore"):
        _refuse(name, array, np.isinf(1 / array), "its reciprocal overflows in float64", instead)
    return array


def whole(name: str, n: Any, least: int = 1) -> int:
    """`n` as an int >= `least`, at most 2⁵³ (exact in float64); 3.0 is accepted, 3.5 and True are not."""
    number: Any = n if isinstance(n, Real) and not isinstance(n, bool) else np.nan
    if not abs(number) <= 2**53 or number % 1 != 0 or number < least:  # NaN fails the first
        raise DomainError(
            f"{name} = {_shown(n)}", f"it must be a whole number >= {least}", f"pass an integer >= {least}"
        )
    return int(float(number))


def at_most(name: str, n: int, most: int, why: str) -> int:
    """`n`, which is at most `most`; DomainError otherwise, with the reason.

    >>> at_most("depth", 2, 10, "its layers are listed")
    2
    """
    if n > most:
        raise DomainError(f"{name} = {n:,}", why, f"pass at most {most:,}")
    return n


def whole_nonnegative(name: str, n: Any) -> int:
    """`n` as an int >= 0; otherwise as `whole`."""
    return whole(name, n, least=0)


def one_finite(name: str, x: Any) -> float:
    """`x` as one finite number, not an array."""
    number = finite(name, x)
    if number.ndim:
        raise ShapeError(f"{name} of shape {number.shape}", "it must be one number", "call once for each number")
    return float(number)


def one_positive(name: str, x: Any, instead: str = "pass a number > 0") -> float:
    """`x` as one finite number > 0, not an array."""
    return float(positive(name, one_finite(name, x), instead))


def one_nonnegative(name: str, x: Any) -> float:
    """`x` as one finite number >= 0, not an array."""
    return float(nonnegative(name, one_finite(name, x)))


def finite_list(name: str, x: Any) -> np.ndarray:
    """`x` as a float64 array of one dimension, of finite numbers; ShapeError for other dimensions."""
    return _list_of_numbers(name, finite(name, x))


def nonnegative_list(name: str, x: Any) -> np.ndarray:
    """`x` as a float64 array of one dimension, of finite numbers >= 0; ShapeError for other dimensions."""
    return _list_of_numbers(name, nonnegative(name, x))


def positive_list(name: str, x: Any) -> np.ndarray:
    """`x` as a float64 array of one dimension, of finite numbers > 0; ShapeError for other dimensions."""
    return _list_of_numbers(name, positive(name, x))


def increasing_list(name: str, x: Any) -> np.ndarray:
    """`x`, one number or a list, as a non-empty float64 array of one dimension, of increasing numbers >= 0."""
    array = np.atleast_1d(nonnegative(name, x))
    if array.ndim != 1 or array.size == 0:
        raise ShapeError(f"{name} of shape {array.shape}", "it must be a non-empty list of numbers", "pass a 1-d array")
    if (np.diff(array) <= 0).any():
        raise DomainError(name, "its values must increase", f"pass sorted(set({name}))")
    return array


def _list_of_numbers(name: str, array: np.ndarray) -> np.ndarray:
    if array.ndim != 1:
        raise ShapeError(f"{name} of shape {array.shape}", "it must be a list of numbers", "pass a 1-d array")
    return array


def listed(name: str, x: Any) -> list[Any]:
    """The members of a list, a tuple, a range or an array; DomainError for anything else.

    >>> listed("widths", (2, 3))
    [2, 3]
    """
    members = isinstance(x, Sequence) and not isinstance(x, str | bytes)
    if not (members or (isinstance(x, np.ndarray) and x.ndim)):
        raise DomainError(f"{name} = {_shown(x)}", "it is not a list", "pass a list")
    check_size(name, x)
    return list(x)


def instance(name: str, x: Any, *kinds: type) -> None:
    """Refuse what is not an instance of one of these classes, with a DomainError that names them.

    >>> instance("sigma", 1.0, float)
    """
    if not isinstance(x, kinds):
        known = " or ".join(kind.__name__ for kind in kinds)
        raise DomainError(f"{name} = {_shown(x)}", f"it is not {known}", f"pass {known}(…)")


def truth(name: str, x: Any) -> bool:
    """`x`, which must be True or False; DomainError otherwise."""
    if not isinstance(x, bool):
        raise DomainError(f"{name} = {_shown(x)}", "it is neither true nor false", "pass True or False")
    return x


def one_of(name: str, x: Any, choices: Any) -> str:
    """`x`, which must be one of a Literal's texts; DomainError otherwise.

    >>> from typing import Literal
    >>> one_of("per", "row", Literal["tensor", "row"])
    'row'
    """
    if not isinstance(x, str) or x not in get_args(choices):  # an array has no truth value
        known = ", ".join(map(repr, get_args(choices)))
        raise DomainError(f"{name} = {_shown(x)}", "it is not one of the known names", f"pass one of {known}")
    return x


def text(name: str, x: Any, instead: str = "pass a text") -> str:
    """`x`, which must be a text; DomainError otherwise.

    >>> text("figure", "depth")
    'depth'
    """
    if not isinstance(x, str):
        raise DomainError(f"{name} = {_shown(x)}", "it is not a text", instead)
    return x


def check_broadcast(**arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """The arrays unchanged, after checking that they broadcast against each other.

    >>> check_broadcast(length=np.zeros(3), sigma=np.ones((2, 1)))[1].shape
    (2, 1)
    """
    try:
        np.broadcast_shapes(*(a.shape for a in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in arrays.items())
        raise ShapeError(
            shapes, "these shapes do not broadcast", "insert axes, for example length[:, None] against sigma[None, :]"
        ) from None
    return tuple(arrays.values())


def freeze(frozen: Any, **values: Any) -> None:
    """Set fields of a frozen dataclass under construction; arrays become floats and tuples of floats.

    Therefore `Aligned(1)`, `Aligned(1.0)` and `Aligned(np.float64(1))` are equal, have one hash and are written alike.
    """
    for name, value in values.items():
        plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        object.__setattr__(frozen, name, _tuples(plain))


def check_fields(frozen: Any, **checks: Any) -> None:
    """Check fields of a frozen dataclass under construction, and freeze what the checks return.

    checks: by field, a function of the field's name and value, or a Literal of the texts that it may hold.
    """
    for name, check in checks.items():
        value = getattr(frozen, name)
        checked = one_of(name, value, check) if get_origin(check) is Literal else check(name, value)
        freeze(frozen, **{name: checked})


def _tuples(plain: Any) -> Any:
    return tuple(map(_tuples, plain)) if isinstance(plain, list) else plain
