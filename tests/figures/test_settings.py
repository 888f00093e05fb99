"""What can be set in a figure: in every recipe that has the field; refused by name where it would change nothing."""

import pytest

import overtraining as ot
from overtraining.figures.catalogue import CATALOGUE
from overtraining.figures.recipe import Recipe
from overtraining.figures.settings import changed_recipes, parse_setting, parse_settings, settings_of
from overtraining.setting.errors import DomainError

ENTRIES = {entry.name: entry for entry in CATALOGUE}


def change(name: str, **changes: object) -> dict[str, Recipe]:
    entry = ENTRIES[name]
    dotted = {path.replace("__", "."): value for path, value in changes.items()}
    return changed_recipes(entry.module(), name, dotted, entry.recipes())


def test_every_recipe_that_has_the_field_is_changed() -> None:
    made = change("catastrophic-overtraining", teacher__modes=6, start__epsilon=1e-6, strengths=[0.2])
    for recipe in made.values():
        assert recipe.protocol is not None
        assert recipe.protocol.teacher == ot.PowerLaw(6)
        assert recipe.protocol.network.h == 6  # the catalogue's is the smallest that fits
        assert recipe.protocol.start == ot.Aligned(1e-6)
        assert recipe.protocol.strengths == (0.2,)
    assert made["theory"].protocol.lengths != made["simulation"].protocol.lengths  # type: ignore[union-attr]


def test_what_a_module_computes_from_others_follows() -> None:
    random = change("incremental-learning", start__epsilon=1e-4)["random"].protocol
    assert random is not None
    assert random.start == ot.SmallGaussian((1e-4 / 5) ** 0.5)
    rounding = change("noise-universality", strengths=(0.1,))["rounding"].protocol
    assert rounding is not None
    assert rounding.strengths == pytest.approx((0.1 * 12**0.5,))


@pytest.mark.parametrize(
    ("name", "changes", "named"),
    [
        ("catastrophic-overtraining", {"teacher__alhpa": 2}, "teacher.alpha"),
        ("forgetting", {"perturbation__task__angle": 2.0}, "compares 4 values"),
        ("lazy-to-rich", {"teacher__values": (1.0,)}, "takes it from itself"),
        ("annealing", {"teacher__values": (1.0,)}, "sampling.draws"),
        ("numerical-error", {"lengths": (1.0,)}, "no protocol"),
        ("control", {"lengths": (1.0,)}, "no protocol"),
        ("depth", {"strengths": (-1.0,)}, "strengths"),
    ],
)
def test_what_cannot_be_set_is_refused(name: str, changes: dict[str, object], named: str) -> None:
    with pytest.raises(DomainError, match=named):
        change(name, **changes)


@pytest.mark.parametrize("name", ENTRIES)
def test_without_changes_the_recipes_are_those_of_the_catalogue(name: str) -> None:
    assert change(name) == ENTRIES[name].recipes()


@pytest.mark.parametrize("name", ENTRIES)
def test_every_setting_that_is_offered_can_be_set(name: str) -> None:
    """To its own value, which changes nothing: all that have one together, and each of the others."""
    entry = ENTRIES[name]
    offered = [setting for setting in settings_of(entry.recipes()).values() if not setting.why_not]
    alike = {setting.path: setting.values[0] for setting in offered if len(setting.values) == 1}
    assert changed_recipes(entry.module(), name, alike, entry.recipes()) == entry.recipes()
    for setting in offered:
        if setting.path not in alike:
            changed_recipes(entry.module(), name, {setting.path: setting.values[0]}, entry.recipes())


def test_values_as_they_are_typed() -> None:
    assert parse_setting("teacher.alpha=2") == ("teacher.alpha", 2)
    assert parse_setting("perturbation.law = sign") == ("perturbation.law", "sign")
    assert parse_setting("inputs.samples=null") == ("inputs.samples", None)
    assert parse_setting("perturbation.task.rows=[[1, 0], [0, 2]]") == ("perturbation.task.rows", [[1, 0], [0, 2]])
    assert parse_setting("lengths=0:1:3") == ("lengths", [0.0, 0.5, 1.0])
    for wrong in ("alpha", "=2", "alpha=", "lengths=a:b:3", "lengths=0:1:0", "lengths=[1", "lengths=0:1:99999999"):
        with pytest.raises(DomainError):
            parse_setting(wrong)
    with pytest.raises(DomainError, match="twice"):
        parse_settings(["a=1", "a=2"])
