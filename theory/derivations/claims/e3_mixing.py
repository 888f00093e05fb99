"""E3: mixing downstream data into pretraining moves its teacher; the best share depends on the loss and the length."""

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

sigma, sigma_task, epsilon, t, T, m, x, y = sp.symbols("sigma sigma' epsilon t T m x y", positive=True)
rho, task_share, distance = sp.symbols("rho q D", positive=True)  # rho: weight of the pretraining loss


def formula() -> dict[str, sp.Expr]:
    """Both losses of a converged mixture; the length from which a share helps; the best share for the trade-off."""
    best = rho * sigma + (1 - rho) * sigma_task
    start = sigma_task * best / (best + (sigma_task - best) * sp.exp(2 * sigma_task * T))
    return {
        "pretraining": task_share**2 * distance**2 / 2,
        "downstream": (1 - task_share) ** 2 * distance**2 / 2,
        "onset": sp.log((sigma / epsilon - 1) * sigma_task / (sigma - sigma_task)) / (2 * sigma),
        "trade-off": (start - sigma) / (sigma_task - sigma),
    }


def path(time: sp.Expr, value: sp.Expr, start: sp.Expr) -> sp.Expr:
    """A3's path toward a singular value of the teacher, from a start."""
    return a3.solved()[0].subs({a3.mu: 0, a3.sigma: value, a3.t: time, a3.epsilon: start}, simultaneous=True)


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The losses as traces; pretraining alone is at σ' at the onset; the best share leads to v after fine-tuning."""
    a, b = (MatrixSum.of(Letter(name, "d_out", "d_in")) for name in "AB")
    mixture = scaled(1 - task_share, a) + scaled(task_share, b)
    cases = []
    for name, teacher in (("pretraining", a), ("downstream", b)):
        loss = sp.Rational(1, 2) * squared_norm(mixture - teacher)
        difference = loss - (candidate[name] / distance**2) * squared_norm(a - b)
        detail = f"{len(difference.terms)} traces differ"
        cases.append((name, Evidence(difference.is_zero(), Verdict.PROVED, detail)))
    at_onset = path(candidate["onset"], sigma, epsilon)
    mixed = sigma + candidate["trade-off"] * (sigma_task - sigma)
    end = path(T, sigma_task, mixed)
    cases.append(("onset", identity(at_onset, sigma_task)))
    cases.append(("trade-off", identity(end, rho * sigma + (1 - rho) * sigma_task)))
    return every(cases, "both losses, the onset, and the share for the trade-off")


def _gradient() -> Evidence:
    """The mixed losses and the loss of the mixture have the same gradient in f, so all weights have the same flow."""
    f, a, b = (MatrixSum.of(Letter(name, "d_out", "d_in")) for name in "fAB")
    mixture = scaled(1 - task_share, a) + scaled(task_share, b)
    difference = scaled(1 - task_share, f - a) + scaled(task_share, f - b) - (f - mixture)
    holds = squared_norm(difference).is_zero()
    return Evidence(holds, Verdict.PROVED, "‖difference‖² vanishes for symbolic widths")


def _faster() -> Evidence:
    """`1/s = (1 − e^{−2mt})/m + e^{−2mt}/ε` falls with m and, for s < m, with t: a stronger teacher is always ahead.

    With y = 2mt the slope of the first term is −(1 − e^{−y} − y e^{−y})/m²; `e^y − 1 − y` has positive coefficients.
    """
    terms = (1 - sp.exp(-2 * m * t)) / m, sp.exp(-2 * m * t) / epsilon
    ahead_by = sp.exp(y) - 1 - y
    series = sp.expand(sp.series(ahead_by, y, 0, 8).removeO())
    first = sp.simplify(terms[0].diff(m) * m**2 * sp.exp(2 * m * t))
    ahead = a3.rate().subs({a3.mu: 0, a3.sigma: m, a3.s: m - x}, simultaneous=True)
    return every(
        (
            ("A3", identity(sp.simplify(1 / path(t, m, epsilon) - sum(terms)), 0)),
            ("slope", identity(sp.simplify(first + ahead_by.subs(y, 2 * m * t)), 0)),
            ("its sign", positive(series)),
            ("second term", positive(-terms[1].diff(m))),
            ("with t", identity(sp.expand(ahead), sp.expand(2 * x * (m - x)))),
        )
    )


def _order() -> Evidence:
    """After fine-tuning the mode p increases with its start s, `∂p/∂s = (p/s)²e^{−2σ'T}`, so p is monotone in q."""
    s = sp.Symbol("s", positive=True)
    after = path(T, sigma_task, s)
    return identity(sp.simplify(after.diff(s) - (after / s) ** 2 * sp.exp(-2 * sigma_task * T)), 0)


def _fine_tuning_replaces() -> Evidence:
    """With v between σ and σ' > σ, the start that leads to v falls with T from v, and so does the best share."""
    v = sp.Symbol("v", positive=True)
    start = sigma_task * v / (v + (sigma_task - v) * sp.exp(2 * sigma_task * T))
    return every(
        (
            ("leads to v", identity(sp.simplify(path(T, sigma_task, start)), v)),
            ("T = 0", identity(sp.simplify(formula()["trade-off"].subs(T, 0)), 1 - rho)),
            ("falls", positive(sp.factor(sp.simplify(-start.diff(T).subs(sigma_task, v + x))), zero_at={x: 0})),
        )
    )


def _engine_error(
    expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator
) -> float:
    """The best share for the trade-off within (0, 1), and 0 at the end; the onset and the best share after it."""
    share_error = _tradeoff_error(expression["trade-off"], function, generator)
    return max(share_error, _onset_error(expression["onset"], generator))


def _tradeoff_error(expression: sp.Expr, function: Callable[..., Any], generator: np.random.Generator) -> float:
    size = 200
    strong = 10.0 ** generator.uniform(-2, 2, size)
    other = strong * 10.0 ** generator.uniform(-1, 1, size)
    weight = generator.uniform(0.05, 0.95, size)
    budget = generator.uniform(0, 0.5, size) / other
    exact = sp.lambdify((sigma, sigma_task, rho, T), expression, "numpy")(strong, other, weight, budget)
    best = weight * strong + (1 - weight) * other
    reachable = best * np.exp(-2 * other * budget) + other - best > 0
    inside = reachable & (exact > 0.01) & (exact < 0.99)
    shares = function(budget, strong, other, weight)
    at_end = shares[~inside & ((exact < 0) | ~reachable)]
    if not ((at_end == 0).all() and inside.sum() > 50 and at_end.size):
        return np.inf
    points = [values[inside] for values in (budget, strong, other, weight)]
    time, first, second, _ = points
    gap = np.abs(second - first) / (first + second)
    condition = 100 * (3 + 2 * second * time) * np.exp(2 * second * time) / gap**2
    symbols = (T, sigma, sigma_task, rho)
    return worst_relative_error(expression, symbols, function, points, lambda *_: condition)


def _onset_error(expression: sp.Expr, generator: np.random.Generator) -> float:
    """Before the onset the best share is 0; after it, the best share must lead to the task's value."""
    onset = sp.lambdify((sigma, sigma_task, epsilon), expression, "numpy")
    worst = 0.0
    for _ in range(40):
        a = 10.0 ** generator.uniform(-2, 2)
        b = a * generator.uniform(0.1, 0.9)
        start = a * 10.0 ** generator.uniform(-9, -2)
        length = onset(a, b, start)
        early, late = np.asarray(best_task_share(length * np.array([0.999, 1.5]), a, b, start))
        if not (early == 0 < late):
            return np.inf
        s = float(singular_value(1.5 * length, (1 - late) * a + late * b, start))
        worst = max(worst, abs(s / b - 1) / (1 + 3 * length * a))
    return worst


def _misaligned() -> Evidence:
    """A = diag(1, 0), B = [[1, .3], [.3, 2]], T = 5: a network of rank 1 gives up A's feature for B's larger one."""
    losses = [_pretraining_loss(q) for q in np.linspace(0, 0.6, 13)]
    best = int(np.argmin(losses))
    detail = f"L_pre {losses[0]:.3f} without mixing, {losses[best]:.3f} at the best share"
    return Evidence(best > 0 and losses[best] < losses[0] - 0.02, Verdict.TESTED, detail)


def _pretraining_loss(q: float) -> float:
    """The pretraining loss after fine-tuning for 5 from the converged mixture, which has rank 2 if q > 0."""
    a = np.diag([1.0, 0.0])
    b = np.array([[1.0, 0.3], [0.3, 2.0]])
    u, s, v = np.linalg.svd((1 - q) * a + q * b)
    w1, w2 = np.sqrt(s)[:, None] * v, u * np.sqrt(s)
    for _ in range(500):
        unlearned = b - w2 @ w1
        w1, w2 = w1 + 0.01 * w2.T @ unlearned, w2 + 0.01 * unlearned @ w1.T
    return float(((w2 @ w1 - a) ** 2).sum() / 2)


def _share_curves() -> Curves:
    q = np.linspace(0, 1, 41)
    curves = {"L_pre": np.array([_pretraining_loss(x) for x in q])}
    return Curves(q, curves, "share of downstream data in pretraining", "L_pre after fine-tuning")


DERIVATION = Derivation(
    claim="E3",
    title="Mixing downstream data into pretraining",
    statement=r"A_q=(1-q)A+qB;\quad t\to\infty:\ L_{pre}=\tfrac12q^2\|A-B\|^2,\ L_{ft}=\tfrac12(1-q)^2\|A-B\|^2;\quad "
    r"q^*_{ft}=0\ \text{until}\ t_0=\frac1{2\sigma}\ln\frac{(\sigma/\epsilon-1)\sigma'}{\sigma-\sigma'};\quad "
    r"q^*_\rho=\frac{m-\sigma}{\sigma'-\sigma},\ m=\frac{\sigma'v}{v+(\sigma'-v)e^{2\sigma'T}},\ "
    r"v=\rho\sigma+(1-\rho)\sigma'",
    plain="Mixing is pretraining on a teacher between the two tasks, and at convergence it is the best trade-off "
    "between them. If pretraining's feature is the stronger one, no downstream data helps even the downstream loss "
    "until pretraining alone has reached the task. Fine-tuning afterwards replaces mixing, and more so the longer it "
    "is.",
    symbols={
        "A,B": "teachers of pretraining and of the downstream task",
        "q": "share of downstream data in pretraining",
        "D": "‖A − B‖",
        r"\sigma,\sigma'": "singular value of the pretraining teacher and of the task",
        r"\epsilon": "singular value at the start",
        "t_0": "length from which a share of downstream data helps the downstream loss",
        r"\rho": "weight of L_pre in the trade-off; that of L_ft is 1 − ρ",
        "T": "fine-tuning budget, gradient-flow time",
    },
    assumptions=(
        Assumption(
            "shared singular vectors",
            "Needed for the best shares: the task has the singular vectors of pretraining.",
            Counterexample(
                "On a rotated task some mixing reduces the forgetting in fine-tuning.", _misaligned, _share_curves
            ),
        ),
        Assumption("same inputs", "Both tasks have inputs of the same covariance (D7t)."),
        Assumption("wide enough hidden layer", "h is large enough for the mixture."),
        Assumption("balanced start", "Needed for the best shares."),
        Assumption("aligned start", "Needed for the best shares."),
        Assumption("gradient flow", "Pretraining and fine-tuning follow the flow."),
    ),
    steps=(
        Step(
            r"\nabla\left((1-q)L_A+qL_B\right)=\nabla L_{A_q}",
            "The gradients in f agree, so those in all weights do: every closed form of pretraining holds with the "
            "mixture as the teacher.",
            _gradient,
        ),
        Step(
            r"\frac{\partial s}{\partial m}>0,\quad\frac{\partial s}{\partial t}=2s(m-s)",
            "A stronger teacher is ahead at every length, so s falls with q if σ' < σ and rises if σ' > σ.",
            _faster,
        ),
        Step(
            r"\frac{\partial p}{\partial s}=\left(\frac ps\right)^2e^{-2\sigma'T}>0",
            "Fine-tuning keeps the order. So a loss ½(v − p)² is least at p = v, or at the nearer end of the range of "
            "p. For the downstream loss v = σ', which is reached if pretraining ends at σ' itself.",
            _order,
        ),
        Step(
            r"T=0:\ q^*_\rho=1-\rho;\qquad\frac{\partial m}{\partial T}<0",
            "Without fine-tuning the best shares are the weights of the losses; with it, less is mixed in.",
            _fine_tuning_replaces,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("losses exchanged", lambda f: f | {"pretraining": f["downstream"], "downstream": f["pretraining"]}),
        Variant("losses linear in q", lambda f: f | {"pretraining": task_share * distance**2 / 2}),
        Variant("½ missing", lambda f: f | {"downstream": 2 * f["downstream"]}),
        Variant("onset with 1/σ' for 1/σ", lambda f: f | {"onset": f["onset"] * sigma / sigma_task}),
        Variant("onset with 1/σ for 1/(2σ)", lambda f: f | {"onset": 2 * f["onset"]}),
        Variant(
            "σ/ε for σ/ε − 1",
            lambda f: f | {"onset": sp.log(sigma / epsilon * sigma_task / (sigma - sigma_task)) / (2 * sigma)},
        ),
        Variant("fine-tuning ignored", lambda f: f | {"trade-off": 1 - rho}),
        Variant("−T for T", lambda f: f | {"trade-off": f["trade-off"].subs(T, -T)}),
        Variant("weights of the losses exchanged", lambda f: f | {"trade-off": f["trade-off"].subs(rho, 1 - rho)}),
    ),
    special_case=SpecialCase(
        "equal weights and shares, no fine-tuning",
        lambda f: {k: e.subs({T: 0, rho: sp.Rational(1, 2), task_share: sp.Rational(1, 2)}) for k, e in f.items()},
    ),
    floor=Verdict.PROVED,
    uses=("A3", "D7t"),
    link=Link(
        "overtraining.theory.remedies.mixing.tradeoff_task_share",
        "σ 1e-2 … 1e2, σ'/σ 0.1 … 10; the onset and shares after it",
        _engine_error,
    ),
    source="ours; mixing was studied in arXiv 2605.12705",
)
