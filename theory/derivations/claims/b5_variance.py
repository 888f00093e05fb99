"""B5: the variance of the loss under Gaussian noise on the weights, and so the error of a Monte-Carlo mean."""

from fractions import Fraction
from functools import cache

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.exact_matrices import fractions, random_point
from overtraining.theory.derivations.calculus.shapes import SHAPES, integers, noise_ring, polynomial_expectation
from overtraining.theory.derivations.calculus.trace_calculus import agree, gradient
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, TraceSum, noise_expectation
from overtraining.theory.derivations.calculus.two_layers import (
    N1,
    N2,
    W1,
    W2,
    A,
    Sx,
    d_in,
    d_out,
    h,
    loss as two_layer_loss,
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
from overtraining.theory.derivations.claims.b1_noise import g1, g2, tau

E = Letter("E", "d_out", "d_in")
GAUSSIAN = {"N1": g1**2, "N2": g2**2}
G1, G2, e, o1, o2, p1, p2, n2, k1, k2, tau2 = sp.symbols("G_1 G_2 e o_1 o_2 p_1 p_2 n_2 k_1 k_2 tau_2", real=True)


def formula() -> sp.Expr:
    """`Var L(θ + N)` in the invariants of the point, the noise scales and the widths."""
    spread = (d_out + h + 1) * tau2 + tau**2
    return (
        g1**2 * G1
        + g2**2 * G2
        + g1**2 * g2**2 * (h * e + p2 * n2 + 2 * (d_out + 1) * o2 + 2 * tau * o1)
        + g1**4 * tau2 * k2 / 2
        + g2**4 * d_out * k1 / 2
        + g1**4 * g2**2 * n2 * spread
        + g1**2 * g2**4 * d_out * ((d_out + h + 1) * p2 + tau * p1)
        + g1**4 * g2**4 * d_out * h * spread / 2
    )


def rise() -> TraceSum:
    """`L(θ + N) − L(θ)` with the present error as the letter E; `_expansion` checks it against the loss."""
    error = MatrixSum.of(E)
    shift = _shift()
    covariance = MatrixSum.of(Sx)
    moved = error + shift
    return sp.Rational(1, 2) * ((moved @ covariance @ moved.T).trace() - (error @ covariance @ error.T).trace())


def _shift() -> MatrixSum:
    first, second, n1, n2_ = map(MatrixSum.of, (W1, W2, N1, N2))
    return n2_ @ first + second @ n1 + n2_ @ n1


@cache
def variance() -> TraceSum:
    """All Wick pairings of the square, minus the square of the mean."""
    change = rise()
    mean = noise_expectation(change, GAUSSIAN)
    return noise_expectation(change * change, GAUSSIAN) - mean * mean


def invariants() -> dict[sp.Symbol, TraceSum]:
    """The traces that the symbols of the formula stand for."""
    error, first, second, sx = map(MatrixSum.of, (E, W1, W2, Sx))
    f = second @ first
    gram = first @ sx @ first.T
    slopes = second.T @ error @ sx, error @ sx @ first.T
    return {
        G1: (slopes[0] @ slopes[0].T).trace(),
        G2: (slopes[1] @ slopes[1].T).trace(),
        e: (error @ sx @ sx @ error.T).trace(),
        o1: (error @ sx @ f.T).trace(),
        o2: (error @ sx @ sx @ f.T).trace(),
        p1: gram.trace(),
        p2: (first @ sx @ sx @ first.T).trace(),
        n2: (second @ second.T).trace(),
        k1: (gram @ gram).trace(),
        k2: (second.T @ second @ second.T @ second).trace(),
        tau: sx.trace(),
        tau2: (sx @ sx).trace(),
    }


def conclusion(candidate: sp.Expr) -> Evidence:
    """Whether the candidate is the formula that the steps derive."""
    return agree(variance(), candidate, invariants())


def _expansion() -> Evidence:
    """The rise written with E, after E = W2W1 − A, is the rise of the loss; and G₁, G₂ are its squared gradients."""
    first, second, teacher, sx = map(MatrixSum.of, (W1, W2, A, Sx))
    error = second @ first - teacher
    shift = _shift()
    loss = two_layer_loss(first, second, sx)
    spelled = (error @ sx @ shift.T).trace() + sp.Rational(1, 2) * (shift @ sx @ shift.T).trace()
    error_letter = MatrixSum.of(E)
    abstract = (error_letter @ sx @ shift.T).trace() + sp.Rational(1, 2) * (shift @ sx @ shift.T).trace()
    slopes = ((gradient(loss, "W1"), second.T @ error @ sx), (gradient(loss, "W2"), error @ sx @ first.T))
    differences = [b1.noisy_loss() - loss - spelled, rise() - abstract]
    differences += [(rest @ rest.T).trace() for rest in (a - b for a, b in slopes)]
    return Evidence(all(d.is_zero() for d in differences), Verdict.PROVED, "four differences of traces vanish")


def _mean() -> Evidence:
    return agree(noise_expectation(rise(), GAUSSIAN), b1.formula(), b1.traces())


def _on_shapes() -> Evidence:
    """The moments written out entry by entry, with the Gaussian's own 0, v, 0, 3v²."""
    generator = np.random.default_rng(2)
    v = {"N1": sp.Rational(4, 9), "N2": sp.Rational(1, 4)}
    moments = {name: (sp.Integer(0), x, sp.Integer(0), 3 * x**2) for name, x in v.items()}
    cases = []
    for i, k, o in SHAPES:
        exact, values = _written_out([integers(generator, *m) for m in ((k, i), (o, k), (o, i), (i, i))], moments)
        cases.append((f"(d_in, h, d_out) = {i, k, o}", identity(exact, formula().subs(values))))
    return examples(cases)


def _written_out(matrices: list[sp.Matrix], moments: dict) -> tuple[sp.Rational, dict]:
    """The variance of the loss from the moments of the noise, in exact arithmetic, and the values of the symbols."""
    first, second, teacher, root = (np.array(m.tolist(), dtype=object) for m in matrices)
    covariance = root @ root.T
    error = second @ first - teacher
    ring, noise = noise_ring({"N1": first.shape, "N2": second.shape})
    whole = ring.clone(domain=sp.ZZ)  # five times as fast as fractions
    ground = np.vectorize(lambda x: whole(int(x)), otypes=[object])
    n1, n2_ = (np.vectorize(lambda x: x.set_ring(whole), otypes=[object])(noise[n]) for n in ("N1", "N2"))
    shift = n2_ @ ground(first) + ground(second) @ n1 + n2_ @ n1
    twice = np.trace((2 * ground(error) + shift) @ ground(covariance) @ shift.T)
    exact = (polynomial_expectation(twice * twice, moments) - polynomial_expectation(twice, moments) ** 2) / 4
    scales = {g1: sp.sqrt(moments["N1"][1]), g2: sp.sqrt(moments["N2"][1]), h: len(first), d_out: len(second)}
    return exact, values_at(first, second, error, covariance) | scales


def values_at(first: np.ndarray, second: np.ndarray, error: np.ndarray, sx: np.ndarray) -> dict[sp.Symbol, object]:
    """The invariants as numbers, in whatever arithmetic the entries have."""
    square = lambda m: (m * m).sum()
    f = second @ first
    return {
        G1: square(second.T @ error @ sx),
        G2: square(error @ sx @ first.T),
        e: square(error @ sx),
        o1: (error @ sx * f).sum(),
        o2: (error @ sx @ sx * f).sum(),
        p1: (first @ sx * first).sum(),
        p2: square(first @ sx),
        n2: square(second),
        k1: square(first @ sx @ first.T),
        k2: square(second.T @ second),
        tau: np.trace(sx),
        tau2: square(sx),
    }


def _engine(expression: sp.Expr, function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """Random weights over 16 decades, also teachers at f and at the point of worst cancellation; Σx of any rank."""
    from overtraining.theory.sensitivity.noise_variance import invariants_at

    symbols = sorted(expression.free_symbols, key=str)
    evaluate = sp.lambdify(symbols, expression)
    worst = 0.0
    for i, k, o in generator.integers(1, 6, size=(60, 3)).tolist():
        first, second, teacher, covariance, gammas = random_point(generator, i, k, o)
        w, v, a, m = fractions(first, second, teacher, covariance)
        known = {g1: Fraction(float(gammas[0])), g2: Fraction(float(gammas[1])), h: k, d_out: o}
        at = values_at(w, v, v @ w - a, m) | known
        reach = values_at(abs(w), abs(v), abs(v) @ abs(w) + abs(a), abs(m)) | known
        exact, size = (evaluate(*(x[s] for s in symbols)) for x in (at, reach))
        computed = function(invariants_at(first, second, teacher, covariance), *gammas.tolist(), h=k, d_out=o)
        worst = max(worst, float(abs(Fraction(float(computed)) - exact) / size))
    return worst


def _scalar(law: tuple[int, ...], scale: sp.Rational) -> tuple[float, float]:
    """One weight each, W1 = W2 = 1, A = 2: true variance for a law with moments 0, 1, …, and the formula's."""
    moments = {name: tuple(m * scale ** (j + 1) for j, m in enumerate(law)) for name in ("N1", "N2")}
    true, values = _written_out([sp.Matrix([[x]]) for x in (1, 1, 2, 1)], moments)
    return float(true), float(formula().subs(values))


def _coins() -> Evidence:
    true, claimed = _scalar((0, 1, 0, 1), sp.Rational(1))
    return Evidence(true < 0.6 * claimed, Verdict.PROVED, f"±1 noise: variance {true:g}, the formula {claimed:g}")


def _skewed() -> Evidence:
    """A skewed law with the Gaussian's variance: a term of third order appears, and the error is of order γ³."""
    errors = [true - claimed for true, claimed in (_scalar((0, 1, 2, 6), sp.Rational(1, n)) for n in (100, 200))]
    order = np.log2(errors[0] / errors[1])
    return Evidence(bool(abs(order - 3) < 0.1), Verdict.TESTED, f"skewed noise: off by the order γ^{order:.2f}")


def _laws() -> Curves:
    gamma = np.linspace(0, 1, 21)
    true = {
        n: [_scalar(m, sp.Rational(int(50 * g), 50))[0] for g in gamma]
        for n, m in {"Gaussian": (0, 1, 0, 3), "±γ": (0, 1, 0, 1), "skewed": (0, 1, 2, 6)}.items()
    }
    return Curves(gamma, {n: np.array(v) for n, v in true.items()}, "noise scale γ", "variance of the loss")


def _shared() -> Evidence:
    """The SAME Gaussian on both weights, W1 = W2 = 1, A = 0: L = (1 + n)⁴/2."""
    n, weight = np.polynomial.hermite_e.hermegauss(12)
    loss = (1 + n / 2) ** 4 / 2
    chance = weight / weight.sum()
    true = float(chance @ loss**2 - (chance @ loss) ** 2)
    at = values_at(*(np.array([[x]]) for x in (1.0, 1.0, 1.0, 1.0))) | {g1: 0.5, g2: 0.5, h: 1, d_out: 1}
    claimed = float(formula().subs(at))
    return Evidence(true > 1.5 * claimed, Verdict.TESTED, f"shared noise: {true:.2f}, the formula {claimed:.2f}")


DERIVATION = Derivation(
    claim="B5",
    title="The Monte-Carlo error bar is known exactly",
    statement=r"\mathrm{Var}\,L(\theta+N)=\gamma_1^2G_1+\gamma_2^2G_2+\gamma_1^2\gamma_2^2\left[h\,e+p_2n_2+2(d_{out}+1)o_2"
    r"+2\tau o_1\right]+\tfrac12\gamma_1^4\tau_2k_2+\tfrac12\gamma_2^4d_{out}k_1+\gamma_1^4\gamma_2^2n_2D"
    r"+\gamma_1^2\gamma_2^4d_{out}\left[(d_{out}+h+1)p_2+\tau p_1\right]+\tfrac12\gamma_1^4\gamma_2^4d_{out}hD,\quad "
    r"D=(d_{out}+h+1)\tau_2+\tau^2",
    plain="Under Gaussian noise the variance of the loss is a polynomial in the noise scales and twelve numbers of the "
    "weights, so the error of a Monte-Carlo mean is known before it is computed.",
    symbols={
        "G_1,G_2": "squared gradients ‖∇W1‖², ‖∇W2‖²",
        "e,o_k": "with E = f − A: tr(EΣx²Eᵀ) and tr(EΣx^k fᵀ)",
        "p_k,n_2": "tr(W1 Σx^k W1ᵀ) and ‖W2‖²",
        "k_1,k_2": "‖W1ΣxW1ᵀ‖² and ‖W2ᵀW2‖²",
        r"\tau,\tau_2": "tr Σx and tr Σx², both d_in for whitened inputs",
        r"\gamma_1,\gamma_2": "standard deviation of the noise on each entry of W1, W2",
        "h,d_{out}": "widths of hidden layer and output",
    },
    assumptions=(
        Assumption(
            "Gaussian noise",
            "Every entry of the noise is normal; other laws share the mean (B1), not this.",
            Counterexample(
                "Noise ±γ scatters less than 60 % as much; a skewed law adds a term of order γ³.",
                lambda: every((("±γ", _coins()), ("skewed", _skewed()))),
                _laws,
            ),
        ),
        Assumption(
            "independent noise",
            "All entries of N1 and N2 are independent.",
            Counterexample("The same noise on both layers scatters more.", _shared),
        ),
    ),
    steps=(
        Step(
            r"L(\theta+N)-L(\theta)=\mathrm{tr}(E\Sigma_xX^\top)+\tfrac12\mathrm{tr}(X\Sigma_xX^\top),\quad "
            r"X=N_2W_1+W_2N_1+N_2N_1",
            "Expand the loss at the perturbed weights about E = f − A.",
            _expansion,
        ),
        Step(r"\mathbb{E}[L(\theta+N)-L(\theta)]=\text{B1}", "Contract once: the mean is that of B1.", _mean),
        Step(
            r"\mathbb{E}\,N^{4}=3\gamma^4",
            "The variance written out entry by entry with a Gaussian's moments, in "
            "exact arithmetic, on every shape in {1,2,3}³, agrees with the formula.",
            _on_shapes,
            cross_check=True,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("γ₁ and γ₂ swapped", lambda f: f.subs({g1: g2, g2: g1}, simultaneous=True)),
        Variant("h and d_out swapped", lambda f: f.subs({h: d_out, d_out: h}, simultaneous=True)),
        Variant("Σx for Σx² in the overlap", lambda f: f.subs(o2, o1)),
        Variant("Σx for Σx² in the norm", lambda f: f.subs(p2, p1)),
        Variant("fourth powers swapped", lambda f: f.subs({k1: k2, k2: k1}, simultaneous=True)),
        Variant("error left out, as at the optimum", lambda f: f.subs({G1: 0, G2: 0, e: 0, o1: 0, o2: 0})),
        Variant("d_out for d_out + 1 in the overlap", lambda f: f - 2 * g1**2 * g2**2 * o2),
        Variant("h + d_out for h + d_out + 1 at γ⁸", lambda f: f - g1**4 * g2**4 * d_out * h * tau2 / 2),
        Variant("sign of the overlaps", lambda f: f.subs({o1: -o1, o2: -o2}, simultaneous=True)),
        Variant("standard deviation for variance", lambda f: f.subs({g1: sp.sqrt(g1), g2: sp.sqrt(g2)})),
    ),
    special_case=SpecialCase(
        "square, balanced, whitened, equal noise",
        lambda f: f.subs({g2: g1, d_out: d_in, h: d_in, tau: d_in, tau2: d_in, o2: o1, p2: p1, n2: p1, k2: k1, G2: G1}),
    ),
    floor=Verdict.PROVED,
    link=Link(
        "overtraining.theory.sensitivity.noise_variance.loss_variance",
        "shapes 1 … 5, weights over 16 decades, any Σx, γ 1e-6 … 100",
        _engine,
    ),
    uses=("B1",),
    source="ours; pairings after Isserlis 1918",
)
