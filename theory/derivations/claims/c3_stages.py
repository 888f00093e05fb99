"""C3: as the start goes to 0 the features come one after another; each pays, stops and costs on its own."""

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.two_layers import d_in, d_out
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
from overtraining.theory.derivations.claims.b1_noise import g1, g2
from overtraining.theory.derivations.claims.shared.balanced_path import (
    GEOMETRIC,
    NOISE,
    after_noise,
    c,
    epsilon,
    in_noise_cost,
    invariant,
    noise_cost,
    path,
    rename,
    s,
    sigma,
    slope,
    t,
)
from overtraining.theory.derivations.claims.shared.path_assumptions import START

k, x = sp.symbols("k x", positive=True)


def formula() -> dict[str, sp.Expr]:
    """One feature in the limit of a small start: the change by all of it, where it stops, what its rest costs."""
    return {"change": sigma * (noise_cost - sigma / 2), "stop": sigma - noise_cost, "bump": noise_cost**2 / 2}


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """From 0 to σ, the zero of dP/ds, and from there to σ, all of the derived loss after noise."""
    at = lambda value: after_noise().subs(s, value)
    (turn,) = sp.solve(sp.diff(after_noise(), s), s)
    return every(
        (
            ("change", identity(at(sigma) - at(0), candidate["change"])),
            ("stop", identity(turn, candidate["stop"])),
            ("bump", identity(at(sigma) - at(turn), candidate["bump"])),
        ),
        "change, stop and bump agree",
    )


def one_after_another() -> Evidence:
    """Two modes at the same time: `X = σ/s − 1` of the mode kσ is `ε^{k−1} (kσ − ε)(σ − ε)^{−k} X^k` of the other's."""
    x_of = lambda value: (value / epsilon - 1) * sp.exp(-2 * value * t)  # by the invariant
    derived = (invariant() * sp.exp(-2 * sigma * t)).subs(s, path())
    stated = epsilon ** (k - 1) * (k * sigma - epsilon) * (sigma - epsilon) ** (-k)
    ratio = sp.powdenest(x_of(k * sigma) / x_of(sigma) ** k, force=True)
    logs = sp.expand_log(sp.log(ratio), force=True) - sp.expand_log(sp.log(stated), force=True)
    logs = sp.expand(logs.subs(k, 1 + x).subs(epsilon, sigma / (1 + c)))  # any ε < σ; c stands for a positive number
    return every(
        (
            ("X on the path", identity(derived, x_of(sigma))),
            ("relation of two modes", identity(sp.expand_log(sp.simplify(logs), force=True), 0)),
            ("a stronger mode is learned", identity(sp.limit(epsilon**x, epsilon, 0, "+"), 0)),
            ("a weaker mode is not begun", identity(sp.limit(epsilon ** (x / (1 + x)), epsilon, 0, "+"), 0)),
            ("its factor stays finite", identity(((k * sigma - epsilon) * (sigma - epsilon) ** -k).subs(epsilon, 0),
                                                 k * sigma ** (1 - k))),
        ),
        "at most one mode is under way at any time, as ε → 0",
    )  # fmt: skip


def _plateaus() -> Evidence:
    return identity((slope().subs(s, 0), slope().subs(s, sigma)), (0, 0), "no slope from modes at 0 or at σ")


def _around_the_turn() -> Evidence:
    """With `X = σ/s − 1`, which falls in time: `X = c/(σ − c)` at the turn; before it dP/dt < 0, after it > 0."""
    y = sp.Symbol("y", positive=True)
    at = lambda ratio: sp.factor(in_noise_cost(slope()).subs(s, sigma / (1 + ratio)).subs(sigma, c + y))
    return every((("before", positive(-at(c / y * (1 + x)))), ("after", positive(at(c / y / (1 + x))))))


def _pays() -> Evidence:
    change = in_noise_cost(sp.simplify(after_noise().subs(s, sigma) - after_noise().subs(s, 0)))
    return every(
        (("σ > 2c", positive(-change.subs(sigma, 2 * c + x))), ("σ < 2c", positive(change.subs(c, sigma / 2 + x))))
    )


def _engine(expression: dict[str, sp.Expr], function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """Change everywhere, stop and bump where σ > c; else the stop must be 0 and the bump the change."""
    size = 400
    strong, cost = 10.0 ** generator.uniform(-150, 150, size), 10.0 ** generator.uniform(-3, 3, size)
    near = generator.random(size) < 0.3
    cost = strong * np.where(near, 0.5 * (1 + 10.0 ** generator.uniform(-15, -1, size)), cost)
    out, above = function(strong, cost), strong > cost
    if not (np.all(out.stop[~above] == 0) and np.allclose(out.bump[~above], out.change[~above], rtol=1e-15, atol=0)):
        return np.inf
    one = lambda name, pick: worst_relative_error(
        in_noise_cost(expression[name]),
        (sigma, c),
        lambda a, b: getattr(function(a, b), name),
        [strong[pick], cost[pick]],
    )
    return max(one("change", slice(None)), one("stop", above), one("bump", above))


def _count(values: list[float], start: float, noise_cost: float, times: np.ndarray) -> np.ndarray:
    """The loss after noise on a grid of times, by the logistic path."""
    v = np.array(values)
    modes = v / (1 + (v / start - 1) * np.exp(-2 * v * times[:, None]))
    return ((v - modes) ** 2 / 2 + noise_cost * modes).sum(axis=1)


def _minima(loss: np.ndarray) -> int:
    return int(np.sum((loss[1:-1] < loss[:-2]) & (loss[1:-1] < loss[2:])))


def _needs_small_start() -> Evidence:
    times = np.linspace(0, 80, 40_001)
    few, all_ = (_minima(_count([1.0, 0.7], start, 0.1, times)) for start in (1e-2, 1e-30))
    return Evidence((few, all_) == (1, 2), Verdict.TESTED, f"σ = 1, 0.7, c = 0.1: {few} from 1e-2, {all_} from 1e-30")


def _start_curves() -> Curves:
    times = np.linspace(0, 60, 301)
    return Curves(
        times,
        {f"ε = {e}": _count([1.0, 0.7], e, 0.1, times) for e in (1e-2, 1e-30)},
        "pretraining length",
        "loss after noise",
    )


def _needs_distinct() -> Evidence:
    loss = _count([1.0, 1.0, 1.0], 1e-8, 0.2, np.linspace(0, 40, 40_001))
    rise = float(loss[-1] - loss.min())
    return Evidence(abs(rise - 0.06) < 1e-4, Verdict.TESTED, f"three equal features rise by {rise:.4f}, ½c² = 0.02")


DERIVATION = Derivation(
    claim="C3",
    title="Which features pay under noise",
    statement=r"\Delta P=\sigma\left(c-\tfrac{\sigma}{2}\right),\qquad s_{stop}=\sigma-c,\qquad "
    r"P(\sigma)-P(\sigma-c)=\tfrac12c^2\qquad(\epsilon\to0)",
    plain="As the start goes to 0, features are learned one after another: a whole feature lowers the loss after noise "
    "exactly if σ > 2c; each σ > c makes a local minimum when its singular value reaches σ − c, then a bump of ½c².",
    symbols={
        r"\sigma": "teacher's singular value",
        "s": "student's singular value",
        "c": "price of one unit of singular value under noise, ½(γ₂² d_out + γ₁² d_in)",
        r"\epsilon": "student's singular value at the start",
        "X": "σ/s − 1, what is left to learn in units of what is learned",
        "k": "ratio of two modes' σ",
        r"\gamma_1,\gamma_2": "standard deviation of the noise on each entry of W1, W2",
        r"d_{in},d_{out}": "widths of input and output",
    },
    assumptions=(
        Assumption(
            "small ε",
            "The start goes to 0, so that stages separate, and lies below every σ.",
            Counterexample("From 1e-2 two features above c merge into one minimum.", _needs_small_start, _start_curves),
        ),
        Assumption(
            "distinct singular values",
            "No two features are equal.",
            Counterexample("m equal features stop together, and the bump is m·½c².", _needs_distinct),
        ),
        *START,
        *NOISE,
    ),
    steps=(
        Step(
            r"X_k=\epsilon^{k-1}\,(k\sigma-\epsilon)(\sigma-\epsilon)^{-k}X_1^{k}",
            "Two modes σ and kσ at the same time, k > 1, from the invariant. While X₁ is of order one, X_k → 0: the "
            "stronger mode is learned. While X_k is of order one, X₁ ∝ ε^{−(k−1)/k} → ∞: the weaker is not begun. "
            "Both hold uniformly in time.",
            one_after_another,
        ),
        Step(
            r"\left.\tfrac{dP}{dt}\right|_{s=0}=\left.\tfrac{dP}{dt}\right|_{s=\sigma}=0",
            "So the modes that are not under way add nothing to the slope in the limit.",
            _plateaus,
        ),
        Step(
            r"\mathrm{sign}\,\tfrac{dP}{dt}=\mathrm{sign}\left(\tfrac{c}{\sigma-c}-X\right),\quad\sigma>c",
            "At a fixed distance in time before and after its turn the slope has a fixed sign, negative and positive, "
            "and keeps it for small enough ε: a local minimum lies in between.",
            _around_the_turn,
        ),
        Step(r"\Delta P<0\iff\sigma>2c", "The change by a whole feature, under σ = 2c + x and c = σ/2 + x.", _pays),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("d_in and d_out swapped", lambda f: rename(f, {d_in: d_out, d_out: d_in})),
        Variant("geometric for arithmetic mean in c", lambda f: rename(f, GEOMETRIC)),
        Variant("pays above c instead of 2c", lambda f: f | {"change": sigma * (noise_cost - sigma) / 2}),
        Variant("stops at σ − 2c", lambda f: f | {"stop": sigma - 2 * noise_cost}),
        Variant("bump c²", lambda f: f | {"bump": noise_cost**2}),
        Variant("bump ½σ²", lambda f: f | {"bump": sigma**2 / 2}),
        Variant("change of the other sign", lambda f: f | {"change": -f["change"]}),
        Variant("price halved", lambda f: rename(f, {g1: g1 / sp.sqrt(2), g2: g2 / sp.sqrt(2)})),
    ),
    special_case=SpecialCase("square, equal noise", lambda f: rename(f, {d_out: d_in, g2: g1})),
    floor=Verdict.PROVED,
    uses=("A3", "B1", "C1"),
    link=Link(
        "overtraining.theory.inflection.stages.stage",
        "σ 1e-150 … 1e150, c/σ 1e-3 … 1e3, also within 1e-15 of ½",
        _engine,
    ),
    source="ours; one feature after another: Saxe et al. 2014, Gidel et al. 2019",
)
