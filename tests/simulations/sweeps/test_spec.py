"""Specs, cells and plans: what a file means, that a cell's key is its own, that every cell comes exactly once."""

from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from overtraining.setting.errors import DomainError, Refusal, ShapeError
from overtraining.setting.protocol import Protocol
from overtraining.setting.serialization import read, write
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw
from overtraining.setting.training import GradientDescent
from overtraining.simulations.sweeps.batches import program
from overtraining.simulations.sweeps.cells import Grid, derived_key
from overtraining.simulations.sweeps.spec import Sweep, find_sweep, parse_sweep, shipped_sweeps
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from tests.simulations.sweeps.conftest import small

BASE = {"teacher": {"kind": "PowerLaw", "modes": 2}, "lengths": [0.0, 1.0], "strengths": [0.1]}


def swept(axes: dict[str, Any], base: dict[str, Any] | None = None, **options: Any) -> Sweep:
    return parse_sweep({"protocol": BASE | (base or {}), "axes": axes, **options})


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
    assert swept({"start.epsilon": given}).axes[0].values == values


@pytest.mark.parametrize(
    ("axes", "base", "says"),
    [
        ({"start.epsilon": "x"}, {}, "not the form of an axis"),
        ({"start.epsilon": {"log": [1e-3, 1.0]}}, {}, "not the form of an axis"),
        ({"start.epsilon": {"log": [0.0, 1.0], "count": 2}}, {}, "must be positive"),
        ({"start.epsilon": []}, {}, "no values"),
        ({"start.epsilon": [0.1, 0.1]}, {}, "there twice"),
        ({"start.eps": [0.1]}, {}, "Aligned has epsilon"),
        ({"strat.epsilon": [0.1]}, {}, "Protocol has teacher"),
        ({"lengths.0": [0.1]}, {}, "tuple has no fields"),
        ({"start.epsilon": [-0.1]}, {}, "axis 'start.epsilon' = -0.1: .*must be positive"),
        ({"start": [{"kind": "Nowhere"}]}, {}, "Nowhere"),
        ({"start": [{"kind": "FanIn"}], "start.epsilon": [0.1]}, {}, "set the same field"),
        ({"teacher.modes,network.h": [[2, 2], [3]]}, {}, "one value per field"),
        ({"repeat": [0.5]}, {}, "whole number"),
        ({"key": [-1]}, {}, "whole number"),
        ({"key": [1], "repeat": [0]}, {}, "both decide a cell's key"),
        ({}, {"lengths": [1.0, 0.0]}, "the base protocol: .*must increase"),
        ({}, {"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_is_refused_by_name(axes: dict[str, Any], base: dict[str, Any], says: str) -> None:
    with pytest.raises(Refusal, match=says) as refused:
        SweepPlan(swept(axes, base))
    assert str(refused.value).count("Instead") == 1


@pytest.mark.parametrize(
    ("plain", "says"),
    [
        ({"protocol": BASE, "cells": 3}, "no such entry"),
        ({"axes": {}}, r"\[protocol\]"),
        ({"protocol": BASE, "chunk": 0}, "chunk = 0"),
        ({"protocol": BASE, "measure": 3}, "not a text"),
    ],
)
def test_files_that_are_no_sweeps(plain: dict[str, Any], says: str) -> None:
    with pytest.raises(DomainError, match=says):
        parse_sweep(plain)


@pytest.mark.parametrize(
    "name", ["nothing", "os:path", "no.such.module:X", "overtraining.simulations.sweeps.measures:MEASURES"]
)
def test_unknown_measures(name: str) -> None:
    with pytest.raises(DomainError, match="measure"):
        SweepPlan(swept({}, measure=name))


def test_cells_are_the_protocols_that_the_axes_say() -> None:
    """Also where a part is not in the file, where the network follows the teacher, and for fields that go together."""
    axes = {
        "start.epsilon": [1e-3, 1e-2],
        "teacher.modes": [2, 5],
        "pretraining.warmup_share,pretraining.decay_share": [[0.0, 0.2], [0.9, 0.1]],
        "repeat": [0, 3],
    }
    how = {"pretraining": {"kind": "GradientDescent", "schedule": "warmup-stable-decay", "learning_rate": 0.1}}
    grid = Grid(sweep := swept(axes, how))
    cells = [grid.cell_at(number) for number in range(sweep.cells)]
    expected = {
        (write(Protocol(
            PowerLaw(modes), (0.0, 1.0), (0.1,), start=Aligned(epsilon),
            pretraining=GradientDescent(0.1, schedule="warmup-stable-decay", warmup_share=warmup, decay_share=decay),
        )), repeat)
        for epsilon, modes, (warmup, decay), repeat in product((1e-3, 1e-2), (2, 5), ((0.0, 0.2), (0.9, 0.1)), (0, 3))
    }  # fmt: skip
    assert {(write(cell.protocol), cell.place["repeat"]) for cell in cells} == expected
    assert len({cell.key for cell in cells}) == len(cells) == 16
    for cell in cells:
        assert cell.key == derived_key(cell.protocol, cell.place["repeat"])


def test_a_key_is_the_cell_s_own() -> None:
    """It does not know what else is swept, nor the cell's place; it changes with fields and with the repetition."""
    one = Grid(swept({"start.epsilon": [0.1, 0.2]}))
    other = Grid(swept({"teacher.alpha": [1.0], "start.epsilon": [0.2]}))
    assert one.cell_at(1).key == other.cell_at(0).key
    protocol = read(write(one.base))
    keys = [derived_key(protocol, 0), derived_key(protocol, 1), one.cell_at(0).key, one.cell_at(1).key]
    assert len(set(keys)) == 4
    assert all(0 <= key < 2**63 for key in keys)


@pytest.mark.parametrize("chunk", [1, 4, 7, 1000])
def test_every_cell_comes_once_and_blocks_share_a_program(chunk: int) -> None:
    axes = {"teacher.modes": [2, 3], "start.epsilon": [0.1, 0.2, 0.3], "sampling.draws": [8, 16], "repeat": [0, 1]}
    plan = SweepPlan(swept(axes, chunk=chunk))
    seen: Counter[int] = Counter()
    for number in range(plan.chunks):
        lanes = range(plan.size(number))
        assert 0 < len(lanes) <= plan.lanes <= chunk
        seen.update(plan.number(number, lane) for lane in lanes)
        assert len({program(plan.cell(number, lane).protocol) for lane in lanes}) == 1
    assert seen == Counter(range(24))
    assert plan.blocks == 4
    assert {axis.path for axis in plan.slow} == {"teacher.modes", "sampling.draws"}


@pytest.mark.parametrize(
    ("axes", "measure"),
    [
        ({"lengths": [[0.0, 1.0], [0.0, 1.0, 2.0]]}, "response"),
        ({"sampling.seeds": [1, 2]}, "response"),
        ({"teacher.modes": [2, 3]}, "trajectory"),
    ],
)
def test_results_of_several_shapes_are_refused(axes: dict[str, Any], measure: str) -> None:
    with pytest.raises(ShapeError, match="one sweep for each"):
        SweepPlan(swept(axes, measure=measure))


def test_a_value_that_only_some_networks_can_take_is_found_before_anything_runs() -> None:
    axes = {"network.h": [1, 4], "start": [{"kind": "Balanced", "imbalance": 0.1}, {"kind": "FanIn"}]}
    with pytest.raises(Refusal, match=r"network\.h = 4, start = .*Balanced"):
        SweepPlan(swept(axes, {"network": {"d_in": 2, "h": 1, "d_out": 2}}))


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
    with pytest.raises(OSError, match="No such file"):
        find_sweep(str(tmp_path / "none.toml"))


def test_memory_stated_covers_what_is_compiled() -> None:
    """See test_batches; here: the quick measure needs none, and a plan states that of its largest chunk."""
    assert SweepPlan(small()).memory == 0
    wide = SweepPlan(swept({"teacher.modes": [2, 16], "repeat": {"whole": [0, 9]}}, chunk=8)).memory
    assert (
        wide
        == SweepPlan(
            swept({"repeat": {"whole": [0, 9]}}, {"teacher": {"kind": "PowerLaw", "modes": 16}}, chunk=8)
        ).memory
    )
    assert wide > 10 * SweepPlan(swept({"repeat": {"whole": [0, 9]}}, chunk=8)).memory
