"""Mutants of a derivation: what is changed, that the sample is fixed by its seed, and that originals come back."""

import sys

import pytest
import sympy as sp

from overtraining.theory.derivations import CLAIMS
from overtraining.theory.derivations.checker.mutants import mutants_of, sample, vanishing_term
from overtraining.theory.derivations.checker.run import claim_derivation
from overtraining.theory.derivations.checker.trials import Fate, Original, _loaded, judge

E2 = _loaded("E2", CLAIMS)
MUTANTS = mutants_of(*E2)


def test_what_a_check_computes_is_changed_and_nothing_else() -> None:
    functions = {m.function for m in MUTANTS if m.module}
    assert {"formula", "conclusion", "mean_value", "_clock", "_drift", "_from_entries"} <= functions
    assert not functions & {"sgd", "_strong", "_ratio_curves", "_engine_error", "_equal_for_near_widths"}
    assert {m.kind for m in MUTANTS} == {"factor", "term", "sign", "exponent", "vanishing"}
    parts = {m.function: m.parts for m in MUTANTS if m.module}
    assert parts["_clock"] == (3,)
    assert parts["mean_value"] == ("conclusion",)


def test_every_mutant_differs_from_the_source_and_from_the_others() -> None:
    assert all(m.before != m.after for m in MUTANTS)
    assert len(set(MUTANTS)) == len(MUTANTS)


def test_a_constant_is_changed_where_it_is_assigned() -> None:
    """½ of D4 is the same object as ½ of the module that D1 shares with A5, which no check of D4 computes."""
    found = [m for m in mutants_of(*_loaded("D4", CLAIMS)) if m.function == "half"]
    assert [m.module.rpartition(".")[2] for m in found] == ["steps"]
    shared = [m for m in mutants_of(*_loaded("D1", CLAIMS)) if m.function in ("half", "BALANCED")]
    homes = {(m.function, m.module.rpartition(".")[2]) for m in shared}
    assert homes == {("half", "d1_fine_tuning"), ("half", "stacked_flow"), ("BALANCED", "stacked_flow")}


def test_a_seed_fixes_the_sample() -> None:
    few = sample(MUTANTS, 10, seed=1)
    assert few == sample(list(reversed(MUTANTS)), 10, seed=1)[::-1]
    assert len(few) == 10
    assert few != sample(MUTANTS, 10, seed=2)
    assert sample(MUTANTS, 0, seed=1) == MUTANTS


def test_a_vanishing_term_is_zero_on_small_widths_and_not_beyond() -> None:
    mutant = next(m for m in MUTANTS if m.kind == "vanishing" and "value" in m.before)
    formula = E2[0].formula()
    wrong = vanishing_term(formula, mutant)
    (changed,) = (key for key in formula if wrong[key] != formula[key])
    width = sp.Symbol(mutant.function, positive=True, integer=True)
    difference = [sp.simplify((wrong[changed] - formula[changed]).subs(width, k)) for k in (1, 3, 6, 7)]
    assert [d == 0 for d in difference] == [True, True, True, False]


def find(function: str, before: str, after: str) -> tuple[Fate, str]:
    (mutant,) = (m for m in MUTANTS if (m.function, m.before, m.after) == (function, before, after))
    return judge(mutant, Original(*E2), CLAIMS)


def test_a_wrong_formula_is_noticed_by_the_conclusion_and_a_wrong_step_by_itself() -> None:
    assert find("formula", "noise * MEAN", "noise") == (Fate.NOTICED, "conclusion")
    assert find("_means", "MEAN * part.subs(u, d_out / d_in)", "MEAN") == (Fate.NOTICED, "step 2")


def test_a_vanishing_term_is_noticed() -> None:
    """Three shapes could not: this is how E2 passed as proved."""
    for mutant in (m for m in MUTANTS if m.kind == "vanishing" and "value" in m.before):
        assert judge(mutant, Original(*E2), CLAIMS) == (Fate.NOTICED, "conclusion")


def test_a_harmless_change_survives() -> None:
    """The noise of the labels has no sign."""
    survivor = next(m for m in MUTANTS if m.function == "_mean_change" and m.before.startswith("scaled(-1 / b"))
    assert judge(survivor, Original(*E2), CLAIMS)[0] is Fate.SURVIVED


def test_the_original_modules_are_back_after_a_mutant() -> None:
    name = CLAIMS["E2"]
    before = sys.modules[name]
    find("formula", "noise * MEAN", "noise")
    assert sys.modules[name] is before
    assert claim_derivation("E2", CLAIMS) is E2[0]
    import overtraining.theory.derivations.claims as package

    assert package.e2_annealing is before


def test_a_module_imported_from_its_package_is_changed_too() -> None:
    loaded = _loaded("C2", CLAIMS)
    (mutant,) = (m for m in mutants_of(*loaded) if m.function == "slope" and m.after == "flow()")
    assert judge(mutant, Original(*loaded), CLAIMS) == (Fate.NOTICED, "step 3")


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_claim_has_mutants_in_each_of_its_checks(claim: str) -> None:
    derivation, home = _loaded(claim, CLAIMS)
    found = mutants_of(derivation, home)
    assert "conclusion" in {part for m in found for part in m.parts}
    assert len(found) > 20


def test_a_package_that_imports_its_own_module_is_no_circle() -> None:
    """D4m has `from …d4m_monotone import steps`: the search for where `steps` is assigned must end."""
    assert mutants_of(*_loaded("D4m", CLAIMS))
