"""The checker: what a derivation is, and what running one yields.

A derivation is a frozen object. Its steps carry checks that run; its last step, the conclusion, judges a formula, and
is run on the claim's own formula and on every wrong variant of it. Nothing here knows any claim.
"""

import enum
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

Formula = Any  # what a claim ends in: a SymPy expression, a matrix, or a tuple or dict of these; its conclusion knows


class Verdict(enum.IntEnum):
    """How a step is known, weakest first; a claim inherits the weakest of what it rests on."""

    FAILED = 0
    ASSUMED = 1  # a named textbook theorem, cited
    TESTED = 2  # numbers only
    CERTIFIED = 3  # interval arithmetic over a stated domain
    PROVED = 4  # a symbolic identity

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Evidence:
    """What a check found: whether the statement holds, how strong that kind of check is, and the details to read."""

    holds: bool | np.bool_
    verdict: Verdict
    detail: str

    @property
    def outcome(self) -> Verdict:
        return self.verdict if self.holds else Verdict.FAILED


@dataclass(frozen=True)
class Step:
    """One step: a statement in LaTeX, a justification in words, and a check that runs."""

    statement: str
    because: str
    check: Callable[[], Evidence]


@dataclass(frozen=True)
class Curves:
    """Numbers for a small plot of a counterexample: named curves over one axis."""

    x: np.ndarray
    y: Mapping[str, np.ndarray]
    x_label: str
    y_label: str


@dataclass(frozen=True)
class Counterexample:
    """What breaks without an assumption: in words, as a check that the claim really is violated, and as a picture."""

    text: str
    check: Callable[[], Evidence]
    curves: Callable[[], Curves] | None = None


@dataclass(frozen=True)
class Assumption:
    """A hypothesis, by its name in the index of assumptions, and what happens without it (None: none is known)."""

    name: str
    text: str
    counterexample: Counterexample | None = None


@dataclass(frozen=True)
class Variant:
    """A wrong version of the formula, made from the right one: a factor, sign, exponent, dimension or term."""

    text: str
    build: Callable[[Formula], Formula]


@dataclass(frozen=True)
class SpecialCase:
    """A case too symmetric to tell some variants from the truth, such as square, balanced and equal noise."""

    text: str
    restrict: Callable[[Formula], Formula]


@dataclass(frozen=True)
class Link:
    """Proof meets engine: the worst relative error of the public `function` against the formula on random points.

    `function` is the dotted name; `compare(formula, function, generator)` draws from the whole domain and returns the
    worst error, in units where `tolerance` is the limit.
    """

    function: str
    domain: str
    compare: Callable[[Formula, Callable[..., Any], np.random.Generator], float]
    tolerance: float = 1e-12


@dataclass(frozen=True)
class Derivation:
    """A claim, from the loss to its formula."""

    claim: str
    title: str
    statement: str  # LaTeX
    plain: str  # one sentence
    symbols: Mapping[str, str]  # LaTeX of the symbol -> meaning
    assumptions: tuple[Assumption, ...]
    steps: tuple[Step, ...]
    formula: Callable[[], Formula]
    conclusion: Callable[[Formula], Evidence]
    variants: tuple[Variant, ...]
    special_case: SpecialCase
    floor: Verdict
    link: Link | None = None
    uses: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class CheckReport:
    """What running a derivation found. `problems` is empty exactly when the claim stands at its floor or above."""

    claim: str
    verdict: Verdict
    floor: Verdict
    steps: tuple[tuple[str, Evidence], ...]
    rejected: tuple[str, ...]
    survivors: tuple[str, ...]
    engine_error: float | None
    problems: tuple[str, ...]
    seconds: float = field(compare=False)

    @property
    def variants(self) -> int:
        return len(self.rejected) + len(self.survivors)


def check(derivation: Derivation, used: Mapping[str, Verdict] | None = None, seed: int = 0) -> CheckReport:
    """Run every step, the conclusion on the formula and on every variant, the counterexamples and the engine link.

    used: verdicts of the claims that this one uses; a used claim without a verdict is a problem. Whatever a derivation
    raises is a problem in its report, never a traceback.
    """
    started = time.perf_counter()
    problems: list[str] = []
    steps = [(step.statement, _run(step.check)) for step in derivation.steps]
    formula, fault = _attempt(derivation.formula)
    conclusion = (lambda: Evidence(False, Verdict.FAILED, fault)) if fault else lambda: derivation.conclusion(formula)
    steps.append((derivation.statement, _run(conclusion)))
    problems += [f"step failed: {text} — {e.detail}" for text, e in steps if not e.holds]
    problems += _suspicions(derivation)
    for assumption in derivation.assumptions:
        if assumption.counterexample and not (e := _run(assumption.counterexample.check)).holds:
            problems.append(f"counterexample to dropping '{assumption.name}' does not break the claim: {e.detail}")
    rejected, survivors = ([], []) if fault else _reject(derivation, formula, problems)
    error = None if fault else _compare(derivation, formula, seed, problems)

    verdicts = [e.outcome for _, e in steps]
    for name in derivation.uses:
        if used is None or name not in used:
            problems.append(f"uses claim {name}, which has not been checked")
            verdicts.append(Verdict.FAILED)
        else:
            verdicts.append(used[name])
    if derivation.link is None or error is None or not 0 <= error <= derivation.link.tolerance:
        verdicts.append(Verdict.TESTED)  # a formula that no public function computes is a claim about nothing we ship
    verdict = Verdict.FAILED if any(not e.holds for _, e in steps) else min(verdicts)
    if derivation.link is None and verdict < derivation.floor:
        problems.append("no link to a public function: a formula that nothing computes is at most tested")
    if verdict < derivation.floor:
        problems.append(f"verdict {verdict} is below the floor {derivation.floor}")
    return CheckReport(
        derivation.claim, verdict, derivation.floor, tuple(steps), tuple(rejected), tuple(survivors), error,
        tuple(problems), time.perf_counter() - started,
    )  # fmt: skip


def _attempt(action: Callable[[], Any]) -> tuple[Any, str]:
    """What an action gives, or what it raised; a user's derivation must end in a table, not in a traceback."""
    try:
        return action(), ""
    except Exception as error:
        return None, f"raised {type(error).__name__}: {error}"


def _run(action: Callable[[], Evidence]) -> Evidence:
    """A check that raises, or returns anything else than evidence, has failed."""
    found, fault = _attempt(action)
    if not fault and not isinstance(found, Evidence):
        fault = f"returned {found!r}, which is no evidence"
    return Evidence(False, Verdict.FAILED, fault) if fault else found


def _suspicions(derivation: Derivation) -> list[str]:
    """Ways in which a derivation could not fail."""
    found = []
    if not derivation.steps:
        found.append("it has no steps")
    if "formula" in getattr(getattr(derivation.conclusion, "__code__", None), "co_names", ()):
        found.append("its conclusion asks formula(), and would compare the claim with itself")
    return found


def _reject(derivation: Derivation, formula: Formula, problems: list[str]) -> tuple[list[str], list[str]]:
    rejected, survivors, hidden, seen = [], [], 0, set()
    truth, fault = _attempt(lambda: derivation.special_case.restrict(formula))
    if fault:
        problems.append(f"special case {derivation.special_case.text}: {fault}")
    for variant in derivation.variants:
        wrong, fault = _attempt(lambda variant=variant: variant.build(formula))  # type: ignore[misc]
        restricted, _ = _attempt(lambda wrong=wrong: derivation.special_case.restrict(wrong))  # type: ignore[misc]
        hidden += truth is not None and same(restricted, truth)
        if repr(wrong) in seen:
            problems.append(f"wrong variant is a copy of another: {variant.text}")
        seen.add(repr(wrong))
        evidence = _run(lambda wrong=wrong: derivation.conclusion(wrong))  # type: ignore[misc]
        if fault or evidence.verdict is Verdict.FAILED:
            survivors.append(variant.text)
            problems.append(f"wrong variant rejected only by an exception: {variant.text} — {fault or evidence.detail}")
        elif evidence.holds:
            survivors.append(variant.text)
            problems.append(f"wrong variant survives: {variant.text}")
        else:
            rejected.append(variant.text)
    if len(seen) < 5:
        problems.append(f"only {len(seen)} wrong variants, at least 5 are needed")
    if hidden < 2:
        problems.append(f"only {hidden} variants agree with the claim for {derivation.special_case.text}, 2 are needed")
    if hidden == len(derivation.variants):
        problems.append(f"every variant agrees with the claim for {derivation.special_case.text}: it forgets the claim")
    return rejected, survivors


def _compare(derivation: Derivation, formula: Formula, seed: int, problems: list[str]) -> float | None:
    link = derivation.link
    if link is None:
        return None
    module, _, name = link.function.rpartition(".")
    calls = 0

    def compare() -> float:
        function = getattr(import_module(module), name)

        def counted(*given: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            return function(*given, **named)

        return float(link.compare(formula, counted, np.random.default_rng(seed)))

    error, fault = _attempt(compare)
    if fault:
        problems.append(f"engine link {link.function} {fault}")
    elif not calls:
        problems.append(f"engine link {link.function} never calls the function that it names")
    elif not 0 <= error <= link.tolerance:  # not >, or NaN would pass
        problems.append(f"engine {link.function} is off by {error:.2g}, tolerance {link.tolerance:.2g}")
    return error


def same(a: Formula, b: Formula) -> bool:
    """Are two formulas equal as mathematics? Containers entry by entry; different kinds are different."""
    import sympy as sp

    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, sp.MatrixBase) and isinstance(b, sp.MatrixBase):
        return a.shape == b.shape and all(map(same, a, b))
    scalar = (sp.Expr, int, float)
    if isinstance(a, sp.MatrixExpr) or isinstance(b, sp.MatrixExpr) or not isinstance(a, scalar):
        return type(a) is type(b) and bool(a == b)
    return isinstance(b, scalar) and bool(sp.simplify(sp.sympify(a) - sp.sympify(b)) == 0)
