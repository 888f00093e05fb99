"""Building one figure: its files and their hashes, failures as answers, and the cached sources."""

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from overtraining.experiments import memoized
from overtraining.figures.build_catalogue import choose
from overtraining.figures.build_figure import MEMOIZED, Failed, Order, make_figure
from overtraining.figures.catalogue import sum_rule_llm
from overtraining.figures.provenance import file_hash
from overtraining.figures.recipe import Recipe
from overtraining.setting.errors import DomainError


@pytest.fixture
def order(tmp_path: Path) -> Order:
    (entry,) = choose(["sum-rule-llm"])
    return Order(entry, tmp_path, ("svg",), "paper", reusable=frozenset(entry.module().recipes()))


@pytest.fixture
def recipes(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data are in their file, so that nothing is computed."""
    from io import BytesIO

    import xarray as xr

    data = {label: recipe.make() for label, recipe in order.entry.module().recipes().items()}
    path = order.out / "data/sum-rule-llm.nc"
    path.parent.mkdir()
    with BytesIO() as file:
        xr.DataTree.from_dict(data).to_netcdf(file, engine="h5netcdf")
        path.write_bytes(file.getvalue())


@pytest.mark.usefixtures("recipes")
def test_every_file_is_named_with_its_hash(order: Order) -> None:
    files = make_figure(order)
    assert isinstance(files, dict)
    assert set(files) == {
        "data/sum-rule-llm.nc",
        "sum-rule-llm.svg",
        "captions/sum-rule-llm.txt",
        "numbers/sum-rule-llm.json",
    }
    assert all(file_hash(order.out / name) == digest for name, digest in files.items())
    lines = (order.out / "numbers/sum-rule-llm.json").read_text().splitlines()
    assert lines[0] == "{"
    assert len(lines) == len(json.loads("\n".join(lines))) + 2  # one line per curve


@pytest.mark.usefixtures("recipes")
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
    assert set(answer.files) == {"data/sum-rule-llm.nc"}


@pytest.mark.usefixtures("recipes")
def test_only_what_is_missing_is_computed(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    make = Recipe.make
    monkeypatch.setattr(Recipe, "make", lambda recipe: (made.append(recipe.source), make(recipe))[1])
    label, *others = sorted(order.reusable)
    files = make_figure(replace(order, reusable=frozenset(others)))
    assert made == [order.entry.module().recipes()[label].source]
    assert make_figure(order) == files


def test_cached_sources_exist_under_both_names() -> None:
    for source, name in MEMOIZED.items():
        module, _, function = source.rpartition(".")
        assert callable(getattr(import_module(module), function))
        assert callable(getattr(memoized, name))
