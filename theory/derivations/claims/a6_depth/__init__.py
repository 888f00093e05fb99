"""A6: one balanced mode of a network of any depth: the time at which its singular value reaches s, in closed form."""

from collections.abc import Callable

import numpy as np
import sympy as sp

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
from overtraining.theory.derivations.checker.evidence import identity
from overtraining.theory.derivations.claims.a6_depth.inverse_link import inverse_link
from overtraining.theory.derivations.claims.a6_depth.lerch import as_lerch, lerch_coefficients
from overtraining.theory.derivations.claims.a6_depth.steps import (
    L,
    Times,
    aligned,
    deep,
    epsilon,
    formula,
    late,
    paced,
    rate,
    s,
    shallow,
    sigma,
    times,
)
from overtraining.theory.derivations.claims.shared.uniqueness import unique
from overtraining.theory.learning import deep_mode


def conclusion(candidate: Times) -> Evidence:
    """Along the flow `d/dt [t(s) − t] = 0`, and `t(ε) = 0`; both decide t(s), as s moves on strictly.

    Continued analytically, either form holds on the other side of σ as well; each is real and convergent on its own.
    """
    found = []
    for time in candidate:
        known = as_lerch(time)
        pace = sp.powsimp(sp.expand(known.diff(s) * rate()), force=True)
        found += [sp.simplify(pace), known.subs(s, epsilon)]
    return identity(tuple(found), (sp.S.One, sp.S.Zero) * 2, f"pace and start {tuple(map(sp.sstr, found))}"[:150])


def _engine(times: Times, function: Callable, generator: np.random.Generator) -> float:
    return inverse_link([sp.lambdify((s, sigma, epsilon, L), x, "mpmath") for x in times], function, generator)


def _layers(product: float, start: tuple[float, ...], decay: float = 0.0, step: float = 1e-3) -> np.ndarray:
    """The product along the flow from three layers scaled to a product, teacher 1, at times 0, 0.25 … 10."""
    w, path = np.array(start) * (product / np.prod(start)) ** (1 / 3), []
    for i in range(round(10 / step) + 1):
        if i % round(0.25 / step) == 0:
            path.append(w.prod())
        w = w + step * (w.prod() / w * (1 - w.prod()) - decay * w)
    return np.array(path)


_TIMES = 0.25 * np.arange(41)


def _runs() -> dict[str, np.ndarray]:
    even, uneven = (1.0, 1.0, 1.0), (0.1, 3.0, 3.0)
    runs = {"balanced start": (even, 0.0), "unbalanced start": (uneven, 0.0), "decay 0.2": (even, 0.2)}
    paths = {name: _layers(4e-3, *run) for name, run in runs.items()}
    return {"claim": np.asarray(deep_mode.singular_value(_TIMES, 1.0, 4e-3, 3))} | paths


def _differs(name: str) -> Evidence:
    runs = _runs()
    control, gap = (np.abs(runs[k] - runs["claim"]).max() for k in ("balanced start", name))
    return Evidence(control < 0.01 and gap > 0.3, Verdict.TESTED, f"off by {gap:.2f}, control {control:.4f}")


def _curves() -> Curves:
    return Curves(_TIMES, _runs(), "time", "student singular value, L = 3")


DERIVATION = Derivation(
    claim="A6",
    title="Depth delays learning",
    statement=r"t(s)=\frac{\Phi(s/\sigma)-\Phi(\varepsilon/\sigma)}{L\,\sigma^{2-2/L}},\quad "
    r"\Phi(u)=-\frac{u^{-(1-2/L)}}{1-2/L}+\tfrac L2u^{2/L}{}_2F_1(1,\tfrac2L;1+\tfrac2L;u)\ (\varepsilon<\sigma),\quad "
    r"\Phi=\tfrac{v^q}{q}{}_2F_1(1,q;1+q;v),\ v=\tfrac1u,\ q=2-\tfrac2L\ (\varepsilon>\sigma)",
    plain="In a balanced network of depth L the time to learn a mode is known in closed form: logarithmic in ε for "
    "two layers, a power of 1/ε for more, so that deeper networks wait longer and then learn more suddenly.",
    symbols={
        "s": "student singular value",
        r"\sigma": "teacher singular value",
        r"\varepsilon": "student singular value at the start, on either side of σ",
        "L": "depth; where an exponent vanishes (L = 2 below σ, L = 1 above it) the limit is meant",
    },
    assumptions=(
        Assumption(
            "aligned start", "Every pair of neighbours shares one hidden frame; A2 shows what happens otherwise."
        ),
        Assumption(
            "balanced start",
            "All layers start at ε^{1/L}.",
            Counterexample(
                "One small layer beside two large ones learns early.", lambda: _differs("unbalanced start"), _curves
            ),
        ),
        Assumption(
            "no weight decay",
            "For L > 2 decay does not merely shift σ, as it does for two layers (A3).",
            Counterexample(
                "A decay of a fifth of σ keeps a small start from learning for ever; with two layers it would learn.",
                lambda: _differs("decay 0.2"),
                _curves,
            ),
        ),
        Assumption("gradient flow", "The weights follow the gradient in continuous time; A1 has the counterexample."),
        Assumption("whitened inputs", "Not needed: by the first step variance ξ along the mode runs the clock ξt."),
    ),
    steps=(
        Step(
            r"\nabla_{W_l}=F\left(\prod_{j\ne l}D_j\right)\left(\prod_jD_j-S\right)\Xi\,G^\top+\mu FD_lG^\top",
            "A1's gradient with every layer aligned: the frames cancel, so a curve of decoupled modes solves the flow.",
            aligned,
        ),
        Step(
            r"\|\nabla L(\theta')-\nabla L(\theta)\|\le K\|\theta'-\theta\|",
            "In the difference of two gradients every word holds a difference of weights, so K is finite on bounded "
            "sets, and e^{−2Kt}‖θ' − θ‖², 0 at the start, cannot grow: that curve is the only solution.",
            unique,
        ),
        Step(
            r"\dot s=L\,s^{2-2/L}(\sigma-s)",
            "Each layer moves with the product of the others times σ − s; balanced layers stay so by A1. For L = 1 … 6 "
            "also with the layers different before they are set equal.",
            paced,
        ),
        Step(
            r"{}_2F_1(1,b;1+b;u)=\sum_n\tfrac{b}{n+b}u^n,\qquad uF'=b\left(\tfrac1{1-u}-F\right)",
            "Coefficient by coefficient; the right side of the derivative is the geometric series.",
            lerch_coefficients,
        ),
        Step(
            r"L=2:\ t=\tfrac1{2\sigma}\ln\tfrac{s(\sigma-\varepsilon)}{\varepsilon(\sigma-s)},\qquad "
            r"L=1:\ t=\ln\tfrac{\sigma-\varepsilon}{\sigma-s}",
            "The claim's own values there: a vanishing power becomes a logarithm, and so does each series.",
            shallow,
        ),
        Step(
            r"t\simeq\varepsilon^{-(1-2/L)}/\left((L-2)\sigma\right)\quad(\varepsilon\to0,\ L\ge3)",
            "The claim times (L−2)σε^{1−2/L} is 1 − (ε/s)^k + k(ε/σ)^k J with k = 1 − 2/L and a bounded J > 0, "
            "whatever fraction of σ is asked for: all of learning happens at that time.",
            late,
        ),
        Step(
            r"L\to\infty:\quad\dot s/L\to s^2(\sigma-s)\ (\varepsilon\text{ fixed}),\qquad "
            r"t\to\infty\ (\varepsilon=\alpha^L,\ \alpha<1=\sigma)",
            "Two limits that must not be confused: with a fixed start of the product learning speeds up as L; with a "
            "fixed start of each layer it never comes, since J > 0 makes the step before a lower bound at every L.",
            deep,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("2/L for 1 − 2/L in the power", lambda f: (times(2 / L, 2 / L, 2 - 2 / L)[0], f[1])),
        Variant("1 − 2/L for 2/L in the series", lambda f: (times(1 - 2 / L, 1 - 2 / L, 2 - 2 / L)[0], f[1])),
        Variant("sign of the power", lambda f: (times(1 - 2 / L, 2 / L, 2 - 2 / L, sign=1)[0], f[1])),
        Variant("series dropped", lambda f: (times(1 - 2 / L, 2 / L, 2 - 2 / L, tail=0)[0], f[1])),
        Variant("1 − 2/L for 2 − 2/L above", lambda f: (f[0], times(1 - 2 / L, 2 / L, 1 - 2 / L)[1])),
        Variant("factor L missing", lambda f: (L * f[0], L * f[1])),
        Variant("σ for σ^{2−2/L}", lambda f: tuple(x * sigma ** (1 - 2 / L) for x in f)),
        Variant(
            "the formula below with u → 1/u used above",
            lambda f: (f[0], f[0].subs({s: sigma**2 / s, epsilon: sigma**2 / epsilon})),
        ),
    ),
    special_case=SpecialCase("depth 4, where 2/L = 1 − 2/L", lambda f: tuple(x.subs(L, 4) for x in f)),
    floor=Verdict.PROVED,
    link=Link(
        "overtraining.theory.learning.deep_mode.singular_value",
        "L 3 … 100, σ 1e-6 … 1e6, ε 1e-300 … 10σ, t 0 … 1e6 (L = 1, 2: tests)",
        _engine,
    ),
    uses=("A1",),
    source="the flow: Saxe, McClelland, Ganguli 2014 (arXiv 1312.6120), eq. 17; the closed form is ours",
)
