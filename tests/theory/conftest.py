"""Fixtures for tests of refusals."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def untyped() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A function as users get it: without the run-time type checks that are on in the tests, and would refuse first."""
    return lambda function: getattr(function, "__wrapped__", function)
