"""B6: what "the same perturbation" means along pretraining: absolute, initial, relative or per-weight units."""

from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, instance, nonnegative, one_nonnegative, positive, whole
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.checks import check_input_covariance, check_teacher, check_weights
from overtraining.theory.products import product, refuse_overflow
from overtraining.theory.sensitivity.noise import expected_increase

Convention = Literal["absolute", "initialization", "relative", "multiplicative"]
CONVENTIONS: tuple[str, ...] = get_args(Convention)


def increase_at(
    convention: str,
    w1: Float[np.ndarray, "h d_in"],
    w2: Float[np.ndarray, "d_out h"],
    strength_1: Numbers,
    strength_2: Numbers,
    *,
    input_covariance: Float[np.ndarray, "d_in d_in"] | None = None,
    initial_scales: tuple[float, float] | None = None,
) -> Values:
    """Expected rise of the loss under noise of a given strength per layer, in any convention (claims B1, B6).

    "absolute": the strength is the standard deviation of every entry.  "initialization": in units of the standard
    deviations with which W1 and W2 were initialized (`initial_scales`), as in the source paper.  "relative": in units
    of the layer's root mean square entry, `‖W_l‖_F/√size`.  "multiplicative": in units of each weight's own size.
    Any zero-mean law; strengths broadcast. Raises DomainError for an unknown convention or missing initial_scales, for
    what is no covariance and for a result that overflows; ShapeError for matrices that do not chain.

    >>> w = np.eye(2)
    >>> [round(float(increase_at(c, w, w, 0.1, 0.1)), 6) for c in ("absolute", "relative", "multiplicative")]
    [0.0404, 0.0201, 0.0201]
    """
    instance("convention", convention, str)
    layers = check_weights((w1, w2))
    (h, d_in), d_out, sx = layers[0].shape, len(layers[1]), check_input_covariance(input_covariance, layers[0].shape[1])
    squares, outgoing = (
        refuse_overflow("the norms of the weights", lambda: layers[0] ** 2),
        refuse_overflow("the norm of w2", lambda: (layers[1] ** 2).sum(axis=0)),
    )
    # a unit's share is >= 0 but for rounding where Σx is singular
    unit = refuse_overflow("the norm of w1", lambda: np.maximum((layers[0] @ sx * layers[0]).sum(axis=1), 0.0))
    seen, norm_1, norm_2 = unit.sum(), squares.sum(), outgoing.sum()
    if convention == "multiplicative":
        own, joint = refuse_overflow("a product of norms", lambda: [outgoing @ squares @ np.diag(sx), outgoing @ unit])
        return multiplicative_increase(own, joint, strength_1, strength_2)
    gammas = noise_scales(
        convention, strength_1, strength_2, w1_norm=norm_1, w2_norm=norm_2, d_in=d_in, h=h, d_out=d_out,
        initial_scales=initial_scales,
    )  # fmt: skip
    return expected_increase(seen, norm_2, *gammas, d_in=d_in, h=h, d_out=d_out, input_trace=float(np.trace(sx)))


def noise_scales(
    convention: str,
    strength_1: Numbers,
    strength_2: Numbers,
    *,
    w1_norm: Numbers,
    w2_norm: Numbers,
    d_in: int,
    h: int,
    d_out: int,
    initial_scales: tuple[float, float] | None = None,
) -> tuple[Values, Values]:
    """Standard deviations γ₁, γ₂ of the entries' noise in a convention that has them; relative: `ρ‖W‖/√size` (B6).

    w1_norm, w2_norm: `‖W1‖²_F`, `‖W2‖²_F`, which only "relative" uses. All arrays broadcast. Raises DomainError for
    other conventions; multiplicative noise differs from entry to entry, see `multiplicative_increase`.

    >>> noise_scales("relative", 0.1, 0.2, w1_norm=6.0, w2_norm=8.0, d_in=3, h=2, d_out=1)
    (np.float64(0.1), np.float64(0.4))
    """
    rho_1, rho_2, norm_1, norm_2 = check_broadcast(
        strength_1=nonnegative("strength_1", strength_1),
        strength_2=nonnegative("strength_2", strength_2),
        w1_norm=nonnegative("w1_norm", w1_norm, "pass the squared norm"),
        w2_norm=nonnegative("w2_norm", w2_norm, "pass the squared norm"),
    )
    d_in, h, d_out = whole("d_in", d_in), whole("h", h), whole("d_out", d_out)
    instance("convention", convention, str)
    match convention:
        case "absolute":
            units: tuple[Any, ...] = (1.0, 1.0)
        case "initialization":
            if initial_scales is None:
                raise DomainError("initial_scales = None", "their unit is the start's", "pass its standard deviations")
            given = positive("initial_scales", initial_scales)
            if given.shape != (2,):
                raise ShapeError(
                    f"initial_scales of shape {given.shape}", "each of two layers has one", "pass two numbers"
                )
            units = tuple(given)
        case "relative":
            units = np.sqrt(norm_1 / (h * d_in)), np.sqrt(norm_2 / (d_out * h))
        case _:
            usable = ", ".join(c for c in CONVENTIONS if c != "multiplicative")
            raise DomainError(f"convention = {convention!r}", "it has no scale per layer", f"use one of {usable}")
    return refuse_overflow("a noise scale", lambda: rho_1 * units[0]), refuse_overflow(
        "a noise scale", lambda: rho_2 * units[1]
    )  # B6


def multiplicative_increase(own: Numbers, joint: Numbers, rho_1: Numbers, rho_2: Numbers) -> Values:
    """Cost of noise in proportion to every weight, `½[ρ₂² joint + ρ₁²(1 + ρ₂²) own]` (claim B6).

    Sums over hidden units k: `own = Σ_k ‖W2_:k‖² Σ_i Σx_ii W1_ki²`, `joint = Σ_k ‖W2_:k‖² W1_k: Σx W1_k:ᵀ`; for
    whitened inputs both are `Σ_k ‖W2_:k‖²‖W1_k:‖²`. Raises DomainError for negative numbers and where it overflows.

    >>> float(multiplicative_increase(1.0, 1.0, 0.5, 0.5))
    0.28125
    """
    own, joint, rho_1, rho_2 = check_broadcast(
        own=nonnegative("own", own), joint=nonnegative("joint", joint),
        rho_1=nonnegative("rho_1", rho_1), rho_2=nonnegative("rho_2", rho_2),
    )  # fmt: skip
    rise = lambda: (
        (  # B6
            product(rho_2, rho_2, joint) + product(rho_1, rho_1, own) + product(rho_1, rho_1, rho_2, rho_2, own)
        )
        / 2
    )
    return refuse_overflow("the rise of the loss", rise)


def mean_unit_overlap(q1: Numbers, q2: Numbers, both: Numbers, *, h: int) -> Values:
    """B6 in the mean over hidden frames: `E Σ_k ‖W2_:k‖² W1_k: M W1_k:ᵀ = (q₁q₂ + 2 tr(f M fᵀ))/(h + 2)`.

    The mean is over `W1 → O W1, W2 → W2 Oᵀ` with O Haar-random, which leaves f and the whole flow as they are: a
    network whose start is drawn in a random hidden frame. From `E (oᵀPo)(oᵀRo) = (tr P tr R + 2 tr PR)/h(h + 2)` for a
    random unit vector o of h entries. M is Σx, or its diagonal, which `multiplicative_increase` wants as well.

    q1: `tr(W1 M W1ᵀ)`.  q2: `‖W2‖²`.  both: `tr(f M fᵀ)`.  All broadcast; h >= 1 hidden units. Raises DomainError for
    negative numbers and where it overflows, ShapeError where they do not broadcast.

    >>> float(mean_unit_overlap(1.5, 1.5, 1.25, h=2))
    1.1875
    """
    q1, q2, both = check_broadcast(q1=nonnegative("q1", q1), q2=nonnegative("q2", q2), both=nonnegative("both", both))
    units = whole("h", h)
    return refuse_overflow("the overlap of units", lambda: (product(q1, q2) + 2 * both) / (units + 2))  # B6


def unit_overlap_on_path(s: Float[np.ndarray, "*b modes"], frame: Float[np.ndarray, "h modes"]) -> Values:
    """`Σ_k ‖W2_:k‖²‖W1_k:‖² = Σ_k (Σ_i R_ki² s_i)²` on the balanced aligned path, for the hidden frame R (claim B6).

    It depends on how modes spread over hidden units: from `(Σs)²/h`, evenly, to `Σs²`, one unit per mode.
    Raises DomainError where the columns of R are not orthonormal to 1e-8, ShapeError where modes differ.

    >>> unit_overlap_on_path(np.array([1.0, 0.5]), np.eye(2))
    np.float64(1.25)
    """
    s, frame = nonnegative("s", s), finite("frame", frame)
    if s.ndim == 0 or frame.ndim != 2 or s.shape[-1] != frame.shape[1] or not frame.size:
        raise ShapeError(f"s {s.shape}, frame {frame.shape}", "one column per mode is needed", "pass h × modes")
    with np.errstate(over="ignore", invalid="ignore"):
        off = np.abs(frame.T @ frame - np.eye(frame.shape[1])).max()
    if not off <= 1e-8:  # an orthonormalization is good to 1e-15
        raise DomainError("frame", "its columns are not orthonormal", "orthonormalize them (numpy.linalg.qr)")
    return ((s @ (frame**2).T) ** 2).sum(axis=-1)  # B6


def absmax_step(w: Float[np.ndarray, "..."], bits: int) -> float:
    """Step of symmetric b-bit rounding, `max|w| / (2^{b−1} − 1)`, b = 2 … 64; 0 where all weights are 0.

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

    The usual model of it is B1 with `γ = step/√12` (`rounding_model_scale`), which errs without bound where weights
    are below the step. Steps >= 0, 0 leaves the layer alone; ties go toward 0. Errors as in `growth.growth_at`.

    >>> rounding_increase_at(np.array([[1.2]]), np.array([[1.0]]), np.array([[1.2]]), 1.0, 0.0)
    0.0199...
    """
    layers, steps = check_weights((w1, w2)), (one_nonnegative("step_1", step_1), one_nonnegative("step_2", step_2))
    target, sx = check_teacher(teacher, layers), check_input_covariance(input_covariance, layers[0].shape[1])
    n1, n2 = (_rounding(w, d) for w, d in zip(layers, steps, strict=True))

    def change() -> np.float64:
        error, moved = layers[1] @ layers[0] - target, n2 @ layers[0] + layers[1] @ n1 + n2 @ n1
        return np.float64(((error + moved / 2) @ sx * moved).sum())  # B6

    return float(refuse_overflow("the change of the loss", change))


def rounding_model_scale(step: Numbers) -> Values:
    """Noise scale `γ = step/√12` of the uniform-noise model of rounding, to be put into B1.

    >>> round(float(rounding_model_scale(1.0)), 6)
    0.288675
    """
    return nonnegative("step", step) / np.sqrt(12)  # B6


def _rounding(w: np.ndarray, step: float) -> np.ndarray:
    """What rounding adds to every weight; exact, since fmod and the difference of neighbours make no error."""
    if step == 0:
        return np.zeros_like(w)
    rest = np.fmod(w, step)
    return np.where(np.abs(rest) > step / 2, np.copysign(step, rest) - rest, -rest)
