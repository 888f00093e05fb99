"""SymPy matrix expressions of symbolic shape: their gradients, their values, and their expansion into words.

SymPy differentiates a trace with respect to a matrix but does not bring the result to a canonical form. A sum of words
has one (`matrix_words.normal_form`): products of letters, with a symmetric matrix equal to its transpose.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.shapes import in_ring, noise_ring, number_in
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum


def sympy_gradient(loss: Iterable[tuple[sp.Expr, sp.Trace]], matrix: sp.MatrixSymbol) -> sp.MatrixExpr:
    """`∂/∂matrix` of a sum of coefficient × trace, each trace differentiated by SymPy.

    One by one, because SymPy's derivative of an `Add` of traces by a matrix symbol is silently zero.
    """
    return sp.MatAdd(*(coefficient * trace.diff(matrix) for coefficient, trace in loss)).doit()


def as_words(expression: sp.MatrixExpr, symmetric: frozenset[str] = frozenset()) -> MatrixSum:
    """A matrix expression expanded into words."""
    if isinstance(expression, sp.MatrixSymbol):
        rows, cols = map(str, expression.shape)
        return MatrixSum.of(Letter(expression.name, rows, cols, symmetric=expression.name in symmetric))
    if expression.is_Identity:
        return MatrixSum(((sp.Integer(1), ()),))
    if isinstance(expression, sp.ZeroMatrix):
        return MatrixSum(())
    if isinstance(expression, sp.Transpose):
        return as_words(expression.arg, symmetric).T
    if isinstance(expression, sp.MatAdd):
        return MatrixSum(tuple(term for part in expression.args for term in as_words(part, symmetric).terms))
    if isinstance(expression, sp.MatMul):
        scalar, factors = expression.as_coeff_matrices()
        product = MatrixSum(((scalar, ()),))
        for factor in factors:
            product = product.joined(as_words(factor, symmetric))  # SymPy has compared the shapes
        return product
    raise TypeError(f"{type(expression).__name__} is neither a sum, a product, a transpose nor a symbol")


def evaluate(expression: sp.MatrixExpr, matrices: Mapping[str, Any], scalar: Callable[[sp.Expr], Any]) -> Any:
    """The value of a matrix expression for explicit matrices (SymPy's or NumPy's), `scalar` giving its coefficients."""
    if isinstance(expression, sp.MatrixSymbol):
        return matrices[expression.name]
    if isinstance(expression, sp.Transpose):
        return evaluate(expression.arg, matrices, scalar).T
    if isinstance(expression, sp.MatAdd):
        first, *others = (evaluate(part, matrices, scalar) for part in expression.args)
        return sum(others, first)
    coefficient, (first, *others) = expression.as_coeff_matrices()
    product = evaluate(first, matrices, scalar)
    for factor in others:
        product = product @ evaluate(factor, matrices, scalar)
    return product if coefficient == 1 else product * scalar(coefficient)


def exactly(
    expression: sp.MatrixExpr,
    matrices: Mapping[str, Sequence[np.ndarray]],
    scalars: Mapping[sp.Symbol, float],
    part: Callable[[Any], Any] = lambda x: x,
) -> np.ndarray:
    """The value at 50 digits, each matrix given as float factors, the rightmost first; `part = abs` adds up sizes."""

    def value(coefficient: sp.Expr) -> Any:
        return part(sp.lambdify(list(scalars), coefficient, "mpmath")(*map(mpmath.mpf, scalars.values())))

    with mpmath.workdps(50):
        exact = np.vectorize(lambda x: part(mpmath.mpf(x)), otypes=[object])
        products = {
            name: reduce(lambda product, factor: exact(factor) @ product, factors[1:], exact(factors[0]))
            for name, factors in matrices.items()
        }
        return evaluate(expression, products, value)


def entrywise_gradient(loss: Callable[..., Any], at: Mapping[str, sp.Matrix]) -> tuple[sp.Rational, ...]:
    """A loss of explicit matrices as a polynomial, differentiated by each entry of each, at a rational point.

    loss(exact, **matrices): `exact` turns a rational matrix or number into one of the same ring as the matrices.
    """
    ring, entries = noise_ring({name: matrix.shape for name, matrix in at.items()})

    def exact(x: Any) -> Any:
        return in_ring(ring, x) if hasattr(x, "tolist") else number_in(ring, x)

    polynomial = loss(exact, **entries)
    values = [number_in(ring, y) for matrix in at.values() for y in matrix]
    point = list(zip(ring.gens, values, strict=True))
    return tuple(sp.sympify(polynomial.diff(g).evaluate(point)) for g in ring.gens)
