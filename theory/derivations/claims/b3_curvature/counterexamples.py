"""What happens to B3's spectrum without balance, alignment or white inputs."""

import numpy as np
import sympy as sp

from overtraining.theory.derivations.checker.core import Curves, Evidence, Verdict
from overtraining.theory.derivations.claims.b3_curvature.hessian import exact_hessian


def largest(w1: sp.Matrix, w2: sp.Matrix, teacher: sp.Matrix, covariance: sp.Matrix | None = None) -> float:
    """λ_max, numerically, of the exact Hessian."""
    return float(np.linalg.eigvalsh(np.array(exact_hessian(w1, w2, teacher, covariance), dtype=float))[-1])


def unbalanced() -> Evidence:
    """One mode, p = w1 w2 = 1 = σ: λ_max is w1² + w2², which is 2σ only for w1 = w2."""
    found = largest(sp.Matrix([[sp.Rational(1, 3)]]), sp.Matrix([[3]]), sp.Matrix([[1]]))
    return Evidence(found > 4 * 2, Verdict.TESTED, f"λ_max = {found:.2f} at w1 = 1/3, w2 = 3, where the roots end at 2")


def misaligned() -> Evidence:
    """A turned teacher has a larger curvature than the aligned formula."""
    found, claimed = _turned(sp.Rational(1, 2)), 2.0
    return Evidence(found > claimed + 0.3, Verdict.TESTED, f"λ_max = {found:.2f} against {claimed:.2f} when aligned")


def misaligned_curves() -> Curves:
    """The largest curvature against the angle."""
    half = np.linspace(0, 1, 9)
    exact = [_turned(sp.Rational(int(8 * t), 8)) for t in half]
    return Curves(
        2 * np.arctan(half),
        {"exact": np.array(exact), "formula": np.full(half.size, 2.0)},
        "angle of the teacher against the student",
        "largest curvature",
    )


def _turned(half: sp.Rational) -> float:
    """Two modes, s = 1 and ½ as the teacher's, whose output frame is turned by 2 arctan(half); rational entries."""
    root = sp.diag(1, sp.Rational(5, 7))
    cos, sin = (1 - half**2) / (1 + half**2), 2 * half / (1 + half**2)
    return largest(root, root, sp.Matrix([[cos, -sin], [sin, cos]]) * root**2)


def unwhitened() -> Evidence:
    """Both modes learned, s = σ = (1, 1): λ_max is 2 for white inputs of the same total variance, 2.5 here."""
    eye, covariance = sp.eye(2), sp.diag(sp.Rational(3, 2), sp.Rational(1, 2))
    found = largest(eye, eye, eye, covariance)
    return Evidence(found > 2.4, Verdict.TESTED, f"λ_max = {found:.2f} for Σx = diag(1.5, 0.5), the formula says 2")
