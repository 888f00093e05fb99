"""B3: the Hessian from the loss: its trace and its blocks for symbolic widths, and the whole on explicit shapes."""

from functools import cache
from itertools import combinations_with_replacement, product

import sympy as sp

from overtraining.theory.derivations.calculus.dyads import KINDS, Index, block, dyads_of, entry
from overtraining.theory.derivations.calculus.shapes import in_ring, noise_ring
from overtraining.theory.derivations.calculus.trace_calculus import laplacian
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, TraceSum, Word
from overtraining.theory.derivations.calculus.two_layers import d_in, d_out, h, loss
from overtraining.theory.derivations.checker.core import Evidence, Verdict
from overtraining.theory.derivations.checker.evidence import every, identity
from overtraining.theory.derivations.claims import b1_noise as b1

q1, q2, tau = sp.symbols("q_1 q_2 tau", positive=True)
modes, narrow, hidden, inputs, outputs = sp.symbols("n_l n_u n_h n_i n_o", nonnegative=True, integer=True)
x = sp.Symbol("x")
of = MatrixSum.of


def trace_depth_two() -> sp.Expr:
    """tr H at depth 2, in q₁, q₂ and τ."""
    w1, n1 = (of(Letter(name, "h", "d_in")) for name in ("W1", "N1"))
    w2, n2 = (of(Letter(name, "d_out", "h")) for name in ("W2", "N2"))
    sx = of(Letter("Sx", "d_in", "d_in", symmetric=True))
    traces = (((w1 @ sx @ w1.T).trace(), q1), ((w2 @ w2.T).trace(), q2), (sx.trace(), tau))
    names = {word: symbol for trace, symbol in traces for (word,) in trace.terms}
    trace_of_hessian = laplacian(loss(w1 + n1, w2 + n2, sx))
    return sum(c * sp.prod(names[word] for word in key) for key, c in trace_of_hessian.terms.items())


@cache
def bilinear() -> TraceSum:
    """The Hessian as a bilinear form in X = (X1, X2) and Y: the part of `L(W + X + Y)` that is linear in both."""
    w1, x1, y1 = (of(Letter(name, "h", "d_in")) for name in ("W1", "X1", "Y1"))
    w2, x2, y2 = (of(Letter(name, "d_out", "h")) for name in ("W2", "X2", "Y2"))

    def once(key: tuple[Word, ...], kind: str) -> bool:
        return sum(letter.name[0] == kind for word in key for letter in word) == 1

    terms = loss(w1 + x1 + y1, w2 + x2 + y2).terms.items()
    return TraceSum({k: c for k, c in terms if once(k, "X") and once(k, "Y")})


@cache
def characteristic_polynomial(kinds: tuple[str, ...]) -> sp.Expr:
    """The characteristic polynomial in x of the block of one index, or of a pair, of these kinds."""
    matrix = block(bilinear(), tuple(Index(name, kind) for name, kind in zip("ij", kinds, strict=False)))
    return sp.expand(matrix.charpoly(x).as_expr())


def counts() -> dict[str, dict[str, sp.Expr]]:
    """How many blocks of each kind a learned mode has, and how many zeros there are, in each order of the widths."""
    numbers = {}
    for regime, widths in REGIMES.items():
        has = {n: n if any(e.has(n) for e in widths.values()) else sp.Integer(0) for n in (hidden, inputs, outputs)}
        spare = has[inputs] + has[outputs]
        numbers[regime] = {"outside per mode": spare, "hidden per mode": has[hidden], "zeros": has[hidden] * spare}
    return numbers


REGIMES = {
    f"{middle}, {outside}": {
        h: modes + (hidden if middle == "wide" else 0),
        d_in: modes + (narrow if middle == "narrow" else 0) + (inputs if outside == "more inputs" else 0),
        d_out: modes + (narrow if middle == "narrow" else 0) + (outputs if outside == "more outputs" else 0),
    }
    for middle, outside in product(("wide", "narrow"), ("more inputs", "more outputs"))
}
"""The widths by how many indices of each kind they make; unlearnable and spare hidden ones exclude each other."""


def any_depth() -> Evidence:
    """`f = P W R` with anything before and after the layer W: its block of the Hessian has trace ‖P‖² tr(R Σx Rᵀ)."""
    p, a = of(Letter("P", "d_out", "rows")), of(Letter("A", "d_out", "d_in"))
    w, n = (of(Letter(name, "rows", "cols")) for name in ("W", "N"))
    r = of(Letter("R", "cols", "d_in"))
    sx = of(Letter("Sx", "d_in", "d_in", symmetric=True))
    error = p @ (w + n) @ r - a
    trace_of_block = laplacian(sp.Rational(1, 2) * (error @ sx @ error.T).trace())
    rest = trace_of_block - (p @ p.T).trace() * (r @ sx @ r.T).trace()
    return Evidence(rest.is_zero(), Verdict.PROVED, "for symbolic widths; W and A do not occur in the result")


def blocks_only() -> Evidence:
    """Dyads of different sets of indices do not meet in the Hessian, whatever the kinds of index.

    Sets of one or two indices that differ have, up to names and order, the meetings listed here and no other.
    """
    form = bilinear()
    met = 0
    tried = 0
    for mine, others in (("ij", ("ik", "kl", "i", "k")), ("i", ("k",))):
        for kinds in product(KINDS, repeat=4):
            index = {name: Index(name, kind) for name, kind in zip("ijkl", kinds, strict=True)}
            for theirs in others:
                sets = (tuple(index[name] for name in names) for names in (mine, theirs))
                for one, other in product(*map(dyads_of, sets)):
                    tried += 1
                    met += entry(form, one, other) != 0
    return Evidence(met == 0 < tried, Verdict.PROVED, f"{tried} pairs of directions, {met} of them coupled")


def half_of_trace() -> Evidence:
    """Twice B1's coefficient of γ² is the sum of all second derivatives of the loss, for symbolic widths and any Σx."""
    gamma = sp.Symbol("gamma", positive=True)
    names = {b1.g1: gamma, b1.g2: gamma, b1.q1: q1, b1.q2: q2, b1.tau: tau}
    second = 2 * sp.expand(b1.formula().subs(names)).coeff(gamma, 2)
    return identity(second, trace_depth_two())


def complete() -> Evidence:
    """The dyads of all blocks, counted by kind, are as many as there are weights, in every order of the widths."""
    cases = []
    met = set()
    number = dict(zip(KINDS, (modes, narrow, hidden, inputs, outputs), strict=True))
    for regime, widths in REGIMES.items():
        n = {kind: c if any(e.has(c) for e in widths.values()) else sp.Integer(0) for kind, c in number.items()}
        total = sum(n[k] * len(dyads_of((Index("i", k),))) for k in KINDS)
        for k, l in combinations_with_replacement(KINDS, 2):
            pairs = n[k] * (n[k] - 1) / 2 if k == l else n[k] * n[l]
            total += pairs * len(dyads_of((Index("i", k), Index("j", l))))
        met.add(frozenset(kind for kind in KINDS if n[kind] != 0))
        weights = (h * (d_in + d_out)).subs(widths, simultaneous=True)
        cases.append((regime, identity(sp.expand(total - weights), sp.Integer(0))))
    learned, *others = KINDS
    orders = {frozenset({learned, *kinds}) for kinds in product(others[:2], others[2:])}
    cases.append(("the orders", Evidence(met == orders, Verdict.PROVED, f"{len(met & orders)} of {len(orders)}")))
    return every(cases, "the numbers of dyads add up to h (d_in + d_out) in all four orders of the widths")


def exact_hessian(w1: sp.Matrix, w2: sp.Matrix, teacher: sp.Matrix, covariance: sp.Matrix | None = None) -> sp.Matrix:
    """The Hessian of the loss in all weights, from the second-order coefficients of the loss at `W + N`, exact."""
    ring, noise = noise_ring({"N1": w1.shape, "N2": w2.shape})
    error = (in_ring(ring, w2) + noise["N2"]) @ (in_ring(ring, w1) + noise["N1"]) - in_ring(ring, teacher)
    weighted = error if covariance is None else error @ in_ring(ring, covariance)
    loss = (error * weighted).sum() / 2
    hessian = sp.zeros(ring.ngens, ring.ngens)
    for powers, coefficient in loss.terms():
        if sum(powers) == 2:
            i, j = (k for k, power in enumerate(powers) for _ in range(power))
            value = sp.Rational(coefficient.numerator, coefficient.denominator)
            hessian[i, j] += value
            hessian[j, i] += value
    return hessian
