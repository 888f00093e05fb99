"""The random protocols of the benchmark: every kind of every field is drawn, and every count adds up."""

from collections import Counter
from dataclasses import fields

import numpy as np

from benchmarks.answered import random_protocol, run
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import PARTS


def test_every_kind_of_every_part_is_drawn() -> None:
    chance = np.random.default_rng(3)
    protocols = [random_protocol(chance) for _ in range(600)]
    for part, kinds in PARTS.items():
        assert {type(getattr(p, part)) for p in protocols} == set(kinds)
    tunings = [p.perturbation for p in protocols if isinstance(p.perturbation, FineTuning)]
    for field in fields(FineTuning):
        assert len({repr(getattr(tuning, field.name)) for tuning in tunings}) > 1
    assert len({p.network for p in protocols}) > 100


def test_the_same_protocols_every_time() -> None:
    one, other = (random_protocol(np.random.default_rng(1)) for _ in range(2))
    assert one == other


def test_every_protocol_is_counted_once() -> None:
    (report,) = run("tiny")
    assert sum(row["protocols"] for row in report.rows) == 40
    drawn = Counter(row["answer"].startswith("answered") for row in report.rows)
    assert drawn[True] >= 2
    assert drawn[False] >= 2
