"""Whether two formulas are equal as mathematics, decided by the cheapest reason that suffices.

Equal is what cancelling, expanding or simplifying the difference turns to 0. Different is what has another value at one
point, or what none of the three turns to 0.
"""

from collections.abc import Mapping
from typing import Any

import sympy as sp
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.core.evalf import PrecisionExhausted

_SCALAR = (sp.Expr, int, float)


def same(a: Any, b: Any) -> bool:
    """Are two formulas equal as mathematics? Containers entry by entry; different kinds are different.

    >>> x = sp.Symbol("x", positive=True)
    >>> same({"a": sp.sqrt(x**2)}, {"a": x}), same((x, 1), (x, 2))
    (True, False)
    """
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, sp.MatrixBase) and isinstance(b, sp.MatrixBase):
        return a.shape == b.shape and all(map(same, a, b))
    if isinstance(a, sp.MatrixExpr) or isinstance(b, sp.MatrixExpr) or not isinstance(a, _SCALAR):
        return type(a) is type(b) and bool(a == b)
    return isinstance(b, _SCALAR) and is_zero(sp.sympify(a) - sp.sympify(b))


def is_zero(expression: sp.Expr) -> bool:
    """Whether a scalar expression is 0: proved by SymPy; a value other than 0 spares the attempt.

    >>> x, y = sp.symbols("x y")
    >>> is_zero((x + y) ** 2 - x**2 - 2 * x * y - y**2), is_zero(sp.sin(x) ** 2 + sp.cos(x) ** 2)
    (True, False)
    """
    if expression == 0:
        return True
    if is_nonzero_somewhere(expression):
        return False
    return sp.cancel(sp.together(expression)) == 0 or sp.expand(expression) == 0 or sp.simplify(expression) == 0


def is_nonzero_somewhere(expression: sp.Expr) -> bool:
    """Whether the expression, at one point that its symbols' assumptions allow, has a number other than 0 as its value.

    SymPy evaluates with as many digits as 15 correct ones need and gives up on a number that it cannot tell from 0:
    rounding does not refute. False where the value is no finite number, and for what is only rounded: floats in the
    expression, numerical integrals and sums.

    >>> x = sp.Symbol("x", positive=True)
    >>> is_nonzero_somewhere(x - 1), is_nonzero_somewhere(sp.sqrt(x**2) - x), is_nonzero_somewhere(sp.Function("f")(x))
    (True, False, False)
    """
    symbols = sorted(expression.free_symbols, key=sp.default_sort_key)
    point = {symbol: _allowed_value(symbol, index) for index, symbol in enumerate(symbols)}
    if None in point.values() or expression.has(sp.Float, ExprWithLimits):
        return False
    try:
        value = expression.evalf(15, subs=point, strict=True)
    except PrecisionExhausted:
        return False
    return bool(value.is_number and value.is_finite and value != 0)


def _allowed_value(symbol: sp.Symbol, index: int) -> sp.Rational | None:
    """A number that the symbol's assumptions allow, without a simple relation to those of other indices."""
    fraction, whole = sp.Rational(sp.prime(index + 4), sp.prime(index + 9)), sp.Integer(sp.prime(index + 2))
    for value in (fraction, whole, -fraction, -whole):
        if all(getattr(value, f"is_{name}") is holds for name, holds in symbol.assumptions0.items()):
            return value
    return None
