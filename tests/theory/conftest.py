"""Fixtures for tests of refusals."""

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tests.theory.public_api import flat


@pytest.fixture
def untyped() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A function as users get it: without the run-time type checks that are on in the tests, and would refuse first."""
    return lambda function: getattr(function, "__wrapped__", function)


@pytest.fixture(scope="session")
def plain() -> SimpleNamespace:
    """All public names as users get them: a second copy, imported past the hook that adds the type checks."""
    mine = lambda name: name == "overtraining" or name.startswith("overtraining.")
    hooked = {name: sys.modules.pop(name) for name in list(sys.modules) if mine(name)}
    finders = sys.meta_path[:]
    sys.meta_path[:] = [finder for finder in finders if "jaxtyping" not in type(finder).__module__]
    try:
        return flat()
    finally:
        sys.meta_path[:] = finders
        for name in [name for name in sys.modules if mine(name)]:
            del sys.modules[name]
        sys.modules.update(hooked)
