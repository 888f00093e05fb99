"""B6: the cost of noise in units of the weights: relative to a layer's norm, and in proportion to each weight."""

from collections.abc import Callable

import numpy as np
import sympy as sp

from theory.derivations import aligned, b1_noise as b1
from theory.derivations.b1_noise import W1, W2, A, Sx, d_in, d_out, g1, g2, h, q1, tau
from theory.derivations.core import (
    Assumption,
    Counterexample,
    Curves,
    Derivation,
    Evidence,
    Link,
    SpecialCase,
    Step,
    Variant,
    Verdict,
)  # fmt: skip
from theory.derivations.evidence import every, identity, positive
from theory.derivations.exact_matrices import fractions, random_point
from theory.derivations.multiplicative import any_width, expected_rise, joint, n1, n2, own, r1, r2, spell, values_at
from theory.derivations.shapes import SHAPES
from theory.derivations.trace_calculus import in_traces, rate
from theory.derivations.trace_words import Letter, MatrixSum, TraceSum, constant

Formula = dict[str, sp.Expr]


def formula() -> Formula:
    """`Δ` in the two conventions whose unit moves with the weights."""
    return {
        "relative": n2 / h * (r2**2 * q1 + r1**2 * (1 + r2**2) * n1 * tau / d_in) / 2,
        "multiplicative": (r2**2 * joint + r1**2 * (1 + r2**2) * own) / 2,
    }


def conclusion(candidate: Formula) -> Evidence:
    """Relative: B1's contraction with the layers' own variances. Multiplicative: entry by entry, on every shape."""
    first, second, sx = map(MatrixSum.of, (W1, W2, Sx))
    squares = {n1: (first @ first.T).trace(), n2: (second @ second.T).trace()}
    traces = squares | {q1: (first @ sx @ first.T).trace(), tau: sx.trace()}
    rest = _relative(squares) - in_traces(candidate["relative"], traces)
    cases = [("relative", Evidence(rest.is_zero(), Verdict.PROVED, f"{len(rest.terms)} traces differ"))]
    for shape in SHAPES:
        true, names = expected_rise(shape)
        cases.append(
            (
                f"multiplicative, {shape}",
                Evidence(true == spell(candidate["multiplicative"], names), Verdict.PROVED, "polynomials in W1, W2"),
            )
        )
    return every(cases, "symbolic dimensions (relative), 27 shapes as polynomials in all weights (multiplicative)")


def _relative(squares: dict[sp.Symbol, TraceSum]) -> TraceSum:
    """B1's contraction, with ρ_l²‖W_l‖²/size in place of γ_l²."""
    variances, total = {g1: r1**2 / (h * d_in), g2: r2**2 / (d_out * h)}, constant(0)
    for words, coefficient in b1.expected_rise().terms.items():
        for powers, factor in sp.Poly(coefficient, g1, g2).terms():
            term = TraceSum.collect([(factor, words)])
            for gamma, norm, power in zip((g1, g2), (n1, n2), powers, strict=True):
                for _ in range(power // 2):
                    term = variances[gamma] * (term * squares[norm])
            total = total + term
    return total


def _growth() -> Evidence:
    """Rates along minus the gradient of the loss, whitened: of ‖W1‖²‖W2‖², and of one hidden unit's two norms."""
    first, second, teacher, unit = map(MatrixSum.of, (W1, W2, A, Letter("e", "h", "one")))
    f = second @ first
    loss = sp.Rational(1, 2) * ((f - teacher) @ (f - teacher).T).trace()
    norms = (first @ first.T).trace(), (second @ second.T).trace()
    pull = ((teacher - f) @ f.T).trace()
    rest = [rate(norms[0] * norms[1], loss, ("W1", "W2")) - 2 * pull * (norms[0] + norms[1])]
    one = 2 * (unit.T @ second.T @ (teacher - f) @ first.T @ unit).trace()
    for square in (first @ first.T, second.T @ second):
        rest.append(rate((unit.T @ square @ unit).trace(), loss, ("W1", "W2")) - one)
    return Evidence(all(r.is_zero() for r in rest), Verdict.PROVED, "three rates, for symbolic dimensions")


def _progressive() -> Evidence:
    """On the balanced aligned path, any widths: (W2ᵀ(A − f)W1ᵀ)_kk = (R(SΣ − S²)Rᵀ)_kk, with S(Σ − S) positive."""
    first, second, teacher = aligned.network()
    frame, root, values, unit = map(MatrixSum.of, (aligned.R, aligned.ROOT, aligned.SIGMA, Letter("e", "h", "one")))
    push = (unit.T @ second.T @ (teacher - second @ first) @ first.T @ unit).trace()
    weighted = frame @ root @ (values - root @ root) @ root @ frame.T
    rest = aligned.reduced(push) - (unit.T @ weighted @ unit).trace()
    s, delta = sp.symbols("s delta", positive=True)
    return every((
        ("unit k", Evidence(rest.is_zero(), Verdict.PROVED, "for symbolic widths")),
        ("mode i", positive((s * (sp.Symbol("sigma") - s)).subs(sp.Symbol("sigma"), s + delta))),
    ), "unit k grows at Σ_i R_ki² s_i(σ_i − s_i) ≥ 0, and their sum is ⟨f, A − f⟩ > 0 (B4)")  # fmt: skip


def _between() -> Evidence:
    """For balanced weights, a_k = ‖W1_k:‖² = ‖W2_:k‖²: h Σa² − (Σa)² is a sum of squares."""
    cases = []
    for width in range(1, 5):
        a = sp.symbols(f"a_1:{width + 1}", positive=True)
        spread = sum((x - y) ** 2 for x in a for y in a) / 2
        cases.append((f"h = {width}", identity(width * sum(x**2 for x in a) - sum(a) ** 2, sp.expand(spread))))
    return every(cases, "equal exactly where all hidden units carry the same norm")


def _engine(expression: Formula, function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """Random weights over 16 decades, shapes 1 … 5, any Σx, strengths 1e-6 … 100, both conventions."""
    worst = 0.0
    for i, k, o in generator.integers(1, 6, size=(40, 3)).tolist():
        first, second, _, covariance, rho = random_point(generator, i, k, o)
        w, v, m, (ra, rb) = fractions(first, second, covariance, rho)
        values = values_at(w, v, m) | {r1: ra, r2: rb}
        reach = values_at(abs(w), abs(v), abs(m)) | {r1: ra, r2: rb}
        for convention, claimed in expression.items():
            symbols = sorted(claimed.free_symbols, key=str)
            want, size = (sp.lambdify(symbols, claimed)(*(x[s] for s in symbols)) for x in (values, reach))
            got = float(function(convention, first, second, *rho.tolist(), input_covariance=covariance))
            worst = max(worst, float(abs(type(want)(got) - want) / size))
    return worst


def _frames() -> Evidence:
    """Σ_k (Σ_i R_ki² s_i)² for two modes in the hidden frame R(φ), h = 2."""
    s1, s2, phi = sp.symbols("s_1 s_2 phi", positive=True)
    c, s = sp.cos(phi) ** 2, sp.sin(phi) ** 2
    overlap = (c * s1 + s * s2) ** 2 + (s * s1 + c * s2) ** 2
    even, lone = (s1 + s2) ** 2 / 2, s1**2 + s2**2
    turned = even + sp.cos(2 * phi) ** 2 * (lone - even)
    return identity(sp.simplify(overlap - turned), 0, "from Σs², one unit per mode, to (Σs)²/h, evenly spread")


def _opposed(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two hidden units with ‖W1_k:‖² = 1 ± x and ‖W2_:k‖² = 1 ∓ x: the overlap, and (Σa)(Σb)/h."""
    return 2 * (1 + x) * (1 - x), np.full_like(x, 2.0)


def _unbalanced() -> Evidence:
    multiplicative, relative = _opposed(np.array(0.9))
    return Evidence(bool(multiplicative < relative / 2), Verdict.TESTED, f"{multiplicative:.2f} against {relative:.2f}")


def _opposed_curves() -> Curves:
    x = np.linspace(0, 1, 41)
    return Curves(
        x, dict(zip(("multiplicative", "relative"), _opposed(x), strict=True)), "imbalance x", "Δ / (ρ² + ρ⁴/2)"
    )


def _from_above() -> Evidence:
    w1, w2 = sp.symbols("w_1 w_2", positive=True)
    slopes = (sp.diff((w1 * w2) ** 2, w) * sp.diff((1 - w1 * w2) ** 2 / 2, w) for w in (w1, w2))
    return positive(sum(slopes).subs({w1: sp.sqrt(2), w2: sp.sqrt(2)}), "the rate of (w1w2)² at s = 2 is negative")


def _not_aligned() -> Evidence:
    first, second = np.array([[0.5], [-0.5]]), np.array([[0.5, 0.5]])  # h = 2, f = 0: unit 2 opposes unit 1, A = 1
    push = np.diag(second.T @ (1 - second @ first) @ first.T)
    return Evidence(
        bool(push.min() < -0.2), Verdict.TESTED, f"the two hidden units grow at {push[0]:g} and {push[1]:g}"
    )


def _shared() -> Evidence:
    mean = ((1 + 0.5) ** 2 - 1) ** 2 / 4 + ((1 - 0.5) ** 2 - 1) ** 2 / 4  # one weight 1 each, A = 1, the same coin ±ρ
    claimed = float(formula()["multiplicative"].subs({own: 1, joint: 1, r1: 0.5, r2: 0.5}))
    return Evidence(
        mean > 1.5 * claimed, Verdict.PROVED, f"the same coin on both layers: {mean:.3f}, not {claimed:.3f}"
    )


def _each(change: Callable[[sp.Expr], sp.Expr]) -> Callable[[Formula], Formula]:
    return lambda f: {name: change(e) for name, e in f.items()}


DERIVATION = Derivation(
    claim="B6",
    title="In units of the weights, sensitivity still grows",
    statement=r"\Delta_{rel}=\frac{n_2}{2h}\left[\rho_2^2q_1+\rho_1^2(1+\rho_2^2)\frac{\tau}{d_{in}}n_1\right],\quad "
    r"\Delta_{mult}=\tfrac12\left[\rho_2^2m_{joint}+\rho_1^2(1+\rho_2^2)m_{own}\right];\quad \Sigma_x=I:\ "
    r"\Delta_{rel}=\tfrac{1}{2h}(\rho_1^2+\rho_2^2+\rho_1^2\rho_2^2)\|W_1\|^2\|W_2\|^2",
    plain="Noise in proportion to a layer's norm, or to each weight, also costs more the longer one trains on the "
    "aligned balanced path: measuring it in units of the weights does not remove the effect, it squares it.",
    symbols={
        r"\rho_1,\rho_2": "strength on W1, W2: in units of the root mean square entry, or of each weight's own size",
        "q_1,n_1,n_2": "tr(W1 Σx W1ᵀ), ‖W1‖², ‖W2‖²",
        r"\tau": "tr Σx, which is d_in for whitened inputs",
        "m_{joint},m_{own}": "Σ_k ‖W2_:k‖² W1_k: Σx W1_k:ᵀ, and the same with the diagonal of Σx; whitened: equal",
        "h,d_{in}": "widths of the hidden layer and of the input",
    },
    assumptions=(
        Assumption("zero-mean noise", "Every entry of the noise has mean zero; its law is free.",
                   Counterexample("All weights 10 % larger, A = 2f: the loss falls.",
                                  lambda: positive(0.5 - (2 - sp.Float(1.1) ** 2) ** 2 / 2, "rise −0.188"))),
        Assumption("independent noise", "All entries are independent.",
                   Counterexample("The same coin on both layers costs more.", _shared)),
        Assumption("aligned start", "For growth only: singular vectors of A, with one hidden frame.",
                   Counterexample("Hidden units may oppose each other; then one of them shrinks.", _not_aligned)),
        Assumption("start below the teacher", "For growth only: 0 < s_i(0) < σ_i.",
                   Counterexample("From s = 2, σ = 1 both costs fall.", _from_above)),
        Assumption("balanced start", "For the comparison of the two only.",
                   Counterexample("Units strong in one layer and weak in the other make multiplicative noise cheaper.",
                                  _unbalanced, _opposed_curves)),
    ),
    steps=(
        Step(r"\mathbb{E}\prod(1+\rho n)=1,\;1+\rho_2^2,\;(1+\rho_1^2)(1+\rho_2^2)",
             "Multiplicative noise acts on the product of two paths only where they share a weight of W2, or of both "
             "layers: four cases, at any width; no moment beyond the second.", any_width),
        Step(r"\tfrac{d}{dt}\|W_1\|^2\|W_2\|^2=2\langle f,A-f\rangle(\|W_1\|^2+\|W_2\|^2),\quad "
             r"\tfrac{d}{dt}\|W_{1,k:}\|^2=\tfrac{d}{dt}\|W_{2,:k}\|^2=2\left(W_2^\top(A-f)W_1^\top\right)_{kk}",
             "Rates along minus the gradient of the loss, from any start, whitened inputs.", _growth),
        Step(r"0<s_i<\sigma_i\ \Rightarrow\ \dot\Delta_{rel}>0,\ \dot\Delta_{mult}\ge0",
             "On the balanced aligned path both are progressive, in every hidden frame.", _progressive),
        Step(r"\Sigma_k\|W_{2,:k}\|^2\|W_{1,k:}\|^2\ \ge\ \tfrac1h\|W_1\|^2\|W_2\|^2",
             "Balanced, whitened: multiplicative noise never costs less than relative noise of the same strength.",
             _between),
        Step(r"\Sigma_k\left(\Sigma_iR_{ki}^2s_i\right)^2=\tfrac12(\Sigma s)^2+\cos^22\varphi\,\tfrac12(s_1-s_2)^2",
             "Multiplicative noise sees the basis of the hidden layer, which f does not: two modes on two units.",
             _frames),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("d_in for h", _each(lambda e: e.subs(h, d_in))),
        Variant("strengths swapped", _each(lambda e: e.subs({r1: r2, r2: r1}, simultaneous=True))),
        Variant("norms swapped", _each(lambda e: e.subs({n1: n2, n2: n1}, simultaneous=True))),
        Variant("whole Σx for its diagonal", _each(lambda e: e.subs(own, joint))),
        Variant("Σx forgotten in ‖W1‖²", _each(lambda e: e.subs(q1, n1))),
        Variant("term of order ρ⁴ dropped", _each(lambda e: e.subs(1 + r2**2, 1))),
        Variant("factor ½ missing", _each(lambda e: 2 * e)),
        Variant("ρ instead of ρ²", _each(lambda e: e.subs({r1: sp.sqrt(r1), r2: sp.sqrt(r2)}, simultaneous=True))),
        Variant("sign of ρ⁴", _each(lambda e: e.subs(1 + r2**2, 1 - r2**2))),
    ),
    special_case=SpecialCase(
        "square, balanced, whitened, equal strengths",
        _each(lambda e: e.subs({r2: r1, n2: n1, q1: n1, joint: own, tau: d_in, h: d_in}, simultaneous=True)),
    ),
    floor=Verdict.PROVED,
    link=Link("theory.conventions.increase_at", "shapes 1 … 5, weights over 16 decades, any Σx, ρ 1e-6 … 100", _engine),
    uses=("A2", "B1", "B4"),
    source="ours",
)  # fmt: skip
