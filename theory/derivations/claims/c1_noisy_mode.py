"""C1: one balanced mode under noise: it helps the loss after noise until `s = σ − c`, and then hurts it."""

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
    return sp.log(ratio) / (2 * sigma)


def formula() -> dict[str, sp.Expr]:
    """The loss after noise of one mode, the price of a unit of singular value, where the mode turns, and when."""
    turn = sigma - noise_cost
    return {
        "loss": (sigma - s) ** 2 / 2 + noise_cost * s,
        "turn": turn,
        "time": _time((sigma / epsilon - 1) * turn / noise_cost),
    }


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The derived loss is the stated one, its slope vanishes at the stated turn, and the path is there at that time."""
    there = in_noise_cost(path().subs(t, candidate["time"]))
    return every(
        (
            ("loss after noise", identity(after_noise(), candidate["loss"])),
            ("slope at the turn", identity(sp.diff(after_noise(), s).subs(s, candidate["turn"]), 0)),
            ("path at the time", identity(there, in_noise_cost(sigma - derived_noise_cost()))),
        ),
        "loss, turning value and time agree",
    )


def _signs() -> Evidence:
    """With `0 < s < σ`: the slope is positive exactly where `s > σ − c`, negative exactly where `s < σ − c`."""
    rise, rest, gain = sp.symbols("rise rest gain", positive=True)
    short = sp.factor(in_noise_cost(slope()))
    after = short.subs(c, rise + sigma - s).subs(sigma, s + rest)  # s = σ − c + rise
    before = -short.subs(c, sigma - s - gain).subs(sigma, s + rest)  # s = σ − c − gain
    return every((("beyond the turn", positive(after)), ("before the turn", positive(before))))


def _only_hurts() -> Evidence:
    excess, rest = sp.symbols("excess rest", positive=True)
    return positive(in_noise_cost(slope()).subs(c, sigma + excess).subs(sigma, s + rest))


def _engine(expression: dict[str, sp.Expr], function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """Inside, against the expression; outside, the stated limits must be exact."""
    size = 400
    x = 10.0 ** generator.uniform(-6, 6, size)
    start = x * 10.0 ** -(generator.uniform(0, 1, size) * generator.choice([1e-6, 1.0, 294.0], size))
    cost = x * np.where(generator.random(size) < 0.5, generator.random(size), 10.0 ** generator.uniform(-290, 0, size))
    gap = (x - cost) - start
    inside = (gap > 0) & (start < x)
    if not (np.all(function(x[~inside], start[~inside], cost[~inside]) == 0) and inside.any() and (~inside).any()):
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
    title="A learned mode first helps against noise, then hurts",
    statement=r"P(s)=\tfrac12(\sigma-s)^2+c\,s,\quad c=\tfrac12(\gamma_2^2d_{out}+\gamma_1^2d_{in}),\quad "
    r"t^*=\frac{1}{2\sigma}\ln\left[\left(\frac{\sigma}{\epsilon}-1\right)\frac{\sigma-c}{c}\right]",
    plain="On the balanced aligned path each mode lowers the expected loss after noise until its singular value is "
    "short of the teacher's by the price c of noise, and raises it from then on; a mode not above c only hurts.",
    symbols={
        r"\sigma": "teacher's singular value",
        "s": "student's singular value",
        r"\epsilon": "its value at the start, below σ − c",
        "c": "price of one unit of singular value under noise",
        r"\gamma_1,\gamma_2": "standard deviation of the noise on each entry of W1, W2",
        r"d_{in},d_{out}": "widths of input and output",
        "t^*": "pretraining length where the mode turns",
    },
    assumptions=(*START, *NOISE),
    steps=(
        Step(
            r"\frac{dP}{dt}=2s(\sigma-s)\,\left(s-(\sigma-c)\right)",
            "The chain rule along the flow; claim B1 gives the price, with ‖W1‖² = ‖W2‖² = Σs.",
            lambda: identity(slope(), flow() * (s - sigma + derived_noise_cost())),
        ),
        Step(
            r"\mathrm{sign}\,\frac{dP}{dt}=\mathrm{sign}(s-(\sigma-c)),\quad 0<s<\sigma",
            "Written in positive increments, both signs follow term by term, so the turn is the only minimum.",
            _signs,
        ),
        Step(
            r"\sigma\le c\ \Rightarrow\ \frac{dP}{dt}>0", "A mode that is not above the price only hurts.", _only_hurts
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("d_in and d_out swapped", lambda f: rename(f, {d_in: d_out, d_out: d_in})),
        Variant("geometric for arithmetic mean in c", lambda f: rename(f, GEOMETRIC)),
        Variant("price doubled", lambda f: rename(f, {g1: sp.sqrt(2) * g1, g2: sp.sqrt(2) * g2})),
        Variant("rate σ instead of 2σ", lambda f: f | {"time": 2 * f["time"]}),
        Variant(
            "−1 dropped in the time", lambda f: f | {"time": _time(sigma / epsilon * (sigma - noise_cost) / noise_cost)}
        ),
        Variant("turn at σ − 2c", lambda f: f | {"turn": sigma - 2 * noise_cost}),
        Variant(
            "ratio upside down",
            lambda f: f | {"time": _time((sigma / epsilon - 1) * noise_cost / (sigma - noise_cost))},
        ),
        Variant("½ missing in the loss", lambda f: f | {"loss": (sigma - s) ** 2 + noise_cost * s}),
        Variant(
            "geometric mean of the two prices",
            lambda f: f | {"loss": f["loss"] + (g1 * g2 * sp.sqrt(d_in * d_out) - noise_cost) * s},
        ),
    ),
    special_case=SpecialCase("square, equal noise", lambda f: rename(f, {d_out: d_in, g2: g1})),
    floor=Verdict.PROVED,
    uses=("A3", "B1"),
    link=Link(
        "overtraining.theory.inflection.noisy_mode.inflection_time",
        "σ 1e-6 … 1e6, ε/σ 1e-294 … 2, c/σ 0 … 1, and the limits",
        _engine,
    ),
    source="ours",
)
