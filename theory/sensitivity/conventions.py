"""B6: noise of the same level along pretraining, in absolute, initial, relative or per-weight units; rounding."""

from typing import get_args

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, instance, nonnegative, one_nonnegative, positive, whole
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.perturbations import Convention
from overtraining.theory.checks import check_input_covariance, check_orthonormal, check_teacher, check_weights
from overtraining.theory.products import product, refuse_overflow
from overtraining.theory.sensitivity.noise import expected_increase

CONVENTIONS: tuple[str, ...] = get_args(Convention)


def increase_in_convention(
    convention: str,
    w1: Float[np.ndarray, "h d_in"],
    w2: Float[np.ndarray, "d_out h"],
    level_1: Numbers,
    level_2: Numbers,
    *,
    input_covariance: Float[np.ndarray, "d_in d_in"] | None = None,
    initial_scales: tuple[float, float] | None = None,
) -> Values:
    """Expected rise of the loss under noise of a given level per layer, in any convention (claims B1, B6).

    The level ρ is the standard deviation of the noise in a unit that the convention chooses. "absolute": in the unit of
    the weights.  "initialization": in units of the standard deviations with which W1 and W2 were initialized
    (`initial_scales`), by secondary sources those of the source paper.  "relative": in units of the layer's root mean
    square entry, `‖W_l‖_F/√size`.  "multiplicative": in units of each weight's own size.
    The noise has any law of mean zero; levels broadcast. Raises DomainError for an unknown convention, missing
    initial_scales, a matrix that is not a covariance, and a result that overflows; ShapeError where the matrices do not
    chain.

    >>> w = np.eye(2)
    >>> [round(float(increase_in_convention(c, w, w, 0.1, 0.1)), 6) for c in ("absolute", "relative", "multiplicative")]
    [0.0404, 0.0201, 0.0201]
    """
    instance("convention", convention, str)
    w1, w2 = check_weights((w1, w2))
    (h, d_in), d_out = w1.shape, len(w2)
    sx = check_input_covariance(input_covariance, d_in)
    squares = refuse_overflow("the norms of the weights", lambda: w1**2)
    outgoing = refuse_overflow("the norm of w2", lambda: (w2**2).sum(axis=0))
    # the norm that a hidden unit sees is negative only by rounding, where Σx is singular
    incoming = refuse_overflow("the norm of w1", lambda: np.maximum((w1 @ sx * w1).sum(axis=1), 0.0))
    if convention == "multiplicative":
        overlaps = lambda: [outgoing @ squares @ np.diag(sx), outgoing @ incoming]
        diagonal_overlap, unit_overlap = refuse_overflow("a product of norms", overlaps)
        return multiplicative_increase(diagonal_overlap, unit_overlap, level_1, level_2)
    sizes = {"d_in": d_in, "h": h, "d_out": d_out}
    w2_norm = outgoing.sum()
    gammas = noise_scales(
        convention, level_1, level_2, w1_norm=squares.sum(), w2_norm=w2_norm, **sizes, initial_scales=initial_scales
    )
    return expected_increase(incoming.sum(), w2_norm, *gammas, **sizes, input_trace=float(np.trace(sx)))


def noise_scales(
    convention: str,
    level_1: Numbers,
    level_2: Numbers,
    *,
    w1_norm: Numbers,
    w2_norm: Numbers,
    d_in: int,
    h: int,
    d_out: int,
    initial_scales: tuple[float, float] | None = None,
) -> tuple[Values, Values]:
    """Standard deviations γ₁, γ₂ of the noise on the weights for given levels; relative: `γ = ρ‖W‖/√size` (claim B6).

    w1_norm, w2_norm: `‖W1‖²_F`, `‖W2‖²_F`, which only "relative" uses. All arrays broadcast. Raises DomainError for
    "multiplicative", whose noise differs from entry to entry (use `multiplicative_increase`), and unknown conventions.

    >>> noise_scales("relative", 0.1, 0.2, w1_norm=6.0, w2_norm=8.0, d_in=3, h=2, d_out=1)
    (np.float64(0.1), np.float64(0.4))
    """
    level_1, level_2, w1_norm, w2_norm = check_broadcast(
        level_1=nonnegative("level_1", level_1),
        level_2=nonnegative("level_2", level_2),
        w1_norm=nonnegative("w1_norm", w1_norm, "pass the squared norm"),
        w2_norm=nonnegative("w2_norm", w2_norm, "pass the squared norm"),
    )
    d_in, h, d_out = whole("d_in", d_in), whole("h", h), whole("d_out", d_out)
    instance("convention", convention, str)
    unit_1: Values
    unit_2: Values
    match convention:
        case "absolute":
            unit_1 = unit_2 = np.float64(1)
        case "initialization":
            if initial_scales is None:
                raise DomainError("initial_scales = None", "their unit is the start's", "pass its standard deviations")
            scales = positive("initial_scales", initial_scales)
            if scales.shape != (2,):
                raise ShapeError(
                    f"initial_scales of shape {scales.shape}", "each of two layers has one", "pass two numbers"
                )
            unit_1, unit_2 = scales
        case "relative":
            unit_1 = np.sqrt(w1_norm / (h * d_in))
            unit_2 = np.sqrt(w2_norm / (d_out * h))
        case _:
            usable = ", ".join(c for c in CONVENTIONS if c != "multiplicative")
            raise DomainError(f"convention = {convention!r}", "it has no scale per layer", f"use one of {usable}")
    gamma_1, gamma_2 = refuse_overflow("a noise scale", lambda: [level_1 * unit_1, level_2 * unit_2])  # B6
    return gamma_1, gamma_2


def multiplicative_increase(
    diagonal_overlap: Numbers, unit_overlap: Numbers, level_1: Numbers, level_2: Numbers
) -> Values:
    """Cost of noise in proportion to every weight, `½[ρ₂² m + ρ₁²(1 + ρ₂²) m_diag]` (claim B6).

    The overlaps are sums over hidden units k: unit_overlap is `m = Σ_k ‖W2_:k‖² W1_k: Σx W1_k:ᵀ`, diagonal_overlap is
    `m_diag = Σ_k ‖W2_:k‖² Σ_i Σx_ii W1_ki²`; for whitened inputs both are `Σ_k ‖W2_:k‖²‖W1_k:‖²`. level_1, level_2: ρ₁,
    ρ₂ >= 0, standard deviations in units of each weight. All broadcast. Raises DomainError for negative numbers and
    where the result overflows, ShapeError where the arrays do not broadcast.

    >>> float(multiplicative_increase(1.0, 1.0, 0.5, 0.5))
    0.28125
    """
    diagonal_overlap, unit_overlap, level_1, level_2 = check_broadcast(
        diagonal_overlap=nonnegative("diagonal_overlap", diagonal_overlap),
        unit_overlap=nonnegative("unit_overlap", unit_overlap),
        level_1=nonnegative("level_1", level_1),
        level_2=nonnegative("level_2", level_2),
    )

    def rise() -> Values:
        of_w2 = product(level_2, level_2, unit_overlap)
        of_w1 = product(level_1, level_1, diagonal_overlap)
        of_both = product(level_1, level_1, level_2, level_2, diagonal_overlap)
        return (of_w2 + of_w1 + of_both) / 2  # B6

    return refuse_overflow("the rise of the loss", rise)


def mean_unit_overlap(w1_norm: Numbers, w2_norm: Numbers, product_norm: Numbers, *, h: int) -> Values:
    """B6 averaged over hidden frames: `E Σ_k ‖W2_:k‖² W1_k: M W1_k:ᵀ = (q₁q₂ + 2 tr(f M fᵀ))/(h + 2)`.

    The mean is over `W1 → O W1, W2 → W2 Oᵀ` with O Haar-random, which changes neither f nor gradient flow: it
    describes a network whose start is drawn in a random hidden frame. It follows from
    `E (oᵀPo)(oᵀRo) = (tr P tr R + 2 tr PR)/h(h + 2)` for a random unit vector o of h entries. M is Σx or its diagonal,
    both of which `multiplicative_increase` needs.

    w1_norm: `q₁ = tr(W1 M W1ᵀ)`.  w2_norm: `q₂ = ‖W2‖²`.  product_norm: `tr(f M fᵀ)`.  All broadcast; h >= 1 hidden
    units. Raises DomainError for negative numbers and where the result overflows, ShapeError where arrays do not
    broadcast.

    >>> float(mean_unit_overlap(1.5, 1.5, 1.25, h=2))
    1.1875
    """
    q1, q2, both = check_broadcast(
        w1_norm=nonnegative("w1_norm", w1_norm),
        w2_norm=nonnegative("w2_norm", w2_norm),
        product_norm=nonnegative("product_norm", product_norm),
    )
    h = whole("h", h)
    return refuse_overflow("the overlap of units", lambda: (product(q1, q2) + 2 * both) / (h + 2))  # B6


def unit_overlap_on_path(s: Float[np.ndarray, "*b modes"], frame: Float[np.ndarray, "h modes"]) -> Values:
    """`Σ_k ‖W2_:k‖²‖W1_k:‖² = Σ_k (Σ_i R_ki² s_i)²` on the balanced aligned path, for the hidden frame R (claim B6).

    It depends on how the modes are spread over the hidden units: from `(Σs)²/h`, spread evenly, to `Σs²`, one unit for
    each mode.
    Raises DomainError where the columns of R are not orthonormal to 1e-8, ShapeError where modes differ.

    >>> unit_overlap_on_path(np.array([1.0, 0.5]), np.eye(2))
    np.float64(1.25)
    """
    s, frame = nonnegative("s", s), finite("frame", frame)
    if s.ndim == 0 or frame.ndim != 2 or s.shape[-1] != frame.shape[1] or not frame.size:
        raise ShapeError(f"s {s.shape}, frame {frame.shape}", "one column per mode is needed", "pass h × modes")
    check_orthonormal("frame", frame, 1e-8)
    return ((s @ (frame**2).T) ** 2).sum(axis=-1)  # B6


def absmax_step(w: Float[np.ndarray, "..."], bits: int) -> float:
    """Step of symmetric b-bit rounding, `max|w| / (2^{b−1} − 1)`; 0 where all weights are 0.

    w: the weights, of any shape.  bits: b = 2 … 64.
    Raises DomainError for other numbers of bits and for weights that are not finite, ShapeError where there are none.

    >>> absmax_step(np.array([-7.0, 1.0]), bits=4)
    1.0
    """
    weights, bits = finite("w", w), whole("bits", bits, least=2)
    if bits > 64:
        raise DomainError(f"bits = {bits}", "float64 itself has 64", "pass 2 … 64")
    if not weights.size:
        raise ShapeError(f"w of shape {weights.shape}", "it has no largest entry", "pass at least one weight")
    return float(np.abs(weights).max() / (2 ** (bits - 1) - 1))


def rounding_increase_at(
    w1: Float[np.ndarray, "h d_in"],
    w2: Float[np.ndarray, "d_out h"],
    teacher: Float[np.ndarray, "d_out d_in"],
    step_1: float,
    step_2: float,
    input_covariance: Float[np.ndarray, "d_in d_in"] | None = None,
) -> float:
    """Exact change of the loss when every weight is rounded to a multiple of its layer's step (claim B6); either sign.

    The usual model of it is B1 with `γ = step/√12` (`rounding_model_scale`), whose error is unbounded where weights
    are below the step. Steps >= 0; a step of 0 leaves the layer as it is; ties are rounded toward 0. Errors as in
    `growth_at`.

    >>> rounding_increase_at(np.array([[1.2]]), np.array([[1.0]]), np.array([[1.2]]), 1.0, 0.0)
    0.0199...
    """
    w1, w2 = layers = check_weights((w1, w2))
    n1 = _rounding(w1, one_nonnegative("step_1", step_1))
    n2 = _rounding(w2, one_nonnegative("step_2", step_2))
    teacher = check_teacher(teacher, layers)
    sx = check_input_covariance(input_covariance, w1.shape[1])

    def change() -> np.float64:
        error = w2 @ w1 - teacher
        moved = n2 @ w1 + w2 @ n1 + n2 @ n1
        return np.float64(((error + moved / 2) @ sx * moved).sum())  # B6

    return float(refuse_overflow("the change of the loss", change))


def rounding_model_scale(step: Numbers) -> Values:
    """Noise scale `γ = step/√12` of the uniform-noise model of rounding, for use in claim B1.

    step: >= 0. Raises DomainError for negative ones.

    >>> round(float(rounding_model_scale(1.0)), 6)
    0.288675
    """
    return nonnegative("step", step) / np.sqrt(12)  # B6


def _rounding(w: np.ndarray, step: float) -> np.ndarray:
    """The change of every weight by rounding; exact, since fmod and the difference of neighbours have no error."""
    if step == 0:
        return np.zeros_like(w)
    rest = np.fmod(w, step)
    return np.where(np.abs(rest) > step / 2, np.copysign(step, rest) - rest, -rest)
