"""Checkpoints in names."""

import math
import re

import pytest

from overtraining.figures.llm.readers.checkpoints import bare_checkpoint, checkpoint, marked_checkpoint


@pytest.mark.parametrize(
    "name", ["pythia-1.4b", "footstep7", "v2", "stepping", "fineweb-sample-10BT", "step7x", "backup-3"]
)
def test_no_checkpoint(name: str) -> None:
    assert not checkpoint(name).known


@pytest.mark.parametrize(
    ("name", "step", "tokens", "rest"),
    [
        ("step8k", 8e3, math.nan, ""),
        ("m-step8,000", 8000, math.nan, "m"),
        ("m-step1.5M", 1.5e6, math.nan, "m"),
        ("ep0-ba1000-rank0", 1000, math.nan, "rank0"),
        ("epoch-3", 3, math.nan, ""),
        ("epoch=2-step=500", 500, math.nan, ""),
        ("m-intermediate-step-50k-104b", 5e4, 1.04e11, "m-intermediate"),
        ("m-step-955k-2T", 9.55e5, 2e12, "m"),
        ("m-step1000-4BT", 1000, 4e9, "m"),
        ("m-step1000-7b", 1000, math.nan, "m-7b"),  # the size of the model
        ("m-4BT", math.nan, 4e9, "m"),
        ("m-mult=1-tokens=8232325120", math.nan, 8232325120, "m-mult=1"),
        ("iter_0005000", 5000, math.nan, ""),
        ("runs/global_step20/checkpoint-20", 20, math.nan, "runs"),
    ],
)  # fmt: skip
def test_what_a_name_holds(name: str, step: float, tokens: float, rest: str) -> None:
    found = checkpoint(name)
    assert (found.step, found.tokens) == (pytest.approx(step, nan_ok=True), pytest.approx(tokens, nan_ok=True))
    assert found.name == rest
    assert not found.places
    assert found.epochs == (name == "epoch-3")


def test_stages() -> None:
    first, second = checkpoint("stage1-step1000-tokens5B"), checkpoint("stage2-ingredient3-step1000-tokens5B")
    assert (first.name, first.stage, second.name, second.stage) == ("", "", "", "stage2-ingredient3")
    assert (second.step, second.tokens) == (1000.0, 5e9)


def test_two_numbers_in_one_name() -> None:
    assert checkpoint("sft-on-step8000/checkpoint-500").places == ("step8000", "checkpoint-500")
    assert marked_checkpoint("step8k/x", re.compile("(step)")) is None  # no number
    assert bare_checkpoint("1,000").step == 1000.0
    assert not bare_checkpoint("2024-01-01").known
