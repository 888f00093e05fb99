"""C4: overtraining is inevitable on the balanced path: P is lowest at a finite pretraining length."""

import numpy as np
import sympy as sp

from theory.derivations import c3_stages
from theory.derivations.b1_noise import d_in, d_out, g1, g2
from theory.derivations.balanced_path import GEOMETRIC, after_noise, c, in_price, price, rename, s, sigma, slope
from theory.derivations.core import (
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
)  # fmt: skip
from theory.derivations.evidence import every, identity, positive, worst_error

u, m, x, y = sp.symbols("u m x y", positive=True)


def formula() -> dict[str, sp.Expr]:
    """Per mode, `u = σ − s` short of the teacher: what is still to lose, and what the best stops lose in stages."""
    return {
        "behind": u * (price - u / 2),  # P(∞) − P(t), summed over the modes; at u = min(c, σ − ε) the two bounds
        "turn": price**2 / 2,  # its largest value, at u = c
        "unpaid": sigma * (price - sigma / 2),  # ε → 0: each feature with σ <= 2c
        "early": (sigma - price) ** 2 / 2,  # ε → 0, no σ above 2c: what the strongest gains up to its turn
    }


def psi(short: sp.Expr) -> sp.Expr:
    """P(∞) − P at a distance `short` below the teacher, one mode, from the derived loss after noise."""
    return sp.expand(after_noise().subs(s, sigma) - after_noise().subs(s, sigma - short))


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    (best,) = sp.solve(sp.diff(psi(u), u), u)
    return every(
        (
            ("still to lose", identity(psi(u), candidate["behind"])),
            ("at the turn", identity(psi(best), candidate["turn"])),
            ("a whole feature", identity(psi(sigma), candidate["unpaid"])),
            ("up to the turn", identity(psi(best) - psi(sigma), candidate["early"])),
        ),
        "still to lose, its maximum, a whole feature and a feature's gain agree",
    )


def _lower() -> Evidence:
    """Where one mode has u = m <= c and the others u <= c, the sum is at least that mode's ψ(m)."""
    others, there = in_price(psi(u)).subs(c, u + x), in_price(psi(m)).subs(m, c)
    return every((("others add", positive(others)), ("at u = c", identity(there, c**2 / 2))), "2 cases")


def _upper() -> Evidence:
    """ψ is largest at c, and increases up to there."""
    return every(
        (
            ("largest at c", identity(in_price(psi(m)).subs(m, c) - in_price(psi(u)), (c - u) ** 2 / 2)),
            ("increasing", positive(in_price(psi(m) - psi(u)).subs(c, m + x).subs(m, u + y))),
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
            ("better if σ_n > 2c", positive(-in_price(difference).subs(after, 2 * c + x))),
            ("worse if σ_n < 2c", positive(in_price(difference).subs(c, after / 2 + x))),
        )
    )


def _engine(expression: dict[str, sp.Expr], function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """One mode at any time against ψ of the exact path; several against the sum; the bounds and the limit by value."""
    from theory.noisy_path import lost_bounds
    from theory.stages import lost_in_stages

    size = 200
    strong, cost = 10.0 ** generator.uniform(-6, 6, size), 10.0 ** generator.uniform(-12, 6, size)
    start = strong * 10.0 ** -generator.uniform(0.01, 290, size)
    time = generator.uniform(0, 1.3, size) * np.log(strong / start) / strong
    t, epsilon = sp.symbols("t epsilon", positive=True)
    short = sigma / (1 + sp.exp(2 * sigma * t) * epsilon / (sigma - epsilon))
    behind = in_price(expression["behind"]).subs(u, short)
    one = lambda *p: function(*(q[..., None] for q in p))
    worst = worst_error(behind, (t, sigma, epsilon, c), one, [time, strong, start, cost], _condition)
    unpaid, turn, early = (sp.lambdify((sigma, c), in_price(expression[n])) for n in ("unpaid", "turn", "early"))
    far = cost < strong - start  # with a turn inside, the bounds of one mode are equal
    for bound in vars(lost_bounds(*(p[far][:, None] for p in (strong, start, cost)))).values():
        worst = max(worst, float(np.max(np.abs(bound / turn(strong, cost)[far] - 1))))
    for price_ in (0.05, 0.3, 0.7):
        values = np.array([1.0, 0.5, 0.2, 0.01])
        rest = unpaid(values[values <= 2 * price_], price_).sum()
        whole = rest + (turn(1.0, price_) if values[0] > 2 * price_ else early(values[0], price_))
        worst = max(worst, abs(float(lost_in_stages(values, price_)) / whole - 1))
    return worst


def _condition(t: np.ndarray, sigma: np.ndarray, epsilon: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Of `u(c − u/2)` with `d ln u = −(s/σ)(…)`: the exponent 2σt, and the cancellation where u is near 2c."""
    left = sigma / (1 + np.exp(np.minimum(2 * sigma * t, 709)) * epsilon / (sigma - epsilon))
    in_u = 1 + 2 * sigma * t + sigma / (sigma - epsilon)
    return 1 + in_u * (1 + (c + left / 2) / np.abs(c - left / 2))


def _rise(values: list[float], starts: list[float], price_: float, times: np.ndarray) -> np.ndarray:
    """P(∞) − P(t) by the logistic path, a mode of σ = 0 included."""
    total = np.zeros(times.shape)
    for v, e in zip(values, starts, strict=True):
        s_ = e / (1 + 2 * e * times) if v == 0 else v / (1 + (v / e - 1) * np.exp(-2 * v * times))
        total += (v - s_) * (price_ - (v - s_) / 2)
    return total


def _needs_below() -> Evidence:
    rise = _rise([1.0], [1.5], 0.1, np.linspace(0, 5, 501))
    return Evidence(
        bool((np.diff(rise) > 0).all() and rise[0] < -0.1), Verdict.TESTED, f"from above: {rise[0]:.3f} → 0"
    )


def _null_modes() -> Evidence:
    """A feature the teacher lacks, started at 0.05, decays as 1/2t: in the end P falls, to the last."""
    rise = _rise([1.0, 0.0], [0.05, 0.05], 0.1, np.array([10.0, 100.0, 1000.0]))
    return Evidence(bool((rise < 0).all() and (np.diff(rise) > 0).all()), Verdict.TESTED, f"P(∞) − P(t) = {rise}")


def _null_curves() -> Curves:
    times = np.linspace(0, 12, 121)
    with_null, without = (-_rise([1.0, 0.0][:n], [0.05, 0.05][:n], 0.1, times) for n in (2, 1))
    return Curves(times, {"with a null mode": with_null, "without": without}, "pretraining length", "P(t) − P(∞)")


def _needs_distinct() -> Evidence:
    times = np.linspace(0, 200, 40_001)
    rise = _rise([1.0] * 5 + [0.21], [1e-12] * 6, 0.1, times).max()
    return Evidence(rise > 0.0235, Verdict.TESTED, f"lost {rise:.4f}, the formula for distinct features says 0.005")


def _needs_small_start() -> Evidence:
    rise = _rise([1.0, 0.15], [0.1, 0.1], 0.1, np.linspace(0, 50, 20_001)).max()
    return Evidence(abs(rise - 0.00875) > 1e-3, Verdict.TESTED, f"from 0.1: lost {rise:.5f}, in the limit 0.00875")


DERIVATION = Derivation(
    claim="C4",
    title="Overtraining is inevitable",
    statement=r"P(\infty)-P(t)=\sum_i\psi(u_i),\quad\psi(u)=u\left(c-\tfrac u2\right),\ u_i=\sigma_i-s_i;\qquad "
    r"\psi(\max_im_i)\le P(\infty)-\min P\le\sum_i\psi(m_i),\ m_i=\min(c,\sigma_i-\epsilon_i);\qquad "
    r"P(\infty)-\min P\to\tfrac12c^2+\sum_{\sigma_i\le2c}\psi(\sigma_i)\ (\epsilon\to0,\ \sigma_1>2c)",
    plain="With any noise, and every mode started below its teacher, the loss after noise is lowest at a finite "
    "pretraining length and ends strictly higher; how much is lost lies between two bounds that hold at every start.",
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
            Counterexample("From above the loss after noise ends at its minimum.", _needs_below),
        ),
        Assumption(
            "no null modes",
            "A mode that the teacher lacks (σ = 0: rank-deficient teacher, wide hidden layer) is not started.",
            Counterexample("It decays as 1/2t, outlasts all others, and P ends by falling.", _null_modes, _null_curves),
        ),
        Assumption(
            "distinct singular values",
            "Only for the limit ε → 0; bounds and inevitability do not need it.",
            Counterexample("Equal features stop together, before a feature that pays.", _needs_distinct),
        ),
        Assumption(
            "small ε",
            "Only for the limit ε → 0.",
            Counterexample("From 0.1 less is lost than in the limit.", _needs_small_start),
        ),
        Assumption("balanced start", "As in C1; by C2 no start with ⟨f, A−f⟩ > 0 in the end escapes, bounds aside."),
        Assumption("aligned start", "As in claim C1, where its counterexample is."),
        Assumption("gradient flow", "As in claim C1, where its counterexample is."),
    ),
    steps=(
        Step(
            r"0<u_i<2c\ \forall i\ \Rightarrow\ P(t)<P(\infty)",
            "ψ is the derived loss after noise at the end minus now. Every u falls to 0, so this holds in the end.",
            lambda: positive(in_price(psi(u)).subs(c, u / 2 + x)),
        ),
        Step(
            r"0<u_i<c\ \forall i\ \Rightarrow\ \tfrac{dP}{dt}>0",
            "Beyond the last mode's turn P only rises, up to P(∞): its minimum is at or before that finite length.",
            lambda: positive(in_price(slope()).subs(c, sigma - s + x).subs(sigma, s + y)),
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
            r"P_n-P_{n-1}=\psi(\sigma_n)",
            "In the limit at most one feature is under way (C3), so the candidates are the stops at σ_n − c. A later "
            "stop is better exactly if σ_n > 2c: the best is at the last such feature, and what follows it is lost.",
            _best_stop,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("d_in and d_out swapped", lambda f: rename(f, {d_in: d_out, d_out: d_in})),
        Variant("geometric for arithmetic mean in c", lambda f: rename(f, GEOMETRIC)),
        Variant("c − u instead of c − u/2", lambda f: f | {"behind": u * (price - u)}),
        Variant("sign of the residual's part", lambda f: f | {"behind": u * (price + u / 2)}),
        Variant("c² at the turn", lambda f: f | {"turn": price**2}),
        Variant("features up to c instead of 2c", lambda f: f | {"unpaid": sigma * (price - sigma)}),
        Variant("½ missing in what the strongest gains", lambda f: f | {"early": (sigma - price) ** 2}),
        Variant("price doubled", lambda f: rename(f, {g1: sp.sqrt(2) * g1, g2: sp.sqrt(2) * g2})),
    ),
    special_case=SpecialCase("square, equal noise", lambda f: rename(f, {d_out: d_in, g2: g1})),
    floor=Verdict.PROVED,
    uses=("A3", "B1", "C3"),
    link=Link(
        "theory.noisy_path.still_to_lose", "σ 1e-6 … 1e6, ε/σ 1e-290 … 1, c 1e-12 … 1e6, to 2.6 learning times", _engine
    ),
    source="ours",
)
