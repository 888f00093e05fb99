"""Fixtures for tests of refusals."""

import sys
from types import SimpleNamespace

import pytest

from tests.theory.public_api import flat


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
