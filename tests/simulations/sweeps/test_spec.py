"""Specs, cells and plans: what a file means, that a cell's key is its own, that every cell comes exactly once."""

from pathlib import Path
from typing import Any

import pytest

from overtraining.setting.errors import DomainError
from overtraining.simulations.sweeps.spec import find_sweep, parse_sweep, shipped_sweeps
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from tests.simulations.sweeps.conftest import BASE, sweep_over


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ([3.0, 1.0, 2], (1.0, 2, 3.0)),
        ({"linear": [0, 1], "count": 3}, (0.0, 0.5, 1.0)),
        ({"log": [1e-3, 1e-1], "count": 3}, (1e-3, 1e-2, 1e-1)),
        ({"whole": [2, 4]}, (2, 3, 4)),
        (["b", "a"], ("a", "b")),
    ],
)
def test_forms_of_an_axis(given: Any, values: tuple[Any, ...]) -> None:
    assert sweep_over({"start.epsilon": given}).axes[0].values == values


@pytest.mark.parametrize(
    ("plain", "says"),
    [
        ({"protocol": BASE, "cells": 3}, "no such entry"),
        ({"axes": {}}, r"\[protocol\]"),
        ({"protocol": BASE, "chunk": 0}, "chunk = 0"),
        ({"protocol": BASE, "chunk": 3.2}, "chunk = 3.2"),
        ({"protocol": BASE, "measure": 3}, "not a text"),
    ],
)
def test_files_that_are_no_sweeps(plain: dict[str, Any], says: str) -> None:
    with pytest.raises(DomainError, match=says):
        parse_sweep(plain)


def test_shipped_sweeps_can_be() -> None:
    for name in shipped_sweeps():
        plan = SweepPlan(find_sweep(name))
        assert plan.sweep.title
        assert plan.chunks > 1
    with pytest.raises(DomainError, match="noise-against-length"):
        find_sweep("noise-against-lenght")


def test_a_file_can_be_wrong(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("chunk = ")
    with pytest.raises(DomainError, match="it is not TOML"):
        find_sweep(str(tmp_path / "bad.toml"))
    with pytest.raises(DomainError, match="there is no such file"):
        find_sweep(str(tmp_path / "none.toml"))
