"""D4's steps: the first two orders in T at a plateau, by matrix words; entries; and A5 bordered by one feature."""

from functools import cache

import sympy as sp

from overtraining.theory.derivations.calculus.matrix_words import IDENTITY, normal_form, scaled
from overtraining.theory.derivations.calculus.trace_calculus import along, squared_norm
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, TraceSum, Word
from overtraining.theory.derivations.checker.core import Evidence, Verdict
from overtraining.theory.derivations.checker.evidence import every, identity

half = sp.Rational(1, 2)
W1, W2, E, R = (
    Letter("W1", "h", "d_in"), Letter("W2", "d_out", "h"), Letter("E", "d_out", "d_in"), Letter("R", "d_out", "d_in")
)  # fmt: skip
w1, w2, e, rest = map(MatrixSum.of, (W1, W2, E, R))  # E = B − f, R = A − f
MOVED = w2 @ w2.T @ e + e @ w1.T @ w1  # df/dT
FLOW = {"W1": w2.T @ e, "W2": e @ w1.T, "E": scaled(-1, MOVED), "R": scaled(-1, MOVED)}
sigma, p = sp.symbols("sigma p", positive=True)
x, y, b = sp.symbols("x y b", real=True)


def at_plateau(scalar: TraceSum) -> TraceSum:
    """Without the words that vanish there: what is not learned is out of reach, `W2ᵀR = 0` and `R W1ᵀ = 0`."""
    gone = {(W2.T, R), (R, W1.T), (R.T, W2), (W1, R.T)}
    absent = lambda w: any((w[i], w[(i + 1) % len(w)]) in gone for i in range(len(w)))
    return TraceSum.collect((c, words) for words, c in scalar.terms.items() if not any(map(absent, words)))


def orders() -> Evidence:
    """`L_pre' = 0` and `L_pre'' = ‖ḟ‖² − 2 tr(Rᵀ E fᵀ E)`, for symbolic dimensions."""
    loss = half * squared_norm(rest)
    first = along(loss, FLOW)
    second = squared_norm(MOVED) - 2 * (rest.T @ e @ w1.T @ w2.T @ e).trace()
    left = at_plateau(along(first, FLOW) - second)
    return every(
        (
            ("first order", Evidence(at_plateau(first).is_zero(), Verdict.PROVED, "every word holds W2ᵀR or R W1ᵀ")),
            ("second order", Evidence(left.is_zero(), Verdict.PROVED, f"{len(left.terms)} words differ")),
        ),
        "both orders, for symbolic dimensions",
    )


@cache
def second_orders(d_out: int, d_in: int) -> tuple[tuple[sp.Expr, ...], tuple[sp.Symbol, ...], sp.Matrix]:
    """`Δ_n/T²` for n = 0 … r from the weights' own Taylor series, entries and σ symbolic; and these symbols."""
    r = min(d_out, d_in)
    roots, task = sp.symbols(f"w1:{r + 1}", positive=True), sp.Matrix(d_out, d_in, lambda i, j: sp.Symbol(f"B{i}{j}"))
    teacher, found = sp.Matrix(d_out, d_in, lambda i, j: roots[i] ** 2 if i == j else 0), []
    for n in range(r + 1):
        one = sp.Matrix(r, d_in, lambda i, j, n=n: roots[i] if i == j and i < n else 0)
        two = sp.Matrix(d_out, r, lambda i, j, n=n: roots[i] if i == j and i < n else 0)
        gap = task - two * one
        v1, v2 = two.T * gap, gap * one.T
        speed = v2 * one + two * v1
        a1, a2 = v2.T * gap - two.T * speed, gap * v1.T - speed * one.T
        bent = a2 * one + 2 * v2 * v1 + two * a1
        missing = two * one - teacher
        found.append(sp.expand(half * (_inner(speed, speed) + _inner(missing, bent))))
    return tuple(found), roots, task


def _inner(one: sp.Matrix, other: sp.Matrix) -> sp.Expr:
    return sp.Add(*one.multiply_elementwise(other))


def squares(claim: dict[str, sp.Expr]) -> Evidence:
    """Every term of an increment as a sum of squares; δ = σ − p >= 0 is where a later feature is not stronger."""
    delta = sp.Symbol("delta", nonnegative=True)
    earlier = sigma**2 * (x**2 + y**2) / 2 + sigma * p * ((x + y / 2) ** 2 + 3 * y**2 / 4)
    later = sigma * delta * (x**2 + y**2) / 2 + sigma * p * (x - y) ** 2 / 2
    return every(
        (
            ("learned", identity(claim["learned"], earlier)),
            ("unlearned", identity(claim["unlearned"].subs(sigma, p + delta), later.subs(sigma, p + delta))),
            ("beyond", identity(claim["beyond"], (sigma * x) ** 2 / 2)),
            ("own", identity(claim["own"], 2 * (sigma * (b - sigma)) ** 2)),
        ),
        "sums of squares with coefficients >= 0",
    )


def bordered() -> Evidence:
    """`Y S⁻¹ Yᵀ` with one more column, `Y = [Y y]`, `S = [[S, b], [bᵀ, c]]`: it gains `z zᵀ`, `z = (y − Y S⁻¹ b)/√ρ`.

    ρ = c − bᵀS⁻¹b > 0, as S is positive definite; here 1/ρ is written k, and the candidate inverse is checked by
    multiplying it out.
    """
    s, si = (Letter(name, "n", "n", symmetric=True) for name in ("S", "Si"))
    border, column = Letter("b", "n", "one"), Letter("y", "N", "one")
    c, k = sp.symbols("c k", positive=True)
    of_s, of_si, of_b, of_y = map(MatrixSum.of, (s, si, border, column))
    of_x = MatrixSum.of(Letter("Y", "N", "n"))
    rules: list[tuple[Word, MatrixSum]] = [
        ((s, si), IDENTITY), ((si, s), IDENTITY), ((border.T, si, border), scaled(c - 1 / k, IDENTITY)),
    ]  # fmt: skip
    solved = of_si @ of_b
    corner, side = of_si + scaled(k, solved @ solved.T), scaled(-k, solved)
    z = of_y - of_x @ solved
    gained = of_x @ corner @ of_x.T + of_x @ side @ of_y.T + of_y @ side.T @ of_x.T + scaled(k, of_y @ of_y.T)
    zero = {
        "S corner + b sideᵀ = 1": of_s @ corner + of_b @ side.T - IDENTITY,
        "S side + b k = 0": of_s @ side + scaled(k, of_b),
        "bᵀ corner + c sideᵀ = 0": of_b.T @ corner + scaled(c, side.T),
        "bᵀ side + c k = 1": (of_b.T @ side).joined(IDENTITY) + scaled(c * k - 1, IDENTITY),
        "gain = k z zᵀ": gained - of_x @ of_si @ of_x.T - scaled(k, z @ z.T),
    }
    return every(
        ((name, Evidence(not normal_form(word, rules), Verdict.PROVED, name)) for name, word in zero.items()),
        "the inverse multiplied out, for symbolic dimensions",
    )
