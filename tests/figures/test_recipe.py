"""Recipes: their declaration, and the calls that they make."""

import json
from importlib import import_module

import pytest

from overtraining.figures.catalogue import CATALOGUE
from overtraining.figures.recipe import (
    Recipe,
    simulated_response,
    simulated_trajectory,
    theory_response,
    theory_trajectory,
)
from overtraining.setting.protocol import Protocol
from overtraining.setting.serialization import write
from overtraining.setting.teachers import PowerLaw

PROTOCOL = Protocol(PowerLaw(2), (0.0, 1.0), (0.1,))


def test_a_declaration_holds_what_is_given() -> None:
    assert Recipe("a.b").declaration() == {"source": "a.b"}
    assert Recipe("a.b", PROTOCOL, 3).declaration() == {"source": "a.b", "protocol": write(PROTOCOL), "key": 3}
    assert Recipe("a.b.c").module == "a.b"


def test_theory_recipes_make_what_theory_answers() -> None:
    from overtraining.theory.solvers.exact import follow, respond

    assert theory_response(PROTOCOL).make().identical(respond(PROTOCOL))
    assert theory_trajectory(PROTOCOL).make().identical(follow(PROTOCOL))


def test_simulated_recipes_declare_their_key() -> None:
    assert simulated_response(PROTOCOL, 5).declaration()["key"] == 5
    assert simulated_trajectory(PROTOCOL, 5).declaration()["key"] == 5


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_every_source_of_the_catalogue_exists(entry) -> None:
    """Sources are strings, which a renamed function does not change."""
    for label, recipe in entry.module().recipes().items():
        json.dumps(recipe.declaration())
        assert callable(getattr(import_module(recipe.module), recipe.source.rpartition(".")[2])), label
