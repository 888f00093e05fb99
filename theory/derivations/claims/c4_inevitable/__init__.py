"""C4: overtraining is inevitable on the balanced path: P has its minimum at a finite pretraining length."""

from collections.abc import Callable
from typing import Any

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
from overtraining.theory.derivations.checker.evidence import argued, every, identity, positive, worst_relative_error
from overtraining.theory.derivations.claims import c3_stages
from overtraining.theory.derivations.claims.b1_noise import g1, g2
from overtraining.theory.derivations.claims.c4_inevitable.bounds import (
    MODES,
    NUMERIC,
    STARTS,
    Largest,
    Smallest,
    in_c,
    psi,
    regions,
    u,
)
from overtraining.theory.derivations.claims.shared.balanced_path import (
    GEOMETRIC,
    NOISE,
    c,
    in_noise_cost,
    logistic_path,
    noise_cost,
    rename,
    s,
    sigma,
    slope,
)
from overtraining.theory.derivations.claims.shared.path_assumptions import ALIGNED, FLOW, WHITE

m, x, y = sp.symbols("m x y", positive=True)
above_half = sp.Symbol("c − u/2", positive=True)


def claimed_psi(short: sp.Expr) -> sp.Expr:
    """ψ as the claim states it."""
    return short * (noise_cost - short / 2)


def formula() -> dict[str, sp.Expr]:
    """ψ; for three modes both bounds on P(∞) − min P, and its limit for σ₁ > σ₂ > σ₃ as ε → 0."""
    best = [Smallest(noise_cost, v - e) for v, e in zip(MODES, STARTS, strict=True)]
    later = [Largest(claimed_psi(v), 0) for v in MODES[1:]]
    return {
        "behind": claimed_psi(u),  # P(∞) − P(t) is the sum over the modes
        "lower": claimed_psi(Largest(*best)),
        "upper": sp.Add(*map(claimed_psi, best)),
        "limit": claimed_psi(Smallest(noise_cost, MODES[0])) + sp.Add(*later),
    }


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """ψ, both bounds and the limit against the derived loss after noise, region by region, up to the first failure."""
    cases = [("remaining increase", identity(psi(u), candidate["behind"]))]
    for region in regions(candidate):
        if not cases[-1][1].holds:
            break
        cases.append(region)
    return every(cases, "ψ, both bounds and the limit agree everywhere")


def _rises() -> Evidence:
    """With σ = s + y and c = y + x the slope is positive; it is 0 where the mode turns, x = 0, or is learned, y = 0."""
    rise = in_noise_cost(slope()).subs(c, sigma - s + x).subs(sigma, s + y)
    return every((("turn", positive(rise, zero_at={x: 0})), ("learned", positive(rise, zero_at={y: 0}))))


def _lower() -> Evidence:
    """If one mode has u = m <= c and the others u <= c, the sum is at least ψ(m) of that mode."""
    others = in_noise_cost(psi(u)).subs(c, u + x)
    at_c = in_noise_cost(psi(m)).subs(m, c)
    return every((("the others are positive", positive(others)), ("at u = c", identity(at_c, c**2 / 2))), "2 cases")


def _upper() -> Evidence:
    """ψ is largest at c, and increases up to c."""
    return every(
        (
            ("largest at c", identity(in_noise_cost(psi(m)).subs(m, c) - in_noise_cost(psi(u)), (c - u) ** 2 / 2)),
            ("increasing", positive(in_noise_cost(psi(m) - psi(u)).subs(c, m + x).subs(m, u + y), zero_at={y: 0})),
        ),
        "ψ(c) − ψ(u) = ½(c − u)²; ψ(m) > ψ(u) for u < m < c",
    )


def _best_stop() -> Evidence:
    """The loss after noise at a later stop minus that at an earlier one, from the changes of C3."""
    one = c3_stages.formula()
    before, after = sp.symbols("sigma_{n-1} sigma_n", positive=True)

    def gain(value: sp.Expr) -> sp.Expr:  # by learning a feature up to its turning value
        return (one["bump"] - one["change"]).subs(sigma, value)

    difference = one["change"].subs(sigma, before) - gain(after) + gain(before)
    checked = every(
        (
            ("later stop minus earlier", identity(difference, one["change"].subs(sigma, after))),
            ("better if σ_n > 2c", positive(-in_noise_cost(difference).subs(after, 2 * c + x), zero_at={x: 0})),
            ("worse if σ_n < 2c", positive(in_noise_cost(difference).subs(c, after / 2 + x), zero_at={x: 0})),
        )
    )
    return argued("the limit of the minimum is the minimum of the limit, as C3's limits are uniform in time", checked)


def _engine_error(
    expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator
) -> float:
    """One mode at any time against ψ on the exact path; the bounds and the limit by value."""
    size = 200
    strong = 10.0 ** generator.uniform(-6, 6, size)
    cost = 10.0 ** generator.uniform(-12, 6, size)
    start = strong * 10.0 ** -generator.uniform(0.01, 290, size)
    time = generator.uniform(0, 1.3, size) * np.log(strong / start) / strong
    t, epsilon = sp.symbols("t epsilon", positive=True)
    short = sigma / (1 + sp.exp(2 * sigma * t) * epsilon / (sigma - epsilon))
    behind = in_noise_cost(expression["behind"]).subs(u, short)

    def of_one_mode(*points: np.ndarray) -> np.ndarray:
        return np.asarray(function(*(p[..., None] for p in points)))

    points = [time, strong, start, cost]
    worst = worst_relative_error(behind, (t, sigma, epsilon, c), of_one_mode, points, _condition)
    return max(worst, _bounds_error(expression, generator), _limit_error(expression, generator))


def _bounds_error(expression: dict[str, sp.Expr], generator: np.random.Generator) -> float:
    """Three modes of any strength, with starts on both sides of σ − c, over the cancellation in σ − ε."""
    from overtraining.theory.inflection.noisy_path import overtraining_bounds

    strong = 10.0 ** generator.uniform(-6, 6, (3, 200))
    cost = 10.0 ** generator.uniform(-6, 6, 200)
    start = strong * 10.0 ** -(10.0 ** generator.uniform(-3, 2, (3, 200)))
    bounds = overtraining_bounds(strong.T, start.T, cost[:, None])
    condition = (1 + 2 * strong / (strong - start)).max(axis=0)
    worst = 0.0
    for name in ("lower", "upper"):
        exact = sp.lambdify((*MODES, *STARTS, c), in_c(expression[name]), NUMERIC)(*strong, *start, cost)
        error = np.abs(getattr(bounds, name) / exact - 1) / condition
        worst = max(worst, float(error.max()))
    return worst


def _limit_error(expression: dict[str, sp.Expr], generator: np.random.Generator) -> float:
    """Three distinct features around c and 2c, in units of the sum of the sizes of all terms."""
    from overtraining.theory.inflection.stages import overtraining_in_stages

    exact = sp.lambdify((*MODES, c), in_c(expression["limit"]), NUMERIC)
    worst = 0.0
    for values in np.sort(10.0 ** generator.uniform(-2, 2, (200, 3)))[:, ::-1]:
        size = 0.5 + values.sum()
        worst = max(worst, abs(float(overtraining_in_stages(values, 1.0)) - float(exact(*values, 1.0))) / size)
    return worst


def _condition(t: np.ndarray, sigma: np.ndarray, epsilon: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Of `u(c − u/2)` with `d ln u = −(s/σ)(…)`: from the exponent 2σt, and from the cancellation for u near 2c."""
    unlearned = sigma / (1 + np.exp(np.minimum(2 * sigma * t, 709)) * epsilon / (sigma - epsilon))
    of_unlearned = 1 + 2 * sigma * t + sigma / (sigma - epsilon)
    return 1 + of_unlearned * (1 + (c + unlearned / 2) / np.abs(c - unlearned / 2))


def _replace(name: str, old: Callable, new: Callable) -> Callable[[dict[str, sp.Expr]], dict[str, sp.Expr]]:
    """A variant with one function of an expression replaced by another."""
    return lambda f: f | {name: f[name].replace(old, new)}


def _up_to_c() -> sp.Expr:
    """The limit with only the later features that are below c, for a wrong variant."""
    below = [claimed_psi(v) * Largest(noise_cost - v, 0) / (noise_cost - v) for v in MODES[1:]]
    return claimed_psi(Smallest(noise_cost, MODES[0])) + sp.Add(*below)


def remaining_increase(values: list[float], starts: list[float], noise_cost: float, times: np.ndarray) -> np.ndarray:
    """P(∞) − P(t) along the balanced path, also for modes with σ = 0."""
    total = np.zeros(times.shape)
    for v, e in zip(values, starts, strict=True):
        s = e / (1 + 2 * e * times) if v == 0 else logistic_path(np.array(v), e, times)
        total += (v - s) * (noise_cost - (v - s) / 2)
    return total


def from_above() -> Evidence:
    """From above the teacher the loss after noise falls throughout."""
    increase = remaining_increase([1.0], [1.5], 0.1, np.linspace(0, 5, 501))
    holds = bool((np.diff(increase) > 0).all() and increase[0] < -0.1)
    return Evidence(holds, Verdict.TESTED, f"P(∞) − P from above: {increase[0]:.3f} → 0")


def null_modes() -> Evidence:
    """A mode that the teacher lacks, started at 0.05, decays as 1/2t, so that in the end P falls."""
    increase = remaining_increase([1.0, 0.0], [0.05, 0.05], 0.1, np.array([10.0, 100.0, 1000.0]))
    holds = bool((increase < 0).all() and (np.diff(increase) > 0).all())
    return Evidence(holds, Verdict.TESTED, f"P(∞) − P(t) = {increase}")


def null_curves() -> Curves:
    """P(t) − P(∞) with and without a mode that the teacher lacks."""
    times = np.linspace(0, 12, 121)
    curves = {
        "with a null mode": -remaining_increase([1.0, 0.0], [0.05, 0.05], 0.1, times),
        "without": -remaining_increase([1.0], [0.05], 0.1, times),
    }
    return Curves(times, curves, "pretraining length", "P(t) − P(∞)")


def equal_features() -> Evidence:
    """Equal features have their turning points together, before a feature with σ > 2c."""
    increase = remaining_increase([1.0] * 5 + [0.21], [1e-12] * 6, 0.1, np.linspace(0, 200, 40_001)).max()
    detail = f"increase {increase:.4f}, the formula for distinct features says 0.005"
    return Evidence(increase > 0.0235, Verdict.TESTED, detail)


def large_start() -> Evidence:
    """From a start that is not small the increase is smaller."""
    increase = remaining_increase([1.0, 0.15], [0.1, 0.1], 0.1, np.linspace(0, 50, 20_001)).max()
    detail = f"increase {increase:.5f} from 0.1, in the limit 0.00875"
    return Evidence(abs(increase - 0.00875) > 1e-3, Verdict.TESTED, detail)


def unbalanced_flow(times: np.ndarray, w1: tuple[float, float], w2: float) -> tuple[np.ndarray, np.ndarray]:
    """`‖∇L‖²` and `⟨f, A − f⟩` along the flow of the weights for d_in = 2, h = d_out = 1, A = (1, 0)."""
    teacher = np.array([1.0, 0.0])

    def velocity(_: float, x: np.ndarray) -> np.ndarray:
        unlearned = teacher - x[2] * x[:2]
        return np.append(x[2] * unlearned, unlearned @ x[:2])

    path = solve_ivp(velocity, (0, times[-1]), [*w1, w2], method="DOP853", t_eval=times, rtol=1e-13, atol=1e-16).y
    unlearned = teacher[:, None] - path[2] * path[:2]
    along = (unlearned * path[:2]).sum(axis=0)
    return path[2] ** 2 * (unlearned**2).sum(axis=0) + along**2, path[2] * along


def imbalance_escapes() -> Evidence:
    """With λ = w₂² − ‖w₁‖² = −1.31 and c = 0.1, C2's slope −‖∇L‖² + 2c⟨f, A − f⟩ is negative at every length.

    In the end A − f is orthogonal to w₁ up to second order and `⟨f, A − f⟩ → ‖∇L‖²/|λ|`, so
    `dP/dt → ‖∇L‖²(2c/|λ| − 1)`.
    """
    gain, along = unbalanced_flow(np.linspace(0, 22, 221), (1.2, 0.6), 0.7)
    slope = -gain + 0.2 * along
    late = slice(160, None)
    ratio = slope[late] / gain[late]
    claimed = 0.2 / 1.31 - 1
    holds = bool((slope < 0).all() and (along[late] > 0).all() and (np.abs(ratio / claimed - 1) < 1e-4).all())
    detail = f"⟨f, A − f⟩ > 0 and dP/dt < 0 to the end, dP/dt → {ratio[0]:.5f}‖∇L‖², 2c/|λ| − 1 = {claimed:.5f}"
    return Evidence(holds, Verdict.TESTED, detail)


def imbalance_curves() -> Curves:
    """The slope of the loss after noise, with an imbalance above 2c and without one."""
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
    plain="With any noise, and with every mode started below its teacher, the loss after noise has its minimum at a "
    "finite pretraining length and ends strictly higher. The increase from the minimum to the end lies between two "
    "bounds, which hold for every start. As the start goes to 0, it becomes the increase by one feature after its "
    "turning value plus that by every later feature with σ < 2c.",
    symbols={
        "P": "expected loss after noise",
        "u": "distance of a mode from its teacher, σ − s",
        r"\psi": "remaining increase of P by a mode at distance u",
        "m": "the distance at which the loss after noise of a mode is lowest, min(c, σ − ε)",
        "c": "noise cost of one unit of singular value, ½(γ₂² d_out + γ₁² d_in), above 0",
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
            "A mode that the teacher lacks (σ = 0: a teacher of low rank, a wide hidden layer) is not started.",
            Counterexample(
                "A null mode decays as 1/2t, more slowly than all others, so that P falls in the end.",
                null_modes,
                null_curves,
            ),
        ),
        Assumption(
            "distinct singular values",
            "Needed only for the limit ε → 0; the bounds and the inevitability do not need it.",
            Counterexample("Equal features have their minimum together, before a feature with σ > 2c.", equal_features),
        ),
        Assumption(
            "small ε",
            "Needed only for the limit ε → 0.",
            Counterexample("From 0.1 the increase is smaller than in the limit.", large_start),
        ),
        Assumption(
            "balanced start",
            "Both layers carry the mode equally.",
            Counterexample(
                "With an imbalance |λ| > 2c, W2ᵀW2 − W1W1ᵀ = λI, P can keep falling.",
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
            "ψ is the derived loss after noise at the end minus now. Every u falls to 0, so this holds eventually.",
            lambda: positive(in_noise_cost(psi(u)).subs(c, u / 2 + above_half), zero_at={above_half: 0}),
        ),
        Step(
            r"0<u_i<c\ \forall i\ \Rightarrow\ \tfrac{dP}{dt}>0",
            "After the turning point of the last mode P only rises, up to P(∞), so its minimum is at that finite "
            "length or before.",
            _rises,
        ),
        Step(
            r"P(\infty)-\min P\ge\psi(\max_im_i)",
            "If any σ − ε exceeds c, then at the last turning point one mode has u = c and the others less; otherwise "
            "take t = 0. All other terms are positive.",
            _lower,
        ),
        Step(
            r"P(\infty)-\min P\le\sum_i\psi(m_i)", "No mode can exceed its own largest ψ over u in (0, σ − ε].", _upper
        ),
        Step(
            r"P(\text{stop }n)-P(\text{stop }n-1)=\psi(\sigma_n),\quad\sigma_n>c",
            "In the limit at most one feature is being learned at a time (C3), so the candidates are the stops at "
            "σ_n − c, or the beginning of the feature if σ_n <= c. A later stop is better exactly if σ_n > 2c: the "
            "best stop is at the last such feature, or else at the first one, and what follows raises the loss.",
            _best_stop,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("d_in and d_out swapped", lambda f: rename(f, {d_in: d_out, d_out: d_in})),
        Variant("geometric for arithmetic mean in c", lambda f: rename(f, GEOMETRIC)),
        Variant("c − u instead of c − u/2", lambda f: f | {"behind": u * (noise_cost - u)}),
        Variant("sign of the squared part", lambda f: f | {"behind": u * (noise_cost + u / 2)}),
        Variant("smallest for largest in the lower bound", _replace("lower", Largest, Smallest)),
        Variant("lower bound ½ min(c, σ)²", lambda f: f | {"lower": Smallest(noise_cost, Smallest(*MODES)) ** 2 / 2}),
        Variant("upper bound 3 ψ(max m)", lambda f: f | {"upper": 3 * f["lower"]}),
        Variant("upper bound ½c² for every mode", lambda f: f | {"upper": 3 * noise_cost**2 / 2}),
        Variant("later features up to c for 2c in the limit", lambda f: f | {"limit": _up_to_c()}),
        Variant("½c² in the limit where σ₁ < c", _replace("limit", Smallest, lambda *_: noise_cost)),
        Variant("noise cost doubled", lambda f: rename(f, {g1: sp.sqrt(2) * g1, g2: sp.sqrt(2) * g2})),
    ),
    special_case=SpecialCase("square, equal noise", lambda f: rename(f, {d_out: d_in, g2: g1})),
    floor=Verdict.ARGUED,
    uses=("A3", "B1", "C3"),
    link=Link(
        "overtraining.theory.inflection.noisy_path.remaining_increase",
        "σ 1e-6 … 1e6, ε/σ 1e-290 … 1, c 1e-12 … 1e6, to 2.6 learning times",
        _engine_error,
    ),
    source="ours",
)
