"""What is left, and what fails, in other networks than the two-layer linear one: steps of B4 and counterexamples."""

import numpy as np
import sympy as sp

from theory.derivations.core import Evidence, Verdict
from theory.derivations.evidence import every, identity
from theory.derivations.trace_calculus import rate
from theory.derivations.trace_words import Letter, MatrixSum

c, z = sp.symbols("c z", positive=True)


def depth_one() -> Evidence:
    size = (2, 3)
    W, teacher, root = (sp.Matrix(*m, lambda i, j, n=n: sp.Symbol(f"{n}{i}{j}")) for n, m in
                        (("w", size), ("a", size), ("r", (3, 3))))  # fmt: skip
    loss = ((W - teacher) * root * root.T * (W - teacher).T).trace() / 2
    hessian = sp.hessian(loss, list(W)).applyfunc(sp.expand)
    return Evidence(not hessian.free_symbols & set(W), Verdict.PROVED, "H contains no weight: convex, nothing can grow")


def homogeneous() -> Evidence:
    """Euler, for every layer of linear networks of depth 1 … 5: tr(W_lᵀ ∂L/∂W_l) is the same for all."""
    return every(
        (f"depth {depth}, layer {layer}", _euler(depth, layer)) for depth in range(1, 6) for layer in range(depth)
    )


def _euler(depth: int, layer: int) -> Evidence:
    letters = [Letter(f"W{i + 1}", f"n{i + 1}", f"n{i}") for i in range(depth)]
    f = MatrixSum.of(letters[0])
    for letter in letters[1:]:
        f = MatrixSum.of(letter) @ f
    teacher, covariance = (
        MatrixSum.of(Letter("A", f"n{depth}", "n0")),
        MatrixSum.of(Letter("Sx", "n0", "n0", symmetric=True)),
    )
    loss = sp.Rational(1, 2) * ((f - teacher) @ covariance @ (f - teacher).T).trace()
    w = MatrixSum.of(letters[layer])
    rest = rate((w @ w.T).trace(), loss, [letters[layer].name]) - 2 * ((teacher - f) @ covariance @ f.T).trace()
    return Evidence(rest.is_zero(), Verdict.PROVED, f"{len(rest.terms)} traces differ")


def relu_halves() -> Evidence:
    """One hidden unit W2_k relu(W1_k·x) met by ±x, with z = W1_k·x > 0: the Jacobian's squares are averaged."""
    preactivation, n, u = sp.symbols("preactivation n u", real=True)
    unit = u * sp.Max(0, preactivation)
    slopes = lambda at: (sp.diff(unit, u).subs(preactivation, at),
                         sp.diff(unit, preactivation).subs(preactivation, at).doit() * n)  # fmt: skip
    squares = [sum(side[i] ** 2 for side in (slopes(z), slopes(-z))) / 2 for i in (0, 1)]
    scaled = [identity(unit.subs(preactivation, c * at), c * unit.subs(preactivation, at)) for at in (z, -z)]
    return every((
        ("W2's part is ½ z²", identity(squares[0], z**2 / 2)),
        ("W1's part is ½ u² ‖x‖²", identity(squares[1], u**2 * n**2 / 2)),
        ("homogeneous for z > 0", scaled[0]),
        ("homogeneous for z < 0", scaled[1]),
    ), "half of every unit's squared slopes, so half of d_out‖W1‖² + d_in‖W2‖² for whitened inputs")  # fmt: skip


def rectified() -> Evidence:
    """tr of the Gauss–Newton part of one ReLU unit, w1 = w2 = 1, x = ±1: half of the linear unit's w1² + w2²."""
    mean = sum(max(x, 0.0) ** 2 + (x > 0) * x**2 for x in (1.0, -1.0)) / 2
    return Evidence(mean < 0.6 * 2, Verdict.TESTED, f"{mean:.1f} for the ReLU unit, 2 for the linear one")


def rectified_noise() -> Evidence:
    """A ReLU after w1 = 0 with noise, w2 = 1 without, A = 0, x = 1: half of the linear network's cost."""
    n, weight = np.polynomial.hermite_e.hermegauss(40)
    mean = float(weight @ np.maximum(n, 0) ** 2 / 2 / weight.sum())
    return Evidence(mean < 0.26, Verdict.TESTED, f"a ReLU between the layers: {mean:.2f} γ² instead of 0.50 γ²")
