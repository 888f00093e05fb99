"""The checker itself: whatever is wrong with a derivation must end in a problem that names it."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy as sp

from overtraining.theory.derivations.calculus.shapes import integers, noise_ring, polynomial_expectation
from overtraining.theory.derivations.calculus.trace_words import (
    Letter,
    MatrixSum,
    TraceSum,
    constant,
    noise_expectation,
)
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


@pytest.mark.parametrize("theorem", [("", "a book"), ("a theorem", "")])
def test_a_theorem_is_assumed_by_name_and_with_its_source(theorem):
    assert not assumed(*theorem).holds


def test_a_number_that_is_none_is_not_within_its_tolerance():
    assert not numbers(float("nan"), 1.0, "").holds


BOXES = [
    (lambda t: t * t - t + 0.3, [(0.0, 1.0)], True),  # least value 0.05: one interval is too coarse
    (lambda s, t: 2 + s * t - t, [(-1.0, 1.0), (-0.5, 0.5)], True),
    (lambda t: t * t - t + 0.2, [(0.0, 1.0)], False),
    (lambda t: t - 0.75, [(0.0, 1.0)], False),
    (lambda t: t, [(0.0, 1.0)], False),  # touches zero
]


@pytest.mark.parametrize(("function", "box", "holds"), BOXES)
def test_intervals_certify_what_is_positive_and_nothing_else(function, box, holds):
    evidence = certified_positive(function, box, most_boxes=500)
    assert (evidence.holds, evidence.verdict) == (holds, Verdict.CERTIFIED)


def test_intervals_tell_how_many_boxes_they_took():
    assert certified_positive(lambda t: t, [(1.0, 2.0)]).detail == "positive on 1 boxes"
    words = certified_positive(*BOXES[0][:2]).detail.split()
    assert int(words[2]) > 1
    assert not certified_positive(*BOXES[0][:2], most_boxes=1).holds


SHAPES = tuple(itertools.product((1, 2), (1, 2, 3)))
N, P = Letter("N", "h", "d"), Letter("P", "h", "d")
B, C, D, S = Letter("B", "h", "h"), Letter("C", "d", "h"), Letter("D", "d", "d"), Letter("S", "d", "d", symmetric=True)
GAUSSIAN = lambda v: (sp.Integer(0), v, sp.Integer(0), 3 * v**2)
WORDS = {  # products of traces in which noise occurs up to four times
    "NDNᵀB": [[N, D, N.T, B]],
    "NCNC": [[N, C, N, C]],
    "NNᵀNNᵀ": [[N, N.T, N, N.T]],
    "NDNᵀBNSNᵀ": [[N, D, N.T, B, N, S, N.T]],
    "NCNCNDNᵀ": [[N, C, N, C, N, D, N.T]],
    "tr(NDNᵀB)²": [[N, D, N.T, B], [N, D, N.T, B]],
    "tr(NC)⁴": [[N, C]] * 4,
    "tr(NC)² tr(NᵀBN)": [[N, C], [N, C], [N.T, B, N]],
    "tr(NCPSPᵀ) tr(NC)": [[N, C, P, S, P.T], [N, C]],
    "NPᵀNPᵀ": [[N, P.T, N, P.T], [P, C]],
    "an odd moment": [[N, C], [N, D, N.T]],
}


@pytest.mark.parametrize("name", WORDS)
def test_contraction_is_the_gaussian_expectation_written_out(name):
    words, v, w = WORDS[name], sp.Rational(4, 9), sp.Rational(1, 7)
    product = constant(1)
    for word in words:
        product = product * matrix(word).trace()
    occurring = {x.name for word in words for x in word}
    contracted = noise_expectation(product, {name: s for name, s in (("N", v), ("P", w)) if name in occurring})
    for h, d in SHAPES:
        generator = np.random.default_rng(7)
        size = {"h": h, "d": d}
        known = {x.name: integers(generator, size[x.rows], size[x.cols]) for x in (B, C, D, S)}
        known["S"] = known["S"] + known["S"].T
        ring, noise = noise_ring({"N": (h, d), "P": (h, d)})
        ground = {k: np.array([[ring(sp.QQ(int(e))) for e in row] for row in m.tolist()]) for k, m in known.items()}
        written = ring.one
        for word in words:
            written *= np.trace(chain(word, ground | noise))
        truth = polynomial_expectation(written, {"N": GAUSSIAN(v), "P": GAUSSIAN(w)})
        assert evaluate(contracted, known, size) == truth, (h, d)


def matrix(word: list[Letter]) -> MatrixSum:
    product, *rest = map(MatrixSum.of, word)
    for factor in rest:
        product = product @ factor
    return product


def explicit(letter: Letter, known: dict[str, Any]) -> Any:
    return known[letter.name].T if letter.transposed else known[letter.name]


def chain(word: Any, known: dict[str, Any]) -> Any:
    first, *rest = (explicit(letter, known) for letter in word)
    for factor in rest:
        first = first @ factor
    return first


def evaluate(scalar: TraceSum, known: dict[str, sp.Matrix], size: dict[str, int]) -> sp.Expr:
    dimensions = {sp.Symbol(name, positive=True, integer=True): n for name, n in size.items()}
    total = sp.Integer(0)
    for words, coefficient in scalar.terms.items():
        traces = [chain(word, known).trace() for word in words]
        total += coefficient.subs(dimensions) * sp.prod(traces)
    return total
