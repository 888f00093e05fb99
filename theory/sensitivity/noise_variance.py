"""B5: the variance of the loss under Gaussian noise on the weights, exact: the error bar of a Monte-Carlo mean."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, instance, nonnegative, whole
from overtraining.setting.errors import ShapeError
from overtraining.theory.checks import check_input_covariance, check_teacher, check_weights
from overtraining.theory.products import product, refuse_overflow


@dataclass(frozen=True)
class Invariants:
    """The twelve numbers through which weights, teacher and inputs enter the variance (claim B5); arrays broadcast.

    With `E = f − A`: squared gradients `‖∇W1‖²`, `‖∇W2‖²`; unlearned_norm `tr(EΣx²Eᵀ)`; overlaps `o_k = tr(EΣx^k fᵀ)`;
    norms `p_k = tr(W1 Σx^k W1ᵀ)` and `‖W2‖²`; fourth powers `‖W1 Σx W1ᵀ‖²` and `‖W2ᵀW2‖²`; `τ_k = tr Σx^k`.
    """

    gradient_1: Any
    gradient_2: Any
    unlearned_norm: Any
    overlap: Any
    overlap_2: Any
    norm_1: Any
    norm_1_2: Any
    norm_2: Any
    quartic_1: Any
    quartic_2: Any
    trace: Any
    trace_2: Any


def invariants_at(
    w1: Float[np.ndarray, "h d_in"],
    w2: Float[np.ndarray, "d_out h"],
    teacher: Float[np.ndarray, "d_out d_in"],
    input_covariance: Float[np.ndarray, "d_in d_in"] | None = None,
) -> Invariants:
    """The invariants of any point of weight space, as defined by `Invariants`.

    w1, w2, teacher: W1, W2 and A.  input_covariance: Σx, by default I.
    Raises ShapeError where the matrices do not fit, DomainError where Σx is not symmetric positive semidefinite.

    >>> invariants_at(np.ones((1, 2)), np.ones((2, 1)), np.zeros((2, 2))).gradient_1
    8.0
    """
    w1, w2 = layers = check_weights((w1, w2))
    sx = check_input_covariance(input_covariance, w1.shape[1])
    teacher = check_teacher(teacher, layers)

    def square(matrix: np.ndarray) -> float:
        return float((matrix * matrix).sum())

    def numbers() -> list[float]:
        f = w2 @ w1
        weighted = (f - teacher) @ sx
        w1_seen = w1 @ sx
        return [
            square(w2.T @ weighted),
            square(weighted @ w1.T),
            square(weighted),
            float((weighted * f).sum()),
            float((weighted * (f @ sx)).sum()),
            max(float((w1_seen * w1).sum()), 0.0),  # negative only by rounding, where Σx is singular
            square(w1_seen),
            square(w2),
            square(w1_seen @ w1.T),
            square(w2.T @ w2),
            float(np.trace(sx)),
            square(sx),
        ]

    return Invariants(*refuse_overflow("the invariants of the point", numbers))


def invariants_on_path(s: Float[np.ndarray, "*b r"], unlearned: Float[np.ndarray, "*b m"], *, d_in: int) -> Invariants:
    """The invariants on the balanced aligned path, whitened inputs, from `s_i` and `σ_i − s_i`.

    s: singular values of the student, last axis modes.
    unlearned: the result of `balanced_mode.unlearned`; it may list m >= r modes, those beyond r without a hidden unit.
    Raises ShapeError where the numbers of modes and d_in do not fit, DomainError for negative s.

    >>> float(invariants_on_path(np.array([1.0, 0.5]), np.array([0.0, 0.5]), d_in=3).norm_2)
    1.5
    """
    s, unlearned, d_in = nonnegative("s", s), finite("unlearned", unlearned), whole("d_in", d_in)
    if s.ndim == 0 or unlearned.ndim == 0:
        raise ShapeError("a number", "the last axis lists the modes", "pass [s] and [σ − s]")
    check_broadcast(s=np.empty(s.shape[:-1]), unlearned=np.empty(unlearned.shape[:-1]))
    if s.shape[-1] > unlearned.shape[-1]:
        learned = f"{s.shape[-1]} learned modes"
        raise ShapeError(learned, f"unlearned has {unlearned.shape[-1]}", "pass one unlearned part for each mode")
    if unlearned.shape[-1] > d_in:
        raise ShapeError(f"{unlearned.shape[-1]} modes", f"there are {d_in} inputs", "pass at most d_in modes")
    rest = unlearned[..., : s.shape[-1]]
    sums = lambda: [x.sum(axis=-1) for x in np.broadcast_arrays(s * rest**2, -s * rest, s, s**2)]
    gradient, overlap, norm, quartic = refuse_overflow("the invariants of the point", sums)
    unlearned_norm = refuse_overflow("the squared unlearned part", lambda: (unlearned**2).sum(axis=-1))
    return Invariants(
        gradient_1=gradient,
        gradient_2=gradient,
        unlearned_norm=unlearned_norm,
        overlap=overlap,
        overlap_2=overlap,
        norm_1=norm,
        norm_1_2=norm,
        norm_2=norm,
        quartic_1=quartic,
        quartic_2=quartic,
        trace=float(d_in),
        trace_2=float(d_in),
    )


def loss_variance(point: Invariants, gamma_1: Numbers, gamma_2: Numbers, *, h: int, d_out: int) -> Values:
    """Variance of `L(θ + noise)` for independent Gaussian noise of scales γ₁, γ₂ on the entries of W1, W2 (claim B5).

    `γ₁²‖∇W1‖² + γ₂²‖∇W2‖² + γ₁²γ₂²[h tr(EΣx²Eᵀ) + p₂‖W2‖² + 2(d_out+1)o₂ + 2τo₁] + ½γ₁⁴τ₂‖W2ᵀW2‖² + ½γ₂⁴d_out‖W1ΣxW1ᵀ‖²
    + γ₁⁴γ₂²‖W2‖²D + γ₁²γ₂⁴d_out[(d_out+h+1)p₂ + τp₁] + ½γ₁⁴γ₂⁴d_out h D`, `D = (d_out+h+1)τ₂ + τ²`.

    A mean over n draws has the standard error √(Var/n). Unlike the mean (B1), this is for Gaussian noise only: the
    third and fourth moments of another law would enter. The gammas broadcast against the invariants.
    In the unit of the loss squared. Raises DomainError for negative scales, for invariants that are negative (but the
    overlaps) or not finite, and for a result that overflows; ShapeError where arrays do not broadcast.

    >>> point = invariants_at(np.ones((1, 1)), np.ones((1, 1)), np.ones((1, 1)))
    >>> float(loss_variance(point, 0.5, 0.5, h=1, d_out=1))
    0.2578125
    """
    instance("point", point, Invariants)
    h, d_out = whole("h", h), whole("d_out", d_out)
    invariants = {
        name: finite(name, x) if name.startswith("overlap") else nonnegative(name, x) for name, x in vars(point).items()
    }
    gammas = {"gamma_1": nonnegative("gamma_1", gamma_1), "gamma_2": nonnegative("gamma_2", gamma_2)}
    k, l, *_ = check_broadcast(**gammas, **invariants)
    p = Invariants(**invariants)
    widths = d_out + h + 1
    kl, kk, ll = (k, k, l, l), (k, k, k, k), (l, l, l, l)

    def variance() -> Values:
        spread = widths * p.trace_2 + p.trace**2
        terms = (  # B5
            (k, k, p.gradient_1), (l, l, p.gradient_2),
            (*kl, h, p.unlearned_norm), (*kl, p.norm_1_2, p.norm_2), (*kl, 2 * (d_out + 1), p.overlap_2),
            (*kl, 2 * p.trace, p.overlap), (0.5, *kk, p.trace_2, p.quartic_2), (0.5, *ll, d_out, p.quartic_1),
            (*kk, l, l, p.norm_2, spread), (k, k, *ll, d_out * widths, p.norm_1_2),
            (k, k, *ll, d_out * p.trace, p.norm_1), (0.5, *kk, *ll, d_out * h, spread),
        )  # fmt: skip
        return sum((product(*term) for term in terms), np.float64(0))

    return np.maximum(refuse_overflow("the variance", variance), 0.0)  # negative only by rounding
