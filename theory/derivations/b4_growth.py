"""B4: how fast the cost of noise grows while the loss falls, from any start; when the sign is certain, and when not."""

from fractions import Fraction

import numpy as np
import sympy as sp

from theory.derivations import aligned, b1_noise as b1
from theory.derivations.b1_noise import W1, W2, A, Sx, d_in, d_out, g1, g2, tau
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
from theory.derivations.other_networks import depth_one, homogeneous, rectified, relu_halves
from theory.derivations.shapes import SHAPES, integers, noise_ring
from theory.derivations.trace_calculus import in_traces, rate
from theory.derivations.trace_words import MatrixSum

x1, x2 = sp.symbols("x_1 x_2", real=True)
w1, w2, s, delta, epsilon, t, lam = sp.symbols("w_1 w_2 s delta epsilon t lambda", positive=True)


def formula() -> sp.Expr:
    """`dΔ/dt` in x_k = tr((A − f) Σx^k fᵀ), τ = tr Σx, the noise scales and d_out."""
    return g2**2 * d_out * x2 + g1**2 * tau * x1


def conclusion(candidate: sp.Expr) -> Evidence:
    """Differentiate B1's expected rise, itself contracted from the loss, along minus the gradient of the loss."""
    first, second, covariance, teacher = map(MatrixSum.of, (W1, W2, Sx, A))
    truth = rate(b1.expected_rise(), b1.loss(first, second), ("W1", "W2"))
    f = second @ first
    missing = (teacher - f) @ covariance
    traces = {x1: (missing @ f.T).trace(), x2: (missing @ covariance @ f.T).trace(), tau: covariance.trace()}
    rest = truth - in_traces(candidate, traces)
    return Evidence(rest.is_zero(), Verdict.PROVED, f"{len(rest.terms)} traces differ, for symbolic dimensions")


def _on_shapes() -> Evidence:
    """tr H from second derivatives, and its rate from first ones, as polynomials in every weight."""
    generator = np.random.default_rng(1)
    return every((f"(d_in, h, d_out) = {shape}", _one_shape(shape, generator)) for shape in SHAPES)


def _one_shape(shape: tuple[int, int, int], generator: np.random.Generator) -> Evidence:
    i, k, o = shape
    ring, weights = noise_ring({"W1": (k, i), "W2": (o, k)})
    ground = lambda m: np.array([[ring(int(x)) for x in row] for row in m.tolist()], dtype=object)
    teacher, root = ground(integers(generator, o, i)), ground(integers(generator, i, i))
    covariance, f = root @ root.T, weights["W2"] @ weights["W1"]
    loss = np.trace((f - teacher) @ covariance @ (f - teacher).T) / ring(2)
    curvature = sum((loss.diff(x).diff(x) for x in ring.gens), ring(0))
    growth = sum((-curvature.diff(x) * loss.diff(x) for x in ring.gens), ring(0))
    overlaps = (np.trace((teacher - f) @ m @ f.T) for m in (covariance, covariance @ covariance))
    values = dict(zip((x1, x2), overlaps, strict=True)) | {g1: 1, g2: 1, d_out: o, tau: np.trace(covariance)}
    names = sorted(formula().free_symbols, key=str)
    claimed = 2 * sp.lambdify(names, formula())(*(values[n] for n in names))
    norms = (
        o * np.trace(weights["W1"] @ covariance @ weights["W1"].T) + np.trace(covariance) * (weights["W2"] ** 2).sum()
    )
    return Evidence(curvature == norms and growth == claimed, Verdict.PROVED, "as polynomials in the weights")


def _certain_sign() -> Evidence:
    """One balanced aligned mode: its loss gives ṡ = 2s(σ − s); the solution stays between ε > 0 and σ = ε + δ."""
    sigma = epsilon + delta
    loss = (sigma - w1 * w2) ** 2 / 2
    speed = lambda q: -sum(sp.diff(q, w) * sp.diff(loss, w) for w in (w1, w2))
    grown = sp.expand(speed(w1 * w2).subs({w1: sp.sqrt(s), w2: sp.sqrt(s)}) - 2 * s * (sigma - s))
    path = sigma * epsilon / (epsilon + delta * sp.exp(-2 * sigma * t))
    return every((
        ("ṡ from the loss", identity(grown, 0)),
        ("the path solves it", identity(sp.diff(path, t), 2 * path * (sigma - path))),
        ("s(0) = ε", identity(path.subs(t, 0), epsilon)),
        ("s > 0", positive(sp.together(path))),
        ("σ − s > 0", positive(sp.together(sigma - path))),
        ("⟨f, A − f⟩ = Σ s(σ − s)", _overlap()),
        ("s(σ − s) > 0", positive((s * (sigma - s)).subs(s, path).together())),
    ), "s(σ − s) > 0 at all times; with Σx sharing V each mode has a positive weight")  # fmt: skip


def _overlap() -> Evidence:
    """tr((A − f)fᵀ) over any number of modes, after UᵀU, VᵀV and RᵀR = I."""
    first, second, teacher = aligned.network()
    root, values = MatrixSum.of(aligned.ROOT), MatrixSum.of(aligned.SIGMA)
    modes = (root @ root @ values).trace() - (root @ root @ root @ root).trace()
    rest = aligned.reduced(((teacher - second @ first) @ (second @ first).T).trace()) - modes
    return Evidence(rest.is_zero(), Verdict.PROVED, "for symbolic widths")


def _mode_total() -> Evidence:
    """w1² + w2² as a function of p = w1w2 and the conserved λ, and what it gains from p = 0 to σ."""
    sigma = sp.Symbol("sigma", positive=True)
    loss = (sigma - w1 * w2) ** 2 / 2
    drift = sum(sp.diff(w2**2 - w1**2, w) * sp.diff(loss, w) for w in (w1, w2))
    gain = 4 * sigma**2 / (sp.sqrt(lam**2 + 4 * sigma**2) + lam)
    return every((
        ("λ is conserved", identity(sp.expand(drift), 0)),
        ("(w1² + w2²)² = λ² + 4p²", identity((w1**2 + w2**2) ** 2, (w2**2 - w1**2) ** 2 + 4 * (w1 * w2) ** 2)),
        ("the gain", identity(sp.sqrt(lam**2 + 4 * sigma**2) - lam, sp.radsimp(gain))),
        ("rich", identity(sp.limit(gain, lam, 0), 2 * sigma)),
        ("lazy", identity(sp.limit(gain, lam, sp.oo), 0)),
    ), "2σ at λ = 0, decreasing to 0 like 2σ²/|λ|")  # fmt: skip


def _engine(expression: sp.Expr, function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """Random weights over 16 decades, teachers both far away and within 1e-6 of f, rectangular, Σx of low rank too."""
    worst = 0.0
    for i, k, o in generator.integers(1, 6, size=(60, 3)).tolist():
        first, second, teacher, covariance, gammas = random_point(generator, i, k, o)
        exact, size = _exact(expression, first, second, teacher, covariance, gammas)
        got = float(function(first, second, teacher, *gammas.tolist(), covariance))
        worst = max(worst, float(abs(Fraction(got) - exact) / size))
    return worst


def _exact(expression: sp.Expr, first, second, teacher, covariance, gammas) -> tuple[Fraction, Fraction]:  # type: ignore[no-untyped-def]
    """The formula on these very floats in exact arithmetic, and the size of its terms: 1/(condition number) of it."""
    w, v, a, m = fractions(first, second, teacher, covariance)
    evaluate = sp.lambdify((x1, x2, tau, g1, g2, d_out), expression)
    scales = [Fraction(float(g)) for g in gammas]
    f, bound = v @ w, abs(v) @ abs(w)
    exact = evaluate(*(np.trace((a - f) @ x @ f.T) for x in (m, m @ m)), np.trace(m), *scales, len(v))
    reach = abs(a) + bound
    size = evaluate(*(np.trace(reach @ x @ bound.T) for x in (abs(m), abs(m) @ abs(m))), np.trace(m), *scales, len(v))
    return exact, size


def _decay() -> Evidence:
    """A mode at its teacher's value, where the formula promises 0: decay μ alone moves w1² + w2², by −2μ(w1² + w2²)."""
    mu, w = sp.symbols("mu w", positive=True)
    loss = (w**2 - w1 * w2) ** 2 / 2 + mu * (w1**2 + w2**2) / 2
    moved = -sum(sp.diff(w1**2 + w2**2, x) * sp.diff(loss, x) for x in (w1, w2)).subs({w1: w, w2: w})
    return Evidence(sp.expand(moved + 4 * mu * w**2) == 0, Verdict.PROVED, f"{sp.expand(moved)} instead of 0")


def _big_step() -> Evidence:
    first, second, rate_ = 0.0, 1.0, 0.5  # A = 1, f = 0: the formula promises no growth
    rise = (first + rate_ * second) ** 2 - first**2  # the second weight's gradient is 0
    return Evidence(rise > 0.2, Verdict.TESTED, f"one step of 0.5 adds {rise:.2f} to w1² + w2², the formula 0")


def _turned(angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Balanced W1 = √ε I, W2 = √ε R(angle), A = I, simulated: size of f against the part of the way done."""
    first, second, seen = 0.3 + 0j, 0.3 * np.exp(1j * angle), []
    for _ in range(4000):
        missing = 1 - first * second
        first, second = first + 0.002 * np.conj(second) * missing, second + 0.002 * np.conj(first) * missing
        seen.append((abs(first) ** 2 + abs(second) ** 2, abs(missing)))
    norms, distance = np.array(seen).T
    return 1 - distance / abs(1 - 0.09 * np.exp(1j * angle)), norms / 2


def _misaligned() -> Evidence:
    fall = (norms := _turned(2.5)[1])[0] / norms.min()
    return Evidence(bool(fall > 1.5), Verdict.TESTED, f"tr H first falls by a factor of {fall:.2f}")


def _misaligned_curves() -> Curves:
    way = np.linspace(0, 0.99, 100)
    angles = {"turned by 0": 0.0, "turned by 2": 2.0, "turned by 2.5": 2.5}
    return Curves(way, {n: np.interp(way, *_turned(a)) for n, a in angles.items()}, "part of the way to A", "tr H / 8")


def _from_above() -> Evidence:
    value = float(formula().subs({x1: 2.0 * (1.0 - 2.0), x2: 2.0 * (1.0 - 2.0), g1: 1, g2: 1, d_out: 1, tau: 1}))
    return Evidence(value < -1, Verdict.TESTED, f"s = 2, σ = 1: the cost of noise changes at the rate {value:.1f} γ²")


DERIVATION = Derivation(
    claim="B4",
    title="Sensitivity grows exactly while the network's output is pulled outward",
    statement=r"\frac{d\Delta}{dt}=\gamma_2^2\,d_{out}\,x_2+\gamma_1^2\,\tau\,x_1,\qquad "
    r"x_k=\mathrm{tr}\left((A-f)\,\Sigma_x^k f^\top\right);\qquad "
    r"\Sigma_x=I:\ \frac{d}{dt}\,\mathrm{tr}\,H=2(d_{in}+d_{out})\langle f,A-f\rangle",
    plain="Under gradient flow from any start the cost of noise, and with it the curvature, grows exactly while the "
    "overlap ⟨f, A − f⟩ is positive: always on the aligned balanced path from below, not from every balanced start.",
    symbols={
        r"\Delta": "expected rise of the loss under noise (B1); tr H is twice its coefficient of γ² at γ₁ = γ₂ = γ",
        "x_1, x_2": "overlap of what is missing with what is learned; both ⟨f, A − f⟩ for whitened inputs",
        r"\tau": "tr Σx, which is d_in for whitened inputs",
        r"\gamma_1,\gamma_2": "standard deviation of the noise on each entry of W1, W2",
        r"d_{in},d_{out}": "widths of input and output",
    },
    assumptions=(
        Assumption("gradient flow", "Learning rate so small that the order η² does not matter.",
                   Counterexample("A finite step adds η²(d_out‖∇W1‖² + d_in‖∇W2‖²) ≥ 0: tr H rises at ⟨f, A − f⟩ = 0.",
                                  _big_step)),
        Assumption("no weight decay", "The loss alone moves the weights.",
                   Counterexample("Decay μ adds −2μ tr H.", _decay)),
        Assumption("linear network", "f = W2 W1. What is left of it for ReLU layers is in the steps.",
                   Counterexample("The Gauss–Newton part of a ReLU unit is half of the linear unit's.", rectified)),
        Assumption("aligned start", "For the sign only: the start shares its singular vectors with A (and Σx its V).",
                   Counterexample("A balanced start turned by more than a right angle first becomes less sensitive.",
                                  _misaligned, _misaligned_curves)),
        Assumption("start below the teacher", "For the sign only: 0 < s_i(0) < σ_i in every mode.",
                   Counterexample("A mode that starts above σ only becomes less sensitive.", _from_above)),
    ),
    steps=(
        Step(r"\mathrm{tr}\,H=d_{out}\,\mathrm{tr}(W_1\Sigma_xW_1^\top)+\mathrm{tr}\Sigma_x\|W_2\|^2",
             "Second derivatives of the loss by every weight, and their sum's rate along minus the gradient, agree "
             "with the claim as polynomials in all weights, on every shape in {1,2,3}³ with rectangular Σx-roots.",
             _on_shapes),
        Step(r"0<s_i<\sigma_i\ \Rightarrow\ \langle f,A-f\rangle=\sum_i s_i(\sigma_i-s_i)>0",
             "On the aligned balanced path the loss gives ṡ = 2s(σ − s), whose solution from ε = σ − δ never leaves "
             "(0, σ): progressive sensitivity at all times.", _certain_sign),
        Step(r"\sqrt{\lambda^2+4\sigma^2}-|\lambda|\ \to\ 0",
             "What one mode adds to w1² + w2² on its way from 0 to σ; tr H gains (d_in + d_out)/2 times this. Rich "
             "training (λ = 0) pays 2σ, lazy training (large imbalance λ) nothing.", _mode_total),
        Step(r"L=1:\ \tfrac{d}{dt}\,\mathrm{tr}\,H=0", "A convex problem has nothing to grow.", depth_one),
        Step(r"\frac{d\|W_l\|^2}{dt}=2\,\mathrm{tr}\left((A-f)\Sigma_xf^\top\right)",
             "In deeper linear networks all layers' squared norms grow at this same rate (f is homogeneous of degree 1 "
             "in each layer), at symbolic widths, depth 1 to 5.", homogeneous),
        Step(r"\mathrm{ReLU}:\ \mathrm{tr}\,H_{GN}=\tfrac12\left(d_{out}\|W_1\|^2+d_{in}\|W_2\|^2\right)",
             "Two-layer ReLU, inputs whitened and as likely at −x as at x, none on a unit's edge: of each pair ±x "
             "exactly one side is active. With Euler's rate: d/dt tr H_GN = (d_in + d_out)⟨f, y − f⟩.", relu_halves),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("τ and d_out swapped", lambda f: f.subs({d_out: tau, tau: d_out}, simultaneous=True)),
        Variant("γ₁ and γ₂ swapped", lambda f: f.subs({g1: g2, g2: g1}, simultaneous=True)),
        Variant("Σx² nowhere", lambda f: f.subs(x2, x1)),
        Variant("Σx² in both terms", lambda f: f.subs(x1, x2)),
        Variant("d_in for τ", lambda f: f.subs(tau, d_in)),
        Variant("factor 2", lambda f: 2 * f),
        Variant("sign", lambda f: -f),
        Variant("W1's growth dropped", lambda f: f.subs(g2, 0)),
        Variant("γ instead of γ²", lambda f: f.subs({g1: sp.sqrt(g1), g2: sp.sqrt(g2)}, simultaneous=True)),
    ),
    special_case=SpecialCase(
        "square, whitened, equal noise",
        lambda f: f.subs({g2: g1, d_out: d_in, tau: d_in, x2: x1}, simultaneous=True),
    ),
    floor=Verdict.PROVED,
    link=Link("theory.growth.growth_at", "shapes 1 … 5, weights over 16 decades, any Σx, γ 1e-6 … 100", _engine),
    uses=("A2", "B1"),
    source="ours; layer norms growing together: Du, Hu, Lee 2018 (arXiv 1806.00900)",
)  # fmt: skip
