"""The checker: what a derivation is, and what running one yields.

A derivation is a frozen object. Its steps carry checks that run; its last step, the conclusion, judges a formula, and
is run on the claim's own formula and on every wrong variant of it. Nothing here knows any claim.
"""

import enum
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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

    holds: bool
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
class Report:
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


def check(derivation: Derivation, used: Mapping[str, Verdict] | None = None, seed: int = 0) -> Report:
    """Run every step, the conclusion on the formula and on every variant, the counterexamples and the engine link.

    used: verdicts of the claims that this one uses; a used claim without a verdict is a problem.
    """
    started = time.perf_counter()
    formula = derivation.formula()
    steps = [(step.statement, _run(step.check)) for step in derivation.steps]
    steps.append((derivation.statement, _run(lambda: derivation.conclusion(formula))))
    problems = [f"step failed: {text} — {e.detail}" for text, e in steps if not e.holds]
    for assumption in derivation.assumptions:
        if assumption.counterexample and not (e := _run(assumption.counterexample.check)).holds:
            problems.append(f"counterexample to dropping '{assumption.name}' does not break the claim: {e.detail}")
    rejected, survivors = _reject(derivation, formula, problems)
    error = _compare(derivation, formula, seed, problems)

    verdicts = [e.outcome for _, e in steps]
    for name in derivation.uses:
        if used is None or name not in used:
            problems.append(f"uses claim {name}, which has not been checked")
            verdicts.append(Verdict.FAILED)
        else:
            verdicts.append(used[name])
    if derivation.link is None or error is None:
        verdicts.append(Verdict.TESTED)  # a formula that no public function computes is a claim about nothing we ship
    verdict = Verdict.FAILED if any(not e.holds for _, e in steps) else min(verdicts)
    if verdict < derivation.floor:
        problems.append(f"verdict {verdict} is below the floor {derivation.floor}")
    return Report(
        derivation.claim, verdict, derivation.floor, tuple(steps), tuple(rejected), tuple(survivors), error,
        tuple(problems), time.perf_counter() - started,
    )  # fmt: skip


def _run(action: Callable[[], Evidence]) -> Evidence:
    """A check that raises has failed; its message is the detail."""
    try:
        return action()
    except Exception as error:  # any fault of a user's derivation must end in a table, not in a traceback
        return Evidence(False, Verdict.FAILED, f"raised {type(error).__name__}: {error}")


def _reject(derivation: Derivation, formula: Formula, problems: list[str]) -> tuple[list[str], list[str]]:
    rejected, survivors, hidden = [], [], 0
    truth = derivation.special_case.restrict(formula)
    for variant in derivation.variants:
        wrong = variant.build(formula)
        hidden += bool(same(derivation.special_case.restrict(wrong), truth))
        evidence = _run(lambda wrong=wrong: derivation.conclusion(wrong))  # type: ignore[misc]
        if evidence.holds:
            survivors.append(variant.text)
            problems.append(f"wrong variant survives: {variant.text}")
        elif evidence.verdict is Verdict.FAILED:
            survivors.append(variant.text)
            problems.append(f"wrong variant rejected only by an exception: {variant.text} — {evidence.detail}")
        else:
            rejected.append(variant.text)
    if len(derivation.variants) < 5:
        problems.append(f"only {len(derivation.variants)} wrong variants, at least 5 are needed")
    if hidden < 2:
        problems.append(f"only {hidden} variants agree with the claim for {derivation.special_case.text}, 2 are needed")
    return rejected, survivors


def _compare(derivation: Derivation, formula: Formula, seed: int, problems: list[str]) -> float | None:
    link = derivation.link
    if link is None:
        return None
    module, _, name = link.function.rpartition(".")
    try:
        function = getattr(__import__(module, fromlist=[name]), name)
        error = float(link.compare(formula, function, np.random.default_rng(seed)))
    except Exception as fault:  # as in _run
        problems.append(f"engine link {link.function} raised {type(fault).__name__}: {fault}")
        return None
    if not error <= link.tolerance:  # not >, or NaN would pass
        problems.append(f"engine {link.function} is off by {error:.2g}, tolerance {link.tolerance:.2g}")
        return None
    return error


def same(a: Formula, b: Formula) -> bool:
    """Are two formulas equal as mathematics? Containers are compared entry by entry."""
    import sympy as sp

    if isinstance(a, Mapping):
        return isinstance(b, Mapping) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (tuple, list)):
        return isinstance(b, (tuple, list)) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, sp.MatrixBase):
        return a.shape == b.shape and all(map(same, a, b))
    if isinstance(a, sp.Expr) or isinstance(b, sp.Expr):
        return bool(sp.simplify(sp.sympify(a) - sp.sympify(b)) == 0)
    return bool(a == b)
