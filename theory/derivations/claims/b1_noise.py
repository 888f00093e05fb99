"""B1: the expected rise of the loss under noise on the weights, exact, for any law and any covariance of the inputs."""

import numpy as np
import sympy as sp
from sympy.polys.rings import PolyElement

from overtraining.theory.derivations.calculus.shapes import (
    SHAPES,
    in_ring,
    integers,
    noise_ring,
    polynomial_expectation,
)
from overtraining.theory.derivations.calculus.trace_calculus import agree
from overtraining.theory.derivations.calculus.trace_words import MatrixSum, TraceSum, noise_expectation
from overtraining.theory.derivations.calculus.two_layers import N1, N2, W1, W2, Sx, d_in, d_out, h, loss
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
from overtraining.theory.derivations.checker.evidence import examples, identity, worst_relative_error

q1, q2, g1, g2, tau = sp.symbols("q_1 q_2 gamma_1 gamma_2 tau", positive=True)


def formula() -> sp.Expr:
    """`Δ` in q₁ = tr(W1 Σx W1ᵀ), q₂ = ‖W2‖², τ = tr Σx, the noise scales and the dimensions."""
    return (g2**2 * d_out * q1 + g1**2 * tau * q2 + g1**2 * g2**2 * d_out * h * tau) / 2


def noisy_loss() -> TraceSum:
    """The loss with `W1 + N1` and `W2 + N2` in place of the weights."""
    w1, w2, n1, n2 = map(MatrixSum.of, (W1, W2, N1, N2))
    return loss(w1 + n1, w2 + n2, MatrixSum.of(Sx))


def expected_rise() -> TraceSum:
    """`E[L(θ + noise)] − L(θ)` by contraction of the noise, dimensions symbolic."""
    mean = noise_expectation(noisy_loss(), {"N1": g1**2, "N2": g2**2})
    return mean - loss(*map(MatrixSum.of, (W1, W2, Sx)))


def traces() -> dict[sp.Symbol, TraceSum]:
    """What q₁, q₂ and τ stand for."""
    sx, w1, w2 = map(MatrixSum.of, (Sx, W1, W2))
    return {q1: (w1 @ sx @ w1.T).trace(), q2: (w2 @ w2.T).trace(), tau: sx.trace()}


def conclusion(candidate: sp.Expr) -> Evidence:
    """Whether the candidate is the formula that the steps derive."""
    return agree(expected_rise(), candidate, traces())


def _at_most_twice() -> Evidence:
    most = max(sum(x.name == n for w in k for x in w) for k in noisy_loss().terms for n in ("N1", "N2"))
    return Evidence(most == 2, Verdict.PROVED, f"no noise matrix occurs more than {most} times in a term")


def _on_shapes() -> Evidence:
    """The expectation written out entry by entry in exact arithmetic, for a skewed law."""
    generator = np.random.default_rng(0)
    variance = {"N1": sp.Rational(4, 9), "N2": sp.Rational(1, 4)}
    moments = {name: (sp.Integer(0), v, sp.Integer(7), sp.Integer(11)) for name, v in variance.items()}
    return examples((f"(d_in, h, d_out) = {shape}", _one_shape(shape, generator, moments)) for shape in SHAPES)


def _one_shape(shape: tuple[int, int, int], generator: np.random.Generator, moments: dict) -> Evidence:
    i, k, o = shape
    w1, w2, a, root = (integers(generator, *s) for s in ((k, i), (o, k), (o, i), (i, i)))
    covariance = root * root.T
    ring, noise = noise_ring({"N1": (k, i), "N2": (o, k)})

    first, second, teacher, sx = (in_ring(ring, m) for m in (w1, w2, a, covariance))

    def loss_at(x1: np.ndarray, x2: np.ndarray) -> PolyElement:
        error = x2 @ x1 - teacher
        return np.trace(error @ sx @ error.T) / 2

    noisy = loss_at(first + noise["N1"], second + noise["N2"])
    rise = polynomial_expectation(noisy - loss_at(first, second), moments)
    values = {
        q1: (w1 * covariance * w1.T).trace(),
        q2: (w2 * w2.T).trace(),
        tau: covariance.trace(),
        g1: sp.sqrt(moments["N1"][1]),
        g2: sp.sqrt(moments["N2"][1]),
        d_in: i,
        h: k,
        d_out: o,
    }
    return identity(rise, formula().subs(values))


def _engine(expression: sp.Expr, function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """Over norms, scales and traces of 1e-12 … 1e12, zeros included, and dimensions up to 1000."""
    worst = 0.0
    for shape in generator.integers(1, 1001, size=(20, 3)).tolist():
        sizes = dict(zip(("d_in", "h", "d_out"), shape, strict=True))
        points = [10.0 ** generator.uniform(-12, 12, 10) * (generator.random(10) > 0.1) for _ in range(4)]
        trace = float(10 ** generator.uniform(-6, 6))
        at = expression.subs({d_in: sizes["d_in"], h: sizes["h"], d_out: sizes["d_out"], tau: sp.Float(trace, 60)})

        def call(*p: np.ndarray, trace: float = trace, sizes: dict = sizes) -> np.ndarray:
            return function(*p, **sizes, input_trace=trace)

        worst = max(worst, worst_relative_error(at, (q1, q2, g1, g2), call, points))
    return worst


def _biased() -> Evidence:
    bias = 0.1  # one weight each, A = 2, W1 = W2 = 1: E L(1 + bias + n, 1 + bias + n') with variance 0.01
    shift = (2 - (1 + bias) ** 2) ** 2 / 2 + 0.01 * (1 + bias) ** 2 + 0.01**2 / 2 - 0.5
    claimed = float(formula().subs({q1: 1, q2: 1, g1: bias, g2: bias, d_in: 1, h: 1, d_out: 1, tau: 1}))
    return Evidence(shift < 0 < claimed, Verdict.TESTED, f"rise {shift:.3f} against {claimed:.3f} of the formula")


def _shared() -> Evidence:
    mean, claimed = _shared_noise(0.5)
    return Evidence(mean > 2 * claimed, Verdict.TESTED, f"shared noise gives {mean:.3f}, the formula {claimed:.3f}")


def _shared_noise(gamma: float) -> tuple[float, float]:
    """One weight each, W1 = W2 = 1, A = 1, the SAME Gaussian n added to both: E ½((1 + n)² − 1)² = 2γ² + 3γ⁴/2."""
    n, weight = np.polynomial.hermite_e.hermegauss(12)
    mean = float(weight @ (((1 + gamma * n) ** 2 - 1) ** 2) / 2 / weight.sum())
    return mean, float(gamma**2 + gamma**4 / 2)


def _shared_curves() -> Curves:
    gamma = np.linspace(0, 1, 41)
    both = np.array([_shared_noise(g) for g in gamma]).T
    return Curves(gamma, {"shared noise": both[0], "formula": both[1]}, "noise scale γ", "expected rise of the loss")


DERIVATION = Derivation(
    claim="B1",
    title="The cost of noise on the weights is exact",
    statement=r"\mathbb{E}[L(\theta+N)]-L(\theta)=\tfrac12\left(\gamma_2^2 d_{out}\,q_1+\gamma_1^2\tau\,q_2"
    r"+\gamma_1^2\gamma_2^2\,d_{out}\,h\,\tau\right)",
    plain="Independent zero-mean noise on the weights raises the expected loss by an amount that depends on the "
    "weights only through their norms (W1's weighted by the inputs' covariance), exactly and not to second order, "
    "whatever the law of the noise.",
    symbols={
        r"\gamma_1,\gamma_2": "standard deviation of the noise on each entry of W1, W2",
        "q_1": "tr(W1 Σx W1ᵀ), which is ‖W1‖² for whitened inputs",
        "q_2": "‖W2‖²",
        r"\tau": "tr Σx, which is d_in for whitened inputs",
        r"d_{in},h,d_{out}": "widths of input, hidden layer and output",
    },
    assumptions=(
        Assumption(
            "zero-mean noise",
            "Every entry of the noise has mean zero.",
            Counterexample("A bias toward the teacher lowers the loss, where the formula predicts a rise.", _biased),
        ),
        Assumption(
            "independent noise",
            "N1 and N2 are independent of each other, with variances γ₁² and γ₂²; within a layer it is enough that the "
            "entries are uncorrelated.",
            Counterexample("The same noise on both layers costs more than twice as much.", _shared, _shared_curves),
        ),
    ),
    steps=(
        Step(
            r"L(\theta+N)=\tfrac12\,\mathrm{tr}\left(E\,\Sigma_xE^\top\right),\quad E=(W_2+N_2)(W_1+N_1)-A",
            "Expand the loss at the perturbed weights. Each noise matrix occurs at most twice in any term, so only its "
            "first and second moments can enter the mean: the result holds for any law.",
            _at_most_twice,
        ),
        Step(
            r"\mathbb{E}[L(\theta+N)]-L(\theta)\ \text{on }\{1,2,3\}^3",
            "The whole rise, with E N_ij N_kl = γ²δ_ik δ_jl in each layer, written out entry by entry on 27 shapes at "
            "random integer weights, in exact arithmetic, for a law with non-zero third moment, is the formula's.",
            _on_shapes,
            cross_check=True,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("τ and d_out swapped", lambda f: f.subs({d_out: tau, tau: d_out}, simultaneous=True)),
        Variant("γ₁ and γ₂ swapped", lambda f: f.subs({g1: g2, g2: g1}, simultaneous=True)),
        Variant("q₁ and q₂ swapped", lambda f: f.subs({q1: q2, q2: q1}, simultaneous=True)),
        Variant("h replaced by d_in in the last term", lambda f: f.subs(h, d_in)),
        Variant("last term dropped", lambda f: f.subs(h, 0)),
        Variant("factor ½ missing", lambda f: 2 * f),
        Variant("γ instead of γ²", lambda f: f.subs({g1: sp.sqrt(g1), g2: sp.sqrt(g2)}, simultaneous=True)),
        Variant("sign of the last term", lambda f: f.subs(h, -h)),
    ),
    special_case=SpecialCase(
        "square, balanced, whitened, equal noise",
        lambda f: f.subs({q2: q1, g2: g1, d_out: d_in, h: d_in, tau: d_in}, simultaneous=True),
    ),
    floor=Verdict.PROVED,
    link=Link(
        "overtraining.theory.sensitivity.noise.expected_increase",
        "norms and scales 0, 1e-12 … 1e12, dimensions 1 … 1000",
        _engine,
    ),
    source="ours; the second-order part is standard (Hochreiter and Schmidhuber 1997)",
)
