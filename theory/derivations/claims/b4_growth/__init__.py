"""B4: how fast the cost of noise grows during training, from any start, and when it is certain to grow."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus import frames
from overtraining.theory.derivations.calculus.exact_matrices import fractions, random_point
from overtraining.theory.derivations.calculus.shapes import SHAPES, in_ring, integers, noise_ring
from overtraining.theory.derivations.calculus.trace_calculus import agree, laplacian, rate
from overtraining.theory.derivations.calculus.trace_words import MatrixSum, TraceSum
from overtraining.theory.derivations.calculus.two_layers import N1, N2, W1, W2, A, Sx, d_in, d_out, loss
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
from overtraining.theory.derivations.claims import b1_noise as b1
from overtraining.theory.derivations.claims.b1_noise import g1, g2, tau
from overtraining.theory.derivations.claims.b4_growth.other_networks import depth_one, homogeneous, relu_halves

x1, x2 = sp.symbols("x_1 x_2", real=True)
w1, w2, delta, t, lam = sp.symbols("w_1 w_2 delta t lambda", positive=True)

GrowthRates = dict[str, sp.Expr]


def formula() -> GrowthRates:
    """`dΔ/dt` in x_k = tr((A − f) Σx^k fᵀ), τ = tr Σx, the noise scales and d_out; and `d tr H/dt` for white inputs."""
    return {"cost": g2**2 * d_out * x2 + g1**2 * tau * x1, "white curvature": 2 * (d_in + d_out) * x1}


def conclusion(candidate: GrowthRates) -> Evidence:
    """B1's expected rise and the trace of the Hessian, both from the loss, differentiated along its gradient flow."""
    first, second, covariance, teacher = map(MatrixSum.of, (W1, W2, Sx, A))
    unlearned = teacher - second @ first
    f = second @ first
    traces = {
        x1: (unlearned @ covariance @ f.T).trace(),
        x2: (unlearned @ covariance @ covariance @ f.T).trace(),
        tau: covariance.trace(),
    }
    cost = rate(b1.expected_rise(), loss(first, second, covariance), ("W1", "W2"))
    curvature = laplacian(loss(first + MatrixSum.of(N1), second + MatrixSum.of(N2)))
    white = rate(curvature, loss(first, second), ("W1", "W2"))
    return every(
        (
            ("dΔ/dt", agree(cost, candidate["cost"], traces)),
            ("white inputs", agree(white, candidate["white curvature"], {x1: (unlearned @ f.T).trace()})),
        ),
        "for symbolic dimensions",
    )


def _on_shapes() -> Evidence:
    """tr H from second derivatives, and its rate from first ones, as polynomials in every weight."""
    generator = np.random.default_rng(1)
    return examples((f"(d_in, h, d_out) = {shape}", _one_shape(shape, generator)) for shape in SHAPES)


def _one_shape(shape: tuple[int, int, int], generator: np.random.Generator) -> Evidence:
    i, k, o = shape
    ring, weights = noise_ring({"W1": (k, i), "W2": (o, k)})
    teacher, root = in_ring(ring, integers(generator, o, i)), in_ring(ring, integers(generator, i, i))
    covariance = root @ root.T
    f = weights["W2"] @ weights["W1"]
    loss = np.trace((f - teacher) @ covariance @ (f - teacher).T) / ring(2)
    curvature = sum((loss.diff(x).diff(x) for x in ring.gens), ring(0))
    growth = sum((-curvature.diff(x) * loss.diff(x) for x in ring.gens), ring(0))
    overlaps = (np.trace((teacher - f) @ m @ f.T) for m in (covariance, covariance @ covariance))
    values = dict(zip((x1, x2), overlaps, strict=True)) | {g1: 1, g2: 1, d_out: o, tau: np.trace(covariance)}
    cost = formula()["cost"]
    names = sorted(cost.free_symbols, key=str)
    claimed = 2 * sp.lambdify(names, cost)(*(values[n] for n in names))
    norms = (
        o * np.trace(weights["W1"] @ covariance @ weights["W1"].T) + np.trace(covariance) * (weights["W2"] ** 2).sum()
    )
    return Evidence(curvature == norms and growth == claimed, Verdict.PROVED, "as polynomials in the weights")


def _certain_sign() -> Evidence:
    """One aligned mode with w1, w2 > 0, balanced or not, input variance d: p = w1w2 stays between p(0) and σ."""
    # K = ∫ d (w1² + w2²) dt
    d = sp.Symbol("d", positive=True)
    total = sp.Function("K")(t)
    p = w1 * w2
    sigma = sp.Symbol("sigma", positive=True)
    loss = d * (sigma - p) ** 2 / 2

    def speed(q: sp.Expr) -> sp.Expr:
        return -sum(sp.diff(q, w) * sp.diff(loss, w) for w in (w1, w2))

    unlearned = delta * sp.exp(-total)
    first, second = (_overlap(k) for k in (1, 2))
    return every(
        (
            ("d(σ − p)/dt = −d(w1² + w2²)(σ − p)", identity(speed(sigma - p), -d * (w1**2 + w2**2) * (sigma - p))),
            ("δ at K = 0", identity(unlearned.subs(total, 0), delta)),
            ("solved by δ e^{−K}", identity(sp.diff(unlearned, t), -sp.diff(total, t) * unlearned)),
            ("p rises", positive(speed(p).subs(sigma, p + delta), zero_at={delta: 0})),
            ("w1 rises", positive(speed(w1).subs(sigma, p + delta), zero_at={delta: 0})),
            ("w2 rises", positive(speed(w2).subs(sigma, p + delta), zero_at={delta: 0})),
            ("x₁ = Σ d p(σ − p)", first),
            ("x₂ = Σ d² p(σ − p)", second),
            ("a mode's part", positive((d * p * (sigma - p)).subs(sigma, p + delta), zero_at={delta: 0})),
        ),
        "p(σ − p) > 0 at all times in every mode, in x₁ with the weight d, in x₂ with d²",
    )


def _overlap(power: int) -> Evidence:
    """tr((A − f) Σx^k fᵀ) over any number of modes, after UᵀU, VᵀV and RᵀR = I."""
    first, second, teacher, covariance = frames.network()
    f, d1, d2, sigma, inputs = second @ first, *map(MatrixSum.of, frames.DIAGONAL)
    weighted = teacher - f
    modes = d1 @ d2 @ (sigma - d1 @ d2)
    for _ in range(power):
        weighted, modes = weighted @ covariance, modes @ inputs
    rest = frames.reduced((weighted @ f.T).trace()) - frames.reduced(modes.trace())
    return Evidence(rest.is_zero(), Verdict.PROVED, "for symbolic widths")


def _of_two_starts() -> Evidence:
    """(W1, W2) and (W1, −W2) are equally balanced; their two overlaps ⟨f, A − f⟩ add up to −2‖f‖²."""
    first, second, teacher = map(MatrixSum.of, (W1, W2, A))

    def overlap(f: MatrixSum) -> TraceSum:
        return ((teacher - f) @ f.T).trace()

    f = second @ first
    flipped = (MatrixSum(()) - second) @ first
    rest = overlap(f) + overlap(flipped) + 2 * (f @ f.T).trace()
    return Evidence(rest.is_zero(), Verdict.PROVED, "so one of them is negative, unless f = 0")


def _mode_total() -> Evidence:
    """w1² + w2² as a function of p = w1w2 and the conserved λ, and what it gains from p = 0 to σ."""
    sigma = sp.Symbol("sigma", positive=True)
    loss = sp.Function("L")(w1 * w2)  # any loss of the product
    drift = sum(sp.diff(w2**2 - w1**2, w) * sp.diff(loss, w) for w in (w1, w2))
    gain = 4 * sigma**2 / (sp.sqrt(lam**2 + 4 * sigma**2) + lam)
    return every(
        (
            ("λ is conserved", identity(sp.expand(drift), 0)),
            ("(w1² + w2²)² = λ² + 4p²", identity((w1**2 + w2**2) ** 2, (w2**2 - w1**2) ** 2 + 4 * (w1 * w2) ** 2)),
            ("the gain", identity(sp.sqrt(lam**2 + 4 * sigma**2) - lam, sp.radsimp(gain))),
            ("rich", identity(sp.limit(gain, lam, 0), 2 * sigma)),
            ("lazy", identity(sp.limit(gain, lam, sp.oo), 0)),
        ),
        "2σ at λ = 0, decreasing to 0 like 2σ²/|λ|",
    )


def _engine(expression: GrowthRates, function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """Random weights over 16 decades, teachers both far away and within 1e-6 of f, rectangular, Σx of low rank too."""
    worst = 0.0
    for i, k, o in generator.integers(1, 6, size=(60, 3)).tolist():
        first, second, teacher, covariance, gammas = random_point(generator, i, k, o)
        exact, size = _exact(expression["cost"], first, second, teacher, covariance, gammas)
        computed = float(function(first, second, teacher, *gammas.tolist(), covariance))
        worst = max(worst, float(abs(Fraction(computed) - exact) / size))
        w, v, a = fractions(first, second, teacher)
        white = sp.lambdify((x1, d_in, d_out), expression["white curvature"])
        f = v @ w
        bound = abs(v) @ abs(w)
        exact = white(((a - f) * f).sum(), i, o)
        size = white(((abs(a) + bound) * bound).sum(), i, o)
        worst = max(worst, float(abs(2 * Fraction(float(function(first, second, teacher, 1.0, 1.0))) - exact) / size))
    return worst


def _each(change: Callable[[sp.Expr], sp.Expr]) -> Callable[[GrowthRates], GrowthRates]:
    return lambda f: {name: change(e) for name, e in f.items()}


def _exact(expression: sp.Expr, first, second, teacher, covariance, gammas) -> tuple[Fraction, Fraction]:  # type: ignore[no-untyped-def]
    """The formula on these very floats in exact arithmetic, and the size of its terms: 1/(condition number) of it."""
    w, v, a, m = fractions(first, second, teacher, covariance)
    evaluate = sp.lambdify((x1, x2, tau, g1, g2, d_out), expression)
    scales = [Fraction(float(g)) for g in gammas]
    f = v @ w
    bound = abs(v) @ abs(w)
    exact = evaluate(*(np.trace((a - f) @ x @ f.T) for x in (m, m @ m)), np.trace(m), *scales, len(v))
    reach = abs(a) + bound
    size = evaluate(*(np.trace(reach @ x @ bound.T) for x in (abs(m), abs(m) @ abs(m))), np.trace(m), *scales, len(v))
    return exact, size


def _decay() -> Evidence:
    """A mode at its teacher's value, where the formula gives 0: decay μ alone moves w1² + w2², by −2μ(w1² + w2²)."""
    mu, w, w1, w2 = sp.symbols("mu w w_1 w_2", positive=True)
    loss = (w**2 - w1 * w2) ** 2 / 2 + mu * (w1**2 + w2**2) / 2
    moved = -sum(sp.diff(w1**2 + w2**2, x) * sp.diff(loss, x) for x in (w1, w2)).subs({w1: w, w2: w})
    return Evidence(sp.expand(moved + 4 * mu * w**2) == 0, Verdict.PROVED, f"{sp.expand(moved)} instead of 0")


def _big_step() -> Evidence:
    """One step of finite size makes the norms grow where the flow does not."""
    first, second, rate = 0.0, 1.0, 0.5  # A = 1, f = 0: the formula predicts no growth
    rise = (first + rate * second) ** 2 - first**2  # the second weight's gradient is 0
    return Evidence(rise > 0.2, Verdict.TESTED, f"one step of 0.5 adds {rise:.2f} to w1² + w2², the formula 0")


def _unwhitened() -> Evidence:
    """W1 = W2 = I, A − f = diag(1, −½), Σx = diag(1/10, 1): ⟨f, A − f⟩ = ½, and yet dΔ/dt < 0 (γ = 1)."""
    w = sp.eye(2)
    v = sp.eye(2)
    covariance = sp.diag(sp.Rational(1, 10), 1)
    unlearned = sp.diag(1, -sp.Rational(1, 2))
    # minus the gradient
    on_w1 = v.T * unlearned * covariance
    on_w2 = unlearned * covariance * w.T
    growth = 2 * (w * covariance * on_w1.T).trace() + covariance.trace() * (v * on_w2.T).trace()
    holds = unlearned.trace() > 0 and growth == -sp.Rational(71, 50)
    return Evidence(holds, Verdict.PROVED, f"⟨f, A − f⟩ = {unlearned.trace()}, dΔ/dt = {float(growth):.2f}")


def _from_above() -> Evidence:
    """w1 = w2 = √2, σ = 1: ½(w1² + w2²)γ² along minus the gradient of ½(1 − w1w2)²."""
    w1, w2 = sp.symbols("w_1 w_2", positive=True)
    cost = (w1**2 + w2**2) / 2
    loss = (1 - w1 * w2) ** 2 / 2
    speed = -sum(cost.diff(w) * loss.diff(w) for w in (w1, w2)).subs({w1: sp.sqrt(2), w2: sp.sqrt(2)})
    return Evidence(
        bool(speed == -4), Verdict.PROVED, f"s = 2, σ = 1: the cost of noise changes at the rate {speed} γ²"
    )


def _rectified() -> Evidence:
    """One ReLU unit, weights w1 = w2 = 1, x = ±1, y = 2 relu(x): dΔ/dt for noise ±γ, γ = ⅒, and the formula's."""
    (w1, w2) = sp.symbols("w_1 w_2", real=True)
    gamma = sp.Rational(1, 10)

    def relu(z: sp.Expr) -> sp.Expr:
        return (z + sp.Abs(z)) / 2

    def loss(a: sp.Expr, b: sp.Expr) -> sp.Expr:
        return sum((2 * relu(sp.Integer(x)) - b * relu(a * x)) ** 2 for x in (1, -1)) / 4

    coins = sum(loss(w1 + i * gamma, w2 + j * gamma) for i in (1, -1) for j in (1, -1)) / 4
    cost = coins - loss(w1, w2)
    here = {w1: 1, w2: 1}
    true = -sum(cost.diff(w).subs(here) * loss(w1, w2).diff(w).subs(here) for w in (w1, w2))
    overlap = sp.Rational(1, 2)  # mean of f(y − f) over the inputs; Σx = τ = d_out = 1
    claimed = 2 * gamma**2 * overlap
    return Evidence(bool(true == claimed / 2), Verdict.PROVED, f"dΔ/dt = {true}, the formula says {claimed}")


def _rotated(angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Balanced W1 = √ε I, W2 = √ε R(angle), A = I, simulated: part of the way to A, and tr H / 8 there."""
    first = 0.3 + 0j
    second = 0.3 * np.exp(1j * angle)
    path = []
    for _ in range(4000):
        unlearned = 1 - first * second
        first, second = first + 0.002 * np.conj(second) * unlearned, second + 0.002 * np.conj(first) * unlearned
        path.append((abs(first) ** 2 + abs(second) ** 2, abs(unlearned)))
    norms, distance = np.array(path).T
    return 1 - distance / abs(1 - 0.09 * np.exp(1j * angle)), norms / 2


def _misaligned() -> Evidence:
    """From a rotated balanced start tr H first falls."""
    fall = (norms := _rotated(2.5)[1])[0] / norms.min()
    return Evidence(bool(fall > 1.5), Verdict.TESTED, f"tr H first falls by a factor of {fall:.2f}")


def _misaligned_curves() -> Curves:
    """tr H along the way to the teacher, from three angles."""
    way = np.linspace(0, 0.99, 100)
    angles = {"rotated by 0": 0.0, "rotated by 2": 2.0, "rotated by 2.5": 2.5}
    return Curves(way, {n: np.interp(way, *_rotated(a)) for n, a in angles.items()}, "part of the way to A", "tr H / 8")


DERIVATION = Derivation(
    claim="B4",
    title="Sensitivity grows exactly while the network's output is pulled outward",
    statement=r"\frac{d\Delta}{dt}=\gamma_2^2\,d_{out}\,x_2+\gamma_1^2\,\tau\,x_1,\qquad "
    r"x_k=\mathrm{tr}\left((A-f)\,\Sigma_x^k f^\top\right);\qquad "
    r"\Sigma_x=I:\ \frac{d}{dt}\,\mathrm{tr}\,H=2(d_{in}+d_{out})\langle f,A-f\rangle",
    plain="Under gradient flow with white inputs, from any start, the cost of noise, and with it the curvature, grows "
    "exactly while the overlap ⟨f, A − f⟩ is positive: always from an aligned start below the teacher, not from every "
    "balanced start.",
    symbols={
        r"\Delta": "expected rise of the loss under noise (B1); tr H is twice its coefficient of γ² at γ₁ = γ₂ = γ",
        "x_1, x_2": "overlap of the unlearned part A − f with f; both are ⟨f, A − f⟩ for whitened inputs",
        r"\tau": "tr Σx, which is d_in for whitened inputs",
        r"\gamma_1,\gamma_2": "standard deviation of the noise on each entry of W1, W2",
        r"d_{in},d_{out}": "widths of input and output",
    },
    assumptions=(
        Assumption(
            "gradient flow",
            "The learning rate η is so small that terms of order η² do not matter.",
            Counterexample(
                "A finite step adds η²(d_out‖∇W1‖² + d_in‖∇W2‖²) ≥ 0: tr H rises at ⟨f, A − f⟩ = 0.", _big_step
            ),
        ),
        Assumption(
            "no weight decay", "The loss alone moves the weights.", Counterexample("Decay μ adds −2μ tr H.", _decay)
        ),
        Assumption(
            "linear network",
            "f = W2 W1. A step says what holds for ReLU layers.",
            Counterexample("For one ReLU unit the cost grows at half the rate.", _rectified),
        ),
        Assumption(
            "whitened inputs",
            "For the sign of ⟨f, A − f⟩ to decide; otherwise x₁ and x₂ do.",
            Counterexample(
                "With inputs that are not white, the signs of ⟨f, A − f⟩ and of the growth can differ.", _unwhitened
            ),
        ),
        Assumption(
            "aligned start",
            "For the certain sign only: singular vectors of A, Σx shares V; balanced or not.",
            Counterexample(
                "From a balanced start rotated by more than a right angle, sensitivity first falls.",
                _misaligned,
                _misaligned_curves,
            ),
        ),
        Assumption(
            "start below the teacher",
            "For the certain sign only: w1, w2 > 0 and w1w2 < σ in every mode.",
            Counterexample("For a mode that starts above σ, sensitivity only falls.", _from_above),
        ),
    ),
    steps=(
        Step(
            r"\mathrm{tr}\,H=d_{out}\,\mathrm{tr}(W_1\Sigma_xW_1^\top)+\mathrm{tr}\Sigma_x\|W_2\|^2",
            "Second derivatives of the loss by every weight, and their sum's rate along minus the gradient, agree "
            "with the claim as polynomials in all weights, on every shape in {1,2,3}³ with random Σx.",
            _on_shapes,
            cross_check=True,
        ),
        Step(
            r"0<p_i<\sigma_i\ \Rightarrow\ x_k=\sum_i d_i^k\,p_i(\sigma_i-p_i)>0",
            "From an aligned start, balanced or not, Σx sharing V with variances d_i: each mode's p = w1w2 rises, and "
            "its unlearned part σ − p = δe^{−K} decays without reaching 0: sensitivity grows at all times.",
            _certain_sign,
        ),
        Step(
            r"\langle f,A-f\rangle+\langle -f,A+f\rangle=-2\|f\|^2",
            "White inputs, misaligned: of two balanced starts (W1, ±W2) at least one begins with falling sensitivity, "
            "so at least half of all such starts do under any law that is even in W2.",
            _of_two_starts,
        ),
        Step(
            r"\sqrt{\lambda^2+4\sigma^2}-|\lambda|\ \to\ 0",
            "The gain of w1² + w2² while one mode moves from 0 to σ; tr H gains (d_in + d_out)/2 times this. It is 2σ "
            "for rich training (λ = 0) and tends to 0 for lazy training (large imbalance λ).",
            _mode_total,
        ),
        Step(r"L=1:\ \tfrac{d}{dt}\,\mathrm{tr}\,H=0", "A convex problem: the curvature is constant.", depth_one),
        Step(
            r"\frac{d\|W_l\|^2}{dt}=2\,\mathrm{tr}\left((A-f)\Sigma_xf^\top\right)",
            "In deeper linear networks all layers' squared norms grow at this same rate (f is homogeneous of degree 1 "
            "in each layer), at symbolic widths and every depth.",
            homogeneous,
        ),
        Step(
            r"\mathrm{ReLU}:\ \mathrm{tr}\,H_{GN}=\tfrac12\left(d_{out}\|W_1\|^2+d_{in}\|W_2\|^2\right)",
            "Two-layer ReLU, inputs whitened and as likely at −x as at x, none on a unit's edge: of each pair ±x "
            "exactly one side is active. With Euler's rate: d/dt tr H_GN = (d_in + d_out)⟨f, y − f⟩. With a bias "
            "it is ‖W1‖² + ‖b‖² that grows like ‖W2‖².",
            relu_halves,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("τ and d_out swapped", _each(lambda e: e.subs({d_out: tau, tau: d_out}, simultaneous=True))),
        Variant("γ₁ and γ₂ swapped", _each(lambda e: e.subs({g1: g2, g2: g1}, simultaneous=True))),
        Variant("Σx² nowhere", _each(lambda e: e.subs(x2, x1))),
        Variant("Σx² in both terms", _each(lambda e: e.subs(x1, x2))),
        Variant("d_in for τ", _each(lambda e: e.subs(tau, d_in))),
        Variant("factor 2", _each(lambda e: 2 * e)),
        Variant(
            "twice the widths' geometric mean in the white curvature",
            lambda f: f | {"white curvature": 4 * sp.sqrt(d_in * d_out) * x1},
        ),
        Variant("sign", _each(lambda e: -e)),
        Variant("W1's growth dropped", _each(lambda e: e.subs(g2, 0))),
        Variant("γ instead of γ²", _each(lambda e: e.subs({g1: sp.sqrt(g1), g2: sp.sqrt(g2)}, simultaneous=True))),
    ),
    special_case=SpecialCase(
        "square, whitened, equal noise",
        _each(lambda e: e.subs({g2: g1, d_out: d_in, tau: d_in, x2: x1}, simultaneous=True)),
    ),
    floor=Verdict.PROVED,
    link=Link(
        "overtraining.theory.sensitivity.growth.growth_at",
        "shapes 1 … 5, weights over 16 decades, any Σx, γ 1e-6 … 100",
        _engine,
    ),
    uses=("A2", "B1"),
    source="ours; layer norms growing together: Du, Hu, Lee 2018 (arXiv 1806.00900)",
)
