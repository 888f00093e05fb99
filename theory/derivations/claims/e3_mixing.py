"""E3: mixing downstream data into pretraining moves its target; the best share depends on the loss and the length."""

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.matrix_words import scaled
from overtraining.theory.derivations.calculus.trace_calculus import squared_norm
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum
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
from overtraining.theory.derivations.checker.evidence import every, identity, positive, worst_relative_error
from overtraining.theory.derivations.claims import a3_balanced_mode as a3
from overtraining.theory.learning.balanced_mode import singular_value
from overtraining.theory.remedies.mixing import best_task_share

sigma, task, epsilon, t, T, m, x, y = sp.symbols("sigma sigma' epsilon t T m x y", positive=True)
keep, share, distance = sp.symbols("rho q D", positive=True)


def formula() -> dict[str, sp.Expr]:
    """Both losses of a converged mixture; when a share begins to pay; the best one for the trade."""
    best = keep * sigma + (1 - keep) * task
    start = task * best / (best + (task - best) * sp.exp(2 * task * T))
    return {
        "pretraining": share**2 * distance**2 / 2,
        "downstream": (1 - share) ** 2 * distance**2 / 2,
        "onset": sp.log((sigma / epsilon - 1) * task / (sigma - task)) / (2 * sigma),
        "trade": (start - sigma) / (task - sigma),
    }


def path(target: sp.Expr, start: sp.Expr, time: sp.Expr) -> sp.Expr:
    """A3 toward a target."""
    return a3.solved()[0].subs({a3.mu: 0, a3.sigma: target, a3.t: time, a3.epsilon: start}, simultaneous=True)


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The losses as traces at the mixture; pretraining alone is at σ' at the onset; the trade's share leads to v."""
    a, b = (MatrixSum.of(Letter(name, "d_out", "d_in")) for name in "AB")
    mixture = scaled(1 - share, a) + scaled(share, b)
    half, cases = sp.Rational(1, 2), []
    for name, teacher in (("pretraining", a), ("downstream", b)):
        rest = half * squared_norm(mixture - teacher) - (candidate[name] / distance**2) * squared_norm(a - b)
        cases.append((name, Evidence(rest.is_zero(), Verdict.PROVED, f"{len(rest.terms)} traces differ")))
    reached = path(sigma, epsilon, candidate["onset"])
    mixed = sigma + candidate["trade"] * (task - sigma)
    tuned = path(task, sp.simplify(mixed), T)
    cases.append(("onset", identity(sp.simplify(reached), task)))
    cases.append(("trade", identity(sp.simplify(tuned), keep * sigma + (1 - keep) * task)))
    return every(cases, "both losses, the onset, and the share for the trade")


def _gradient() -> Evidence:
    """The gradients by f of the mixed losses and of the mixture's are the same, so the flows of all weights are."""
    f, a, b = (MatrixSum.of(Letter(name, "d_out", "d_in")) for name in "fAB")
    mixture = scaled(1 - share, a) + scaled(share, b)
    rest = scaled(1 - share, f - a) + scaled(share, f - b) - (f - mixture)
    total = squared_norm(rest)
    return Evidence(total.is_zero(), Verdict.PROVED, "‖difference‖² vanishes for symbolic widths")


def _faster() -> Evidence:
    """`1/s = (1 − e^{−2mt})/m + e^{−2mt}/ε` falls with m and, below it, with t: a stronger target is ahead, always.

    In y = 2mt the first term's slope is −(1 − e^{−y} − y e^{−y})/m², and `e^y − 1 − y` is the sum of its series.
    """
    inverse = (1 - sp.exp(-2 * m * t)) / m + sp.exp(-2 * m * t) / epsilon
    series = sp.expand(sp.series(sp.exp(y) - 1 - y, y, 0, 8).removeO())
    first = sp.simplify(((1 - sp.exp(-2 * m * t)) / m).diff(m) * m**2 * sp.exp(2 * m * t))
    ahead = a3.rate().subs({a3.mu: 0, a3.sigma: m, a3.s: m - x}, simultaneous=True)
    return every(
        (
            ("A3", identity(sp.simplify(1 / path(m, epsilon, t) - inverse), 0)),
            ("slope", identity(sp.simplify(first + (sp.exp(y) - 1 - y).subs(y, 2 * m * t)), 0)),
            ("its sign", positive(series)),
            ("second term", positive(-(sp.exp(-2 * m * t) / epsilon).diff(m))),
            ("with t", identity(sp.expand(ahead), sp.expand(2 * x * (m - x)))),
        )
    )


def _order() -> Evidence:
    """After T the mode rises with where it began, `∂p/∂s = (p/s)²e^{−2σ'T}`; so p rises or falls with q throughout."""
    s = sp.Symbol("s", positive=True)
    after = path(task, s, T)
    return identity(sp.simplify(after.diff(s) - (after / s) ** 2 * sp.exp(-2 * task * T)), 0)


def _tuning_replaces() -> Evidence:
    """With v between σ and σ' > σ: the start that leads to v falls with T, from v; so does the share."""
    v = sp.Symbol("v", positive=True)
    start = task * v / (v + (task - v) * sp.exp(2 * task * T))
    return every(
        (
            ("T = 0", identity(sp.simplify(formula()["trade"].subs(T, 0)), 1 - keep)),
            ("falls", positive(sp.factor(sp.simplify(-start.diff(T).subs(task, v + x))))),
        )
    )


def _engine(expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """The trade's share inside (0, 1), and 0 or 1 outside; the onset; and that the best share leads to the task."""
    size = 200
    strong = 10.0 ** generator.uniform(-2, 2, size)
    other = strong * 10.0 ** generator.uniform(-1, 1, size)
    rho, time = generator.uniform(0.05, 0.95, size), generator.uniform(0, 0.5, size) / other
    judge = sp.lambdify((sigma, task, keep, T), expression["trade"], "numpy")
    exact = judge(strong, other, rho, time)
    pole = rho * strong + (1 - rho) * other
    reached = pole * np.exp(-2 * other * time) + other - pole > 0
    inside = reached & (exact > 0.01) & (exact < 0.99)
    got = function(time, strong, other, rho)
    ends = got[~inside & ((exact < 0) | ~reached)]
    if not ((ends == 0).all() and inside.sum() > 50 and ends.size):
        return np.inf
    points = [z[inside] for z in (strong, other, rho, time)]
    gap = np.abs(points[1] - points[0]) / (points[0] + points[1])
    condition = lambda *_: 100 * (3 + 2 * points[1] * points[3]) * np.exp(2 * points[1] * points[3]) / gap**2
    call = lambda a, b, r, z: function(z, a, b, r)
    worst = worst_relative_error(expression["trade"], (sigma, task, keep, T), call, points, condition)
    onset = sp.lambdify((sigma, task, epsilon), expression["onset"], "numpy")
    for _ in range(40):
        a = 10.0 ** generator.uniform(-2, 2)
        b, e = a * generator.uniform(0.1, 0.9), a * 10.0 ** generator.uniform(-9, -2)
        first = onset(a, b, e)
        early, late = np.asarray(best_task_share(first * np.array([0.999, 1.5]), a, b, e))
        if not (early == 0 < late):
            return np.inf
        s = float(singular_value(1.5 * first, (1 - late) * a + late * b, e))
        worst = max(worst, abs(s / b - 1) / (1 + 3 * first * a))
    return worst


def _misaligned() -> Evidence:
    """A = diag(1, 0), B = [[1, .3], [.3, 2]], T = 5: of rank 1 the network gives A's feature up for B's larger one."""
    found = [_forgetting(q) for q in np.linspace(0, 0.6, 13)]
    k = int(np.argmin(found))
    return Evidence(
        k > 0 and found[k] < found[0] - 0.02, Verdict.TESTED, f"L_pre {found[0]:.3f} at 0, {found[k]:.3f} inside"
    )


def _forgetting(q: float) -> float:
    """Pretraining loss after fine-tuning for 5 from the converged mixture, which has rank 2 where q > 0."""
    a, b = np.diag([1.0, 0.0]), np.array([[1.0, 0.3], [0.3, 2.0]])
    target = (1 - q) * a + q * b
    u, s, v = np.linalg.svd(target)
    w1, w2 = np.sqrt(s)[:, None] * v, u * np.sqrt(s)
    for _ in range(500):
        rest = b - w2 @ w1
        w1, w2 = w1 + 0.01 * w2.T @ rest, w2 + 0.01 * rest @ w1.T
    return float(((w2 @ w1 - a) ** 2).sum() / 2)


def _curves() -> Curves:
    q = np.linspace(0, 1, 41)
    return Curves(
        q, {"L_pre": np.array([_forgetting(x) for x in q])}, "share of the task in pretraining", "L_pre after"
    )


DERIVATION = Derivation(
    claim="E3",
    title="Mixing downstream data into pretraining",
    statement=r"A_q=(1-q)A+qB;\quad t\to\infty:\ L_{pre}=\tfrac12q^2\|A-B\|^2,\ L_{ft}=\tfrac12(1-q)^2\|A-B\|^2;\quad "
    r"q^*_{ft}=0\ \text{until}\ t_0=\frac1{2\sigma}\ln\frac{(\sigma/\epsilon-1)\sigma'}{\sigma-\sigma'};\quad "
    r"q^*_\rho=\frac{m-\sigma}{\sigma'-\sigma},\ m=\frac{\sigma'v}{v+(\sigma'-v)e^{2\sigma'T}},\ "
    r"v=\rho\sigma+(1-\rho)\sigma'",
    plain="Mixing is pretraining on a target between the tasks, and at convergence the best trade between them; where "
    "pretraining's feature is the stronger one, no downstream data helps even the downstream loss until pretraining "
    "alone has reached the task, and fine-tuning that follows replaces mixing, the longer the more.",
    symbols={
        "A,B": "pretraining's teacher and the task's",
        "q": "share of downstream data in pretraining",
        "D": "‖A − B‖",
        r"\sigma,\sigma'": "singular value of pretraining's teacher and of the task",
        r"\epsilon": "singular value at the start",
        "t_0": "length from which a share of downstream data helps the downstream loss",
        r"\rho": "weight of L_pre in the trade, 1 − ρ that of L_ft",
        "T": "fine-tuning budget, gradient-flow time",
    },
    assumptions=(
        Assumption(
            "shared singular vectors",
            "For the best shares: the task has pretraining's singular vectors.",
            Counterexample("On a turned task some mixing lowers what fine-tuning then forgets.", _misaligned, _curves),
        ),
        Assumption("same inputs", "Both tasks have inputs of the same covariance (D7t)."),
        Assumption("wide enough hidden layer", "h carries the mixture."),
        Assumption("balanced start", "For the best shares."),
        Assumption("aligned start", "For the best shares."),
        Assumption("gradient flow", "Pretraining and fine-tuning follow the flow."),
    ),
    steps=(
        Step(
            r"\nabla\left((1-q)L_A+qL_B\right)=\nabla L_{A_q}",
            "By f, and so by all weights: every closed form of pretraining holds with the mixture for the teacher.",
            _gradient,
        ),
        Step(
            r"\frac{\partial s}{\partial m}>0,\quad\frac{\partial s}{\partial t}=2s(m-s)",
            "A stronger target is ahead at every length; so s falls with q if σ' < σ, and rises if σ' > σ.",
            _faster,
        ),
        Step(
            r"\frac{\partial p}{\partial s}=\left(\frac ps\right)^2e^{-2\sigma'T}>0",
            "Fine-tuning keeps the order. A loss ½(v − p)² is then least where p = v, or at the nearer end: "
            "downstream, v = σ', where pretraining is at σ' itself.",
            _order,
        ),
        Step(
            r"T=0:\ q^*_\rho=1-\rho;\qquad\frac{\partial m}{\partial T}<0",
            "Without tuning the trade's weights are the shares; with it less is mixed in.",
            _tuning_replaces,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("losses exchanged", lambda f: f | {"pretraining": f["downstream"], "downstream": f["pretraining"]}),
        Variant("a straight trade", lambda f: f | {"pretraining": share * distance**2 / 2}),
        Variant("½ missing", lambda f: f | {"downstream": 2 * f["downstream"]}),
        Variant("clock of the task", lambda f: f | {"onset": f["onset"] * sigma / task}),
        Variant("rate σ", lambda f: f | {"onset": 2 * f["onset"]}),
        Variant("−1 dropped", lambda f: f | {"onset": sp.log(sigma / epsilon * task / (sigma - task)) / (2 * sigma)}),
        Variant("tuning forgotten", lambda f: f | {"trade": 1 - keep}),
        Variant("time reversed", lambda f: f | {"trade": f["trade"].subs(T, -T)}),
        Variant("losses' weights exchanged", lambda f: f | {"trade": f["trade"].subs(keep, 1 - keep)}),
    ),
    special_case=SpecialCase("equal weights and shares, no tuning", lambda f: {
        k: sp.simplify(e.subs({T: 0, keep: sp.Rational(1, 2), share: sp.Rational(1, 2)})) for k, e in f.items()}),
    floor=Verdict.PROVED,
    uses=("A3", "D7t"),
    link=Link(
        "overtraining.theory.remedies.mixing.tradeoff_task_share",
        "σ 1e-2 … 1e2, σ'/σ 0.1 … 10; the onset and shares after it",
        _engine,
    ),
    source="ours; mixing was studied in arXiv 2605.12705",
)  # fmt: skip
