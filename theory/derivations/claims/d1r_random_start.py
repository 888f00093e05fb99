"""D1r: fine-tuning after small Gaussian weights: A8's random starts go through both tasks, D1's curve after A3's."""

from collections.abc import Callable
from functools import cache

import mpmath
import numpy as np
import sympy as sp

from overtraining.theory.derivations.checker.core import (
    Assumption,
    Counterexample,
    Derivation,
    Evidence,
    Link,
    SpecialCase,
    Step,
    Variant,
    Verdict,
)
from overtraining.theory.derivations.checker.evidence import every, identity, tested
from overtraining.theory.derivations.claims import a8_random_start as a8, d1_fine_tuning as d1
from overtraining.theory.derivations.claims.shared.matrix_runs import end_of_flow, teacher_of

T, t, eps, si, sj, v, k = d1.T, a8.a3.t, a8.eps, a8.si, a8.sj, a8.v, a8.k
task_i, task_j = d1.sigma_task, sp.Symbol("sigma_j'", real=True, nonzero=True)
Means = dict[str, sp.Expr]


def formula() -> Means:
    """x after t and T from ε, the law of ε, the overlap A of mode j with mode i, and the delay δ of mode i."""
    density = eps ** (k / 2 - 1) * sp.exp(-eps / (2 * v)) / ((2 * v) ** (k / 2) * sp.gamma(k / 2))
    grown = eps * sp.exp(2 * si * t) * sp.exp(2 * task_i * T)
    paid = 1 + eps * (_integral(si, t) + sp.exp(2 * si * t) * _integral(task_i, T))
    overlap = v * sp.exp(2 * sj * t + 2 * task_j * T) / paid
    delay = -v * grown / paid**2 * (_integral(sj, t) + sp.exp(2 * sj * t) * _integral(task_j, T))
    return {"x": grown / paid, "density": density, "overlap": overlap, "delay": delay}


def conclusion(candidate: Means) -> Evidence:
    """x against A3's path, used twice; the law by its moments; overlap and delay by A8's equations in both phases."""
    overlap = candidate["overlap"]
    return every(
        (
            ("x", identity(_path(_path(eps, si, t), task_i, T), candidate["x"])),
            ("density", a8.moments(candidate["density"])),
            ("overlap", _obeys(overlap, v, lambda a, x, i, j: 2 * a * (j - x))),
            ("delay", _obeys(candidate["delay"], sp.S.Zero, lambda d, x, i, j: 2 * d * (i - 2 * x) - 2 * x * overlap)),
        )
    )


def _path(start: sp.Expr, sigma: sp.Expr, time: sp.Expr) -> sp.Expr:
    """A3's solution, without decay."""
    of = {a8.a3.sigma: sigma, a8.a3.epsilon: start, a8.a3.t: time, a8.a3.mu: 0}
    return a8.a3.solved()[0].subs(of, simultaneous=True)


def _obeys(value: sp.Expr, first: sp.Expr, slope: Callable[[sp.Expr, sp.Expr, sp.Expr, sp.Expr], sp.Expr]) -> Evidence:
    """Whether it starts at `first`, and has the slope of pretraining at T = 0 and that of fine-tuning after it."""
    pretrained = _path(eps, si, t)
    tuned = _path(pretrained, task_i, T)
    return identity(
        (value.subs({t: 0, T: 0}), value.subs(T, 0).diff(t), value.diff(T)),
        (first, slope(value, pretrained, si, sj).subs(T, 0), slope(value, tuned, task_i, task_j)),
    )


def _integral(rate: sp.Expr, time: sp.Expr) -> sp.Expr:
    """`2∫e^{2κt} dt`."""
    return (sp.exp(2 * rate * time) - 1) / rate


def _ratio() -> Evidence:
    """`d/dT ln(A/A_0)` integrates `2(σ_j' − x_i)`: fine-tuning multiplies A by `(x_i(T)/s_i) e^{2(σ_j' − σ_i')T}`."""
    f = formula()
    factor = (f["x"] / f["x"].subs(T, 0)) * sp.exp(2 * (task_j - task_i) * T)
    return identity(f["overlap"], f["overlap"].subs(T, 0) * factor)


@cache
def _error(sigma: tuple[float, float], task: tuple[float, float], std: float, learned: bool) -> float:
    """Of the mean losses on both tasks, over 60 starts of a 3 → 3 → 2 network and three budgets, by each start's ε."""
    generator = np.random.default_rng(3)
    w1, w2 = std * generator.normal(size=(60, 3, 3)), std * generator.normal(size=(60, 2, 3))
    top, asked = np.array(sigma), np.array(task)
    start = np.diagonal(np.linalg.qr((w1[:, :, :2] + w2.mT) / 2, mode="r"), axis1=1, axis2=2) ** 2
    length = np.log(1 / std) / top[0] if learned else 0.0
    budgets = np.array([0.5, 1.0, 2.0]) * (1.0 if learned else np.log(1 / std) / asked.max())
    w1, w2 = end_of_flow(w1, w2, top, length)
    s = _curve(top, start, length)
    worst = 0.0
    for budget in budgets:
        v1, v2 = end_of_flow(w1, w2, asked, budget)
        x = _curve(asked, s, budget)
        for wanted in (top, asked):
            found = ((teacher_of(v1, v2, wanted) - v2 @ v1) ** 2).sum((1, 2)) / 2
            worst = max(worst, abs(float((found - ((wanted - x) ** 2).sum(1) / 2).mean())))
    return worst


def _curve(sigma: np.ndarray, start: np.ndarray, time: float) -> np.ndarray:
    return sigma / (1 + (sigma / start - 1) * np.exp(-2 * sigma * time))


def _vanishes() -> Evidence:
    """The error of the means after fine-tuning, over a factor of 100 in ς, has the order that A8 has."""
    first, last = (_error((1.0, 0.5), (0.6, 1.2), std, True) for std in (1e-5, 1e-7))
    order = float(np.log(first / last) / np.log(100))
    return tested(abs(order - 1), 0.05, f"order found {order:.3f}, 2(1 − r) = 1;")


def _reordered() -> Evidence:
    """From the start, on a task that asks more of the second mode: the law's order is that of the teacher."""
    first, last = (_error((1.0, 0.5), (0.5, 1.0), std, False) for std in (1e-3, 1e-5))
    return Evidence(last > 0.5 * first > 0.01, Verdict.TESTED, f"error {first:.3f} at ς = 1e-3, {last:.3f} at 1e-5")


def _engine(claim: Means, function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """`E x(t, T)` by mpmath's quadrature of curve × density and by the function's starts, relative to σ + |σ'|."""
    curve = sp.lambdify((t, T, si, task_i, eps), claim["x"], "mpmath")
    density = sp.lambdify((eps, v, k), claim["density"], "mpmath")
    worst = 0.0
    for freedom in (1.0, 3.0, 12.0):
        top, variance = float(10 ** generator.uniform(-3, 3)), float(10 ** generator.uniform(-12, -2))
        asked, budget = float(generator.uniform(-1, 2) * top), float(generator.uniform(0, 2) / top)
        time, size = float(generator.uniform(0, 2) * np.log(1 / variance) / 2 / top), variance * top
        epsilon, weight = function(size, np.array([freedom]))
        with mpmath.workdps(30):
            point = [mpmath.mpf(x) for x in (time, budget, top, asked)]
            mean = sum(w * curve(*point, mpmath.mpf(e)) for e, w in zip(epsilon[:, 0], weight[:, 0], strict=True))

            def integrand(y: mpmath.mpf, at: tuple = (point, size, freedom)) -> mpmath.mpf:
                start = at[1] * mpmath.exp(y)
                return start * density(start, mpmath.mpf(at[1]), mpmath.mpf(at[2])) * curve(*at[0], start)

            breaks = [-140, *range(-60, -4, 8), -4, -2, 0, 1, 2, 3, 4, 5.5]
            worst = max(worst, float(abs(mpmath.quad(integrand, breaks) - mean)) / (top + abs(asked)))
    return worst


DERIVATION = Derivation(
    claim="D1r",
    title="After small Gaussian weights, fine-tuning takes every mode on from its random start",
    statement=r"W_1\sim\mathcal N(0,\varsigma_1^2),\ W_2\sim\mathcal N(0,\varsigma_2^2),\ "
    r"B=U\operatorname{diag}(\sigma')V^\top:\quad"
    r"\mathbb E\,g(x_i)\to\int g\big(x(T;s(t;\varepsilon))\big)\,p_i(\varepsilon)\,d\varepsilon,\quad"
    r"\varepsilon_i\sim\tfrac{\varsigma_1^2+\varsigma_2^2}4\,\chi^2_{h-i+1},"
    r"\quad\text{as }\varsigma\to0\text{ at constant }T",
    plain="Means over small random starts after fine-tuning on a task with the teacher's singular vectors are those of "
    "D1's curve over A8's law of the start, which depends on the order in which pretraining learned the modes.",
    symbols={
        "x": "singular value after fine-tuning",
        r"\sigma_i'": "the task's singular value of the i-th mode",
        r"\varepsilon_i": "random start of the i-th mode",
        "T": "budget",
        "t": "length",
    },
    assumptions=(
        Assumption(
            "budget",
            "It is constant as ς → 0: a task that learns new modes in another order has another law.",
            Counterexample("Fine-tuning from the start, with σ' in the other order.", _reordered),
        ),
        Assumption("Gaussian weights", "And small: the counterexamples are A8's."),
        Assumption("shared singular vectors", "Other tasks mix the modes, whose means do not follow one by one."),
    ),
    steps=(
        Step(
            r"A_{ij}(t,T)=A_{ij}(t,0)\,\frac{x_i(T)}{s_i(t)}\,e^{2(\sigma_j'-\sigma_i')T}",
            "A task that asks more of a mode that is not learned amplifies what pretraining had left of it.",
            _ratio,
        ),
        Step(
            r"\text{error of the mean losses}\propto\varsigma^{2(1-r)}",
            "The flow of whole matrices on both tasks from 60 random starts, all scaled by ς.",
            _vanishes,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("the start's ε for the pretrained s", lambda f: f | {"x": f["x"].subs(t, 0)}),
        Variant("both tasks at once", lambda f: f | {"x": f["x"].subs({T: 0}) + f["x"].subs(t, 0) - eps}),
        Variant("the task's clock in place of the teacher's", lambda f: f | {"x": f["x"].subs(si, task_i)}),
        Variant("one degree of freedom more", lambda f: f | {"density": f["density"].subs(k, k + 1)}),
        Variant("an overlap that fine-tuning leaves alone", lambda f: f | {"overlap": f["overlap"].subs(T, 0)}),
        Variant(
            "an overlap that grows with its own task alone",
            lambda f: f | {"overlap": f["overlap"].subs(T, 0) * sp.exp(2 * task_j * T)},
        ),
        Variant("a delay of pretraining alone", lambda f: f | {"delay": f["delay"].subs(T, 0)}),
    ),
    special_case=SpecialCase("no fine-tuning", lambda f: {name: part.subs(T, 0) for name, part in f.items()}),
    floor=Verdict.ARGUED,
    link=Link(
        "overtraining.theory.learning.random_start.random_starts",
        "v/σ 1e-12 … 0.01, k 1 … 12, σ' from −σ to 2σ, budgets to 2/σ",
        _engine,
    ),
    uses=("A8", "D1"),
    source="ours",
)
