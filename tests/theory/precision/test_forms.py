"""Every closed form against the same formula in mpmath, at random points of its whole domain."""

import inspect
from importlib import import_module

import numpy as np
import pytest

from benchmarks.accuracy import domain, measured
from overtraining.theory.fine_tuning.tuned_flow import mode_distance
from overtraining.theory.learning.unbalanced_mode import product, weights, weights_moved
from overtraining.theory.precision.features import unbalanced
from overtraining.theory.precision.form import Form
from overtraining.theory.precision.forms import FORMS, WITHOUT_FORM
from tests.theory.public_api import PACKAGES

TUNED = [form for form in FORMS if form.claim[0] in "DE"]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_right_to_rounding(form):
    """The benchmark asks at thousands; twenty are enough for a wrong factor, sign or exponent.

    A5 and A6 have a form for each of many shapes and depths, and A8 and B6r have integrals, which take long in mpmath:
    three points for each, of which one has a start above the teacher.
    """
    count = 3 if form.claim in ("A5", "A6", "A8", "B6r") else 20
    points = domain(form)(np.random.default_rng(1), count)[-count:]
    row = measured(form, points)
    assert (row.wrong, row.refused) == (0, 0), row


def test_every_public_formula_has_a_form_or_a_reason():
    """A new formula is missing here until it is in FORMS, or in WITHOUT_FORM with a reason."""
    have = {form.name.split(",")[0].partition(".")[2] for form in FORMS}
    public = set()
    for package in PACKAGES[1:]:
        exported = import_module(f"overtraining.{package}")
        for name in exported.__all__:
            thing = getattr(exported, name)
            if inspect.isfunction(thing):
                public.add(name)
            elif inspect.ismodule(thing):
                functions = inspect.getmembers(thing, inspect.isfunction)
                public |= {own for own, f in functions if own[0] != "_" and f.__module__ == thing.__name__}
    assert public - have - set(WITHOUT_FORM) == set()
    assert set(WITHOUT_FORM) & have == set()
    assert set(WITHOUT_FORM) - public == set()


def test_every_claim_has_a_form():
    assert {form.claim for form in TUNED} == {*(f"D{n}" for n in range(1, 8)), "E1", "E2", "E3"}


@pytest.mark.parametrize("start", [-0.5, 0.5])
def test_a_direction_without_a_feature_is_judged_too(start):
    """`p/(1 + 2|p|t)` where σ and λ are 0, which random points hardly ever are."""
    found = Form("A4", "product", product, unbalanced).errors(np.array([[3.0, 0.0, start, 0.0]]))
    assert found <= 1e-15
    assert product(3.0, 0.0, start, 0.0) == pytest.approx(start / 4)


def test_small_moves_are_not_differences():
    """√2 |x − s|/(√x + √s), to rounding, where subtracting two roots keeps no digit."""
    found = mode_distance([1e-9, 1e-15], s=1.0, sigma_task=0.5, imbalance=[0.0, 0.3])
    np.testing.assert_allclose(found[0], np.sqrt(2) * 0.5e-9, rtol=2e-9)
    lam, w1, w2 = 0.3, *weights(0.0, 0.5, 1.0, 0.3)
    assert w2**2 - w1**2 == pytest.approx(lam)
    np.testing.assert_allclose(found[1], np.hypot(w1, w2) * 0.5e-15, rtol=1e-12)


@pytest.mark.parametrize("imbalance", [-0.7, 1e-6, 0.0, 2.0])
@pytest.mark.parametrize("start", [-0.8, 0.3, 5.0])
def test_long_moves_are_the_differences(imbalance, start):
    """Through 0 as well, where the smaller weight changes its sign."""
    ends = [weights(t, 1.5, start, imbalance) for t in (0.9, 0.0)]
    found = weights_moved(0.9, 1.5, start, imbalance)
    np.testing.assert_allclose(found, np.abs(np.subtract(*ends)), rtol=1e-11)
