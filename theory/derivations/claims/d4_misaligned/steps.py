"""Steps of D4: the first two orders in T at a plateau, in words and in entries; A5 with one more feature."""

from functools import cache
from itertools import pairwise

import sympy as sp

from overtraining.theory.derivations.calculus.matrix_words import IDENTITY, normal_form, scaled
from overtraining.theory.derivations.calculus.trace_calculus import along, squared_norm
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, TraceSum, Word
from overtraining.theory.derivations.checker.core import Evidence, Verdict
from overtraining.theory.derivations.checker.evidence import every, identity

half = sp.Rational(1, 2)
W1 = Letter("W1", "h", "d_in")
W2 = Letter("W2", "d_out", "h")
E = Letter("E", "d_out", "d_in")  # B − f
R = Letter("R", "d_out", "d_in")  # A − f
w1, w2, e, unlearned = map(MatrixSum.of, (W1, W2, E, R))
MOVED = w2 @ w2.T @ e + e @ w1.T @ w1  # df/dT
FLOW = {"W1": w2.T @ e, "W2": e @ w1.T, "E": scaled(-1, MOVED), "R": scaled(-1, MOVED)}
sigma, p = sp.symbols("sigma p", positive=True)
x, y, b = sp.symbols("x y b", real=True)


def at_plateau(scalar: TraceSum) -> TraceSum:
    """The words that do not vanish at a plateau, where `W2ᵀR = 0` and `R W1ᵀ = 0` for the unlearned part R."""
    vanishing = {(W2.T, R), (R, W1.T), (R.T, W2), (W1, R.T)}

    def vanishes(word: Word) -> bool:
        return any((word[i], word[(i + 1) % len(word)]) in vanishing for i in range(len(word)))

    return TraceSum.collect((c, words) for words, c in scalar.terms.items() if not any(map(vanishes, words)))


def orders() -> Evidence:
    """`L_pre' = 0` and `L_pre'' = ‖ḟ‖² − 2 tr(Rᵀ E fᵀ E)`, for symbolic dimensions."""
    loss = half * squared_norm(unlearned)
    first = along(loss, FLOW)
    second = squared_norm(MOVED) - 2 * (unlearned.T @ e @ w1.T @ w2.T @ e).trace()
    difference = at_plateau(along(first, FLOW) - second)
    return every(
        (
            ("first order", Evidence(at_plateau(first).is_zero(), Verdict.PROVED, "every word has W2ᵀR or R W1ᵀ")),
            ("second order", Evidence(difference.is_zero(), Verdict.PROVED, f"{len(difference.terms)} words differ")),
        ),
        "both orders, for symbolic dimensions",
    )


B, F, C, G, LATER = (
    Letter("B", "d_out", "d_in"),
    Letter("f", "d_out", "d_in"),
    Letter("C", "d_out", "d_out", symmetric=True),
    Letter("G", "d_in", "d_in", symmetric=True),
    Letter("L", "d_out", "d_in"),
)
OUT, IN = Letter("a", "d_out", "one"), Letter("b", "d_in", "one")
"""The task; f, W2W2ᵀ and W1ᵀW1 at plateau n; what the teacher has beyond feature n + 1, whose vectors are a and b."""


@cache
def next_feature() -> dict[tuple[tuple[str, ...], ...], sp.Expr]:
    """`Δ_{n+1} − Δ_n` at order T² as products of numbers such as aᵀBGBᵀa, for symbolic dimensions: ½L'' of `orders`.

    Feature n + 1 adds σ a bᵀ to f, σ aaᵀ to C and σ bbᵀ to G, and takes σ a bᵀ from A − f = L + σ a bᵀ.
    """
    task, f, c, g, later, a, b_ = map(MatrixSum.of, (B, F, C, G, LATER, OUT, IN))
    piece = a @ b_.T

    def half_second(n: int) -> TraceSum:
        product = f + scaled(n * sigma, piece)
        gap = task - product
        outer = c + scaled(n * sigma, a @ a.T)
        inner = g + scaled(n * sigma, b_ @ b_.T)
        missing = later + scaled((1 - n) * sigma, piece)
        moved = outer @ gap + gap @ inner
        return half * squared_norm(moved) - (missing.T @ gap @ product.T @ gap).trace()

    # singular vectors of different features are orthogonal
    vanishing = [(IN.T, X) for X in (F.T, G, LATER.T)] + [(X, IN) for X in (F, G, LATER)]
    vanishing += [(OUT.T, X) for X in (F, C, LATER)] + [(X, OUT) for X in (F.T, C, LATER.T)]
    vanishing += [(F.T, LATER), (LATER, F.T), (LATER.T, F), (F, LATER.T)]
    vanishing += [(C, LATER), (LATER, G), (LATER.T, C), (G, LATER.T)]
    numbers: dict[tuple[tuple[str, ...], ...], sp.Expr] = {}
    for words, coefficient in (half_second(1) - half_second(0)).terms.items():
        pairs = [(word[i], word[(i + 1) % len(word)]) for word in words for i in range(len(word))]
        if not any(pair in vanishing for pair in pairs):
            key = tuple(sorted(number for word in words for number in _numbers(word)))
            numbers[key] = sp.expand(numbers.get(key, 0) + coefficient)
    return {key: e for key, e in numbers.items() if e != 0}


def _numbers(word: Word) -> list[tuple[str, ...]]:
    """A trace cut where its width is one, without `aᵀa = bᵀb = 1`: the lesser of each number and its transpose."""
    starts = [i for i, x in enumerate(word) if x.rows == "one"]
    if not starts:
        return [tuple(map(_spelled, word))]
    turned = word[starts[0] :] + word[: starts[0]]
    places = [*(i - starts[0] for i in starts), len(word)]
    parts = [turned[i:j] for i, j in pairwise(places)]
    spelled = [min(tuple(map(_spelled, w)) for w in (p, tuple(x.T for x in reversed(p)))) for p in parts]
    return [number for number in spelled if number not in (("aᵀ", "a"), ("bᵀ", "b"))]


def _spelled(letter: Letter) -> str:
    return letter.name + "ᵀ" * letter.transposed


@cache
def second_orders(d_out: int, d_in: int) -> tuple[tuple[sp.Expr, ...], tuple[sp.Symbol, ...], sp.Matrix]:
    """`Δ_n/T²` for n = 0 … r from the Taylor series of the weights, and the symbols of its entries and of √σ.

    The second-order parts of the weights do not count: they enter beside `W2ᵀR` and `R W1ᵀ`, which are 0 at a plateau.
    """
    r = min(d_out, d_in)
    roots = sp.symbols(f"w1:{r + 1}", positive=True)
    task = sp.Matrix(d_out, d_in, lambda i, j: sp.Symbol(f"B{i}{j}"))
    teacher = sp.Matrix(d_out, d_in, lambda i, j: roots[i] ** 2 if i == j else 0)
    costs = []
    for n in range(r + 1):
        layer_1 = sp.Matrix(r, d_in, lambda i, j, n=n: roots[i] if i == j and i < n else 0)
        layer_2 = sp.Matrix(d_out, r, lambda i, j, n=n: roots[i] if i == j and i < n else 0)
        unlearned = teacher - layer_2 * layer_1
        if any(layer_2.T * unlearned) or any(unlearned * layer_1.T):
            raise ValueError(f"{n} features are no plateau")
        gap = task - layer_2 * layer_1
        velocity_1 = layer_2.T * gap
        velocity_2 = gap * layer_1.T
        velocity = velocity_2 * layer_1 + layer_2 * velocity_1
        second = _inner_product(velocity, velocity) - 2 * _inner_product(unlearned, velocity_2 * velocity_1)
        costs.append(sp.expand(half * second))
    return tuple(costs), roots, task


def _inner_product(one: sp.Matrix, other: sp.Matrix) -> sp.Expr:
    return sp.Add(*one.multiply_elementwise(other))


def squares(claim: dict[str, sp.Expr]) -> Evidence:
    """Every term of an increment as a sum of squares; a later feature is not stronger if δ = σ − p >= 0."""
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
    """If Y gains the column y and S the border b, c, then `Y S⁻¹ Yᵀ` gains `z zᵀ`, `z = (y − Y S⁻¹ b)/√ρ`.

    ρ = c − bᵀS⁻¹b > 0, since S is positive definite; here k stands for 1/ρ, and the inverse of the bordered S is
    checked by multiplication.
    """
    s, si = (Letter(name, "n", "n", symmetric=True) for name in ("S", "Si"))
    border = Letter("b", "n", "one")
    column = Letter("y", "N", "one")
    c, k = sp.symbols("c k", positive=True)
    of_s, of_si, of_b, of_y = map(MatrixSum.of, (s, si, border, column))
    of_big_y = MatrixSum.of(Letter("Y", "N", "n"))
    rules: list[tuple[Word, MatrixSum]] = [
        ((s, si), IDENTITY),
        ((si, s), IDENTITY),
        ((border.T, si, border), scaled(c - 1 / k, IDENTITY)),
    ]
    solved = of_si @ of_b
    corner = of_si + scaled(k, solved @ solved.T)
    side = scaled(-k, solved)
    z = of_y - of_big_y @ solved
    gained = (
        of_big_y @ corner @ of_big_y.T
        + of_big_y @ side @ of_y.T
        + of_y @ side.T @ of_big_y.T
        + scaled(k, of_y @ of_y.T)
    )
    zero = {
        "S corner + b sideᵀ = 1": of_s @ corner + of_b @ side.T - IDENTITY,
        "S side + b k = 0": of_s @ side + scaled(k, of_b),
        "bᵀ corner + c sideᵀ = 0": of_b.T @ corner + scaled(c, side.T),
        "bᵀ side + c k = 1": (of_b.T @ side).joined(IDENTITY) + scaled(c * k - 1, IDENTITY),
        "gain = k z zᵀ": gained - of_big_y @ of_si @ of_big_y.T - scaled(k, z @ z.T),
    }
    return every(
        ((name, Evidence(not normal_form(word, rules), Verdict.PROVED, name)) for name, word in zero.items()),
        "the inverse verified by multiplication, for symbolic dimensions",
    )
