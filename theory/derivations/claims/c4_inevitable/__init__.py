"""C4: overtraining is inevitable on the balanced path: P is lowest at a finite pretraining length."""

from collections.abc import Callable

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

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
from overtraining.theory.derivations.claims import c3_stages
from overtraining.theory.derivations.claims.b1_noise import g1, g2
from overtraining.theory.derivations.claims.c4_inevitable.bounds import (
    MODES,
    NUMERIC,
    STARTS,
    Largest,
    Smallest,
    plain_price,
    psi,
    regions,
    u,
)
from overtraining.theory.derivations.claims.shared.balanced_path import (
    GEOMETRIC,
    NOISE,
    c,
    in_noise_cost,
    noise_cost,
    rename,
    s,
    sigma,
    slope,
)
from overtraining.theory.derivations.claims.shared.path_assumptions import ALIGNED, FLOW, WHITE

m, x, y = sp.symbols("m x y", positive=True)


def stated(short: sp.Expr) -> sp.Expr:
    """ψ as the claim has it."""
    return short * (noise_cost - short / 2)


def formula() -> dict[str, sp.Expr]:
    """ψ, and for three modes both bounds on what is lost, and its limit for σ₁ > σ₂ > σ₃ as ε → 0."""
    best = [Smallest(noise_cost, v - e) for v, e in zip(MODES, STARTS, strict=True)]
    return {
        "behind": stated(u),  # P(∞) − P(t), summed over the modes
        "lower": stated(Largest(*best)),
        "upper": sp.Add(*map(stated, best)),
        "limit": stated(Smallest(noise_cost, MODES[0])) + sp.Add(*(Largest(stated(v), 0) for v in MODES[1:])),
    }


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """ψ, both bounds and the limit against what the derived loss after noise gives, region by region to a miss."""
    found = [("still to lose", identity(psi(u), candidate["behind"]))]
    for region in regions(candidate):
        if not found[-1][1].holds:
            break
        found.append(region)
    return every(found, "ψ, both bounds and the limit agree everywhere")


def _lower() -> Evidence:
    """Where one mode has u = m <= c and the others u <= c, the sum is at least that mode's ψ(m)."""
    others, there = in_noise_cost(psi(u)).subs(c, u + x), in_noise_cost(psi(m)).subs(m, c)
    return every((("others add", positive(others)), ("at u = c", identity(there, c**2 / 2))), "2 cases")


def _upper() -> Evidence:
    """ψ is largest at c, and increases up to there."""
    return every(
        (
            ("largest at c", identity(in_noise_cost(psi(m)).subs(m, c) - in_noise_cost(psi(u)), (c - u) ** 2 / 2)),
            ("increasing", positive(in_noise_cost(psi(m) - psi(u)).subs(c, m + x).subs(m, u + y))),
        ),
        "ψ(c) − ψ(u) = ½(c − u)²; ψ(m) > ψ(u) for u < m < c",
    )


def _best_stop() -> Evidence:
    one = c3_stages.formula()
    gain = lambda value: (one["bump"] - one["change"]).subs(sigma, value)  # by learning a feature up to its turn
    before, after = sp.symbols("sigma_{n-1} sigma_n", positive=True)
    difference = one["change"].subs(sigma, before) - gain(after) + gain(before)
    return every(
        (
            ("later stop minus earlier", identity(difference, one["change"].subs(sigma, after))),
            ("better if σ_n > 2c", positive(-in_noise_cost(difference).subs(after, 2 * c + x))),
            ("worse if σ_n < 2c", positive(in_noise_cost(difference).subs(c, after / 2 + x))),
        )
    )


def _engine(expression: dict[str, sp.Expr], function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """One mode at any time against ψ of the exact path; several against the sum; the bounds and the limit by value."""
    size = 200
    strong, cost = 10.0 ** generator.uniform(-6, 6, size), 10.0 ** generator.uniform(-12, 6, size)
    start = strong * 10.0 ** -generator.uniform(0.01, 290, size)
    time = generator.uniform(0, 1.3, size) * np.log(strong / start) / strong
    t, epsilon = sp.symbols("t epsilon", positive=True)
    short = sigma / (1 + sp.exp(2 * sigma * t) * epsilon / (sigma - epsilon))
    behind = in_noise_cost(expression["behind"]).subs(u, short)
    one = lambda *p: function(*(q[..., None] for q in p))
    worst = worst_relative_error(behind, (t, sigma, epsilon, c), one, [time, strong, start, cost], _condition)
    return max(worst, _bounds_error(expression, generator), _limit_error(expression, generator))


def _bounds_error(expression: dict[str, sp.Expr], generator: np.random.Generator) -> float:
    """Three modes of any strength, their starts on both sides of σ − c; conditioned by the cancellation in σ − ε."""
    from overtraining.theory.inflection.noisy_path import overtraining_bounds

    strong, cost = 10.0 ** generator.uniform(-6, 6, (3, 200)), 10.0 ** generator.uniform(-6, 6, 200)
    start = strong * 10.0 ** -(10.0 ** generator.uniform(-3, 2, (3, 200)))
    found, worst = overtraining_bounds(strong.T, start.T, cost[:, None]), 0.0
    for name in ("lower", "upper"):
        judged = sp.lambdify((*MODES, *STARTS, c), plain_price(expression[name]), NUMERIC)(*strong, *start, cost)
        error = np.abs(getattr(found, name) / judged - 1) / (1 + 2 * strong / (strong - start)).max(axis=0)
        worst = max(worst, float(error.max()))
    return worst


def _limit_error(expression: dict[str, sp.Expr], generator: np.random.Generator) -> float:
    """Three distinct features about c and 2c, in units of the sum of the terms' sizes."""
    from overtraining.theory.inflection.stages import overtraining_in_stages

    judge, worst = sp.lambdify((*MODES, c), plain_price(expression["limit"]), NUMERIC), 0.0
    for values in np.sort(10.0 ** generator.uniform(-2, 2, (200, 3)))[:, ::-1]:
        size = 0.5 + values.sum()
        worst = max(worst, abs(float(overtraining_in_stages(values, 1.0)) - float(judge(*values, 1.0))) / size)
    return worst


def _condition(t: np.ndarray, sigma: np.ndarray, epsilon: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Of `u(c − u/2)` with `d ln u = −(s/σ)(…)`: the exponent 2σt, and the cancellation where u is near 2c."""
    left = sigma / (1 + np.exp(np.minimum(2 * sigma * t, 709)) * epsilon / (sigma - epsilon))
    in_u = 1 + 2 * sigma * t + sigma / (sigma - epsilon)
    return 1 + in_u * (1 + (c + left / 2) / np.abs(c - left / 2))


def _with(name: str, old: Callable, new: Callable) -> Callable[[dict[str, sp.Expr]], dict[str, sp.Expr]]:
    return lambda f: f | {name: f[name].replace(old, new)}


def _up_to_c() -> sp.Expr:
    """The limit with only those later features that are below c."""
    below = [stated(v) * Largest(noise_cost - v, 0) / (noise_cost - v) for v in MODES[1:]]
    return stated(Smallest(noise_cost, MODES[0])) + sp.Add(*below)


def rise(values: list[float], starts: list[float], noise_cost: float, times: np.ndarray) -> np.ndarray:
    """P(∞) − P(t) by the logistic path, a mode of σ = 0 included."""
    total = np.zeros(times.shape)
    for v, e in zip(values, starts, strict=True):
        s = e / (1 + 2 * e * times) if v == 0 else v / (1 + (v / e - 1) * np.exp(-2 * v * times))
        total += (v - s) * (noise_cost - (v - s) / 2)
    return total


def from_above() -> Evidence:
    """From above the teacher the loss after noise only falls."""
    lost = rise([1.0], [1.5], 0.1, np.linspace(0, 5, 501))
    return Evidence(
        bool((np.diff(lost) > 0).all() and lost[0] < -0.1), Verdict.TESTED, f"from above: {lost[0]:.3f} → 0"
    )


def null_modes() -> Evidence:
    """A feature the teacher lacks, started at 0.05, decays as 1/2t: in the end P falls, to the last."""
    lost = rise([1.0, 0.0], [0.05, 0.05], 0.1, np.array([10.0, 100.0, 1000.0]))
    return Evidence(bool((lost < 0).all() and (np.diff(lost) > 0).all()), Verdict.TESTED, f"P(∞) − P(t) = {lost}")


def null_curves() -> Curves:
    """What is still to lose, with and without a mode that the teacher lacks."""
    times = np.linspace(0, 12, 121)
    with_null, without = (-rise([1.0, 0.0][:n], [0.05, 0.05][:n], 0.1, times) for n in (2, 1))
    return Curves(times, {"with a null mode": with_null, "without": without}, "pretraining length", "P(t) − P(∞)")


def equal_features() -> Evidence:
    """Equal features stop together, before one that would pay."""
    lost = rise([1.0] * 5 + [0.21], [1e-12] * 6, 0.1, np.linspace(0, 200, 40_001)).max()
    return Evidence(lost > 0.0235, Verdict.TESTED, f"lost {lost:.4f}, the formula for distinct features says 0.005")


def large_start() -> Evidence:
    """From a start that is not small less is lost."""
    lost = rise([1.0, 0.15], [0.1, 0.1], 0.1, np.linspace(0, 50, 20_001)).max()
    return Evidence(abs(lost - 0.00875) > 1e-3, Verdict.TESTED, f"from 0.1: lost {lost:.5f}, in the limit 0.00875")


def unbalanced_flow(times: np.ndarray, w1: tuple[float, float], w2: float) -> tuple[np.ndarray, np.ndarray]:
    """`‖∇L‖²` and `⟨f, A − f⟩` along the flow of d_in = 2, h = d_out = 1, A = (1, 0), by integration of the weights."""
    teacher = np.array([1.0, 0.0])

    def rate(_: float, x: np.ndarray) -> np.ndarray:
        left = teacher - x[2] * x[:2]
        return np.append(x[2] * left, left @ x[:2])

    path = solve_ivp(rate, (0, times[-1]), [*w1, w2], method="DOP853", t_eval=times, rtol=1e-13, atol=1e-16).y
    left = teacher[:, None] - path[2] * path[:2]
    along = (left * path[:2]).sum(axis=0)
    return path[2] ** 2 * (left**2).sum(axis=0) + along**2, path[2] * along


def imbalance_escapes() -> Evidence:
    """λ = w₂² − ‖w₁‖² = −1.31 and c = 0.1: claim C2's slope −‖∇L‖² + 2c⟨f, A − f⟩ stays negative at every length.

    In the end A − f is orthogonal to w₁ up to second order and `⟨f, A − f⟩ → ‖∇L‖²/|λ|`: `dP/dt → ‖∇L‖²(2c/|λ| − 1)`.
    """
    gain, along = unbalanced_flow(np.linspace(0, 22, 221), (1.2, 0.6), 0.7)
    slope, late = -gain + 0.2 * along, slice(160, None)
    ratio, claimed = slope[late] / gain[late], 0.2 / 1.31 - 1
    holds = bool((slope < 0).all() and (along[late] > 0).all() and (np.abs(ratio / claimed - 1) < 1e-4).all())
    detail = f"⟨f, A − f⟩ > 0 and dP/dt < 0 to the last, dP/dt → {ratio[0]:.5f}‖∇L‖², 2c/|λ| − 1 = {claimed:.5f}"
    return Evidence(holds, Verdict.TESTED, detail)


def imbalance_curves() -> Curves:
    """The slope of the loss after noise, with an imbalance above 2c and without."""
    times = np.linspace(0, 12, 121)
    gain, along = unbalanced_flow(times, (1.2, 0.6), 0.7)
    balanced = unbalanced_flow(times, (0.56, 0.42), 0.7)  # ‖w₁‖ = w₂
    slopes = {"λ = −1.31": 0.2 * along / gain - 1, "balanced": 0.2 * balanced[1] / balanced[0] - 1}
    return Curves(times, slopes, "pretraining length", "dP/dt over ‖∇L‖²")


DERIVATION = Derivation(
    claim="C4",
    title="Overtraining is inevitable",
    statement=r"P(\infty)-P(t)=\sum_i\psi(u_i),\quad\psi(u)=u\left(c-\tfrac u2\right),\ u_i=\sigma_i-s_i;\qquad "
    r"\psi(\max_im_i)\le P(\infty)-\min P\le\sum_i\psi(m_i),\ m_i=\min(c,\sigma_i-\epsilon_i);\qquad "
    r"P(\infty)-\min P\to\psi(\min(c,\sigma_1))+\sum_{i\ge2}\max(\psi(\sigma_i),0)\ (\epsilon\to0)",
    plain="With any noise, and every mode started below its teacher, the loss after noise is lowest at a finite "
    "pretraining length and ends strictly higher; how much is lost lies between two bounds that hold at every start, "
    "and as the start goes to 0 it is one stop's loss and every later feature that does not pay.",
    symbols={
        "P": "expected loss after noise",
        "u": "what a mode is short of its teacher, σ − s",
        r"\psi": "what a mode short by u has still to lose",
        "m": "the shortfall at which a mode's loss after noise is lowest, min(c, σ − ε)",
        "c": "price of one unit of singular value under noise, ½(γ₂² d_out + γ₁² d_in), above 0",
        r"\sigma,\epsilon": "teacher's singular value and the student's at the start, 0 < ε < σ",
        r"\gamma_1,\gamma_2": "standard deviation of the noise on each entry of W1, W2",
        r"d_{in},d_{out}": "widths of input and output",
    },
    assumptions=(
        Assumption(
            "start below the teacher",
            "Every mode that is started has a teacher above it; from above, P only falls.",
            Counterexample("From above the loss after noise ends at its minimum.", from_above),
        ),
        Assumption(
            "no null modes",
            "A mode that the teacher lacks (σ = 0: rank-deficient teacher, wide hidden layer) is not started.",
            Counterexample("It decays as 1/2t, outlasts all others, and P ends by falling.", null_modes, null_curves),
        ),
        Assumption(
            "distinct singular values",
            "Only for the limit ε → 0; bounds and inevitability do not need it.",
            Counterexample("Equal features stop together, before a feature that pays.", equal_features),
        ),
        Assumption(
            "small ε",
            "Only for the limit ε → 0.",
            Counterexample("From 0.1 less is lost than in the limit.", large_start),
        ),
        Assumption(
            "balanced start",
            "Both layers carry the mode equally.",
            Counterexample(
                "An imbalance λ with |λ| > 2c, W2ᵀW2 − W1W1ᵀ = λI, can escape: P falls for ever.",
                imbalance_escapes,
                imbalance_curves,
            ),
        ),
        ALIGNED,
        FLOW,
        WHITE,
        *NOISE,
    ),
    steps=(
        Step(
            r"0<u_i<2c\ \forall i\ \Rightarrow\ P(t)<P(\infty)",
            "ψ is the derived loss after noise at the end minus now. Every u falls to 0, so this holds in the end.",
            lambda: positive(in_noise_cost(psi(u)).subs(c, u / 2 + x)),
        ),
        Step(
            r"0<u_i<c\ \forall i\ \Rightarrow\ \tfrac{dP}{dt}>0",
            "Beyond the last mode's turn P only rises, up to P(∞): its minimum is at or before that finite length.",
            lambda: positive(in_noise_cost(slope()).subs(c, sigma - s + x).subs(sigma, s + y)),
        ),
        Step(
            r"P(\infty)-\min P\ge\psi(\max_im_i)",
            "At the last turn, if any σ − ε exceeds c, one mode has u = c and the others less; else take t = 0. Each "
            "other term is positive.",
            _lower,
        ),
        Step(
            r"P(\infty)-\min P\le\sum_i\psi(m_i)",
            "Each mode separately cannot do better than its own best u in (0, σ − ε].",
            _upper,
        ),
        Step(
            r"P(\text{stop }n)-P(\text{stop }n-1)=\psi(\sigma_n),\quad\sigma_n>c",
            "In the limit at most one feature is under way (C3), so the candidates are the stops at σ_n − c, or where "
            "σ_n <= c the feature's beginning. A later stop is better exactly if σ_n > 2c: the best is at the last "
            "such feature, or else at the first, and what follows it is lost.",
            _best_stop,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("d_in and d_out swapped", lambda f: rename(f, {d_in: d_out, d_out: d_in})),
        Variant("geometric for arithmetic mean in c", lambda f: rename(f, GEOMETRIC)),
        Variant("c − u instead of c − u/2", lambda f: f | {"behind": u * (noise_cost - u)}),
        Variant("sign of the residual's part", lambda f: f | {"behind": u * (noise_cost + u / 2)}),
        Variant("smallest for largest in the lower bound", _with("lower", Largest, Smallest)),
        Variant("lower bound ½ min(c, σ)²", lambda f: f | {"lower": Smallest(noise_cost, Smallest(*MODES)) ** 2 / 2}),
        Variant("upper bound 3 ψ(max m)", lambda f: f | {"upper": 3 * f["lower"]}),
        Variant("upper bound ½c² from every mode", lambda f: f | {"upper": 3 * noise_cost**2 / 2}),
        Variant("features up to c instead of 2c in the limit", lambda f: f | {"limit": _up_to_c()}),
        Variant("½c² in the limit where σ₁ < c", _with("limit", Smallest, lambda *_: noise_cost)),
        Variant("price doubled", lambda f: rename(f, {g1: sp.sqrt(2) * g1, g2: sp.sqrt(2) * g2})),
    ),
    special_case=SpecialCase("square, equal noise", lambda f: rename(f, {d_out: d_in, g2: g1})),
    floor=Verdict.PROVED,
    uses=("A3", "B1", "C3"),
    link=Link(
        "overtraining.theory.inflection.noisy_path.remaining_increase",
        "σ 1e-6 … 1e6, ε/σ 1e-290 … 1, c 1e-12 … 1e6, to 2.6 learning times",
        _engine,
    ),
    source="ours",
)
