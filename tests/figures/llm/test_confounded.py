"""Confounding of tokens and learning rate."""

import numpy as np
import pytest

from overtraining.figures.llm.confounded import confounding
from tests.figures.llm.samples import rows


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"annealed": "yes"}, "not confounded: every checkpoint is the end"),
        ({"learning_rate": 1e-3}, "not confounded: the learning rate is 0.001"),
        ({}, "unknown whether"),
    ],
)
def test_confounding(more: dict[str, object], says: str) -> None:
    assert says in confounding(rows(**more))["m"]


def test_confounded() -> None:
    table = rows().assign(learning_rate=np.geomspace(1e-3, 1e-4, 7))
    assert "confounded in this run: the learning rate goes from 0.001 to 0.0001" in confounding(table)["m"]
