"""Checking a derivation: whatever is wrong with it must end in a problem that names it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy as sp

from overtraining.theory.derivations.checker.core import (
    Assumption,
    CheckReport,
    Counterexample,
    Derivation,
    Evidence,
    Link,
    SpecialCase,
    Step,
    Variant,
    Verdict,
    check,
)
from overtraining.theory.derivations.checker.evidence import (
    argued,
    assumed,
    certified_positive,
    every,
    identity,
    positive,
    tested as numbers,
    worst_relative_error,
)
from overtraining.theory.derivations.checker.run import check_all
from overtraining.theory.derivations.claims.b1_noise import DERIVATION as B1

a, x = sp.symbols("a x", positive=True)


def conclusion(candidate: sp.Expr) -> Evidence:
    return identity(candidate, sp.diff(a * x**2 / 2, x))


def through(wrong: Callable[[Any], Any]) -> Link:
    """The engine link of the toy, with a fault between the engine and the comparison."""
    points = [np.array([1.0, 1e-12, 1e12]), np.array([2.0, 3e12, 5e-12])]
    compare = lambda f, engine, _: worst_relative_error(f, (a, x), lambda *p: wrong(engine(*p)), points)
    return Link("numpy.multiply", "1e-12 … 1e12", compare)


TOY = Derivation(
    claim="T1",
    title="A toy",
    statement=r"\frac{\mathrm d}{\mathrm dx}\tfrac12ax^2=ax",
    plain="The derivative of a parabola is a line.",
    symbols={"a": "curvature", "x": "place"},
    assumptions=(),
    steps=(Step("a>0", "By assumption.", lambda: positive(a)),),
    formula=lambda: a * x,
    conclusion=conclusion,
    variants=(
        Variant("a dropped", lambda f: f.subs(a, 1)),
        Variant("a squared", lambda f: f.subs(a, a**2)),
        Variant("factor 2", lambda f: 2 * f),
        Variant("sign", lambda f: -f),
        Variant("x squared", lambda f: f.subs(x, x**2)),
    ),
    special_case=SpecialCase("a = 1", lambda f: f.subs(a, 1)),
    floor=Verdict.PROVED,
    link=through(lambda value: value),
)


def run(**changes: object) -> CheckReport:
    (report,) = check_all([replace(TOY, **changes)], {})  # type: ignore[arg-type]
    return report


def step(check: Callable[[], Evidence]) -> tuple[Step, ...]:
    return (Step("a>0", "Because.", check),)


def again(check: Callable[[], Evidence]) -> Step:
    """A cross-check."""
    return Step("again", "In another way.", check, cross_check=True)


def raises(*_: object) -> Any:
    raise ArithmeticError("no such thing")


def judged_by(judge: Callable[[sp.Expr], Evidence]) -> Callable[[sp.Expr], Evidence]:
    """The toy's conclusion where it holds, `judge` where it does not."""
    return lambda f: found if (found := conclusion(f)).holds else judge(f)


def counterexample(check: Callable[[], Evidence]) -> tuple[Assumption, ...]:
    return (Assumption("a name", "A text.", Counterexample("Something breaks.", check)),)


FAULTS = {
    "a failing step": ({"steps": step(lambda: positive(-a))}, "step failed: a>0"),
    "a step that raises": ({"steps": step(raises)}, "raised ArithmeticError: no such thing"),
    "one of many cases": ({"steps": step(lambda: every([("one", positive(a)), ("two", positive(-a))]))}, "two: "),
    "no case at all": ({"steps": step(lambda: every([]))}, "step failed"),
    "a wrong formula": ({"formula": lambda: 2 * a * x}, "step failed"),
    "a formula that raises": ({"formula": raises}, "raised ArithmeticError"),
    "a surviving variant": (
        {"variants": (*TOY.variants, Variant("none", lambda f: f))},
        "wrong variant survives: none",
    ),
    "a variant rejected by an exception": ({"conclusion": judged_by(raises)}, "only by an exception: a dropped"),
    "a variant that raises": ({"variants": (*TOY.variants, Variant("none", raises))}, "ArithmeticError"),
    "too few variants": ({"variants": TOY.variants[:4]}, "only 4 wrong variants"),
    "a special case that hides nothing": ({"special_case": SpecialCase("x", lambda f: f)}, "only 0 variants agree"),
    "a verdict below the floor": (
        {"steps": step(lambda: numbers(0.0, 1.0, ""))},
        "verdict tested is below the floor proved",
    ),
    "an assumed step": ({"steps": step(lambda: assumed("a theorem", "a book"))}, "verdict assumed is below"),
    "an argued step": ({"steps": step(lambda: argued("words", positive(a)))}, "verdict argued is below"),
    "a failing cross-check": ({"steps": (*TOY.steps, again(lambda: positive(-a)))}, "step failed: again"),
    "nothing but cross-checks": ({"steps": (again(lambda: positive(a)),)}, "all of its steps are cross-checks"),
    "no engine": ({"link": None}, "verdict tested is below"),
    "an engine off by 5 percent": ({"link": through(lambda v: 1.05 * v)}, "numpy.multiply is off by 0.05"),
    "an engine off at 1e-11": ({"link": through(lambda v: (1 + 1e-11) * v)}, "is off by 1e-11"),
    "an engine that is not a number": ({"link": through(lambda v: v * np.nan)}, "is off by inf"),
    "an engine that is infinite": ({"link": through(lambda v: v + np.inf)}, "is off by inf"),
    "a comparison that is not a number": (
        {"link": replace(through(abs), compare=lambda _, engine, __: engine(1.0, 2.0) * np.nan)},
        "is off by nan",
    ),
    "an engine that raises": ({"link": through(raises)}, "engine link numpy.multiply raised ArithmeticError"),
    "an engine that is not there": (
        {"link": replace(through(abs), function="numpy.multiplied")},
        "raised AttributeError",
    ),
    "a counterexample that breaks nothing": (
        {"assumptions": counterexample(lambda: numbers(2.0, 1.0, ""))},
        "counterexample to dropping 'a name' does not break",
    ),
    "a counterexample that raises": ({"assumptions": counterexample(raises)}, "raised ArithmeticError"),
}


def test_sound_derivations_have_no_problem():
    assert run().problems == ()
    assert run().verdict is Verdict.PROVED
    (report,) = check_all([B1], {})
    assert report.problems == ()
    assert (report.variants, len(report.rejected), report.engine_error < 1e-15) == (8, 8, True)


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_ends_in_a_problem(name):
    changes, words = FAULTS[name]
    report = run(**changes)
    assert any(words in problem for problem in report.problems), report.problems


@pytest.mark.parametrize("used", [None, {}, {"T9": Verdict.PROVED}])
def test_a_used_claim_without_a_verdict_is_a_problem(used):
    report = check(replace(TOY, uses=("T0",)), used)
    assert report.verdict is Verdict.FAILED
    assert "uses claim T0, which has not been checked" in report.problems


@pytest.mark.parametrize(
    ("check_step", "verdict"),
    [
        (lambda: identity(a + x, x + a), Verdict.PROVED),
        (lambda: certified_positive(lambda t: t, [(1.0, 2.0)]), Verdict.CERTIFIED),
        (lambda: numbers(1e-13, 1e-12, "relative"), Verdict.TESTED),
        (lambda: assumed("Picard's theorem", "a textbook"), Verdict.ASSUMED),
    ],
)
def test_a_claim_is_as_strong_as_its_weakest_step(check_step, verdict):
    report = run(steps=(*TOY.steps, *step(check_step)), floor=verdict)
    assert (report.verdict, report.problems) == (verdict, ())


QUICK = replace(B1, steps=B1.steps[:1], assumptions=())


def problems_of(**changes):
    return check(replace(QUICK, **changes)).problems


def test_a_variant_that_raises_is_a_problem():
    assert problems_of(variants=(*B1.variants, Variant("none", raises)))


def test_a_formula_that_raises_is_a_problem():
    assert problems_of(formula=raises)


def test_a_special_case_that_raises_is_a_problem():
    assert problems_of(special_case=SpecialCase("none", raises))


@pytest.mark.parametrize("found", [None, True])
def test_a_check_that_returns_no_verdict_is_a_problem(found):
    assert problems_of(steps=(Step("x", "", lambda: found),))


def test_a_link_that_never_calls_the_engine_is_a_problem():
    assert problems_of(link=Link("overtraining.theory.sensitivity.noise.expected_increase", "nothing", lambda *_: 0.0))


def test_an_engine_error_below_zero_is_a_problem():
    assert problems_of(link=Link("overtraining.theory.sensitivity.noise.expected_increase", "", lambda *_: -1.0))


def test_five_copies_of_one_variant_are_too_few():
    assert problems_of(variants=(B1.variants[0],) * 2 + (B1.variants[1],) * 3)


def test_a_special_case_that_forgets_the_formula_is_a_problem():
    assert problems_of(special_case=SpecialCase("all are equal", lambda f: sp.Integer(0)))


def test_the_report_keeps_an_engine_error_that_is_too_large():
    report = check(
        replace(QUICK, link=Link("overtraining.theory.sensitivity.noise.expected_increase", "", lambda *_: 0.05))
    )
    assert report.engine_error == 0.05


def test_a_claim_does_not_inherit_the_verdict_of_a_cross_check() -> None:
    report = run(steps=(*TOY.steps, again(lambda: numbers(0.0, 1.0, ""))))
    assert report.verdict is Verdict.PROVED
    assert [str(e.verdict) for _, e in report.steps] == ["proved", "tested", "proved"]
    report = run(steps=(*step(lambda: numbers(0.0, 1.0, "")), again(lambda: positive(a))), floor=Verdict.TESTED)
    assert report.verdict is Verdict.TESTED


def test_a_claim_that_uses_an_argued_one_is_argued() -> None:
    words = replace(TOY, claim="T0", steps=step(lambda: argued("words", positive(a))), floor=Verdict.ARGUED)
    reports = check_all([words, replace(TOY, uses=("T0",), floor=Verdict.ARGUED)], {})
    assert [report.verdict for report in reports] == [Verdict.ARGUED] * 2
