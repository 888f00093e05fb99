"""D5t: where the downstream loss of SGD on noisy labels turns, from the second moments of its weights along the flow.

Noise of variance 2γ² dt on every entry of f's gradient moves the weights by `J_ij dn_ij`, `J_ij = ∂f_ij/∂θ`. To first
order in γ² the weights' covariance Σ and mean shift μ follow the linear equations

    Σ̇ = −HΣ − ΣH + 2γ²JJᵀ,    μ̇ = −Hμ − ½∇tr(HΣ),    E L − L = ∇L·μ + ½tr(HΣ)

along the noiseless path, here one on which mode 1 misses its task by ρ(t) = r e^{2σ'(T − t)}, r small.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

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
from overtraining.theory.derivations.checker.evidence import every, identity
from overtraining.theory.derivations.claims import c1_noisy_mode as c1
from overtraining.theory.fine_tuning.noisy_task import noisy_task_turn

s, z, T, t = sp.symbols("s z T t", positive=True)  # the mode's own task value, another mode's, the budget, the time
q, other = sp.exp(-2 * s * T), sp.exp(-2 * z * T)
SHAPES = ((1, 1, 1), (2, 1, 1), (1, 3, 1), (2, 2, 2), (3, 2, 2), (3, 3, 3))  # d_out, d_in, modes
Moments = list[tuple[sp.Expr, sp.Expr, sp.Expr]]


def formula() -> dict[str, sp.Expr]:
    """ψ in parts: the mode's own direction, each other mode's pair, each width beyond the modes'."""
    return {
        "own": (1 - q) * (1 - 6 * q),
        "pair": -(s + z) * (q * (1 - other) / z + other * (1 - q) / s),
        "side": -(1 - q + 2 * s * T * q) / 2,
    }


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The parts add up to what the moments give, in every shape."""
    cases = []
    for d_out, d_in, m in SHAPES:
        others = _values(m)[1:]
        total = candidate["own"] + (d_in + d_out - 2 * m) * candidate["side"]
        total += sum(candidate["pair"].subs(z, value) for value in others)
        cases.append(
            (f"{d_out} × {d_in}, {m} modes", identity(sp.simplify(sp.expand(total - turn(d_out, d_in, m))), 0))
        )
    return every(cases, f"all of {len(SHAPES)} shapes, from the loss")


def _values(m: int) -> tuple[sp.Symbol, ...]:
    return (s, *sp.symbols(f"z_2:{m + 1}", positive=True))


@cache
def directions(d_out: int, d_in: int, m: int) -> Moments:
    """Per direction (i, j) of f that the weights move: K, and how H and JJᵀ change there with ρ of mode 1.

    At the fitted task H = JJᵀ has the eigenvector J_ij with `K_ij = s_i + s_j` (checked); H' and N' are the derivatives
    of H and JJᵀ by ρ between that vector, of length one, and itself.
    """
    values, rho = _values(m), sp.Symbol("rho")
    w1 = sp.Matrix(m, d_in, lambda k, j: sp.Symbol(f"a_{k}{j}"))
    w2 = sp.Matrix(d_out, m, lambda i, k: sp.Symbol(f"b_{i}{k}"))
    task = sp.Matrix(d_out, d_in, lambda i, j: values[i] if i == j and i < m else 0)
    weights, f = [*w1, *w2], w2 * w1
    loss = sum(x**2 for x in f - task) / 2
    path = {x: sp.Integer(0) for x in weights}
    for k, value in enumerate(values):
        path |= dict.fromkeys((w1[k, k], w2[k, k]), sp.sqrt(value - (rho if k == 0 else 0)))
    jacobian, hessian = (x.subs(path) for x in (sp.Matrix([*f]).jacobian(weights), sp.hessian(loss, weights)))
    found = []
    for row in range(d_out * d_in):
        e = jacobian[row, :].subs(rho, 0)
        if not any(e):
            continue
        k = (e * e.T)[0]
        if sp.simplify(hessian.subs(rho, 0) * e.T - k * e.T) != sp.zeros(len(weights), 1):
            raise AssertionError("J_ij is no eigenvector of H")  # then Σ would not stay diagonal
        slope = lambda x, e=e, k=k: sp.simplify((e * x.diff(rho).subs(rho, 0) * e.T)[0] / k)
        found.append((sp.expand(k), slope(hessian), slope(jacobian.T * jacobian)))
    return found


def turn(d_out: int, d_in: int, m: int) -> sp.Expr:
    """`(E L − L − ½r²)/(γ²r)` at first order in r, by the three equations, for mode 1."""
    total, pull = sp.Integer(0), sp.Integer(0)
    for k, bend, drive in directions(d_out, d_in, m):
        settled = 1 - sp.exp(-2 * k * t)  # Σ/γ² in this direction while ρ = 0
        grown = sp.expand(sp.exp(-2 * k * (T - t) + 2 * s * (T - t)) * (2 * drive - 2 * bend * settled))
        total += bend * settled.subs(t, T) / 2 + k * _integral(grown) / 2  # ½tr(HΣ)
        pull += bend * settled
    # μ along ∇f₁₁, of length² 2s: −½∇tr(HΣ) is ½·2s·∂tr(HΣ)/∂ρ there, and ∇L = −r∇f₁₁
    shift = _integral(sp.expand(sp.exp(-2 * s * (T - t)) * s * pull))
    return sp.expand(total - shift)


def _integral(terms: sp.Expr) -> sp.Expr:
    """Of a sum of exponentials of t from 0 to T, term by term: SymPy's own integral would branch."""
    found = sp.Integer(0)
    for term in sp.Add.make_args(sp.powsimp(terms)) if terms != 0 else ():
        rate = sp.simplify(sp.diff(term, t) / term)
        found += term * T if rate == 0 else (term.subs(t, T) - term.subs(t, 0)) / rate
    return sp.expand(found)


def _second_moments() -> Evidence:
    """Itô's rule on `dθ = −∇L dt + J dn`: `E d(θθᵀ)` has 2γ²JJᵀ; and ½r² + γ²ψr is least at r = −γ²ψ."""
    r, g, psi = sp.symbols("r gamma psi", real=True)
    least = sp.solve(sp.diff(r**2 / 2 + g**2 * psi * r, r), r)
    rate, noise, batch = sp.symbols("eta nu B", positive=True)
    a_step = rate**2 * noise**2 / batch  # variance per step of η times the labels' mean noise, and per time η:
    return identity((least[0], a_step / rate), (-(g**2) * psi, 2 * (rate * noise**2 / (2 * batch))))


def _late() -> Evidence:
    """T → ∞: own 1, pairs 0, sides −½; so ψ = m + 1 − ½(d_in + d_out)."""
    limits = {name: sp.limit(part, T, sp.oo) for name, part in formula().items()}
    return identity(tuple(limits.values()), (1, 0, -sp.Rational(1, 2)))


def _by_hand() -> Evidence:
    """Noise put on the weights after fine-tuning, of the same γ: C1's turn, −½(d_in + d_out), differs by m + 1."""
    noise_cost = sp.expand(-c1.formula()["turn"] + c1.sigma)  # σ − turn
    m, total = sp.symbols("m d", positive=True)
    late = m + 1 - total / 2
    put = -noise_cost.subs(c1.noise_cost, total / 2)
    return identity(sp.expand(late - put), m + 1, "SGD's noise is not in all directions, and holds f down as well")


def _measured(settled: bool, rank_one: bool = True) -> float:
    """(E L − L)/(γ²r) of SGD on 2 × 2, one mode, T = 2, by pairs of opposite noise, in the slope between two starts."""
    generator, pairs, rate, gamma = np.random.default_rng(0), 4000, 0.02, 0.002
    h = 1 if rank_one else 2
    w1, w2 = np.zeros((2, 2, pairs, h, 2)), np.zeros((2, 2, pairs, 2, h))
    task = np.diag([1.0, 0.0])
    for i, start in enumerate((0.95, 1.05)):
        w1[i, ..., 0, 0] = w2[i, ..., 0, 0] = np.sqrt(start)
    free = [np.sqrt(start) for start in (0.95, 1.05)]
    turned = lambda x: np.swapaxes(x, -1, -2)
    for step in range(int(2 / rate)):
        noise = np.sqrt(2 * gamma / rate) * generator.standard_normal((pairs, 2, 2))
        if not settled and step < 80:
            noise = 0 * noise  # noisy labels only in the last fifth
        off = w2 @ w1 - task - np.stack([noise, -noise])
        w1, w2 = w1 - rate * turned(w2) @ off, w2 - rate * off @ turned(w1)
        free = [w - rate * w * (w * w - 1) for w in free]
    loss = ((w2 @ w1 - task) ** 2).sum((-1, -2)).mean((1, 2)) / 2
    r = 1 - np.array(free) ** 2
    return float(((loss[0] - loss[1]) - (r[0] ** 2 - r[1] ** 2) / 2) / (r[0] - r[1]) / gamma)


def _late_noise() -> Evidence:
    """Labels noisy from the first step on, and only in the last fifth of them."""
    claimed = float(np.ravel(noisy_task_turn([1.0], 2.0, d_in=2, d_out=2))[0])
    always, late = _measured(True), _measured(False)
    holds = abs(always - claimed) < 0.25 and abs(late - claimed) > 0.5
    return Evidence(holds, Verdict.TESTED, f"ψ = {claimed:.2f}, SGD {always:.2f}, noise at the end alone {late:.2f}")


def _engine(expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """Up to four modes in widths to six; errors over the sum of the parts' sizes, since ψ passes 0."""
    worst = 0.0
    parts = {name: sp.lambdify((s, z, T), part, "mpmath") for name, part in expression.items()}
    for _ in range(100):
        m = int(generator.integers(1, 5))
        i, o = generator.integers(m, 7, 2).tolist()
        values, time = 10.0 ** generator.uniform(-2, 1, m), 10.0 ** generator.uniform(-3, 1)
        got = function(values, time, d_in=i, d_out=o)
        for k, value in enumerate(values):
            each = [sp.Float(float(x), 60) for x in (value, time)]
            terms = [parts["own"](each[0], 1, each[1]), (i + o - 2 * m) * parts["side"](each[0], 1, each[1])]
            terms += [parts["pair"](each[0], sp.Float(float(x), 60), each[1]) for n, x in enumerate(values) if n != k]
            exact, size = sum(terms), 1 + float(sum(abs(x) for x in terms))
            worst = max(worst, abs(float(got[k] - exact)) / size / (1 + 2 * value * time))
    return worst


DERIVATION = Derivation(
    claim="D5t",
    title="Where a noisy task turns",
    statement=r"L_{ft}(T)=\tfrac12\sum_i\left(r_i^2+2\gamma^2\psi_ir_i\right)+\ldots,\quad \psi_i=(1-q_i)(1-6q_i)-"
    r"\sum_{j\ne i}(\theta_i+\theta_j)\left(q_i\tfrac{1-q_j}{\theta_j}+q_j\tfrac{1-q_i}{\theta_i}\right)-"
    r"\tfrac{d_{in}+d_{out}-2m}{2}(1-q_i+\theta_iq_i)\to m+1-\tfrac{d_{in}+d_{out}}2",
    plain="With noisy labels the downstream loss after a budget is least where fine-tuning without noise would end at "
    "σ' + γ²ψ: below the task for short budgets or low rank, beyond it for long budgets on square tasks of full rank.",
    symbols={
        "r": "σ' − p, what noiseless fine-tuning leaves of a mode",
        r"\gamma^2": "ην²/2B",
        "m": "modes of the task, all learned",
        r"q,\theta": "e^{−θ}, θ = 2σ'T",
        "s,z": "the mode's task value, another's",
        "T,t": "budget, and time within it",
    },
    assumptions=(
        Assumption(
            "noise throughout",
            "The labels are noisy during all of fine-tuning, which starts from weights without noise.",
            Counterexample("Noise in the last fifth alone turns elsewhere.", _late_noise),
        ),
        Assumption("small noise", "First order in γ² and η at a given T: what two starts differ by falls as q, what "
                   "the drift of their layers (E2) makes of it, of second order, does not."),
        Assumption("balanced start", "All modes' layers are balanced when fine-tuning starts."),
        Assumption("aligned start", "The task shares the pretrained singular vectors; other modes fit it."),
        Assumption("whitened inputs", "Σx = I, the whole population: fresh inputs add noise in proportion to r²."),
    ),
    steps=(
        Step(
            r"d\theta=-\nabla L\,dt+\sum_{ij}J_{ij}dn_{ij},\ \mathrm{Var}\,dn=2\gamma^2dt;\quad r=-\gamma^2\psi",
            "The variance of a step per time; and the place of the least loss.",
            _second_moments,
        ),
        Step(
            r"T\to\infty:\ \psi=m+1-\tfrac12(d_{in}+d_{out})",
            "The parts' limits: pairs of learned modes cancel, every width beyond them counts −½.",
            _late,
        ),
        Step(
            r"\psi-\left(-\tfrac12(d_{in}+d_{out})\right)=m+1",
            "Independent noise of the same γ on the fine-tuned weights would turn at C1's place, always below the "
            "task: as a perturbation of the loss SGD's noise is that noise (D5), as one of its slope it is not.",
            _by_hand,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("own memory forgotten", lambda f: f | {"own": 1 - q}),
        Variant("5q for 6q", lambda f: f | {"own": (1 - q) * (1 - 5 * q)}),
        Variant("independent noise on the weights (C1)", lambda f: f | {
            "own": sp.Integer(-1), "pair": sp.Integer(-1), "side": -sp.Rational(1, 2)}),
        Variant("pair of equal modes", lambda f: f | {"pair": f["pair"].subs(z, s)}),
        Variant("pairs cancel at once", lambda f: f | {"pair": sp.Integer(0)}),
        Variant("side directions settled", lambda f: f | {"side": -sp.Rational(1, 2)}),
        Variant("side directions twice", lambda f: f | {"side": 2 * f["side"]}),
        Variant("rate σ'", lambda f: {k: e.subs(T, T / 2) for k, e in f.items()}),
    ),
    special_case=SpecialCase("long budgets", lambda f: {k: sp.limit(sp.sympify(e), T, sp.oo) for k, e in f.items()}),
    floor=Verdict.PROVED,
    uses=("C1", "D5"),
    link=Link(
        "overtraining.theory.fine_tuning.noisy_task.noisy_task_turn",
        "one to four modes, widths to 6, σ'T 1e-5 … 100",
        _engine,
    ),
    source="ours",
)  # fmt: skip
