"""D5t: the inflection of the downstream loss of SGD on noisy labels, from the second moments of the weights.

Noise of variance 2γ² dt on every entry of the gradient in f moves the weights by `J_ij dn_ij`, `J_ij = ∂f_ij/∂θ`. To
first order in γ² the covariance Σ and the mean shift μ of the weights follow the linear equations

    Σ̇ = −HΣ − ΣH + 2γ²JJᵀ,    μ̇ = −Hμ − ½∇tr(HΣ),    E L − L = ∇L·μ + ½tr(HΣ)

along the noiseless path. On the path used here, mode 1 is short of its task by ρ(t) = r e^{2σ'(T − t)}, with small r.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.matrix_words import IDENTITY, Rules, normal_form, scaled
from overtraining.theory.derivations.calculus.trace_calculus import squared_norm
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, TraceSum
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
from overtraining.theory.derivations.checker.evidence import argued, every, identity
from overtraining.theory.derivations.claims import c1_noisy_mode as c1
from overtraining.theory.fine_tuning.noisy_task import noisy_task_turn

s, z = sp.symbols("s z", positive=True)  # the task's singular value on this mode, and on another mode
T, t = sp.symbols("T t", positive=True)  # the budget, and the time within it
q = sp.exp(-2 * s * T)
q_other = sp.exp(-2 * z * T)
SHAPES = ((2, 1, 1), (1, 3, 1), (2, 2, 2))  # d_out, d_in, modes, of the cross-check
rho = sp.Symbol("rho")  # what mode 1 is short of its task


def formula() -> dict[str, sp.Expr]:
    """The parts of ψ: from the mode's own direction, from each other mode, and from each direction beyond the modes."""
    return {
        "own": (1 - q) * (1 - 6 * q),
        "pair": -(s + z) * (q * (1 - q_other) / z + q_other * (1 - q) / s),
        "side": -(1 - q + 2 * s * T * q) / 2,
    }


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """Each part is the contribution of its directions, for symbolic widths and any number of modes."""
    one, other, beyond = (s, True), (z, False), (sp.S.Zero, False)
    pair = contribution(*of_direction(one, other)) + contribution(*of_direction(other, one))
    return every(
        (
            ("own", identity(candidate["own"], contribution(*of_direction(one, one)))),
            ("pair", identity(candidate["pair"], pair)),
            ("beyond the columns", identity(candidate["side"], contribution(*of_direction(one, beyond)))),
            ("beyond the rows", identity(candidate["side"], contribution(*of_direction(beyond, one)))),
            *(
                (f"others {n}", identity(contribution(*of_direction(a, b)), 0))
                for n, (a, b) in enumerate(((other, other), (other, (s, False)), (other, beyond), (beyond, other)))
            ),
        ),
        "every kind of direction, for symbolic widths and any number of modes",
    )


def _values(m: int) -> tuple[sp.Symbol, ...]:
    """The task's singular values, those of the other modes as symbols."""
    return (s, *sp.symbols(f"z_2:{m + 1}", positive=True))


def of_direction(row: tuple[sp.Expr, bool], column: tuple[sp.Expr, bool]) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """For the direction a bᵀ of f: K, and the slopes of H and JJᵀ in ρ, by the quadratic forms of `_directions`.

    row, column: the singular value that a and b have in the task, 0 beyond its modes, and whether it is mode 1.
    """
    (y0, y), (x0, x) = ((v, sp.sqrt(v * (v - rho)) if is_first else v) for v, is_first in (row, column))
    both = row[1] and column[1]  # only then are ⟨f − B, a bᵀ⟩ = −ρ and ⟨f₀, a bᵀ⟩ = s beside each other
    k = y0 + x0
    noise = (y + x) ** 2
    hessian = noise + 2 * (-rho * s if both else 0)
    of_hessian, of_noise = (sp.simplify(sp.diff(e, rho).subs(rho, 0) / k) for e in (hessian, noise))
    return k, of_hessian, of_noise


def _directions() -> Evidence:
    """`e = (W2₀ᵀ a bᵀ, a bᵀ W1₀ᵀ)`: `e·e`, `eᵀHe`, `eᵀJJᵀe` and `JJᵀe = Ke`, for symbolic widths.

    W2W2₀ᵀ maps a to y a and W1ᵀW1₀ maps b to x b, with y₀ and x₀ at the fitted task. J maps a change of f to weights,
    Jᵀ a change of the weights to f, so `JJᵀe = J(K a bᵀ) = Ke`; at the task H = JJᵀ, since f − B = 0.
    """
    y, x, y0, x0, eps = sp.symbols("y x y_0 x_0 epsilon")
    a, b = Letter("a", "d_out", "one"), Letter("b", "d_in", "one")
    w1, v1 = (Letter(name, "h", "d_in") for name in ("W1", "V1"))
    w2, v2 = (Letter(name, "d_out", "h") for name in ("W2", "V2"))
    f1, f2, start1, start2 = map(MatrixSum.of, (w1, w2, v1, v2))
    dyad = MatrixSum.of(a) @ MatrixSum.of(b.T)
    first, second = start2.T @ dyad, dyad @ start1.T
    rules: Rules = (
        ((w2, v2.T, a), scaled(y, MatrixSum.of(a))),
        ((b.T, v1.T, w1), scaled(x, MatrixSum.of(b.T))),
        ((a.T, v2, v2.T, a), scaled(y0, IDENTITY)),
        ((b.T, v1.T, v1, b), scaled(x0, IDENTITY)),
        ((a.T, a), IDENTITY),
        ((b.T, b), IDENTITY),
    )
    moved = f2 @ first + second @ f1
    task = MatrixSum.of(Letter("B", "d_out", "d_in"))
    after = (f2 + scaled(eps, second)) @ (f1 + scaled(eps, first)) - task
    loss = sp.Rational(1, 2) * squared_norm(after)
    curvature = TraceSum.collect((2 * sp.expand(c).coeff(eps, 2), words) for words, c in loss.terms.items())
    stated = squared_norm(moved) + 2 * ((f2 @ f1 - task).T @ dyad @ start1.T @ start2.T @ dyad).trace()
    ends = (MatrixSum.of(a.T) @ start2 @ start2.T @ MatrixSum.of(a)).joined(IDENTITY)
    ends = ends + MatrixSum.of(b.T) @ start1.T @ start1 @ MatrixSum.of(b)
    return every(
        (
            ("eᵀHe", Evidence((curvature - stated).is_zero(), Verdict.PROVED, "‖Jᵀe‖² + 2⟨f − B, a bᵀ⟩⟨f₀, a bᵀ⟩")),
            ("Jᵀe", Evidence(not normal_form(moved - scaled(y + x, dyad), rules), Verdict.PROVED, "(y + x) a bᵀ")),
            ("e·e", Evidence(not normal_form(ends - scaled(y0 + x0, IDENTITY), rules), Verdict.PROVED, "y₀ + x₀")),
        ),
        "the quadratic forms of a direction, for symbolic widths",
    )


def _on_shapes() -> Evidence:
    """The parts add up to ψ from the loss in its entries, differentiated by SymPy, on explicit shapes."""
    parts = formula()
    cases = []
    for d_out, d_in, m in SHAPES:
        total = parts["own"] + (d_in + d_out - 2 * m) * parts["side"]
        total += sum(parts["pair"].subs(z, value) for value in _values(m)[1:])
        checked = identity(total, turning_point(d_out, d_in, m))
        cases.append((f"{d_out} × {d_in}, {m} modes", Evidence(checked.holds, Verdict.TESTED, checked.detail)))
    return every(cases, f"tested on shapes (d_out, d_in, modes) {', '.join(map(str, SHAPES))}")


@cache
def directions(d_out: int, d_in: int, m: int) -> list[tuple[sp.Expr, sp.Expr, sp.Expr]]:
    """For every direction (i, j) in which the weights can move f: K, and the slopes of H and JJᵀ in ρ of mode 1.

    At the fitted task H = JJᵀ has the eigenvector J_ij, with eigenvalue `K_ij = s_i + s_j` (checked). The slopes are
    the derivatives of H and JJᵀ with respect to ρ, taken along that vector scaled to length one.
    """
    values = _values(m)
    w1 = sp.Matrix(m, d_in, lambda k, j: sp.Symbol(f"a_{k}{j}"))
    w2 = sp.Matrix(d_out, m, lambda i, k: sp.Symbol(f"b_{i}{k}"))
    task = sp.Matrix(d_out, d_in, lambda i, j: values[i] if i == j and i < m else 0)
    weights = [*w1, *w2]
    f = w2 * w1
    loss = sum(x**2 for x in f - task) / 2
    path = {x: sp.Integer(0) for x in weights}
    for k, value in enumerate(values):
        path |= dict.fromkeys((w1[k, k], w2[k, k]), sp.sqrt(value - (rho if k == 0 else 0)))
    jacobian = sp.Matrix([*f]).jacobian(weights).subs(path)
    hessian = sp.hessian(loss, weights).subs(path)
    moments = []
    for row in range(d_out * d_in):
        e = jacobian[row, :].subs(rho, 0)
        if not any(e):
            continue
        k = (e * e.T)[0]
        if sp.simplify(hessian.subs(rho, 0) * e.T - k * e.T) != sp.zeros(len(weights), 1):
            raise AssertionError("J_ij is not an eigenvector of H")  # then Σ would not stay diagonal
        of_hessian, of_noise = (
            sp.simplify((e * matrix.diff(rho).subs(rho, 0) * e.T)[0] / k) for matrix in (hessian, jacobian.T * jacobian)
        )
        moments.append((sp.expand(k), of_hessian, of_noise))
    return moments


def turning_point(d_out: int, d_in: int, m: int) -> sp.Expr:
    """ψ of mode 1: `(E L − L − ½r²)/(γ²r)` at first order in r, by the three equations."""
    return sp.expand(sum(contribution(*moments) for moments in directions(d_out, d_in, m)))


@cache
def contribution(k: sp.Expr, of_hessian: sp.Expr, of_noise: sp.Expr) -> sp.Expr:
    """What one direction adds to ψ: the equations are linear in the directions, as Σ stays diagonal in them."""
    variance = 1 - sp.exp(-2 * k * t)  # Σ/γ² in this direction while ρ = 0
    grown = sp.expand(sp.exp(-2 * k * (T - t) + 2 * s * (T - t)) * (2 * of_noise - 2 * of_hessian * variance))
    curvature = of_hessian * variance.subs(t, T) / 2 + k * _integral(grown) / 2  # ½tr(HΣ)
    # μ along ∇f₁₁, whose squared length is 2s: −½∇tr(HΣ) there is ½·2s·∂tr(HΣ)/∂ρ, and ∇L = −r∇f₁₁
    shift = _integral(sp.expand(sp.exp(-2 * s * (T - t)) * s * of_hessian * variance))
    return sp.expand(curvature - shift)


def _integral(terms: sp.Expr) -> sp.Expr:
    """The integral of a sum of exponentials of t from 0 to T, term by term: SymPy's own integral would branch."""
    total = sp.Integer(0)
    for term in sp.Add.make_args(sp.powsimp(terms)) if terms != 0 else ():
        rate = sp.simplify(sp.diff(term, t) / term)
        total += term * T if rate == 0 else (term.subs(t, T) - term.subs(t, 0)) / rate
    return sp.expand(total)


def _second_moments() -> Evidence:
    """Itô's rule for `dθ = −∇L dt + J dn` adds 2γ²JJᵀ to `E d(θθᵀ)`; ½r² + γ²ψr has its minimum at r = −γ²ψ."""
    r, g, psi = sp.symbols("r gamma psi", real=True)
    (minimum,) = sp.solve(sp.diff(r**2 / 2 + g**2 * psi * r, r), r)
    learning_rate, noise, batch = sp.symbols("eta nu B", positive=True)
    variance_of_step = learning_rate**2 * noise**2 / batch  # of η times the mean noise of a batch's labels
    per_time = variance_of_step / learning_rate  # a step takes the time η
    checked = identity((minimum, per_time), (-(g**2) * psi, 2 * (learning_rate * noise**2 / (2 * batch))))
    return argued("SGD follows this equation as η → 0, and its first two moments close at first order in γ²", checked)


def _late() -> Evidence:
    """For T → ∞ the own part is 1, pairs are 0 and sides −½, so ψ = m + 1 − ½(d_in + d_out)."""
    limits = {name: sp.limit(part, T, sp.oo) for name, part in formula().items()}
    return identity(tuple(limits.values()), (1, 0, -sp.Rational(1, 2)))


def _noise_on_weights() -> Evidence:
    """Noise of the same γ on the fine-tuned weights has the turning point of C1, −½(d_in + d_out): m + 1 less."""
    cost = sp.expand(-c1.formula()["turn"] + c1.sigma)  # σ − turning point
    m, widths = sp.symbols("m d", positive=True)
    long_budget = m + 1 - widths / 2
    added = -cost.subs(c1.noise_cost, widths / 2)
    detail = "SGD's noise does not act in all directions, and it also lowers f"
    return identity(sp.expand(long_budget - added), m + 1, detail)


def _sgd_turning_point(throughout: bool) -> float:
    """`(E L − L)/(γ²r)` of SGD on one mode of a 2 × 2 task, T = 2: pairs of opposite noise, the slope of two starts.

    throughout: whether the labels are noisy all the time or only in the last fifth of the steps.
    """
    generator = np.random.default_rng(0)
    pairs = 4000
    learning_rate = 0.02
    variance = 0.002  # γ²
    starts = (0.95, 1.05)
    w1 = np.zeros((2, 2, pairs, 1, 2))
    w2 = np.zeros((2, 2, pairs, 2, 1))
    task = np.diag([1.0, 0.0])
    for i, start in enumerate(starts):
        w1[i, ..., 0, 0] = w2[i, ..., 0, 0] = np.sqrt(start)
    noiseless = [np.sqrt(start) for start in starts]
    for step in range(int(2 / learning_rate)):
        noise = np.sqrt(2 * variance / learning_rate) * generator.standard_normal((pairs, 2, 2))
        if not throughout and step < 80:
            noise = 0 * noise
        error = w2 @ w1 - task - np.stack([noise, -noise])
        w1, w2 = w1 - learning_rate * _transpose(w2) @ error, w2 - learning_rate * error @ _transpose(w1)
        noiseless = [w - learning_rate * w * (w * w - 1) for w in noiseless]
    loss = ((w2 @ w1 - task) ** 2).sum((-1, -2)).mean((1, 2)) / 2
    r = 1 - np.array(noiseless) ** 2
    return float(((loss[0] - loss[1]) - (r[0] ** 2 - r[1] ** 2) / 2) / (r[0] - r[1]) / variance)


def _transpose(matrices: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrices, -1, -2)


def _late_noise() -> Evidence:
    """Labels that are noisy from the first step on, and labels that are noisy only in the last fifth of the steps."""
    claimed = float(np.ravel(noisy_task_turn(2.0, [1.0], d_in=2, d_out=2))[0])
    always = _sgd_turning_point(throughout=True)
    late = _sgd_turning_point(throughout=False)
    holds = abs(always - claimed) < 0.25 and abs(late - claimed) > 0.5
    return Evidence(holds, Verdict.TESTED, f"ψ = {claimed:.2f}, SGD {always:.2f}, noise at the end only {late:.2f}")


def _fresh_inputs() -> Evidence:
    """ψ of SGD on 20 inputs, 1 output, T = 2, ησ'(d_in + 1)/B = 0.4, γ² = 1e-5: the slope between two starts."""
    generator = np.random.default_rng(0)
    learning_rate, variance, starts = 0.02, 1e-5, (0.98, 1.02)
    w1, w2 = np.zeros((2, 2, 600, 20)), np.zeros((2, 2, 600))  # start, sign of the noise, run
    for i, start in enumerate(starts):
        w1[i, ..., 0] = w2[i] = np.sqrt(start)
    noiseless = [np.sqrt(start) for start in starts]
    for _ in range(int(2 / learning_rate)):
        inputs = generator.standard_normal((600, 20))
        label = np.sqrt(2 * variance / learning_rate) * generator.standard_normal(600)
        error = w2 * (w1 * inputs).sum(-1) - inputs[:, 0] - np.stack([label, -label])
        gradient = error[..., None] * inputs
        w1, w2 = w1 - learning_rate * w2[..., None] * gradient, w2 - learning_rate * (gradient * w1).sum(-1)
        noiseless = [w - learning_rate * w * (w * w - 1) for w in noiseless]
    loss = (w2**2 * (w1**2).sum(-1) - 2 * w2 * w1[..., 0] + 1).mean((1, 2)) / 2
    r = 1 - np.array(noiseless) ** 2
    measured = float(((loss[0] - loss[1]) - (r[0] ** 2 - r[1] ** 2) / 2) / (r[0] - r[1]) / variance)
    claimed = float(np.ravel(noisy_task_turn(2.0, [1.0], d_in=20, d_out=1))[0])
    return Evidence(measured < 2 * claimed, Verdict.TESTED, f"ψ = {claimed:.1f}, SGD {measured:.1f}")


def _engine_error(
    expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator
) -> float:
    """Up to four modes and widths up to 6; errors relative to the sum of the parts' sizes, since ψ passes through 0."""
    worst = 0.0
    parts = {name: sp.lambdify((s, z, T), part, "mpmath") for name, part in expression.items()}
    for _ in range(100):
        m = int(generator.integers(1, 5))
        i, o = generator.integers(m, 7, 2).tolist()
        values = 10.0 ** generator.uniform(-2, 1, m)
        budget = 10.0 ** generator.uniform(-3, 1)
        turning_points = function(budget, values, d_in=i, d_out=o)
        exact_budget = sp.Float(float(budget), 60)
        exact_values = [sp.Float(float(x), 60) for x in values]
        for k, value in enumerate(exact_values):
            terms = [
                parts["own"](value, 1, exact_budget),
                (i + o - 2 * m) * parts["side"](value, 1, exact_budget),
                *(parts["pair"](value, x, exact_budget) for n, x in enumerate(exact_values) if n != k),
            ]
            size = 1 + float(sum(abs(x) for x in terms))
            condition = 1 + 2 * float(values[k]) * float(budget)
            worst = max(worst, abs(float(turning_points[k] - sum(terms))) / size / condition)
    return worst


DERIVATION = Derivation(
    claim="D5t",
    title="The inflection of the downstream loss on a noisy task",
    statement=r"L_{ft}(T)=\tfrac12\sum_i\left(r_i^2+2\gamma^2\psi_ir_i\right)+\ldots,\quad \psi_i=(1-q_i)(1-6q_i)-"
    r"\sum_{j\ne i}(\theta_i+\theta_j)\left(q_i\tfrac{1-q_j}{\theta_j}+q_j\tfrac{1-q_i}{\theta_i}\right)-"
    r"\tfrac{d_{in}+d_{out}-2m}{2}(1-q_i+\theta_iq_i)\to m+1-\tfrac{d_{in}+d_{out}}2",
    plain="With noisy labels the downstream loss at a given budget is lowest for the start from which noiseless "
    "fine-tuning would end at σ' + γ²ψ: below the task's value for short budgets or low rank, above it for long "
    "budgets on square tasks of full rank.",
    symbols={
        "r": "σ' − p, the unlearned part of a mode after noiseless fine-tuning",
        r"\gamma^2": "ην²/2B",
        "m": "number of the task's modes, all of them learned",
        r"q,\theta": "e^{−θ}, θ = 2σ'T",
        "s,z": "the task's singular value on the mode, and on another mode",
        "T,t": "budget, and time within it",
    },
    assumptions=(
        Assumption(
            "noise throughout",
            "The labels are noisy during all of fine-tuning, which starts from weights without noise.",
            Counterexample("With noise only in the last fifth of the steps the inflection moves.", _late_noise),
        ),
        Assumption(
            "small noise",
            "First order in γ² and η at a given T: the difference between two starts decays as q, but the second-order "
            "effect on it of the drift of their layers (E2) does not.",
        ),
        Assumption("balanced start", "The layers of all modes are balanced when fine-tuning starts."),
        Assumption("aligned start", "The task shares the pretrained singular vectors; the other modes fit the task."),
        Assumption("whitened inputs", "Σx = I."),
        Assumption(
            "large batches",
            "The whole population of inputs in every step, or fresh inputs with ησ'(d_in + 1)/B ≪ 1: the noise of the "
            "inputs depends on r, whatever the size of the labels' noise.",
            Counterexample("With one fresh example a step the inflection lies elsewhere.", _fresh_inputs),
        ),
    ),
    steps=(
        Step(
            r"d\theta=-\nabla L\,dt+\sum_{ij}J_{ij}dn_{ij},\ \mathrm{Var}\,dn=2\gamma^2dt;\quad r=-\gamma^2\psi",
            "The variance that SGD adds per unit of time, and the place of the minimum.",
            _second_moments,
        ),
        Step(
            r"e=(W_2^\top ab^\top,ab^\top W_1^\top):\ e^\top He=(y+x)^2+2\langle f-B,ab^\top\rangle"
            r"\langle f_0,ab^\top\rangle,\ e^\top JJ^\top e=(y+x)^2,\ JJ^\top e=(y_0+x_0)e",
            "Every direction a bᵀ of singular vectors, learned or beyond the modes: y and x are what W2W2ᵀ and W1ᵀW1 "
            "are on a and b, where one factor is that of the fitted task. Mode 1, short by ρ, has √(s(s − ρ)). So only "
            "directions in its row or its column contribute: itself, two for each other mode, and one for each "
            "direction beyond the modes.",
            _directions,
        ),
        Step(
            r"T\to\infty:\ \psi=m+1-\tfrac12(d_{in}+d_{out})",
            "The limits of the parts: the parts of pairs of learned modes vanish, and every direction beyond the modes "
            "contributes −½.",
            _late,
        ),
        Step(
            r"\psi-\left(-\tfrac12(d_{in}+d_{out})\right)=m+1",
            "Independent noise of the same γ on the fine-tuned weights would have its turning point as in C1, always "
            "below the task. SGD's noise has the same effect as that noise on the loss (D5), but not on its slope.",
            _noise_on_weights,
        ),
        Step(
            r"\psi=\text{own}+\sum_j\text{pair}(s,z_j)+(d_{in}+d_{out}-2m)\,\text{side}",
            "The Hessian of the loss written out in its entries and differentiated by SymPy.",
            _on_shapes,
            cross_check=True,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("factor 1 − 6q of the own part dropped", lambda f: f | {"own": 1 - q}),
        Variant("5q for 6q", lambda f: f | {"own": (1 - q) * (1 - 5 * q)}),
        Variant(
            "independent noise on the weights (C1)",
            lambda f: f | {"own": sp.Integer(-1), "pair": sp.Integer(-1), "side": -sp.Rational(1, 2)},
        ),
        Variant("pair of equal modes", lambda f: f | {"pair": f["pair"].subs(z, s)}),
        Variant("pairs dropped", lambda f: f | {"pair": sp.Integer(0)}),
        Variant("directions beyond the modes at their limit", lambda f: f | {"side": -sp.Rational(1, 2)}),
        Variant("directions beyond the modes twice", lambda f: f | {"side": 2 * f["side"]}),
        Variant("θ = σ'T for 2σ'T", lambda f: {k: e.subs(T, T / 2) for k, e in f.items()}),
    ),
    special_case=SpecialCase("long budgets", lambda f: {k: sp.limit(sp.sympify(e), T, sp.oo) for k, e in f.items()}),
    floor=Verdict.ARGUED,
    uses=("C1", "D5"),
    link=Link(
        "overtraining.theory.fine_tuning.noisy_task.noisy_task_turn",
        "one to four modes, widths to 6, σ'T 1e-5 … 100",
        _engine_error,
    ),
    source="ours",
)
