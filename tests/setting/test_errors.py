"""Refusals: one sentence of three parts, which survive pickling and catching by kind."""

import pickle

import pytest

from overtraining.setting.errors import DomainError, NoFormula, NotSolved, Refusal, SchemaError, ShapeError

KINDS = (DomainError, ShapeError, NoFormula, NotSolved, SchemaError)


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_says_what_why_and_what_to_do_instead(kind: type[Refusal]) -> None:
    refusal = kind("x = -1", "it is negative", "pass its size")
    assert str(refusal) == "x = -1: it is negative. Instead: pass its size."
    assert (refusal.what, refusal.why, refusal.instead) == ("x = -1", "it is negative", "pass its size")


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_survives_pickling(kind: type[Refusal]) -> None:
    """Worker processes send refusals to their parent."""
    again = pickle.loads(pickle.dumps(kind("a", "b", "c")))
    assert type(again) is kind
    assert str(again) == "a: b. Instead: c."


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_is_a_value_error(kind: type[Refusal]) -> None:
    with pytest.raises(ValueError, match="why"):
        raise kind("what", "why", "instead")
