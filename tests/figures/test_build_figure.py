"""Building one figure: its files and their hashes, failures as answers, and the cached sources."""

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from overtraining.experiments import memoized
from overtraining.figures.build_catalogue import choose
from overtraining.figures.build_figure import MEMOIZED
from overtraining.figures.catalogue import sum_rule_llm
from overtraining.figures.figure_worker import Failed, Order, make_figure
from overtraining.figures.provenance import file_hash
from overtraining.figures.recipe import Recipe
from overtraining.setting.errors import DomainError


@pytest.fixture
def order(tmp_path: Path) -> Order:
    (entry,) = choose(["sum-rule-llm"])
    return Order(entry, tmp_path, ("svg",), "paper")


def test_every_file_is_named_with_its_hash(order: Order) -> None:
    row = make_figure(order)
    assert isinstance(row, dict)
    assert set(row["files"]) == {
        "data/sum-rule-llm.nc",
        "sum-rule-llm.svg",
        "captions/sum-rule-llm.txt",
        "numbers/sum-rule-llm.json",
    }
    assert all(file_hash(order.out / name) == digest for name, digest in row["files"].items())
    lines = (order.out / "numbers/sum-rule-llm.json").read_text().splitlines()
    assert lines[0] == "{"
    assert len(lines) == len(json.loads("\n".join(lines))) + 2  # one line per curve


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (DomainError("c = -1", "a cost is not negative", "pass 1"), "c = -1: a cost is not negative. Instead: pass 1."),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero ("),
    ],
)
def test_a_failure_is_an_answer(order: Order, monkeypatch: pytest.MonkeyPatch, error: Exception, why: str) -> None:
    def fail(data: object) -> None:
        raise error

    monkeypatch.setattr(sum_rule_llm, "draw", fail)
    answer = make_figure(order)
    assert isinstance(answer, Failed)
    assert answer.why.startswith(why)
    assert set(answer.row["files"]) == {"data/sum-rule-llm.nc"}


def test_only_what_is_missing_is_computed(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the data those are computed whose fingerprint is another; all of them, if their file is."""
    made: list[str] = []
    make = Recipe.make
    monkeypatch.setattr(Recipe, "make", lambda recipe: (made.append(recipe.source), make(recipe))[1])
    row = make_figure(order)
    assert isinstance(row, dict)
    sources = {label: recipe["source"] for label, recipe in row["recipes"].items()}
    assert sorted(made) == sorted(sources.values())

    made.clear()
    assert make_figure(replace(order, old=row)) == row
    assert made == []
    label = min(sources)
    other = row | {"recipes": row["recipes"] | {label: row["recipes"][label] | {"fingerprint": "of another formula"}}}
    assert make_figure(replace(order, old=other)) == row
    assert made == [sources[label]]

    made.clear()
    (order.out / "data/sum-rule-llm.nc").write_bytes(b"spoiled")
    assert make_figure(replace(order, old=row)) == row
    assert sorted(made) == sorted(sources.values())


def test_cached_sources_exist_under_both_names() -> None:
    for source, name in MEMOIZED.items():
        module, _, function = source.rpartition(".")
        assert callable(getattr(import_module(module), function))
        assert callable(getattr(memoized, name))
