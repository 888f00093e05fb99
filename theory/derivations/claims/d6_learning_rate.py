"""D6: the largest stable learning rate along fine-tuning, and the best one, by what pretraining has done."""

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.trace_calculus import squared_norm
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum
from overtraining.theory.derivations.calculus.two_layers import loss as two_layer_loss
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
from overtraining.theory.derivations.claims import a3_balanced_mode as a3, b3_curvature as b3
from overtraining.theory.fine_tuning.stability import tuned_budget, tuned_learning_rate
from overtraining.theory.learning.balanced_mode import singular_value

s, sigma, x, delta = sp.symbols("s sigma x delta", positive=True)  # σ is the task's
error, steps, noise, eta, best = sp.symbols("e N v eta v_rho", positive=True)


def formula() -> dict[str, sp.Expr]:
    """Largest curvature from below, in the task's largest σ, and of one mode from above; the best rate and budget."""
    return {
        "below": 2 * sigma,
        "above": 3 * s - sigma,
        "tuned": sp.log(4 * sigma * steps * error**2 / noise) / (4 * sigma * steps),
        "budget": sp.log(1 + sigma * (best - s) / (s * (sigma - best))) / (2 * sigma),
    }


def roots(at: dict[sp.Symbol, sp.Expr]) -> list[sp.Expr]:
    """All of B3's roots there, square roots of squares taken."""
    claimed = b3.formula()
    square = lambda e: sp.sqrt(sp.factor(sp.expand(e.base)))
    there = (root.subs(at, simultaneous=True) for key in b3.FAMILIES for root in claimed[key])
    return [sp.expand(r.replace(lambda e: e.is_Pow and e.exp == sp.Rational(1, 2), square)) for r in there]


def left_after() -> sp.Expr:
    """`½e²e^{−4σ'ηN} + ½ηv`: the slowest term of A3 near the task, and noise in proportion to the rate."""
    return error**2 * sp.exp(-4 * sigma * eta * steps) / 2 + eta * noise / 2


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """At the fitted task and at the start from above these are roots, and no other is larger; the best rate is."""
    fitted = roots({b3.si: sigma, b3.sj: x, b3.sigma_i: sigma, b3.sigma_j: x})
    largest = [sp.expand(candidate["below"] - r).subs(sigma, x + delta) for r in fitted]
    own = [root.subs({b3.si: s, b3.sigma_i: sigma}, simultaneous=True) for root in roots_of_one()]
    over = [sp.expand((candidate["above"] - r).subs(s, sigma + x)) for r in own]
    nonnegative = lambda e: sp.factor(e).is_nonnegative is True
    slope = left_after().diff(eta).subs(eta, candidate["tuned"])
    return every(
        (
            ("end", Evidence(all(map(nonnegative, largest)) and 0 in largest, Verdict.PROVED, "2σ' is the largest")),
            ("start", Evidence(all(map(nonnegative, over)) and 0 in over, Verdict.PROVED, "3s − σ' is the largest")),
            ("best rate", identity(sp.simplify(slope), 0)),
            ("best budget", identity(sp.simplify(tuned_to(candidate["budget"])), best)),
        ),
        "end, start, best rate and best budget",
    )


def tuned_to(budget: sp.Expr) -> sp.Expr:
    """Where A3 is after a budget, from s toward the task."""
    given = {a3.mu: 0, a3.sigma: sigma, a3.t: budget, a3.epsilon: s}
    return a3.solved()[0].subs(given, simultaneous=True)


def roots_of_one() -> tuple[sp.Expr, sp.Expr]:
    """B3's roots of a mode with itself."""
    first, second = b3.formula()["own"]
    return first, second


def _any_weights() -> Evidence:
    """The Hessian's form is `‖W2X1 + X2W1‖² − 2⟨B − f, X2X1⟩`; and `(p + q)(a² + b²) − (√p a + √q b)²` is a square."""
    w1, x1 = (MatrixSum.of(Letter(n, "h", "d_in")) for n in ("W1", "X1"))
    w2, x2 = (MatrixSum.of(Letter(n, "d_out", "h")) for n in ("W2", "X2"))
    task = MatrixSum.of(Letter("A", "d_out", "d_in"))
    moved = two_layer_loss(w1 + x1, w2 + x2)
    second = type(moved)(
        {k: c for k, c in moved.terms.items() if sum(l.name[0] == "X" for word in k for l in word) == 2}
    )
    claimed = squared_norm(w2 @ x1 + x2 @ w1) - 2 * ((task - w2 @ w1) @ (x2 @ x1).T).trace()
    p, q, a, b = sp.symbols("p q a b", positive=True)
    scalar = (p + q) * (a**2 + b**2) - (sp.sqrt(p) * a + sp.sqrt(q) * b) ** 2
    return every(
        (
            ("form", Evidence((2 * second - claimed).is_zero(), Verdict.PROVED, "for symbolic widths")),
            ("Cauchy–Schwarz", identity(sp.expand(scalar - (sp.sqrt(q) * a - sp.sqrt(p) * b) ** 2), 0)),
            ("2ab", identity(sp.expand(a**2 + b**2 - 2 * a * b - (a - b) ** 2), 0)),
        )
    )


def _below() -> Evidence:
    """0 <= s_i <= σ_i: every root is convex, or rises, in each singular value, and at most 2σ₁ at the corners."""
    top, bottom = x + delta, x  # σ_i >= σ_j
    claimed, cases = b3.formula(), []
    for a in (0, top):
        for b in (0, bottom):
            at = {b3.si: a, b3.sj: b, b3.sigma_i: top, b3.sigma_j: bottom}
            over = [sp.factor(2 * top - r) for r in roots(at)]
            holds = all(e.is_nonnegative is True for e in over)
            cases.append((f"s = ({a}, {b})", Evidence(holds, Verdict.PROVED, f"{over}")))
    first, _, third, _ = claimed["pair"]
    inner = ((third - (b3.sigma_i + b3.sigma_j) / 2) * 2) ** 2
    cases += [("convex in s", identity(tuple(sp.expand(inner).diff(v, 2) for v in (b3.si, b3.sj)), (8, 8)))]
    root = sp.Symbol("R", positive=True)
    rise = [first.diff(v).replace(lambda e: e.is_Pow and abs(e.exp) == sp.Rational(1, 2), lambda e: root ** (2 * e.exp))
            for v in (b3.si, b3.sj)]  # fmt: skip
    cases += [("rises", positive(e)) for e in rise]
    return every(cases, "four corners, two directions")


def _one_path() -> Evidence:
    """From above the mode comes down (A3), and with it 3s − σ'; from below both roots are at most 2σ'."""
    speed = a3.rate().subs({a3.mu: 0, a3.sigma: sigma, a3.s: s}, simultaneous=True)
    first, second = (r.subs({b3.si: s, b3.sigma_i: sigma}, simultaneous=True) for r in roots_of_one())
    return every(
        (
            ("comes down", positive(-speed.subs(s, sigma + x))),
            ("falls", positive((-first.diff(s) * speed).subs(s, sigma + x))),
            ("sharper with pretraining", positive(first.diff(s))),
            ("first from below", positive((2 * sigma - first).subs(sigma, s + x))),
            ("second from below", positive((2 * sigma - second).subs(sigma, s + x))),
        )
    )


def _near() -> Evidence:
    """`σ' − s` decays at 2σ' there: A3's rate, linearized; so the loss's bias decays as e^{−4σ'T}, T = ηN."""
    speed = a3.rate().subs({a3.mu: 0, a3.sigma: sigma, a3.s: sigma - delta}, simultaneous=True)
    return identity(sp.expand(speed).coeff(delta, 1), 2 * sigma)


def _trend() -> Evidence:
    """The best rate rises with |e|; so does the loss there, `e e^{−4σ'ηN} > 0`, by e alone as η is best."""
    tuned = formula()["tuned"]
    return every(
        (
            ("rate", positive(tuned.diff(error))),
            ("loss", positive(left_after().diff(error))),
            ("a minimum", positive(left_after().diff(eta, 2))),
        )
    )


def _budget() -> Evidence:
    """Of `½ρ(σ_pre − p)² + ½(1 − ρ)(σ' − p)²` the slope by p is p − v: least at v, where a free budget can stop.

    A start between σ' and v, which the flow only leaves, is best left alone; more pretraining then lowers the loss.
    """
    rho, own = sp.symbols("rho sigma_pre", positive=True)
    trade = (rho * (own - s) ** 2 + (1 - rho) * (sigma - s) ** 2) / 2
    return identity(sp.expand(trade.diff(s) - (s - (rho * own + (1 - rho) * sigma))), 0)


def _engine(expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """One mode from both sides, over 12 decades; the best rate where it is positive, and 0 elsewhere."""
    pretrained, task = 10.0 ** generator.uniform(-6, 6, (2, 300))
    beyond = pretrained > task
    condition = lambda a, b: (3 * a + b) / (3 * a - b)
    points = [pretrained[beyond], task[beyond]]
    worst = worst_relative_error(expression["above"], (s, sigma), function, points, condition)
    points = [pretrained[~beyond], task[~beyond]]
    worst = max(worst, worst_relative_error(expression["below"] + 0 * s, (s, sigma), function, points))
    given = [10.0 ** generator.uniform(-3, 3, 300) for _ in range(4)]
    gain = np.log(4 * given[1] * given[2] * given[0] ** 2 / given[3])
    if (tuned_learning_rate(*(g[gain < 0] for g in given)) != 0).any():
        return np.inf
    points = [g[gain > 0] for g in given]
    relative = lambda *_: 1 + 5 / gain[gain > 0]
    own, aim = pretrained * 10.0 ** generator.uniform(-1, 1, (2, 300))
    share = generator.uniform(0.05, 0.95, 300)
    stop = share * own + (1 - share) * aim
    between = (stop - pretrained) * (aim - stop) > 0
    found = np.asarray(tuned_budget(pretrained, own, aim, share))
    tuned = singular_value(np.where(between, found, 0), aim, pretrained)
    off = np.abs(tuned / stop - 1)[between] / (1 + 2 * (aim * found)[between] + (aim / np.abs(aim - stop))[between])
    if (found[(pretrained - aim) * (stop - pretrained) > 0] != 0).any():
        return np.inf
    worst = max(worst, float(off.max()))
    return max(
        worst,
        worst_relative_error(expression["tuned"], (error, sigma, steps, noise), tuned_learning_rate, points, relative),
    )


def far() -> Evidence:
    """From s = 0.01 with σ' = 1, N = 100, v = 0.1: the best rate of the whole flow against the formula's."""
    rate = np.linspace(1e-4, 0.2, 20_000)
    left = 1 - 1 / (1 + 99 * np.exp(-200 * rate))
    best = rate[np.argmin(left**2 / 2 + rate * 0.1 / 2)]
    claimed = np.log(400 * 0.99**2 / 0.1) / 400
    return Evidence(bool(best > 1.5 * claimed), Verdict.TESTED, f"best rate {best:.4f}, the formula {claimed:.4f}")


def turned_task() -> Evidence:
    """f = diag(1, 0) and B = diag(0, 1) turned by 45°: sharper at the start, by the Hessian, than 2‖B‖ = 2."""
    b = np.array([[0.5, -0.5], [-0.5, 0.5]])
    largest = largest_curvature(np.diag([1.0, 1e-3]), np.diag([1.0, 1e-3]), b)
    return Evidence(largest > 2.2, Verdict.TESTED, f"largest eigenvalue {largest:.3f}, below the task it is at most 2")


def largest_curvature(w1: np.ndarray, w2: np.ndarray, task: np.ndarray) -> float:
    """The largest eigenvalue of the Hessian of ½‖W2W1 − B‖², by second differences, exact for a quartic."""

    def loss(flat: np.ndarray) -> float:
        return float(((flat[4:].reshape(2, 2) @ flat[:4].reshape(2, 2) - task) ** 2).sum() / 2)

    point, unit = np.concatenate([w1.ravel(), w2.ravel()]), np.eye(8) * 1e-3
    hessian = [
        [(loss(point + u + v) - loss(point + u - v) - loss(point - u + v) + loss(point - u - v)) / 4e-6 for v in unit]
        for u in unit
    ]
    return float(np.linalg.eigvalsh(np.array(hessian)).max())


def turned_curves() -> Curves:
    """The largest curvature at the start of fine-tuning, against the task's angle."""
    angles = np.linspace(0, np.pi, 37)
    found = []
    for angle in angles:
        out = np.array([np.cos(angle), np.sin(angle)])
        found.append(largest_curvature(np.diag([1.0, 1e-3]), np.diag([1.0, 1e-3]), np.outer(out, [1.0, 0.0])))
    return Curves(
        np.degrees(angles),
        {"at the start": np.array(found), "2‖B‖": np.full(37, 2.0)},
        "angle of the task",
        "largest curvature",
    )


DERIVATION = Derivation(
    claim="D6",
    title="The stable learning rate ends at 1/‖B‖, and falls where pretraining is beyond the task",
    statement=r"\lambda_{max}\le\|W_1\|^2+\|W_2\|^2+\|B-f\|;\quad s_i\le\sigma'_i\ \forall i\Rightarrow\lambda_{max}\le"
    r"2\sigma'_1=2\|B\|;\quad s>\sigma'\Rightarrow\lambda_{max}=3s-\sigma';\quad "
    r"\eta^*=\frac{1}{4\sigma'N}\ln\frac{4\sigma'Ne^2}{v};\quad "
    r"T^*=\frac1{2\sigma'}\ln\left(1+\frac{\sigma'(v_\rho-s)}{s(\sigma'-v_\rho)}\right)",
    plain="Fine-tuning on an aligned task meets its sharpest point at the end, 2‖B‖ whatever the pretraining length, "
    "as long as no mode is beyond the task; a single mode that is beyond meets it at the start, where every bit of "
    "pretraining lowers the stable rate. With label noise the best rate falls as pretraining comes nearer to the task.",
    symbols={
        r"\lambda_{max}": "largest eigenvalue of the downstream loss's Hessian; 2/λ_max is the largest stable rate",
        "s": "pretrained singular value",
        r"\sigma'": "the task's singular value, σ'₁ the largest",
        "e": "σ' − s, the error at the start of fine-tuning",
        "N": "steps, T = ηN",
        "v": "what noise adds per unit of learning rate, twice",
        r"\eta^*": "learning rate of the lowest loss after N steps",
        r"v_\rho": "ρσ + (1 − ρ)σ', the best value for ρL_pre + (1 − ρ)L_ft; T* is the budget that ends there",
    },
    assumptions=(
        Assumption(
            "shared singular vectors",
            "The task has pretraining's singular vectors. The first bound needs no alignment.",
            Counterexample("A turned task is sharper at the start.", turned_task, turned_curves),
        ),
        Assumption("balanced start", "W2ᵀW2 = W1W1ᵀ; the first bound needs no balance."),
        Assumption("aligned start", "The student's singular vectors are the teacher's."),
        Assumption("whitened inputs", "Σx = I."),
        Assumption(
            "near the task",
            "For the best rate: the error decays as in the end, at the rate 2σ'.",
            Counterexample("A mode that is not learned yet first has to grow, with a larger rate.", far),
        ),
    ),
    steps=(
        Step(
            r"X\cdot HX=\|W_2X_1+X_2W_1\|^2-2\langle B-f,X_2X_1\rangle\le(\|W_1\|^2+\|W_2\|^2+\|B-f\|)\,\|X\|^2",
            "The second-order part of the loss, at symbolic widths; then operator norms and Cauchy–Schwarz.",
            _any_weights,
        ),
        Step(
            r"0\le s_i\le\sigma'_i\ \Rightarrow\ \lambda_{max}\le2\sigma'_1",
            "B3's roots with the task for the teacher: at the corners of the box of singular values none is above "
            "2σ'₁, and between them each rises or is convex under a root.",
            _below,
        ),
        Step(
            r"\text{one mode: }\max_T\lambda_{max}=\max(2\sigma',3s-\sigma')",
            "From above the mode only comes down, and its curvature with it.",
            _one_path,
        ),
        Step(r"\dot e=-2\sigma'e+O(e^2)", "A3's rate near the task.", _near),
        Step(
            r"\frac{\partial\eta^*}{\partial|e|}>0,\quad\frac{\partial L^*}{\partial|e|}>0",
            "So the best rate and the loss at the best rate both fall until s = σ' and then rise: the downstream "
            "inflection of a mode stays where it is, at every rate and at the best one.",
            _trend,
        ),
        Step(
            r"\frac{d}{dp}\left(\rho L_{pre}+(1-\rho)L_{ft}\right)=p-v_\rho",
            "Not so if the budget is free and tuned for a trade of both losses, 0 < ρ < 1: wherever v_ρ is on the way "
            "from s to σ' the mode can be stopped there, elsewhere the loss falls with pretraining or does not depend "
            "on it: tuning for the trade removes its inflection.",
            _budget,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("σ' at the end", lambda f: f | {"below": sigma}),
        Variant("3σ' at the end", lambda f: f | {"below": 3 * sigma}),
        Variant("2s at the start", lambda f: f | {"above": 2 * s}),
        Variant("s + σ' at the start", lambda f: f | {"above": s + sigma}),
        Variant("3s at the start", lambda f: f | {"above": 3 * s}),
        Variant("rate 2σ' of the loss", lambda f: f | {"tuned": 2 * f["tuned"]}),
        Variant("e for e²", lambda f: f | {"tuned": f["tuned"].subs(error, sp.sqrt(error))}),
        Variant("clock of the trade", lambda f: f | {"budget": f["budget"] * sigma / best}),
        Variant("without the task's distance", lambda f: f | {"budget": sp.log(best / s) / (2 * sigma)}),
        Variant("sign of the best rate", lambda f: f | {"tuned": -f["tuned"]}),
    ),
    special_case=SpecialCase(
        "pretraining at the task", lambda f: {k: e.subs(s, sigma).subs(error, 1) for k, e in f.items()}
    ),
    floor=Verdict.PROVED,
    uses=("A3", "B3"),
    link=Link(
        "overtraining.theory.fine_tuning.stability.path_sharpness",
        "s, σ' 1e-6 … 1e6; the best rate, inputs 1e-3 … 1e3",
        _engine,
    ),
    source="ours",
)
