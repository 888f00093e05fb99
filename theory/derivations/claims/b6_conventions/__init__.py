"""B6: the cost of noise in units of the weights: relative to the norm of a layer, or to each weight."""

from collections.abc import Callable

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus import frames
from overtraining.theory.derivations.calculus.exact_matrices import fractions, random_point
from overtraining.theory.derivations.calculus.trace_calculus import agree, rate
from overtraining.theory.derivations.calculus.trace_words import MatrixSum, TraceSum, constant, noise_expectation
from overtraining.theory.derivations.calculus.two_layers import N1, N2, W1, W2, A, Sx, d_in, d_out, h, loss
from overtraining.theory.derivations.checker.core import (
    Assumption,
    Counterexample,
    Derivation,
    Evidence,
    Link,
    SpecialCase,
    Step,
    Variant,
    Verdict,
)
from overtraining.theory.derivations.checker.evidence import every, identity, positive
from overtraining.theory.derivations.claims import b1_noise as b1
from overtraining.theory.derivations.claims.b1_noise import g1, g2, q1, tau
from overtraining.theory.derivations.claims.b6_conventions import counterexamples as without
from overtraining.theory.derivations.claims.b6_conventions.multiplicative import (
    any_width,
    joint,
    n1,
    n2,
    on_shapes,
    own,
    r1,
    r2,
    rise_by_paths,
    values_at,
)
from overtraining.theory.sensitivity.conventions import CONVENTIONS

CostsByConvention = dict[str, sp.Expr]


def formula() -> CostsByConvention:
    """`Δ` in the two conventions whose unit changes with the weights, and for white inputs in the first of them."""
    return {
        "white relative": (r1**2 + r2**2 + r1**2 * r2**2) * n1 * n2 / (2 * h),
        "relative": n2 / h * (r2**2 * q1 + r1**2 * (1 + r2**2) * n1 * tau / d_in) / 2,
        "multiplicative": (r2**2 * joint + r1**2 * (1 + r2**2) * own) / 2,
    }


def conclusion(candidate: CostsByConvention) -> Evidence:
    """Relative: B1's contraction with the layers' own variances. Multiplicative: by pairs of paths."""
    first, second, sx, n_1, n_2 = map(MatrixSum.of, (W1, W2, Sx, N1, N2))
    squares = {n1: (first @ first.T).trace(), n2: (second @ second.T).trace()}
    traces = squares | {q1: (first @ sx @ first.T).trace(), tau: sx.trace()}
    white = noise_expectation(loss(first + n_1, second + n_2), {"N1": g1**2, "N2": g2**2}) - loss(first, second)
    return every(
        (
            ("relative", agree(_relative(b1.expected_rise(), squares), candidate["relative"], traces)),
            ("white relative", agree(_relative(white, squares), candidate["white relative"], squares)),
            ("multiplicative", identity(candidate["multiplicative"], rise_by_paths())),
        ),
        "for symbolic dimensions",
    )


def _relative(rise: TraceSum, squares: dict[sp.Symbol, TraceSum]) -> TraceSum:
    """The contraction, with ρ_l²‖W_l‖²/size in place of γ_l²."""
    variances = {g1: r1**2 / (h * d_in), g2: r2**2 / (d_out * h)}
    total = constant(0)
    for words, coefficient in rise.terms.items():
        for powers, factor in sp.Poly(coefficient, g1, g2).terms():
            odd = sp.prod(gamma ** (power % 2) for gamma, power in zip((g1, g2), powers, strict=True))
            term = TraceSum.collect([(factor * odd, words)])
            for gamma, norm, power in zip((g1, g2), (n1, n2), powers, strict=True):
                for _ in range(power // 2):
                    term = variances[gamma] * (term * squares[norm])
            total = total + term
    return total


def _growth() -> Evidence:
    """Rates along minus the gradient of the loss, whitened: of ‖W1‖²‖W2‖², and of one hidden unit's two norms."""
    first, second, teacher, unit = map(MatrixSum.of, (W1, W2, A, frames.UNIT))
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
    """Aligned, any widths: (W2ᵀ(A − f)W1ᵀ)_kk = Σ_i R_ki² p_i(σ_i − p_i); and n₁, n₂, q₁ are sums over the modes."""
    first, second, teacher, covariance = frames.network()
    frame, unit, d1, d2, sigma, inputs = map(MatrixSum.of, (frames.R, frames.UNIT, *frames.DIAGONAL))
    push = (unit.T @ second.T @ (teacher - second @ first) @ first.T @ unit).trace()
    weighted = (unit.T @ frame @ d1 @ d2 @ (sigma - d1 @ d2) @ frame.T @ unit).trace()
    sums = (
        ("unit k", push, weighted),
        ("n₁ = Σ w1²", (first @ first.T).trace(), (d1 @ d1).trace()),
        ("n₂ = Σ w2²", (second @ second.T).trace(), (d2 @ d2).trace()),
        ("q₁ = Σ d w1²", (first @ covariance @ first.T).trace(), (inputs @ d1 @ d1).trace()),
    )
    p, delta = sp.symbols("p delta", positive=True)

    def zero(x: TraceSum, y: TraceSum) -> Evidence:
        return Evidence((frames.reduced(x) - frames.reduced(y)).is_zero(), Verdict.PROVED, "for symbolic widths")

    return every(
        (
            *((name, zero(x, y)) for name, x, y in sums),
            (
                "mode i",
                positive((p * (sp.Symbol("sigma") - p)).subs(sp.Symbol("sigma"), p + delta), zero_at={delta: 0}),
            ),
        ),
        "unit k grows at 2Σ_i R_ki² p_i(σ_i − p_i) ≥ 0; w1, w2 rise in every mode (B4), and so n₁, n₂, q₁",
    )


def _between() -> Evidence:
    """Balanced: a_k = ‖W1_k:‖² = ‖W2_:k‖². Lagrange's identity at any h, by the power sums S_m = Σ_k a_k^m, S_0 = h."""
    a, b, s1, s2 = sp.symbols("a b S_1 S_2")
    # summed over all pairs of units (k, l)
    power = (h, s1, s2)
    half_squares = sp.Poly((a - b) ** 2 / 2, a, b)
    spread = sum(c * power[m] * power[n] for (m, n), c in half_squares.terms())
    return identity(spread, h * s2 - s1**2, "½Σ_kl (a_k − a_l)²: 0 exactly where all hidden units carry the same norm")


def _engine(expression: CostsByConvention, function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """Random weights over 16 decades, shapes 1 … 5, any Σx, strengths 1e-6 … 100, both conventions."""
    worst = 0.0
    for i, k, o in generator.integers(1, 6, size=(40, 3)).tolist():
        first, second, _, covariance, rho = random_point(generator, i, k, o)
        w, v, m, (ra, rb) = fractions(first, second, covariance, rho)
        values = values_at(w, v, m) | {r1: ra, r2: rb}
        reach = values_at(abs(w), abs(v), abs(m)) | {r1: ra, r2: rb}
        for convention, claimed in expression.items():
            whitened = convention not in CONVENTIONS
            engine_convention = "relative" if whitened else convention
            input_covariance = None if whitened else covariance
            symbols = sorted(claimed.free_symbols, key=str)
            want, size = (sp.lambdify(symbols, claimed)(*(x[s] for s in symbols)) for x in (values, reach))
            strengths = rho.tolist()
            computed = function(engine_convention, first, second, *strengths, input_covariance=input_covariance)
            worst = max(worst, float(abs(type(want)(float(computed)) - want) / size))
    return worst


def _frames() -> Evidence:
    """Σ_k (Σ_i R_ki² s_i)² for two modes in the hidden frame R(φ), h = 2."""
    s1, s2, phi = sp.symbols("s_1 s_2 phi", positive=True)
    c, s = sp.cos(phi) ** 2, sp.sin(phi) ** 2
    overlap = (c * s1 + s * s2) ** 2 + (s * s1 + c * s2) ** 2
    even = (s1 + s2) ** 2 / 2
    lone = s1**2 + s2**2
    blend = even + sp.cos(2 * phi) ** 2 * (lone - even)
    return identity(sp.simplify(overlap - blend), 0, "from Σs², one unit per mode, to (Σs)²/h, evenly spread")


def _each(change: Callable[[sp.Expr], sp.Expr]) -> Callable[[CostsByConvention], CostsByConvention]:
    return lambda f: {name: change(e) for name, e in f.items()}


DERIVATION = Derivation(
    claim="B6",
    title="In units of the weights, sensitivity still grows",
    statement=r"\Delta_{rel}=\frac{n_2}{2h}\left[\rho_2^2q_1+\rho_1^2(1+\rho_2^2)\frac{\tau}{d_{in}}n_1\right],\quad "
    r"\Delta_{mult}=\tfrac12\left[\rho_2^2m_{joint}+\rho_1^2(1+\rho_2^2)m_{own}\right];\quad \Sigma_x=I:\ "
    r"\Delta_{rel}=\tfrac{1}{2h}(\rho_1^2+\rho_2^2+\rho_1^2\rho_2^2)\|W_1\|^2\|W_2\|^2",
    plain="Noise in proportion to a layer's norm, or to each weight, also costs more after longer training on white "
    "inputs from an aligned start below the teacher: units of the weights do not remove the effect, they square it.",
    symbols={
        r"\rho_1,\rho_2": "strength on W1, W2: in units of the root mean square entry, or of each weight's own size",
        "q_1,n_1,n_2": "tr(W1 Σx W1ᵀ), ‖W1‖², ‖W2‖²",
        r"\tau": "tr Σx, which is d_in for whitened inputs",
        "m_{joint},m_{own}": "Σ_k ‖W2_{:k}‖² W1_{k:} Σx W1_{k:}ᵀ, with the diagonal of Σx; if whitened, equal",
        "h,d_{in}": "widths of the hidden layer and of the input",
    },
    assumptions=(
        Assumption(
            "zero-mean noise",
            "Every entry of the noise has mean zero; its law is free.",
            Counterexample("All weights 10 % larger, A = 2f: the loss falls.", without.biased),
        ),
        Assumption(
            "independent noise",
            "All entries are independent.",
            Counterexample("The same coin on both layers costs more.", without.shared),
        ),
        Assumption(
            "aligned start",
            "For growth only, balanced or not: singular vectors of A, with one hidden frame.",
            Counterexample("With f of the wrong sign both costs first fall.", without.not_aligned),
        ),
        Assumption(
            "start below the teacher",
            "For growth only: w1, w2 > 0 and w1w2 < σ in every mode.",
            Counterexample("From s = 2, σ = 1 both costs fall.", without.from_above),
        ),
        Assumption(
            "whitened inputs",
            "For growth only; where Σx shares V, relative noise needs no more.",
            Counterexample(
                "From a balanced aligned start both costs fall with inputs in rotated axes.",
                without.unwhitened,
                without.unwhitened_curves,
            ),
        ),
        Assumption(
            "balanced start",
            "For the comparison of the two only.",
            Counterexample(
                "With units strong in one layer and weak in the other, multiplicative noise costs less.",
                without.unbalanced,
                without.unbalanced_curves,
            ),
        ),
    ),
    steps=(
        Step(
            r"\mathbb{E}\prod(1+\rho n)=1,\;1+\rho_2^2,\;(1+\rho_1^2)(1+\rho_2^2)",
            "Multiplicative noise acts on the product of two paths only where they share a weight of W2, or of both "
            "layers: four cases, at any width; no moment beyond the second.",
            any_width,
        ),
        Step(
            r"\tfrac{d}{dt}\|W_1\|^2\|W_2\|^2=2\langle f,A-f\rangle(\|W_1\|^2+\|W_2\|^2),\quad "
            r"\tfrac{d}{dt}\|W_{1,k:}\|^2=\tfrac{d}{dt}\|W_{2,:k}\|^2=2\left(W_2^\top(A-f)W_1^\top\right)_{kk}",
            "Rates along minus the gradient of the loss, from any start, whitened inputs.",
            _growth,
        ),
        Step(
            r"0<p_i<\sigma_i\ \Rightarrow\ \dot\Delta_{rel}>0,\ \dot\Delta_{mult}>0",
            "From an aligned start, balanced or not: relative noise where Σx shares V, as ‖W1‖², ‖W2‖² and q₁ rise; "
            "multiplicative noise for white inputs, in every hidden frame, since no unit's norm falls and some rise.",
            _progressive,
        ),
        Step(
            r"\Sigma_k\|W_{2,:k}\|^2\|W_{1,k:}\|^2\ \ge\ \tfrac1h\|W_1\|^2\|W_2\|^2",
            "Balanced, whitened: multiplicative noise never costs less than relative noise of the same strength.",
            _between,
        ),
        Step(
            r"\Sigma_k\left(\Sigma_iR_{ki}^2s_i\right)^2=\tfrac12(\Sigma s)^2+\cos^22\varphi\,\tfrac12(s_1-s_2)^2",
            "Multiplicative noise sees the basis of the hidden layer, which f does not: two modes on two units.",
            _frames,
        ),
        Step(
            r"\mathbb E[L]-L=\tfrac12\left[\rho_2^2\,m_{joint}+\rho_1^2(1+\rho_2^2)\,m_{own}\right]",
            "Multiplicative noise again, written out entry by entry as polynomials in all weights.",
            lambda: on_shapes(formula()["multiplicative"]),
            cross_check=True,
        ),
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
        Variant("‖W1‖⁴ for white inputs", lambda f: f | {"white relative": f["white relative"].subs(n2, n1)}),
        Variant("sign of ρ⁴", _each(lambda e: e.subs(1 + r2**2, 1 - r2**2))),
    ),
    special_case=SpecialCase(
        "square, balanced, whitened, equal strengths",
        _each(lambda e: e.subs({r2: r1, n2: n1, q1: n1, joint: own, tau: d_in, h: d_in}, simultaneous=True)),
    ),
    floor=Verdict.PROVED,
    link=Link(
        "overtraining.theory.sensitivity.conventions.increase_in_convention",
        "shapes 1 … 5, weights over 16 decades, any Σx, ρ 1e-6 … 100",
        _engine,
    ),
    uses=("A2", "B1", "B4"),
    source="ours",
)
