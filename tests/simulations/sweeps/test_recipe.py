"""Recipes: what they hold, and how two of them differ."""

from pathlib import Path

import pytest

from overtraining.simulations.sweeps import recipe
from overtraining.simulations.sweeps.run import run_sweep
from overtraining.simulations.sweeps.store import StoreRefused
from tests.simulations.sweeps.conftest import ThisProcess, small, stopped_after


@pytest.mark.parametrize("changed", ["jax", "sources", "overtraining"])
def test_another_version_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    stopped_after(8, tmp_path)
    real = recipe.software_identity
    monkeypatch.setattr(recipe, "software_identity", lambda measure: real(measure) | {changed: "another"})
    with pytest.raises(StoreRefused, match=f'software.{changed}: .* there, "another" here'):
        run_sweep(small(), tmp_path, ThisProcess)


def test_a_recipe_holds_the_sweep_and_the_software() -> None:
    text = recipe.recipe_text(small())
    assert recipe.sweep_in_recipe(text).plain() == small().plain()
    assert recipe.differences(text, text) == []
    assert recipe.recipe_text(small()) == text
    assert recipe.fingerprint(text) != recipe.fingerprint(recipe.recipe_text(small(repeat=[0])))


@pytest.mark.parametrize(
    ("stored", "wanted", "says"),
    [
        ('{"a": 1}', '{"a": 2}', ["a: 1 there, 2 here"]),
        ('{"a": {"b": 1, "c": 2}}', '{"a": {"b": 1}}', ["a.c: 2 there, nothing here"]),
        ('{"a": [1]}', '{"a": [1], "b": "x"}', ['b: nothing there, "x" here']),
        ('{"a": 1, "b": 2}', '{"a": 3, "b": 4}', ["a: 1 there, 3 here", "b: 2 there, 4 here"]),
    ],
)
def test_differences(stored: str, wanted: str, says: list[str]) -> None:
    assert recipe.differences(stored, wanted) == says
