"""Tests, in the same folders as what they test."""

from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


class TypeChecks:
    """Those of one function, written by beartype at its first call: most functions are never called in a test run."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.hints = function, function.__annotations__
        self.__wrapped__ = function  # for who looks at the code of a function

    @cached_property
    def check(self) -> Callable[..., Any]:
        from beartype import beartype

        checked: Callable[..., Any] = beartype(self.function)
        return checked

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self.check(*given, **named)


KNOWN: defaultdict[tuple[str, str], list[TypeChecks]] = defaultdict(list)


def beartype_when_called(function: Callable[..., Any]) -> TypeChecks:
    """For jaxtyping. A nested function, new whenever the outer one runs, finds the checks of the one before it."""
    known = KNOWN[function.__module__, function.__qualname__]
    checks = next((one for one in known if one.hints == function.__annotations__), None)
    if checks is None:
        known.append(checks := TypeChecks(function))
    return checks
