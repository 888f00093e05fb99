"""What happens to B4 with weight decay, finite steps, ReLUs, inputs that are not white, and other starts."""

import numpy as np
import sympy as sp

from overtraining.theory.derivations.checker.core import Curves, Evidence, Verdict


def decay() -> Evidence:
    """A mode at its teacher's value, where the formula promises 0: decay μ alone moves w1² + w2², by −2μ(w1² + w2²)."""
    mu, w, w1, w2 = sp.symbols("mu w w_1 w_2", positive=True)
    loss = (w**2 - w1 * w2) ** 2 / 2 + mu * (w1**2 + w2**2) / 2
    moved = -sum(sp.diff(w1**2 + w2**2, x) * sp.diff(loss, x) for x in (w1, w2)).subs({w1: w, w2: w})
    return Evidence(sp.expand(moved + 4 * mu * w**2) == 0, Verdict.PROVED, f"{sp.expand(moved)} instead of 0")


def big_step() -> Evidence:
    """One step of finite size makes the norms grow where the flow does not."""
    first, second, rate = 0.0, 1.0, 0.5  # A = 1, f = 0: the formula promises no growth
    rise = (first + rate * second) ** 2 - first**2  # the second weight's gradient is 0
    return Evidence(rise > 0.2, Verdict.TESTED, f"one step of 0.5 adds {rise:.2f} to w1² + w2², the formula 0")


def unwhitened() -> Evidence:
    """W1 = W2 = I, A − f = diag(1, −½), Σx = diag(1/10, 1): ⟨f, A − f⟩ = ½, and all the same dΔ/dt < 0 (γ = 1)."""
    w, v, covariance = sp.eye(2), sp.eye(2), sp.diag(sp.Rational(1, 10), 1)
    missing = sp.diag(1, -sp.Rational(1, 2))
    on_w1, on_w2 = v.T * missing * covariance, missing * covariance * w.T  # minus the gradient
    growth = 2 * (w * covariance * on_w1.T).trace() + covariance.trace() * (v * on_w2.T).trace()
    holds = missing.trace() > 0 and growth == -sp.Rational(71, 50)
    return Evidence(holds, Verdict.PROVED, f"⟨f, A − f⟩ = {missing.trace()}, dΔ/dt = {float(growth):.2f}")


def from_above() -> Evidence:
    """w1 = w2 = √2, σ = 1: ½(w1² + w2²)γ² along minus the gradient of ½(1 − w1w2)²."""
    w1, w2 = sp.symbols("w_1 w_2", positive=True)
    cost, loss = (w1**2 + w2**2) / 2, (1 - w1 * w2) ** 2 / 2
    speed = -sum(cost.diff(w) * loss.diff(w) for w in (w1, w2)).subs({w1: sp.sqrt(2), w2: sp.sqrt(2)})
    return Evidence(
        bool(speed == -4), Verdict.PROVED, f"s = 2, σ = 1: the cost of noise changes at the rate {speed} γ²"
    )


def rectified() -> Evidence:
    """One ReLU unit, weights w1 = w2 = 1, x = ±1, y = 2 relu(x): dΔ/dt for noise ±γ, γ = ⅒, and the formula's."""
    (w1, w2), gamma = sp.symbols("w_1 w_2", real=True), sp.Rational(1, 10)
    relu = lambda z: (z + sp.Abs(z)) / 2
    loss = lambda a, b: sum((2 * relu(sp.Integer(x)) - b * relu(a * x)) ** 2 for x in (1, -1)) / 4
    coins = sum(loss(w1 + i * gamma, w2 + j * gamma) for i in (1, -1) for j in (1, -1)) / 4
    cost, here = coins - loss(w1, w2), {w1: 1, w2: 1}
    true = -sum(cost.diff(w).subs(here) * loss(w1, w2).diff(w).subs(here) for w in (w1, w2))
    overlap = sp.Rational(1, 2)  # mean of f(y − f) over the inputs; Σx = τ = d_out = 1
    claimed = 2 * gamma**2 * overlap
    return Evidence(bool(true == claimed / 2), Verdict.PROVED, f"dΔ/dt = {true}, the formula says {claimed}")


def _turned(angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Balanced W1 = √ε I, W2 = √ε R(angle), A = I, simulated: size of f against the part of the way done."""
    first, second, seen = 0.3 + 0j, 0.3 * np.exp(1j * angle), []
    for _ in range(4000):
        missing = 1 - first * second
        first, second = first + 0.002 * np.conj(second) * missing, second + 0.002 * np.conj(first) * missing
        seen.append((abs(first) ** 2 + abs(second) ** 2, abs(missing)))
    norms, distance = np.array(seen).T
    return 1 - distance / abs(1 - 0.09 * np.exp(1j * angle)), norms / 2


def misaligned() -> Evidence:
    """From a turned balanced start tr H first falls."""
    fall = (norms := _turned(2.5)[1])[0] / norms.min()
    return Evidence(bool(fall > 1.5), Verdict.TESTED, f"tr H first falls by a factor of {fall:.2f}")


def misaligned_curves() -> Curves:
    """tr H along the way to the teacher, from three angles."""
    way = np.linspace(0, 0.99, 100)
    angles = {"turned by 0": 0.0, "turned by 2": 2.0, "turned by 2.5": 2.5}
    return Curves(way, {n: np.interp(way, *_turned(a)) for n, a in angles.items()}, "part of the way to A", "tr H / 8")
