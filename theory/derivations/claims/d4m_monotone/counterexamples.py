"""What breaks claim D4m beyond its budgets: a direction beyond turns a feature past a learned one, however small T."""

from typing import Any

import mpmath
import numpy as np

from overtraining.theory.derivations.checker.core import Curves, Evidence, Verdict

THREE = mpmath.mpf(3)


def growth(budget: Any, sigma: list[Any], task: Any, n: int) -> Any:
    """`Δ_{n+1} − Δ_n` by A5 with all digits, from the plateaus themselves."""
    d = task.rows
    force, teacher = mpmath.zeros(2 * d), mpmath.diag([*sigma, *[0] * (d - len(sigma))])
    force[d:, :d], force[:d, d:] = task, task.T
    rate, basis = mpmath.eigsy(force)
    middle = mpmath.diag([mpmath.expm1(2 * x * budget) / (2 * x) if x else budget for x in rate])
    ahead = basis * mpmath.diag([mpmath.exp(x * budget) for x in rate]) * basis.T

    def rise(learned: int) -> Any:
        if not learned:
            return mpmath.mpf(0)
        start = mpmath.zeros(2 * d, learned)
        for k in range(learned):
            start[k, k] = start[d + k, k] = mpmath.sqrt(sigma[k])
        within = basis.T * start
        q = ahead * start
        f = (q * mpmath.inverse(mpmath.eye(learned) + within.T * middle * within) * q.T)[d:, :d] - teacher
        return mpmath.fsum(x * x for x in f) / 2 - mpmath.fsum(x * x for x in sigma[learned:]) / 2

    return rise(n + 1) - rise(n)


def past(budget: Any, sigma: Any) -> Any:
    """A task of norm 1: the direction beyond turns feature 2 past feature 1, `u₁ = −T y + ½T²y'b`, at `u₃ = Tb`.

    y is such that the next feature overlaps with the strong one while the strong one does not see it, and B₂₂ such that
    its piece keeps its size; `y' = √3/2`, `b = ½`.
    """
    far, near = mpmath.sqrt(THREE) / 2, mpmath.mpf(1) / 2
    y, own = -mpmath.mpf(7) / 6 * budget * far * near, sigma - near**2 * budget
    task = mpmath.matrix([[0, y, far], [y, own, near], [far, near, 0]])
    return task / mpmath.sqrt(max(mpmath.eigsy(task.T * task, eigvals_only=True)))


def falls(reach: Any, gap: Any, strong: Any = 0) -> Any:
    """The growth over T⁴σ for σ = (1, gap + strong, strong) at `‖B‖T = reach √gap`."""
    sigma = [mpmath.mpf(1), gap + strong, strong] if strong else [mpmath.mpf(1), gap]
    budget = reach * mpmath.sqrt(gap)
    return growth(budget, sigma, past(budget, gap + strong), 1) / budget**4 / (gap + strong)


def beyond() -> Evidence:
    """At 2.2 √gap Δ falls however small the gap, ‖B‖T and σ₁T are; the budgets of the claim are 9 times smaller."""
    with mpmath.workdps(50):
        found = [float(falls(mpmath.mpf("2.2"), mpmath.mpf(10) ** -k)) for k in (4, 6, 8)]
        within = [float(falls(mpmath.mpf("0.25"), mpmath.mpf(10) ** -k)) for k in (4, 6, 8)]
    detail = f"growth/(T⁴σ) at gaps of 1e-4, 1e-6, 1e-8: {', '.join(f'{x:.4f}' for x in found)}; at ¼√gap positive"
    return Evidence(max(found) < -0.008 and min(within) > 0, Verdict.TESTED, detail)


def equal_features() -> Evidence:
    """Not the weakness of a feature but its distance to the next one counts: σ = (1, 0.01 + g, 0.01), g → 0."""
    with mpmath.workdps(50):
        found = [float(falls(mpmath.mpf(4), mpmath.mpf(10) ** -k, mpmath.mpf("0.01"))) for k in (6, 8)]
    return Evidence(max(found) < 0, Verdict.TESTED, f"growth/(T⁴σ) at 4√g: {found[0]:.4f}, {found[1]:.4f}")


def curves() -> Curves:
    """The growth against the budget in units of √gap, one curve for each gap."""
    reach = np.linspace(0.25, 4.0, 31)
    with mpmath.workdps(40):
        rows = {f"gap 1e-{k}": np.array([float(falls(mpmath.mpf(float(x)), mpmath.mpf(10) ** -k)) for x in reach])
                for k in (2, 4, 6)}  # fmt: skip
    return Curves(reach, rows, "‖B‖T/√gap", "growth of the cost/(T⁴σ)")
