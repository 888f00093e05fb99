"""B4: growth of the cost of noise in other networks: one layer, deeper linear ones, and ReLUs."""

import sympy as sp

from overtraining.theory.derivations.calculus.trace_calculus import rate
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum
from overtraining.theory.derivations.checker.core import Evidence, Verdict
from overtraining.theory.derivations.checker.evidence import every, identity

c, z = sp.symbols("c z", positive=True)


def depth_one() -> Evidence:
    """`½ tr((W + N − A) Σx (·)ᵀ)`: the terms of second order in N contain no W, at any widths."""
    w, n, a = (MatrixSum.of(Letter(name, "d_out", "d_in")) for name in ("W", "N", "A"))
    error = w + n - a
    covariance = MatrixSum.of(Letter("Sx", "d_in", "d_in", symmetric=True))
    twice_the_loss = (error @ covariance @ error.T).trace()
    names = [[x.name for word in key for x in word] for key in twice_the_loss.terms]
    second = [found for found in names if found.count("N") == 2]
    holds = bool(second) and any("W" in found for found in names) and not any("W" in found for found in second)
    return Evidence(holds, Verdict.PROVED, "for symbolic widths, H contains no weight: convex, nothing can grow")


def homogeneous() -> Evidence:
    """Euler, for a layer W of `f = P W R`, whatever the layers above and below: tr(Wᵀ ∂L/∂W) is the same for all."""
    p, w, r, a = (
        MatrixSum.of(Letter(*x)) for x in (("P", "m", "n"), ("W", "n", "k"), ("R", "k", "n0"), ("A", "m", "n0"))
    )
    f = p @ w @ r
    covariance = MatrixSum.of(Letter("Sx", "n0", "n0", symmetric=True))
    loss = sp.Rational(1, 2) * ((f - a) @ covariance @ (f - a).T).trace()
    rest = rate((w @ w.T).trace(), loss, ["W"]) - 2 * ((a - f) @ covariance @ f.T).trace()
    return Evidence(rest.is_zero(), Verdict.PROVED, f"{len(rest.terms)} traces differ, at every depth and width")


def relu_halves() -> Evidence:
    """One hidden unit W2_k relu(W1_k·x) at ±x, with z = W1_k·x > 0: the mean of the squared entries of the Jacobian."""
    preactivation, n, u = sp.symbols("preactivation n u", real=True)
    unit = u * sp.Max(0, preactivation)

    def slopes(at: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
        return (
            sp.diff(unit, u).subs(preactivation, at),
            sp.diff(unit, preactivation).subs(preactivation, at).doit() * n,
        )

    sides = {"z": z, "−z": -z}
    squares = [sum(slopes(at)[i] ** 2 for at in sides.values()) / 2 for i in (0, 1)]
    scaled = [identity(unit.subs(preactivation, c * at), c * unit.subs(preactivation, at)) for at in sides.values()]
    return every(
        (
            ("W2's part is ½ z²", identity(squares[0], z**2 / 2)),
            ("W1's part is ½ u² ‖x‖²", identity(squares[1], u**2 * n**2 / 2)),
            ("homogeneous for z > 0", scaled[0]),
            ("homogeneous for z < 0", scaled[1]),
            *((f"with a bias, {name}", _with_bias(at)) for name, at in sides.items()),
        ),
        "half of every unit's squared slopes, so half of d_out‖W1‖² + d_in‖W2‖² for whitened inputs",
    )


def _with_bias(at: sp.Expr) -> Evidence:
    """Euler for `u relu(w x + b)` in w and b together, which therefore grow at the rate of u."""
    u, w, x, b = sp.symbols("u w x b", real=True)
    unit = u * sp.Max(0, w * x + b)
    here = {b: at - w * x}

    def euler(*ys: sp.Expr) -> sp.Expr:
        return sum(y * unit.diff(y) for y in ys).subs(here).doit()

    return every((("w, b", identity(euler(w, b), unit.subs(here))), ("u", identity(euler(u), unit.subs(here)))))
