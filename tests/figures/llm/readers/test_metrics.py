"""Properties of a metric that its name tells, and values that it cannot have."""

from pathlib import Path

import pytest

from overtraining.figures.llm.readers.files import File
from overtraining.figures.llm.readers.metrics import UNKNOWN, checked_metric, metric
from overtraining.figures.llm.tidy import Unreadable

FILE = File(Path("r.json"), "")


@pytest.mark.parametrize(
    ("name", "unit", "orientation"),
    [
        ("acc_norm", "fraction", "higher"),
        ("ACC", "fraction", "higher"),
        ("bleu", "score", "higher"),
        ("CrossEntropyLoss", "nats", "lower"),
        ("bpb", "bits per byte", "lower"),
        ("word_perplexity", "perplexity", "lower"),
        ("maj@8", "score", "higher"),
        ("gpqa_pass@k:k=1", "score", "higher"),
        ("BERTScore-F", "score", "higher"),
        ("edit_distance", "1", "lower"),
        ("pct_stereotype", "fraction", "unknown"),
    ],
)
def test_unit_and_orientation(name: str, unit: str, orientation: str) -> None:
    assert (metric(name).unit, metric(name).orientation) == (unit, orientation)


def test_an_unknown_metric_may_have_any_value() -> None:
    assert checked_metric(FILE, "here", "vibes", -61.0) == UNKNOWN


@pytest.mark.parametrize("value", [-0.01, 1.01, 61.0])
def test_a_fraction_outside_0_and_1_is_refused(value: float) -> None:
    with pytest.raises(Unreadable, match=r"r\.json, here: .* is not a fraction, as acc must be"):
        checked_metric(FILE, "here", "acc", value)
    assert checked_metric(FILE, "here", "acc", 1.0).bounded
