"""The reports of the sample derivations."""

from dataclasses import replace

import pytest

from overtraining.theory.derivations.checker.run import check_all
from tests.figures.book.samples import ATTACK, B1, OTHER


@pytest.fixture(scope="module")
def reports():
    found = check_all([B1, OTHER, replace(ATTACK, uses=("B1",))], {})
    assert found[-1].problems
    return found
