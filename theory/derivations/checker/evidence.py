"""The kinds of check that a step may run, each with its own strength of evidence."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from overtraining.theory.derivations.checker.core import Evidence, Verdict
from overtraining.theory.derivations.checker.equality import same
from overtraining.theory.derivations.checker.written import written


def identity(one_side: Any, other_side: Any, detail: str = "") -> Evidence:
    """Proved: both sides are equal as mathematics (SymPy turns the difference into 0); tuples entry by entry.

    >>> x = sp.Symbol("x")
    >>> identity((x + 1) ** 2, x**2 + 2 * x + 1).holds
    True
    """
    holds = same(one_side, other_side)
    return Evidence(holds, Verdict.PROVED, detail or ("difference simplifies to 0" if holds else "the sides differ"))


def positive(
    expression: sp.Expr, detail: str = "", zero_at: Mapping[sp.Symbol, sp.Expr | int] | None = None
) -> Evidence:
    """Proved: after factoring, the assumptions on the symbols give the sign of every factor, and the whole is positive.

    Substitute ordered variables first (σ = ε + δ with δ > 0), so that each factor is a sum of positive terms.
    A symbol's name may be the difference that it stands for, such as "c − σ", which is written out in the details.
    zero_at: the boundary where the expression is exactly 0, so that another positive expression is noticed.

    >>> x = sp.Symbol("x", positive=True)
    >>> positive(2 * x, zero_at={x: 0}).holds, positive(2 + x, zero_at={x: 0}).holds
    (True, False)
    """
    factored = sp.factor(expression)
    if zero_at is not None and not same(expression.subs(dict(zero_at)), sp.Integer(0)):
        where = ", ".join(f"{written(symbol)} = {written(sp.sympify(value))}" for symbol, value in zero_at.items())
        return Evidence(False, Verdict.PROVED, f"{written(factored)} is not 0 at {where}")
    holds = factored.is_positive is True
    sign = "positive term by term" if holds else "of unknown sign"
    return Evidence(holds, Verdict.PROVED, detail or f"= {written(factored)}, {sign}")


def every(cases: Iterable[tuple[str, Evidence]], detail: str = "") -> Evidence:
    """Several named checks, such as one per matrix shape, as one that holds if all do; it names the first failure."""
    checked = list(cases)
    weakest = min((e.verdict for _, e in checked), default=Verdict.FAILED)
    for name, evidence in checked:
        if not evidence.holds:
            return Evidence(False, weakest, f"{name}: {evidence.detail}")
    return Evidence(bool(checked), weakest, detail or f"{len(checked)} cases")


@dataclass(frozen=True)
class DegreeBound:
    """The highest power of each dimension by which two sides can differ, and why: part of a proof on explicit shapes.

    A polynomial of degree n in a dimension vanishes if it vanishes at n + 1 values; in several, on a grid of them.
    """

    degrees: Mapping[sp.Symbol, int]
    reason: str


def on_shapes(
    derived: Callable[..., Any],
    claimed: sp.Expr,
    dimensions: Sequence[sp.Symbol],
    shapes: Sequence[tuple[int, ...]],
    bound: DegreeBound | None = None,
) -> Evidence:
    """An identity in the dimensions, checked on shapes: proved if a degree bound says that they suffice, else tested.

    derived(*shape): one side at explicit sizes.  claimed: the other side in the symbols of the dimensions; its own
    degrees are computed. The grid of shapes needs n + 2 values of a dimension of degree n: one more than the proof, so
    that a bound that is too low for the derived side is noticed.

    >>> n = sp.Symbol("n")
    >>> triangle = DegreeBound({n: 2}, "a sum over pairs of indices")
    >>> print(on_shapes(lambda k: sum(range(k)), n * (n - 1) / 2, [n], [(1,), (2,), (3,), (4,)], triangle).verdict)
    proved
    >>> print(on_shapes(lambda k: sum(range(k)), n * (n - 1) / 2, [n], [(1,), (2,), (3,)], triangle).verdict)
    tested
    """
    if not shapes:
        return Evidence(False, Verdict.TESTED, "no shape was tried")
    strength = Verdict.TESTED if bound is None else Verdict.PROVED
    for shape in shapes:
        if not same(derived(*shape), claimed.subs(dict(zip(dimensions, shape, strict=True)))):
            return Evidence(False, strength, f"the sides differ at {', '.join(map(str, dimensions))} = {shape}")
    named = f"tested on shapes {', '.join(map(str, shapes))}"
    if bound is None:
        return Evidence(True, Verdict.TESTED, named)
    for dimension in dimensions:
        allowed = bound.degrees[dimension]
        written = sp.expand(claimed).as_poly(dimension)
        if written is None or written.degree() > allowed:
            found = "no polynomial" if written is None else f"of degree {written.degree()}"
            return Evidence(False, Verdict.PROVED, f"{found} in {dimension}, where {bound.reason} allows {allowed}")
    values = [sorted(set(column)) for column in zip(*shapes, strict=True)]
    enough = all(len(v) >= bound.degrees[d] + 2 for v, d in zip(values, dimensions, strict=True))
    if not enough or not set(product(*values)) <= set(shapes):
        return Evidence(True, Verdict.TESTED, f"{named}, too few for a proof")
    degrees = ", ".join(f"{d}: {n}" for d, n in bound.degrees.items())
    return Evidence(True, Verdict.PROVED, f"{len(shapes)} shapes prove it for all: {bound.reason} (degrees {degrees})")


def examples(cases: Iterable[tuple[str, Evidence]], detail: str = "") -> Evidence:
    """Tested: as `every`, for identities that are exact but taken on explicit shapes or at drawn points only.

    >>> x = sp.Symbol("x")
    >>> print(examples((f"n = {n}", identity((x - 1) * sum(x**k for k in range(n)), x**n - 1)) for n in (1, 2)).outcome)
    tested
    """
    checked = every(cases, detail)
    return Evidence(checked.holds, min(checked.verdict, Verdict.TESTED), f"tested on examples: {checked.detail}")


def tested(error: float, tolerance: float, detail: str) -> Evidence:
    """Tested: an error, at least 0, is within its finite tolerance; NaN is not."""
    holds = bool(0 <= error <= tolerance < np.inf)
    return Evidence(holds, Verdict.TESTED, f"{detail} error {error:.2g} <= {tolerance:.2g}".strip())


def assumed(theorem: str, citation: str) -> Evidence:
    """Assumed: a named textbook theorem with its citation."""
    return Evidence(bool(theorem and citation), Verdict.ASSUMED, f"{theorem} ({citation})")


def argued(inference: str, checked: Evidence) -> Evidence:
    """Argued: what a machine can check of the step holds, and the rest follows from it by words that nothing checks.

    >>> x = sp.Symbol("x", positive=True)
    >>> print(argued("continuous, so it has a minimum", positive(x)).outcome)
    argued
    """
    holds, verdict = checked.holds and bool(inference), min(Verdict.ARGUED, checked.verdict)
    return Evidence(holds, verdict, f"{inference}; checked, not argued: {checked.detail}")


def certified_positive(
    function: Callable[..., Any], box: Sequence[tuple[float, float]], most_boxes: int = 100_000
) -> Evidence:
    """Certified: interval arithmetic shows `function > 0` on the whole box, bisecting where one interval is too coarse.

    function: takes one `mpmath.iv` interval per axis; its constants must be intervals too where they are not exact
    (`iv.mpf(1) / 3`), and it must be defined on the whole box.
    """
    boxes = [tuple(mpmath.iv.mpf(list(side)) for side in box)]
    done = 0
    while boxes:
        sides = boxes.pop()
        done += 1
        value = function(*sides)
        if value.a > 0:
            continue
        if value.b <= 0 or done > most_boxes:
            where = " × ".join(f"[{float(s.a):.3g}, {float(s.b):.3g}]" for s in sides)
            return Evidence(False, Verdict.CERTIFIED, f"not positive, or undecided after {done} boxes, at {where}")
        widest = max(range(len(sides)), key=lambda i: sides[i].delta)
        middle = sides[widest].mid
        for half in ((sides[widest].a, middle), (middle, sides[widest].b)):
            boxes.append((*sides[:widest], mpmath.iv.mpf([half[0].a, half[1].b]), *sides[widest + 1 :]))
    return Evidence(True, Verdict.CERTIFIED, f"positive on {done} boxes")


def worst_relative_error(
    expression: sp.Expr,
    symbols: Sequence[sp.Symbol],
    function: Callable[..., Any],
    points: Sequence[np.ndarray],
    condition: Callable[..., np.ndarray] | None = None,
) -> float:
    """Largest relative error of `function` against the SymPy expression over all points, per unit of condition number.

    mpmath evaluates the expression with more and more digits until two evaluations agree to 20 digits, so that the
    reference is not the one that is wrong. The second number of digits exceeds the range of the inputs' exponents:
    otherwise both evaluations could lose the same small term beside a larger one. Results below 1e-300 are judged
    absolutely.

    condition: `condition(*points)` is the condition number with respect to the inputs; it must be finite. Returns
    infinity where no two evaluations agree or where the function gives no number. Raises ValueError without points.
    """
    judge = sp.lambdify(symbols, expression, modules="mpmath")
    values = np.broadcast_to(np.asarray(function(*points), float), np.broadcast_shapes(*(p.shape for p in points)))
    if not values.size:
        raise ValueError("no point to compare at")
    scale = np.ones(values.shape) if condition is None else np.maximum(1.0, condition(*points))
    if not np.isfinite(scale).all():
        return float("inf")
    worst = 0.0
    for index, point in enumerate(zip(*(p.ravel() for p in points), strict=True)):
        truth = _agreed(judge, point)
        value = float(values.ravel()[index])
        if truth is None:
            return float("inf")
        if value == float(truth):  # also equal infinities
            continue
        error = float(abs(value - truth) / max(abs(truth), mpmath.mpf("1e-300"))) / float(scale.ravel()[index])
        worst = max(worst, error if not np.isnan(error) else float("inf"))  # not a number is the worst error of all
    return worst


def _agreed(judge: Callable[..., Any], point: Sequence[float]) -> Any:
    """The value on which two evaluations with different numbers of digits agree, or None."""
    span = 2 * max((abs(np.log10(abs(x))) for x in map(float, point) if x and np.isfinite(x)), default=0)
    low = None
    for digits in (40, 80 + int(span), 160 + 2 * int(span), 800 + 4 * int(span)):
        with mpmath.workdps(digits):
            high = judge(*map(mpmath.mpf, point))
            if low is not None and (low == high or abs(low - high) <= abs(high) * mpmath.mpf(10) ** -20):
                return high
            low = high
    return None
