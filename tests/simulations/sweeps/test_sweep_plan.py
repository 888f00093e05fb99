"""Plans: every cell comes exactly once, blocks share a program, and wrong values are found before anything runs."""

from collections import Counter
from typing import Any

import pytest

from overtraining.setting import limits
from overtraining.setting.errors import DomainError, Refusal, ShapeError
from overtraining.simulations.sweeps.batches import program
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from tests.simulations.sweeps.conftest import small, sweep_over


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
        SweepPlan(sweep_over(axes, base))
    assert str(refused.value).count("Instead") == 1


@pytest.mark.parametrize("chunk", [1, 4, 7, 1000])
def test_every_cell_comes_once_and_blocks_share_a_program(chunk: int) -> None:
    axes = {"teacher.modes": [2, 3], "start.epsilon": [0.1, 0.2, 0.3], "sampling.draws": [8, 16], "repeat": [0, 1]}
    plan = SweepPlan(sweep_over(axes, chunk=chunk))
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
        SweepPlan(sweep_over(axes, measure=measure))


def test_a_value_that_only_some_networks_can_take_is_found_before_anything_runs() -> None:
    axes = {"network.h": [1, 4], "start": [{"kind": "Balanced", "imbalance": 0.1}, {"kind": "FanIn"}]}
    with pytest.raises(Refusal, match=r"network\.h = 4, start = .*Balanced"):
        SweepPlan(sweep_over(axes, {"network": {"d_in": 2, "h": 1, "d_out": 2}}))


def test_a_chunk_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    axes = {"repeat": {"whole": [0, 9]}}
    needed = SweepPlan(sweep_over(axes, chunk=8)).memory
    monkeypatch.setattr(limits, "MEMORY", needed - 1)
    with pytest.raises(DomainError, match=r"8 cells, which one compiled call holds: it needs .* lower chunk"):
        SweepPlan(sweep_over(axes, chunk=8))
    assert SweepPlan(sweep_over(axes, chunk=7)).memory < needed


def test_memory_stated_covers_what_is_compiled() -> None:
    """See test_batches; here: the quick measure needs none, and a plan states that of its largest chunk."""
    assert SweepPlan(small()).memory == 0
    wide = SweepPlan(sweep_over({"teacher.modes": [2, 16], "repeat": {"whole": [0, 9]}}, chunk=8)).memory
    assert (
        wide
        == SweepPlan(
            sweep_over({"repeat": {"whole": [0, 9]}}, {"teacher": {"kind": "PowerLaw", "modes": 16}}, chunk=8)
        ).memory
    )
    # 64 times the weights in every checkpoint, and batches of draws of the same size
    assert wide > 5 * SweepPlan(sweep_over({"repeat": {"whole": [0, 9]}}, chunk=8)).memory
