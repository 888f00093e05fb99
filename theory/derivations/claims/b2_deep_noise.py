"""B2: the expected rise of the loss under noise on the weights of a linear network of any depth."""

from collections.abc import Callable
from functools import cache
from itertools import product

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.exact_matrices import fractions, random_covariance
from overtraining.theory.derivations.calculus.layers import (
    INPUT_COVARIANCE,
    K,
    deep_loss,
    layer_product,
    norms_of,
    segments,
    tau,
    width,
)
from overtraining.theory.derivations.calculus.matrix_words import ZERO, scaled
from overtraining.theory.derivations.calculus.shapes import in_ring, integers, noise_ring, polynomial_expectation
from overtraining.theory.derivations.calculus.trace_calculus import agree
from overtraining.theory.derivations.calculus.trace_words import (
    Letter,
    MatrixSum,
    TraceSum,
    constant,
    noise_expectation,
)
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
from overtraining.theory.derivations.checker.evidence import every, examples, identity
from overtraining.theory.derivations.claims import b1_noise as b1

DEPTHS = (1, 2, 3, 4)
gamma = sp.symbols("gamma_1:9", positive=True)

RiseByDepth = dict[int, sp.Expr]


def path_sum(depth: int) -> sp.Expr:
    """Half the sum over all sets of noisy layers of the norms of the segments between them, times their γ²."""
    cost: dict[int, sp.Expr] = {depth + 1: sp.Integer(1)}
    for b in range(depth, 0, -1):
        cost[b] = gamma[b - 1] ** 2 * sum(K(b, c) * cost[c] for c in range(b + 1, depth + 2))
    return sp.expand(sum(K(0, b) * cost[b] for b in range(1, depth + 1)) / 2)


def formula() -> RiseByDepth:
    """The rise at depth 1 … 4, in the norms K of noiseless segments, the widths and τ = tr Σx."""
    return {depth: path_sum(depth) for depth in DEPTHS}


@cache
def expected_rise(depth: int) -> TraceSum:
    """`E[L(θ + noise)] − L(θ)` of a network of this depth, by contraction."""
    variances = {f"N{l}": gamma[l - 1] ** 2 for l in range(1, depth + 1)}
    noisy, plain = (deep_loss(layer_product(1, depth, noisy), depth) for noisy in (True, False))
    return noise_expectation(noisy, variances) - plain


def conclusion(candidate: RiseByDepth) -> Evidence:
    """Whether the candidate is the formula that the steps derive."""
    cases = ((f"depth {depth}", agree(expected_rise(depth), candidate[depth], segments(depth))) for depth in DEPTHS)
    return every(cases, "depth 1 … 4, for symbolic widths; deeper by the induction of the steps")


def _one_layer() -> Evidence:
    """`E tr((W + N)ᵀ C (W + N) M)` for any symmetric C (from the layers after) and any M (from the layers before)."""
    w, n, m = (MatrixSum.of(Letter(*x)) for x in (("W", "n", "k"), ("N", "n", "k"), ("M", "k", "k")))
    c = MatrixSum.of(Letter("C", "n", "n", symmetric=True))
    v = sp.Symbol("v", positive=True)
    mean = noise_expectation(((w + n).T @ c @ (w + n) @ m).trace(), {"N": v})
    rest = mean - (w.T @ c @ w @ m).trace() - v * c.trace() * m.trace()
    return Evidence(rest.is_zero(), Verdict.PROVED, "for symbolic dimensions, any C and M: one step of any depth")


def _unrolled() -> Evidence:
    """The inductive step of the path sum: C_l = Σ_b u_b P_bᵀP_b, P_b = W_{b−1}…W_{l+1}, keeps its form, u_l new."""
    u = sp.symbols("u_1:6", positive=True)
    m = MatrixSum.of(Letter("M", "k", "k"))
    w = MatrixSum.of(Letter("W", "n", "k"))
    later = [MatrixSum.of(Letter(f"P{b}", f"m{b}", "n")) for b in range(5)]
    c = sum((scaled(x, p.T @ p) for x, p in zip(u, later, strict=True)), ZERO)
    extended = constant(0)
    for x, p in zip(u, later, strict=True):
        extended = extended + x * ((p @ w).T @ (p @ w) @ m).trace()
    rest = (w.T @ c @ w @ m).trace() - extended
    total = c.trace()
    for x, p in zip(u, later, strict=True):
        total = total - x * (p.T @ p).trace()
    return Evidence(rest.is_zero() and total.is_zero(), Verdict.PROVED, "WᵀCW lengthens every segment, tr C is y_l")


def _cross_term() -> Evidence:
    cases = []
    for depth in DEPTHS:
        teacher = MatrixSum.of(Letter("A", f"n{depth}", "n0"))
        noisy, plain = (
            (layer_product(1, depth, noisy=x) @ INPUT_COVARIANCE @ teacher.T).trace() for x in (True, False)
        )
        rest = noise_expectation(noisy, {f"N{l}": sp.Symbol(f"v_{l}") for l in range(1, depth + 1)}) - plain
        cases.append((f"depth {depth}", Evidence(rest.is_zero(), Verdict.PROVED, f"{len(rest.terms)} traces differ")))
    return every(cases, "E⟨f', A⟩ = ⟨f, A⟩: the teacher does not enter the rise")


def _depth_two() -> Evidence:
    names = {b1.q1: K(0, 2), b1.q2: K(1, 3), b1.tau: tau, b1.g1: gamma[0], b1.g2: gamma[1], b1.h: width(1)}
    return identity(formula()[2], b1.formula().subs(names | {b1.d_out: width(2)}), "depth 2 is B1")


def _written_out() -> Evidence:
    """Depth 3, every width in {1, 2}, the expectation entry by entry for a skewed law, and the recursion for C."""
    generator = np.random.default_rng(3)
    cases = []
    v = [sp.Rational(4, 9), sp.Rational(1, 4), sp.Integer(2)]
    moments = {f"N{l}": (sp.Integer(0), v[l - 1], sp.Integer(7), sp.Integer(11)) for l in (1, 2, 3)}
    for n in product((1, 2), repeat=4):
        layers = [integers(generator, n[l], n[l - 1]) for l in (1, 2, 3)]
        root, teacher = integers(generator, n[0], n[0]), integers(generator, n[3], n[0])
        ring, noise = noise_ring({f"N{l}": (n[l], n[l - 1]) for l in (1, 2, 3)})
        whole = layers[2] * layers[1] * layers[0]
        plain, target, sx = (in_ring(ring, m) for m in (whole, teacher, root * root.T))
        f = np.eye(n[0], dtype=int)
        for l in (1, 2, 3):
            f = (in_ring(ring, layers[l - 1]) + noise[f"N{l}"]) @ f
        after, before = (np.trace((x - target) @ sx @ (x - target).T) / 2 for x in (f, plain))
        rise = polynomial_expectation(after - before, moments)
        c = sp.eye(n[3])
        for l in (3, 2, 1):
            c = layers[l - 1].T * c * layers[l - 1] + v[l - 1] * c.trace() * sp.eye(n[l - 1])
        squares = {g**2: x for g, x in zip(gamma, v, strict=False)}
        value = path_sum(3).subs(norms_of(layers, root * root.T)).subs(squares)
        again = ((c - whole.T * whole) * root * root.T).trace() / 2
        cases.append((f"widths {list(n)}", identity((rise, again), (value, value))))
    return examples(cases)


def _engine(expression: RiseByDepth, function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """Random layers over 8 decades each, widths 1 … 5, depth 1 … 4, Σx of any rank, scales 0 and 1e-6 … 100."""
    worst = 0.0
    for depth in list(expression) * 12:
        n = generator.integers(1, 6, depth + 1).tolist()
        layers = [generator.normal(size=(n[l + 1], n[l])) * 10.0 ** generator.uniform(-4, 4) for l in range(depth)]
        covariance = random_covariance(generator, n[0])
        gammas = 10.0 ** generator.uniform(-6, 2, depth) * (generator.random(depth) > 0.1)
        symbols = sorted(expression[depth].free_symbols, key=str)
        evaluate = sp.lambdify(symbols, expression[depth])
        (*exact, sx, scales) = fractions(*layers, covariance, gammas)
        known = dict(zip(gamma, scales, strict=False))
        at, reach = (norms_of(ls, s) | known for ls, s in ((exact, sx), ([abs(x) for x in exact], abs(sx))))
        want, size = (evaluate(*(x[s] for s in symbols)) for x in (at, reach))
        computed = function(layers, gammas, covariance)
        worst = max(worst, float(abs(type(size)(float(computed)) - want) / size) if size else abs(float(computed)))
    return worst


def _shared(scale: float) -> tuple[float, float]:
    """One weight 1 per layer, depth 3, A = 1, the SAME Gaussian on all: E ½((1 + n)³ − 1)², and the formula."""
    n, weight = np.polynomial.hermite_e.hermegauss(12)
    mean = float(weight @ ((1 + scale * n) ** 3 - 1) ** 2 / 2 / weight.sum())
    return mean, ((1 + scale**2) ** 3 - 1) / 2


def _costs_more(mean: float, claimed: float) -> Evidence:
    return Evidence(mean > 2 * claimed, Verdict.TESTED, f"shared noise: {mean:.3f}, the formula {claimed:.3f}")


def _shared_curves() -> Curves:
    scale = np.linspace(0, 0.6, 31)
    both = np.array([_shared(x) for x in scale]).T
    return Curves(scale, {"shared noise": both[0], "formula": both[1]}, "noise scale γ", "expected rise of the loss")


def _biased() -> Evidence:
    bias, depth = 0.1, 3  # weights 1, A = 2: a shift toward the teacher
    shift = (2 - (1 + bias) ** depth) ** 2 / 2 - 0.5
    claimed = ((1 + bias**2) ** depth - 1) / 2
    return Evidence(shift < 0 < claimed, Verdict.PROVED, f"rise {shift:.3f} against {claimed:.3f} of the formula")


def _rectified() -> Evidence:
    """A ReLU after w1 = 0 with noise, w2 = 1 without, A = 0, x = 1: half of the linear network's cost."""
    n, weight = np.polynomial.hermite_e.hermegauss(40)
    mean = float(weight @ np.maximum(n, 0) ** 2 / 2 / weight.sum())
    return Evidence(mean < 0.26, Verdict.TESTED, f"a ReLU between the layers: {mean:.2f} γ² instead of 0.50 γ²")


def _each(change: Callable[[int, sp.Expr], sp.Expr]) -> Callable[[RiseByDepth], RiseByDepth]:
    return lambda f: {depth: change(depth, e) for depth, e in f.items()}


def _alike(depth: int, e: sp.Expr) -> sp.Expr:
    """All widths and scales equal, and K depends on the length of the segment only."""
    lengths = {K(a, b): sp.Symbol(f"K_{b - a}") for a in range(depth + 1) for b in range(a + 1, depth + 2)}
    return e.subs(lengths).subs(dict.fromkeys(gamma, gamma[0]))


def _torn(depth: int, e: sp.Expr) -> sp.Expr:
    """Products of norms for norms of products."""
    ends = [(a, b) for a in range(depth + 1) for b in range(a + 3, depth + 2)]
    return e.subs({K(a, b): sp.prod(K(l, l + 2) for l in range(a, b - 1)) for a, b in ends})


DERIVATION = Derivation(
    claim="B2",
    title="The cost of noise at any depth, by its noiseless segments",
    statement=r"\mathbb{E}[L(\theta+N)]-L(\theta)=\tfrac12\sum_{b=1}^{L}K_{0b}\,\gamma_b^2\,y_b,\quad "
    r"y_b=K_{b,L+1}+\sum_{c>b}K_{bc}\,\gamma_c^2\,y_c,\quad K_{ab}=\|W_{b-1}\cdots W_{a+1}\|^2",
    plain="At any depth, noise raises the expected loss by half the sum, over all sets of noisy layers, of the squared "
    "norms of the noiseless products between them: exactly, for any law, whatever the teacher.",
    symbols={
        r"\gamma_l": "standard deviation of the noise on each entry of W_l",
        "K_{ab}": "squared norm of the product between layers a and b; a = 0 is the input, weighted by Σx, b = L+1 the "
        "output; the empty product is the width n_a, at the input τ = tr Σx",
        "y_b": "the same sum for the layers after b; it is tr C_b of the recursion",
    },
    assumptions=(
        Assumption(
            "zero-mean noise",
            "Every entry of the noise has mean zero.",
            Counterexample("A bias toward the teacher lowers the loss.", _biased),
        ),
        Assumption(
            "independent noise",
            "Entries are independent, also between layers, with variance γ_l² in layer l.",
            Counterexample(
                "The same noise on three layers costs more than twice as much.",
                lambda: _costs_more(*_shared(0.3)),
                _shared_curves,
            ),
        ),
        Assumption(
            "linear network",
            "f = W_L … W_1.",
            Counterexample("A ReLU between the layers halves the cost at w = 0.", _rectified),
        ),
    ),
    steps=(
        Step(
            r"\mathbb{E}\,\mathrm{tr}\left((W+N)^\top C(W+N)M\right)="
            r"\mathrm{tr}\left((W^\top CW+\gamma^2\mathrm{tr}(C)I)M\right)",
            "One layer, whatever the layers after it (C) and before it (M). By induction from C_L = I: "
            "C_{l−1} = W_lᵀC_lW_l + γ_l² tr(C_l) I and E tr(f'Σxf'ᵀ) = tr(C₀Σx), at every depth. Only second moments "
            "enter, so the law is free.",
            _one_layer,
        ),
        Step(r"\mathbb{E}\langle f',A\rangle=\langle f,A\rangle", "Every noise matrix occurs once in f'.", _cross_term),
        Step(
            r"C_l=\sum_{b>l}\gamma_b^2y_b\,P_b^\top P_b,\quad y_l=\mathrm{tr}\,C_l",
            "The recursion unrolled, b = L + 1 having weight 1: a layer lengthens every segment by its W and starts a "
            "new one, so tr(C₀Σx) is ‖f‖² plus twice the claim.",
            _unrolled,
        ),
        Step(r"L=2", "Two layers give B1.", _depth_two),
        Step(
            r"L=3",
            "Written out entry by entry in exact arithmetic for a skewed law, all widths in {1, 2}: the "
            "expectation, the recursion and the claim are one number.",
            _written_out,
            cross_check=True,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant(
            "input and output widths swapped",
            _each(lambda d, e: e.subs({tau: width(d), width(d): tau}, simultaneous=True)),
        ),
        Variant(
            "noise scales in reverse order",
            _each(lambda d, e: e.subs(dict(zip(gamma[:d], gamma[:d][::-1], strict=True)), simultaneous=True)),
        ),
        Variant(
            "the input's width for the hidden ones", _each(lambda d, e: e.subs({width(l): tau for l in range(1, d)}))
        ),
        Variant("products of norms for norms of products", _each(_torn)),
        Variant(
            "first order in γ² only",
            _each(
                lambda d, e: sum(t for t in e.args if sum(g in t.free_symbols for g in gamma) == 1) if e.is_Add else e
            ),
        ),
        Variant("factor ½ missing", _each(lambda d, e: 2 * e)),
        Variant("γ instead of γ²", _each(lambda d, e: e.subs({g: sp.sqrt(g) for g in gamma}, simultaneous=True))),
        Variant("sign of even orders", _each(lambda d, e: -e.subs({g: sp.I * g for g in gamma}, simultaneous=True))),
    ),
    special_case=SpecialCase("square, whitened, aligned, equal noise", _each(_alike)),
    floor=Verdict.PROVED,
    link=Link(
        "overtraining.theory.sensitivity.deep_noise.deep_increase_at",
        "depth 1 … 4, widths 1 … 5, weights over 8 decades",
        _engine,
    ),
    uses=("B1",),
    source="ours; the second-order part is standard (Hochreiter and Schmidhuber 1997)",
)
