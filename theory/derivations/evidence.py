"""The kinds of check that a step may run, each giving its own strength of evidence."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from theory.derivations.core import Evidence, Verdict, same


def identity(left: Any, right: Any, detail: str = "") -> Evidence:
    """Proved: both sides are equal as mathematics (SymPy simplifies the difference to 0); tuples entry by entry."""
    holds = same(left, right)
    return Evidence(holds, Verdict.PROVED, detail or ("difference simplifies to 0" if holds else "the sides differ"))


def positive(expression: sp.Expr, detail: str = "") -> Evidence:
    """Proved: after factoring, SymPy's assumptions on the symbols give every factor's sign, the whole being positive.

    Substitute ordered variables first (σ = ε + δ with δ > 0), so that each factor is a sum of positive terms.
    """
    factored = sp.factor(expression)
    return Evidence(factored.is_positive is True, Verdict.PROVED, detail or f"= {factored}, positive term by term")


def every(cases: Iterable[tuple[str, Evidence]], detail: str = "") -> Evidence:
    """All of several checks of the same kind, such as one per matrix shape; the first failure is named."""
    found = list(cases)
    weakest = min((e.verdict for _, e in found), default=Verdict.FAILED)
    for name, evidence in found:
        if not evidence.holds:
            return Evidence(False, weakest, f"{name}: {evidence.detail}")
    return Evidence(bool(found), weakest, detail or f"{len(found)} cases")


def tested(error: float, tolerance: float, detail: str) -> Evidence:
    """Tested: a number is within its tolerance; NaN is not."""
    return Evidence(bool(error <= tolerance), Verdict.TESTED, f"{detail} error {error:.2g} <= {tolerance:.2g}".strip())


def assumed(theorem: str, citation: str) -> Evidence:
    """Assumed: a named textbook theorem with its citation."""
    return Evidence(bool(theorem and citation), Verdict.ASSUMED, f"{theorem} ({citation})")


def certified_positive(
    function: Callable[..., Any], box: Sequence[tuple[float, float]], most_boxes: int = 100_000
) -> Evidence:
    """Certified: interval arithmetic shows `function > 0` on the whole box, bisecting where one interval is too coarse.

    function: takes one `mpmath.iv` interval per axis.
    """
    stack, done = [tuple(mpmath.iv.mpf(list(side)) for side in box)], 0
    while stack:
        sides = stack.pop()
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
            stack.append((*sides[:widest], mpmath.iv.mpf([half[0].a, half[1].b]), *sides[widest + 1 :]))
    return Evidence(True, Verdict.CERTIFIED, f"positive on {done} boxes")


def worst_error(
    expression: sp.Expr,
    symbols: Sequence[sp.Symbol],
    function: Callable[..., Any],
    points: Sequence[np.ndarray],
    condition: Callable[..., np.ndarray] | None = None,
    digits: int = 40,
) -> float:
    """Largest relative error of `function` against the SymPy expression, over all points, divided by the conditioning.

    The expression is lambdified for mpmath and evaluated with `digits` and twice as many; points where the two do not
    agree to 20 digits are evaluated with ten times as many, so the judge cannot be the one who is wrong. Results below
    1e-300 are judged absolutely. `condition(*points)` is the condition number with respect to the inputs, at least 1.
    """
    judge = sp.lambdify(symbols, expression, modules="mpmath")
    got = np.broadcast_to(np.asarray(function(*points), float), np.broadcast_shapes(*(p.shape for p in points)))
    scale = np.ones(got.shape) if condition is None else np.maximum(1.0, condition(*points))
    worst = 0.0
    for index, point in enumerate(zip(*(p.ravel() for p in points), strict=True)):
        with mpmath.workdps(digits):
            low = judge(*map(mpmath.mpf, point))
        for more in (2 * digits, 20 * digits):
            with mpmath.workdps(more):
                high = judge(*map(mpmath.mpf, point))
                if abs(low - high) <= abs(high) * mpmath.mpf(10) ** -20:
                    break
                low = high
        value = float(got.ravel()[index])
        if value == float(high):  # also equal infinities
            continue
        error = float(abs(value - high) / max(abs(high), mpmath.mpf("1e-300"))) / float(scale.ravel()[index])
        worst = max(worst, error if not np.isnan(error) else float("inf"))  # not a number is the worst error of all
    return worst
