"""`₂F₁(1, b; 1 + b; u)`, the integral of `x^{b−1}/(1−x)`: SymPy can evaluate it but does not know its derivative so."""

import sympy as sp

from overtraining.theory.derivations.checker.core import Evidence
from overtraining.theory.derivations.checker.evidence import identity


class Lerch(sp.Function):
    """`₂F₁(1, b; 1 + b; u) = Σ b uⁿ/(n + b)`, with the derivative that `lerch_coefficients` proves."""

    nargs = 2

    def fdiff(self, argindex: int = 2) -> sp.Expr:
        b, u = self.args
        return b / u * (1 / (1 - u) - self)


def as_lerch(expression: sp.Expr) -> sp.Expr:
    """Every hypergeometric function of that kind replaced, and SymPy's name for it; any other stays what it is."""
    match = lambda p, q, z: Lerch(p[1], z) if p[0] == 1 and q[0] == p[1] + 1 else sp.hyper(p, q, z)
    named = lambda z, order, b: Lerch(b, z) / b if order == 1 else sp.lerchphi(z, order, b)
    return expression.replace(sp.hyper, match).replace(sp.lerchphi, named)


def lerch_coefficients() -> Evidence:
    """`n c_n = b(1 − c_n)`, and `c_n = (1)_n (b)_n/((1+b)_n n!)` by its first term and its ratio."""
    n, b = sp.Symbol("n", integer=True, nonnegative=True), sp.Symbol("b", positive=True)
    term = lambda n: sp.rf(b, n) / sp.rf(1 + b, n)
    ratio = sp.gammasimp((term(n + 1) / term(n)).rewrite(sp.gamma))
    c = b / (n + b)
    return identity((n * c, ratio, term(0)), (b * (1 - c), c.subs(n, n + 1) / c, c.subs(n, 0)))
