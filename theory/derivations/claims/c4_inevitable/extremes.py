"""The largest and the smallest of expressions, decided by proof: SymPy's own Max and Min take minutes to be built."""

from functools import cache

import numpy as np
import sympy as sp

Largest, Smallest = sp.Function("max"), sp.Function("min")  # inert until settled
NUMERIC = [{"max": lambda *x: np.maximum.reduce(np.broadcast_arrays(*x)),
            "min": lambda *x: np.minimum.reduce(np.broadcast_arrays(*x))}, "numpy"]  # fmt: skip
"""What `sp.lambdify` needs to know of them."""


@cache
def _least(difference: sp.Expr) -> bool:
    return sp.factor(sp.together(difference)).is_nonnegative is True


def settle(expression: sp.Expr) -> sp.Expr:
    """Every largest and smallest replaced by the argument that is proved to be it; one that is not decided stays."""
    if not expression.args:
        return expression
    args = [settle(x) for x in expression.args]
    if expression.func in (Largest, Smallest):
        sign = 1 if expression.func == Largest else -1
        for x in args:
            if all(x == y or _least(sign * (x - y)) for y in args):
                return x
    return expression.func(*args)
