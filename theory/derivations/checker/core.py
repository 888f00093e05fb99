"""The parts of a derivation (assumptions, steps, counterexamples, variants), how it is checked, and the report.

A derivation is a frozen object. Each of its steps carries a check that runs. Its last step, the conclusion, judges a
formula: it must accept the claim's own formula and reject every wrong variant of it. Nothing here knows any claim.
"""

import enum
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from overtraining.setting.own_files import imports_from
from overtraining.theory.derivations.checker.equality import same

Formula = Any
"""The result of a claim: a SymPy expression, a matrix, or a tuple or dict of these; its conclusion knows which."""


class Verdict(enum.IntEnum):
    """How a step is known, weakest first; a claim has the weakest verdict of its steps and of the claims it uses.

    The order is by who has tried to refute the step: nobody that we know of (asserted, by a file outside the project
    that states its own verdict), its author alone (argued), the literature (assumed), or a machine,
    on numbers (tested), on whole intervals (certified), or for all values of its symbols (proved). From what a machine
    has checked a step may go on, and still be proved, by these rules: equals for equals; the sign of sums, products and
    squares; ‖X + Y‖ <= ‖X‖ + ‖Y‖, ‖XY‖ <= ‖X‖‖Y‖ and Cauchy–Schwarz, term by term; ranks and determinants of products;
    the intermediate value, the monotony and the maximum at an end that the checked sign of a slope or of a second
    derivative gives; a strict sign in a limit holds near it; the integral, or the sum over an index, of what is known;
    induction with a checked step. Every other inference in words (an exchange of limits, a separation of time scales, a
    perturbation expansion) makes it argued.
    """

    FAILED = 0
    ASSERTED = 1  # by evidence that no checker of ours has made
    ARGUED = 2  # words that no machine has checked
    ASSUMED = 3  # a named textbook theorem, cited
    TESTED = 4  # numbers only, or explicit shapes only
    CERTIFIED = 5  # interval arithmetic over a stated domain
    PROVED = 6  # a symbolic identity

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Evidence:
    """The result of a check: whether the statement holds, how strong this kind of check is, and the details to read.

    Evidence that a file outside the project makes itself, and not by a checker such as `identity`, is `ASSERTED`,
    whatever verdict it is given: nobody but its author says how strong the check is.
    """

    holds: bool | np.bool_
    verdict: Verdict
    detail: str

    def __post_init__(self) -> None:
        if not _called_by_the_project():
            object.__setattr__(self, "verdict", Verdict.ASSERTED)

    @property
    def outcome(self) -> Verdict:
        """The strength of the check where the statement holds, otherwise `FAILED`."""
        return self.verdict if self.holds else Verdict.FAILED


def _called_by_the_project() -> bool:
    """Whether a module of the project makes the evidence that is being made."""
    frame = sys._getframe(1)
    while frame.f_back:
        module, function = str(frame.f_globals.get("__name__")), frame.f_code.co_name
        package, *_ = module.split(".")
        initializer = module == __name__ and function in ("__init__", "__post_init__")
        if not initializer and package not in ("dataclasses", "jaxtyping"):  # these copy or wrap it
            return __name__.startswith(f"{package}.")
        frame = frame.f_back
    return False


@dataclass(frozen=True)
class Step:
    """One step: a statement in LaTeX, a justification in words, and a check that runs.

    cross_check: the step repeats in another way what other steps prove. The claim fails with it but does not rest on
    it, and so does not inherit its verdict.
    """

    statement: str
    because: str
    check: Callable[[], Evidence]
    cross_check: bool = False


@dataclass(frozen=True)
class Curves:
    """Numbers for a small plot of a counterexample: named curves over one axis."""

    x: np.ndarray
    y: Mapping[str, np.ndarray]
    x_label: str
    y_label: str


@dataclass(frozen=True)
class Counterexample:
    """How the claim fails without an assumption: in words, as a check that it is violated, and as a picture."""

    text: str
    check: Callable[[], Evidence]
    curves: Callable[[], Curves] | None = None


@dataclass(frozen=True)
class Assumption:
    """A hypothesis, by its name in the index of assumptions, and what happens without it (None: nothing is known)."""

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
    """A case so symmetric that some variants agree with the claim, such as square, balanced and equal noise."""

    text: str
    restrict: Callable[[Formula], Formula]


@dataclass(frozen=True)
class Link:
    """The comparison of the proved formula with the public `function` that computes it, on random points.

    function: its dotted name.  compare: `compare(formula, function, generator)` draws points from the whole domain and
    returns the worst error, in units where `tolerance` is the limit.
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
    folder: Path | None = None  # of a file outside the project, for what it imports beside it


@dataclass(frozen=True)
class CheckReport:
    """The result of checking a derivation; `problems` is empty exactly when its verdict is at its floor or above."""

    claim: str
    verdict: Verdict
    floor: Verdict
    steps: tuple[tuple[str, Evidence], ...]
    rejected: tuple[str, ...]
    survivors: tuple[str, ...]
    engine_error: float | None
    problems: tuple[str, ...]
    seconds: float = field(compare=False)
    counterexamples: tuple[tuple[str, Evidence], ...] = ()  # with the name of the assumption that is dropped

    @property
    def variants(self) -> int:
        """How many wrong variants were tried."""
        return len(self.rejected) + len(self.survivors)


def check(derivation: Derivation, used: Mapping[str, Verdict] | None = None, point_seed: int = 0) -> CheckReport:
    """Run every step, the conclusion on the formula and on every variant, the counterexamples and the engine link.

    used: verdicts of the claims that this one uses; a used claim without a verdict is a problem.  point_seed: of the
    random points of the link. Whatever a derivation raises is a problem in its report, never a traceback.
    """
    with imports_from(derivation.folder):
        return _check(derivation, used, point_seed)


def _check(derivation: Derivation, used: Mapping[str, Verdict] | None, point_seed: int) -> CheckReport:
    started = time.perf_counter()
    problems: list[str] = []
    steps = [(step.statement, _run(step.check)) for step in derivation.steps]
    formula, fault = _attempt(derivation.formula)
    if fault:
        steps.append((derivation.statement, Evidence(False, Verdict.FAILED, fault)))
    else:
        steps.append((derivation.statement, _run(lambda: derivation.conclusion(formula))))
    problems += [f"step failed: {text} — {e.detail}" for text, e in steps if not e.holds]
    problems += _suspicions(derivation)
    dropped = [(a.name, _run(a.counterexample.check)) for a in derivation.assumptions if a.counterexample]
    for name, e in dropped:
        if not e.holds:
            problems.append(f"counterexample to dropping '{name}' does not break the claim: {e.detail}")
    rejected, survivors = ([], []) if fault else _reject(derivation, formula, problems)
    error = None if fault else _compare(derivation, formula, point_seed, problems)

    repeated = [*(step.cross_check for step in derivation.steps), False]  # the last is the conclusion
    verdicts = [e.outcome for (_, e), again in zip(steps, repeated, strict=True) if not again]
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
        claim=derivation.claim,
        verdict=verdict,
        floor=derivation.floor,
        steps=tuple(steps),
        rejected=tuple(rejected),
        survivors=tuple(survivors),
        engine_error=error,
        problems=tuple(problems),
        seconds=time.perf_counter() - started,
        counterexamples=tuple(dropped),
    )


def _attempt(action: Callable[[], Any]) -> tuple[Any, str]:
    """The result of an action, and what it raised; a user's derivation must end in a table, not in a traceback."""
    try:
        return action(), ""
    except Exception as error:
        return None, f"raised {type(error).__name__}: {error}"


def _run(action: Callable[[], Evidence]) -> Evidence:
    """A check that raises, or returns anything else than evidence, has failed."""
    evidence, fault = _attempt(action)
    if not fault and not isinstance(evidence, Evidence):
        fault = f"returned {evidence!r}, which is no evidence"
    return Evidence(False, Verdict.FAILED, fault) if fault else evidence


def _suspicions(derivation: Derivation) -> list[str]:
    """Ways in which a derivation could not fail."""
    suspicions = []
    if all(step.cross_check for step in derivation.steps):
        suspicions.append("it has no steps" if not derivation.steps else "all of its steps are cross-checks")
    if "formula" in getattr(getattr(derivation.conclusion, "__code__", None), "co_names", ()):
        suspicions.append("its conclusion asks formula(), and would compare the claim with itself")
    return suspicions


def _reject(derivation: Derivation, formula: Formula, problems: list[str]) -> tuple[list[str], list[str]]:
    """The variants that the conclusion rejects, and those that survive; also notes too few or too easy variants."""
    rejected: list[str] = []
    survivors: list[str] = []
    different: set[str] = set()
    hidden = 0  # variants that the special case does not tell from the truth
    special = derivation.special_case
    truth, fault = _attempt(lambda: special.restrict(formula))
    if fault:
        problems.append(f"special case {special.text}: {fault}")
    for variant in derivation.variants:
        wrong, fault = _attempt(lambda variant=variant: variant.build(formula))  # type: ignore[misc]
        restricted, _ = _attempt(lambda wrong=wrong: special.restrict(wrong))  # type: ignore[misc]
        hidden += truth is not None and same(restricted, truth)
        written = repr(wrong)
        if written in different:
            problems.append(f"wrong variant is a copy of another: {variant.text}")
        different.add(written)
        evidence = _run(lambda wrong=wrong: derivation.conclusion(wrong))  # type: ignore[misc]
        if fault or evidence.verdict is Verdict.FAILED:
            survivors.append(variant.text)
            problems.append(f"wrong variant rejected only by an exception: {variant.text} — {fault or evidence.detail}")
        elif evidence.holds:
            survivors.append(variant.text)
            problems.append(f"wrong variant survives: {variant.text}")
        else:
            rejected.append(variant.text)
    if len(different) < 5:
        problems.append(f"only {len(different)} wrong variants, at least 5 are needed")
    if hidden < 2:
        problems.append(f"only {hidden} variants agree with the claim for {special.text}, 2 are needed")
    if hidden == len(derivation.variants):
        problems.append(f"every variant agrees with the claim for {special.text}: it forgets the claim")
    return rejected, survivors


def _compare(derivation: Derivation, formula: Formula, point_seed: int, problems: list[str]) -> float | None:
    """The error of the engine link; notes one that is too large, raises, or never calls the function."""
    link = derivation.link
    if link is None:
        return None
    module, _, name = link.function.rpartition(".")
    calls = 0

    def compare() -> float:
        function = getattr(import_module(module), name)

        def counted(*args: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            return function(*args, **options)

        return float(link.compare(formula, counted, np.random.default_rng(point_seed)))

    error, fault = _attempt(compare)
    if fault:
        problems.append(f"engine link {link.function} {fault}")
    elif not calls:
        problems.append(f"engine link {link.function} never calls the function that it names")
    elif not 0 <= error <= link.tolerance:  # not >, or NaN would pass
        problems.append(f"engine {link.function} is off by {error:.2g}, tolerance {link.tolerance:.2g}")
    return error
