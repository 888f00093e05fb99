"""C1: one balanced mode under noise: learning it lowers the loss after noise until `s = σ − c`, and then raises it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.two_layers import d_in, d_out
from overtraining.theory.derivations.checker.core import Derivation, Evidence, Link, SpecialCase, Step, Variant, Verdict
from overtraining.theory.derivations.checker.evidence import every, identity, positive, worst_relative_error
from overtraining.theory.derivations.claims.b1_noise import g1, g2
from overtraining.theory.derivations.claims.shared.balanced_path import (
    GEOMETRIC,
    NOISE,
    after_noise,
    c,
    derived_noise_cost,
    epsilon,
    flow,
    in_noise_cost,
    noise_cost,
    path,
    rename,
    s,
    sigma,
    slope,
    t,
)
from overtraining.theory.derivations.claims.shared.path_assumptions import START


def _time(ratio: sp.Expr) -> sp.Expr:
    """The time at which `(σ/ε − 1)/(σ/s − 1)` reaches a ratio."""
    return sp.log(ratio) / (2 * sigma)


def formula() -> dict[str, sp.Expr]:
    """The loss after noise of one mode, its turning value, and when the mode reaches it."""
    turn = sigma - noise_cost
    return {
        "loss": (sigma - s) ** 2 / 2 + noise_cost * s,
        "turn": turn,
        "time": _time((sigma / epsilon - 1) * turn / noise_cost),
    }


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The derived loss is the claimed one, its slope vanishes at the turning value, and the path is there in time."""
    reached = in_noise_cost(path().subs(t, candidate["time"]))
    return every(
        (
            ("loss after noise", identity(after_noise(), candidate["loss"])),
            ("slope at the turning value", identity(sp.diff(after_noise(), s).subs(s, candidate["turn"]), 0)),
            ("path at the time", identity(reached, in_noise_cost(sigma - derived_noise_cost()))),
        ),
        "loss, turning value and time agree",
    )


def _signs() -> Evidence:
    """For `0 < s < σ` the slope is positive exactly if `s > σ − c`, and negative exactly if `s < σ − c`."""
    beyond, unlearned, short = sp.symbols("rise rest gain", positive=True)
    in_c = sp.factor(in_noise_cost(slope()))
    after = in_c.subs(c, beyond + sigma - s).subs(sigma, s + unlearned)  # s = σ − c + beyond
    before = -in_c.subs(c, sigma - s - short).subs(sigma, s + unlearned)  # s = σ − c − short
    return every(
        (
            ("beyond the turning value", positive(after, zero_at={beyond: 0})),
            ("before the turning value", positive(before, zero_at={short: 0})),
        )
    )


def _only_rises() -> Evidence:
    """With σ < c the slope is positive for all s below σ."""
    excess = sp.Symbol("c − σ", positive=True)
    unlearned = sp.Symbol("σ − s", positive=True)
    return positive(in_noise_cost(slope()).subs(c, sigma + excess).subs(sigma, s + unlearned), zero_at={unlearned: 0})


def _engine_error(
    expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator
) -> float:
    """In the interior against the expression; outside it the limits must be exact."""
    size = 400
    x = 10.0 ** generator.uniform(-6, 6, size)
    start = x * 10.0 ** -(generator.uniform(0, 1, size) * generator.choice([1e-6, 1.0, 294.0], size))
    cost = x * np.where(generator.random(size) < 0.5, generator.random(size), 10.0 ** generator.uniform(-290, 0, size))
    gap = (x - cost) - start
    inside = (gap > 0) & (start < x)
    outside = ~inside
    if not (inside.any() and outside.any() and np.all(function(x[outside], start[outside], cost[outside]) == 0)):
        return np.inf
    if not (np.isinf(function(x, 2 * x, cost)).all() and np.isinf(function(x, start / 2, 0.0)).all()):
        return np.inf
    judged = expression["time"].subs(g2, sp.sqrt((2 * c - g1**2 * d_in) / d_out))
    points = [a[inside] for a in (x, start, cost)]
    return worst_relative_error(sp.expand_log(sp.simplify(judged)), (sigma, epsilon, c), function, points, condition)


def condition(sigma: np.ndarray, epsilon: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Condition number of `ln(1 + x)/2σ`, `x = (σ/ε)(σ − c − ε)/c`, in its three inputs."""
    gap = sigma - c - epsilon
    grow = np.logaddexp(0, np.log(sigma / epsilon) + np.log(gap) - np.log(c))
    return 1 + -np.expm1(-grow) / grow * (3 + (sigma + epsilon + c) / gap)


DERIVATION = Derivation(
    claim="C1",
    title="Learning a mode first lowers the loss after noise, then raises it",
    statement=r"P(s)=\tfrac12(\sigma-s)^2+c\,s,\quad c=\tfrac12(\gamma_2^2d_{out}+\gamma_1^2d_{in}),\quad "
    r"t^*=\frac{1}{2\sigma}\ln\left[\left(\frac{\sigma}{\epsilon}-1\right)\frac{\sigma-c}{c}\right]",
    plain="On the balanced aligned path each mode lowers the expected loss after noise until its singular value is c "
    "below the teacher's, where c is the noise cost, and raises it from then on; a mode that is not above c only "
    "raises it.",
    symbols={
        r"\sigma": "teacher's singular value",
        "s": "student's singular value",
        r"\epsilon": "its value at the start, below σ − c",
        "c": "noise cost of one unit of singular value",
        r"\gamma_1,\gamma_2": "standard deviation of the noise on each entry of W1, W2",
        r"d_{in},d_{out}": "widths of input and output",
        "t^*": "pretraining length at the turning value",
    },
    assumptions=(*START, *NOISE),
    steps=(
        Step(
            r"\frac{dP}{dt}=2s(\sigma-s)\,\left(s-(\sigma-c)\right)",
            "The chain rule along the flow. Claim B1 gives the noise cost, with ‖W1‖² = ‖W2‖² = Σs.",
            lambda: identity(slope(), flow() * (s - sigma + derived_noise_cost())),
        ),
        Step(
            r"\mathrm{sign}\,\frac{dP}{dt}=\mathrm{sign}(s-(\sigma-c)),\quad 0<s<\sigma",
            "In terms of positive increments both signs follow term by term, so the turning value is the only minimum.",
            _signs,
        ),
        Step(
            r"\sigma\le c\ \Rightarrow\ \frac{dP}{dt}>0",
            "Learning a mode that is not above the noise cost only raises the loss after noise.",
            _only_rises,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("d_in and d_out swapped", lambda f: rename(f, {d_in: d_out, d_out: d_in})),
        Variant("geometric for arithmetic mean in c", lambda f: rename(f, GEOMETRIC)),
        Variant("noise cost doubled", lambda f: rename(f, {g1: sp.sqrt(2) * g1, g2: sp.sqrt(2) * g2})),
        Variant("time with 1/σ for 1/(2σ)", lambda f: f | {"time": 2 * f["time"]}),
        Variant(
            "σ/ε for σ/ε − 1 in the time",
            lambda f: f | {"time": _time(sigma / epsilon * (sigma - noise_cost) / noise_cost)},
        ),
        Variant("turning value σ − 2c", lambda f: f | {"turn": sigma - 2 * noise_cost}),
        Variant(
            "c/(σ − c) for (σ − c)/c in the time",
            lambda f: f | {"time": _time((sigma / epsilon - 1) * noise_cost / (sigma - noise_cost))},
        ),
        Variant("½ missing in the loss", lambda f: f | {"loss": (sigma - s) ** 2 + noise_cost * s}),
        Variant(
            "geometric mean of the layers' costs in the loss",
            lambda f: f | {"loss": f["loss"] + (g1 * g2 * sp.sqrt(d_in * d_out) - noise_cost) * s},
        ),
    ),
    special_case=SpecialCase("square, equal noise", lambda f: rename(f, {d_out: d_in, g2: g1})),
    floor=Verdict.PROVED,
    uses=("A3", "B1"),
    link=Link(
        "overtraining.theory.inflection.noisy_mode.inflection_time",
        "σ 1e-6 … 1e6, ε/σ 1e-294 … 2, c/σ 0 … 1, and the limits",
        _engine_error,
    ),
    source="ours",
)
