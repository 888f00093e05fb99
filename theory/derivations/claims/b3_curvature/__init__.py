"""B3: the Hessian of the loss: its trace at every depth, and its whole spectrum on the balanced aligned path."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.shapes import SHAPES
from overtraining.theory.derivations.calculus.two_layers import d_in, d_out, h
from overtraining.theory.derivations.checker.core import (
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
)
from overtraining.theory.derivations.checker.evidence import every, examples, identity, positive
from overtraining.theory.derivations.claims.b3_curvature.hessian import (
    REGIMES,
    any_depth,
    blocks_only,
    characteristic_polynomial,
    complete,
    counts,
    exact_hessian,
    half_of_trace,
    trace_depth_two,
    x,
)
from overtraining.theory.derivations.claims.b3_curvature.link import FAMILIES, SYMBOLS, compare

si, sj, sigma_i, sigma_j, q1, q2, tau = SYMBOLS
delta = sp.Symbol("delta", positive=True)


def formula() -> dict[str, Any]:
    """The trace, the roots of each kind of block, and how many blocks of a kind each learned mode has."""
    own_radius = sp.sqrt((sigma_i - sigma_j) ** 2 + 4 * si * sj) / 2
    cross_radius = sp.sqrt((2 * (si - sj) - (sigma_i - sigma_j)) ** 2 + 4 * si * sj) / 2
    middle = (sigma_i + sigma_j) / 2
    m = sp.Min(d_in, d_out)
    return {
        "trace": d_out * q1 + tau * q2,
        "own": (3 * si - sigma_i, sigma_i - si),
        "pair": (
            si + sj - middle + own_radius,
            si + sj - middle - own_radius,
            middle + cross_radius,
            middle - cross_radius,
        ),
        "outside": (si,),
        "hidden": (sigma_i - si, si - sigma_i),
        "unlearnable": (si + sigma_j, si - sigma_j),
        "outside per mode": d_in + d_out - 2 * m,
        "hidden per mode": sp.Max(h - m, 0),
        "zeros": sp.Max(h - m, 0) * (d_in + d_out - 2 * m),
    }


def blocks(candidate: Mapping[str, Any]) -> list[tuple[tuple[str, ...], tuple[sp.Expr, ...]]]:
    """Every kind of block that a spectrum has, with the roots claimed for it."""
    zero = (sp.Integer(0),)
    return [
        (("learned",), candidate["own"]),
        (("learned", "learned"), candidate["pair"]),
        (("learned", "spare input"), candidate["outside"]),
        (("learned", "spare output"), candidate["outside"]),
        (("learned", "spare hidden"), candidate["hidden"]),
        (("learned", "unlearnable"), candidate["unlearnable"]),
        (("spare hidden", "spare input"), zero),
        (("spare hidden", "spare output"), zero),
    ]


def conclusion(candidate: Mapping[str, Any]) -> Evidence:
    """Whether the candidate is the formula that the steps derive."""
    cases = [("trace", identity(trace_depth_two(), candidate["trace"]))]
    for kinds, roots in blocks(candidate):
        claimed = sp.expand(sp.prod(x - root for root in roots))
        cases.append(
            (" × ".join(kinds), identity(sp.expand(characteristic_polynomial(kinds) - claimed), sp.Integer(0)))
        )
    for regime, truth in counts().items():
        claim = {key: candidate[key].xreplace(REGIMES[regime]) for key in truth}
        cases.append((f"multiplicities, {regime}", identity(claim, truth)))
    return every(cases, "trace, eight kinds of block and their numbers, for symbolic widths")


def _on_shapes() -> Evidence:
    """The loss written out in its entries, in exact arithmetic: the characteristic polynomial is the claimed one."""
    generator = np.random.default_rng(0)
    return examples((f"(d_in, h, d_out) = {shape}", _one_shape(shape, generator)) for shape in SHAPES)


def _one_shape(shape: tuple[int, int, int], generator: np.random.Generator) -> Evidence:
    i, k, o = shape
    m = min(i, o)
    n = min(i, k, o)
    claim = formula()
    roots, teacher = ([sp.Rational(int(a), 7) for a in generator.integers(1, 20, size)] for size in (n, m))

    def diagonal(rows: int, cols: int, values: list) -> sp.Matrix:
        return sp.Matrix(rows, cols, lambda a, b: values[a] if a == b < len(values) else 0)

    hessian = exact_hessian(diagonal(k, i, roots), diagonal(o, k, roots), diagonal(o, i, teacher))
    widths = {d_in: i, h: k, d_out: o}
    times = {key: int(claim[key].subs(widths)) for key in ("outside per mode", "hidden per mode", "zeros")}
    claimed = sp.Poly(x ** times["zeros"], x)
    for a in range(n):
        at = {si: roots[a] ** 2, sigma_i: teacher[a]}
        claimed *= _factor(claim["own"], at) * _factor(claim["hidden"], at) ** times["hidden per mode"]
        claimed *= _factor(claim["outside"], at) ** times["outside per mode"]
        for b in range(a + 1, m):
            other = {sigma_j: teacher[b]} | ({sj: roots[b] ** 2} if b < n else {})
            claimed *= _factor(claim["pair" if b < n else "unlearnable"], at | other)
    return identity(hessian.charpoly(x).as_expr() - claimed.as_expr(), sp.Integer(0))


def _factor(roots: tuple[sp.Expr, ...], at: Mapping[sp.Symbol, sp.Expr]) -> sp.Poly:
    return sp.Poly(sp.expand(sp.prod(x - root for root in roots)).subs(at), x)


def _end() -> Evidence:
    """Fully learned, s = σ: no root exceeds 2σ₁, which occurs."""
    learned = {si: sigma_j + delta, sj: sigma_j, sigma_i: sigma_j + delta}  # σ_i = σ_j + δ
    return _no_larger(2 * (sigma_j + delta), learned)


def _no_larger(top: sp.Expr, at: Mapping[sp.Symbol, sp.Expr]) -> Evidence:
    """There, `top` is one of the roots and exceeds all others."""
    claim = formula()
    square = lambda e: sp.sqrt(sp.factor(sp.expand(e.base)))
    there = (root.subs(at, simultaneous=True) for key in FAMILIES for root in claim[key])
    roots = [sp.expand(root.replace(lambda e: e.is_Pow and e.exp == sp.Rational(1, 2), square)) for root in there]
    occurs = identity(sp.prod(top - root for root in roots), sp.Integer(0))
    return every(
        [("it occurs", occurs), *((str(root), positive(top - root)) for root in roots if root != sp.expand(top))]
    )


def _falls_first() -> Evidence:
    """One mode with one hidden unit: λ_max = s + |2s − σ| falls from σ to σ/2, halfway, and ends at 2σ."""
    high, low = formula()["own"]
    half = sigma_i / 2
    return every(
        [
            ("they cross at σ/2", identity(sp.solve(high - low, si), [half])),
            ("before, this one is larger", positive((low - high).subs(sigma_i, 2 * si + delta), zero_at={delta: 0})),
            ("and falls", identity(low.diff(si), -1)),
            ("after, the larger rises", positive(high.diff(si))),
            ("lowest there", identity(high.subs(si, half), half)),
        ]
    )


def _equal_modes() -> Evidence:
    """Two modes with σ_i = σ_j = s + δ and s_i = s_j = s: λ_max = s + σ, which rises with s at fixed σ."""
    top = si + sigma_i
    largest = _no_larger(top.subs(sigma_i, si + delta), {sj: si, sigma_i: si + delta, sigma_j: si + delta})
    return every((("s + σ is the largest", largest), ("it rises", positive(top.diff(si)))))


def _replace(key: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda claim: claim | {key: change(claim[key])}


def _square(claim: dict[str, Any]) -> dict[str, Any]:
    same = {d_out: d_in, h: d_in, q2: q1, tau: d_in}

    def at(e: sp.Expr) -> sp.Expr:
        return e.xreplace(same)

    return {key: tuple(map(at, value)) if isinstance(value, tuple) else at(value) for key, value in claim.items()}


def _largest_eigenvalue(w1: sp.Matrix, w2: sp.Matrix, teacher: sp.Matrix, covariance: sp.Matrix | None = None) -> float:
    """λ_max, numerically, of the exact Hessian."""
    return float(np.linalg.eigvalsh(np.array(exact_hessian(w1, w2, teacher, covariance), dtype=float))[-1])


def _unbalanced() -> Evidence:
    """One mode, p = w1 w2 = 1 = σ: λ_max is w1² + w2², which is 2σ only for w1 = w2."""
    top = _largest_eigenvalue(sp.Matrix([[sp.Rational(1, 3)]]), sp.Matrix([[3]]), sp.Matrix([[1]]))
    return Evidence(top > 4 * 2, Verdict.TESTED, f"λ_max = {top:.2f} at w1 = 1/3, w2 = 3, where the roots end at 2")


def _misaligned() -> Evidence:
    """With a rotated teacher the curvature is larger than that of the aligned formula."""
    top = _rotated(sp.Rational(1, 2))
    claimed = 2.0
    return Evidence(top > claimed + 0.3, Verdict.TESTED, f"λ_max = {top:.2f} against {claimed:.2f} when aligned")


def _misaligned_curves() -> Curves:
    """The largest curvature against the angle."""
    half = np.linspace(0, 1, 9)
    exact = [_rotated(sp.Rational(int(8 * t), 8)) for t in half]
    return Curves(
        2 * np.arctan(half),
        {"exact": np.array(exact), "formula": np.full(half.size, 2.0)},
        "angle of the teacher against the student",
        "largest curvature",
    )


def _rotated(half: sp.Rational) -> float:
    """Two modes, s = 1 and ½ as the teacher's, whose output frame is rotated by 2 arctan(half); rational entries."""
    root = sp.diag(1, sp.Rational(5, 7))
    cos = (1 - half**2) / (1 + half**2)
    sin = 2 * half / (1 + half**2)
    return _largest_eigenvalue(root, root, sp.Matrix([[cos, -sin], [sin, cos]]) * root**2)


def _unwhitened() -> Evidence:
    """Both modes learned, s = σ = (1, 1): λ_max is 2 for white inputs of the same total variance, 2.5 here."""
    eye = sp.eye(2)
    covariance = sp.diag(sp.Rational(3, 2), sp.Rational(1, 2))
    top = _largest_eigenvalue(eye, eye, eye, covariance)
    return Evidence(top > 2.4, Verdict.TESTED, f"λ_max = {top:.2f} for Σx = diag(1.5, 0.5), the formula says 2")


DERIVATION = Derivation(
    claim="B3",
    title="The curvature of the loss along pretraining",
    statement=r"\mathrm{tr}\,H=d_{out}\,q_1+\tau\,q_2,\qquad \lambda\in\{3s_i-\sigma_i,\ \sigma_i-s_i\}\cup"
    r"\{s_i+s_j-\tfrac{\sigma_i+\sigma_j}2\pm\tfrac12\sqrt{(\sigma_i-\sigma_j)^2+4s_is_j},\ "
    r"\tfrac{\sigma_i+\sigma_j}2\pm\tfrac12\sqrt{(2(s_i-s_j)-(\sigma_i-\sigma_j))^2+4s_is_j}\}_{i<j}\cup"
    r"\{s_i\}^{d_{in}+d_{out}-2m}\cup\{\pm(\sigma_i-s_i)\}^{(h-m)_+}\cup\{s_i\pm\sigma_j\}_{j>h}\cup\{0\}",
    plain="The trace of the Hessian depends on the norms of the weights and not on the unlearned part; on the balanced "
    "aligned path every eigenvalue is known. The largest ends at 2σ₁; with a single mode it first falls to σ/2.",
    symbols={
        "q_1": "tr(W1 Σx W1ᵀ), which is ‖W1‖² for whitened inputs",
        "q_2": "‖W2‖²",
        r"\tau": "tr Σx, which is d_in for whitened inputs",
        r"s_i,\sigma_i": "student and teacher singular values of mode i; at most min(h, m) of the student's",
        "m": "min(d_in, d_out)",
        "d_{in},h,d_{out}": "widths of input, hidden layer and output",
    },
    assumptions=(
        Assumption(
            "balanced start",
            "W2ᵀW2 = W1W1ᵀ, for the spectrum; the trace needs no balance.",
            Counterexample("At the same product, layers of 1/3 and 3 have curvature 9.1 instead of 2.", _unbalanced),
        ),
        Assumption(
            "aligned start",
            "The singular vectors of the weights are the teacher's, for the spectrum; the trace needs no alignment.",
            Counterexample("With a rotated teacher the curvature is larger.", _misaligned, _misaligned_curves),
        ),
        Assumption(
            "whitened inputs",
            "Σx = I, for the spectrum; the trace holds for every Σx.",
            Counterexample(
                "With inputs of the same total variance that are not white the curvature is larger.", _unwhitened
            ),
        ),
    ),
    steps=(
        Step(
            r"f=PW_lR\ \Rightarrow\ \mathrm{tr}\,H_{ll}=\lVert P\rVert^2\,\mathrm{tr}(R\Sigma_xR^\top)",
            "The network is linear in each layer, so in the direction of one layer the loss is a quadratic form that "
            "contains neither the teacher nor the residual. Contracting unit noise gives its trace; the sum over the "
            "layers is tr H at every depth.",
            any_depth,
        ),
        Step(
            r"\langle X,HY\rangle=0\ \text{for directions of different pairs }\{i,j\}",
            "In the basis of dyads of singular vectors the Hessian, read off the expanded loss, couples e_i v_jᵀ, "
            "u_i e_jᵀ, e_j v_iᵀ and u_j e_iᵀ only: blocks of at most four, whatever the widths.",
            blocks_only,
        ),
        Step(
            r"\textstyle\sum\text{blocks}=h(d_{in}+d_{out})",
            "An index is learned, unlearnable (no hidden unit for it) or spare in one space; counting the dyads by "
            "kind gives every weight exactly once, so no eigenvalue is missing.",
            complete,
        ),
        Step(
            r"\det(\lambda-H)=\textstyle\prod\text{blocks}",
            "The characteristic polynomial of the Hessian written out in the entries of the weights, on every shape in "
            "{1,2,3}³ in exact arithmetic, is the product over the blocks with their multiplicities.",
            _on_shapes,
            cross_check=True,
        ),
        Step(
            r"s=\sigma\ \Rightarrow\ \lambda_{max}=2\sigma_1",
            "With σ_i = σ_j + δ every root at the end is at most 2σ₁, and 2σ₁ is one of them.",
            _end,
        ),
        Step(
            r"h=m=1:\ \lambda_{max}=s+|2s-\sigma|",
            "A single mode: the largest curvature falls from σ to σ/2 while it is learned halfway, and then rises.",
            _falls_first,
        ),
        Step(
            r"\sigma_1=\sigma_2,\ s_1=s_2\ \Rightarrow\ \lambda_{max}=s+\sigma",
            "Not so with two equal modes, which are learned together: a root of the pair is σ + s, the largest of all "
            "below σ, and rises all the way from σ to 2σ.",
            _equal_modes,
        ),
        Step(
            r"\Delta=\tfrac12\gamma^2\,\mathrm{tr}\,H+O(\gamma^4)",
            "The cost of equal noise on all weights, B1, is half the Hessian's trace to second order: its coefficient "
            "of γ² against the sum of all second derivatives of the loss, for symbolic widths and every Σx.",
            half_of_trace,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant(
            "d_in and d_out swapped in the trace",
            _replace("trace", lambda e: e.subs({d_out: tau, tau: d_out}, simultaneous=True)),
        ),
        Variant("factor ½ in the trace, which belongs to the cost of noise", _replace("trace", lambda e: e / 2)),
        Variant("the residual in the trace", _replace("trace", lambda e: e + sigma_i - si)),
        Variant("2s − σ for an own mode", _replace("own", lambda r: (2 * si - sigma_i, r[1]))),
        Variant(
            "s_j/4 for s_j in two roots of a pair",
            _replace("pair", lambda r: (*r[:2], *(e.subs(sj, sj / 4) for e in r[2:]))),
        ),
        Variant("sign of the mean of a pair", _replace("pair", lambda r: (*r[:2], r[2] - sigma_i - sigma_j, r[3]))),
        Variant("s_i counted for the inputs only", _replace("outside per mode", lambda _: d_in - sp.Min(d_in, d_out))),
        Variant("±(σ_i − s_i) counted without Max", _replace("hidden per mode", lambda _: h - sp.Min(d_in, d_out))),
        Variant("one-signed spare hidden units", _replace("hidden", lambda r: (r[0], r[0]))),
        Variant(
            "s_i ± σ_i for unlearnable modes",
            _replace("unlearnable", lambda r: tuple(e.subs(sigma_j, sigma_i) for e in r)),
        ),
    ),
    special_case=SpecialCase("square, h = d_in, balanced, whitened", _square),
    floor=Verdict.PROVED,
    link=Link(
        "overtraining.theory.sensitivity.curvature.hessian_spectrum",
        "widths 1 … 6, modes 0, 1e-300 … 1e6; the trace at depths 1 … 5",
        compare,
    ),
    uses=("B1",),
    source="ours",
)
