"""B8: the loss curve predicts how fast sensitivity grows, with one free constant."""

from typing import Any

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, nonnegative, positive, whole
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.products import refuse_overflow


def norm_growth(t: Numbers, loss: Numbers, m: float = 1.0, depth: int = 2) -> Values:
    """Growth of `Σs` since the first length, `−(2/m) ∫ t dL` along a measured loss curve (claim B8).

    Each feature σ lowers the loss by ½σ² and raises Σs by σ, at `t = m/σ`, `m = ½ln(1/ε)`: so the sensitivity, which is
    the price c times Σs, is a moment of the loss curve. At depth L it raises the outer layers' norm, `Σs^{2−2/L}`, by
    `−2 ∫ (t/m)^{2/L} dL`, `m = ε^{−(1−2/L)}/(L−2)`. Between two lengths the loss is taken linear in ln t, which gives
    `∫ t dL = (L₁ − L₀)(t₁ − t₀)/ln(t₁/t₀)`, whatever constant is added to the loss (an irreducible part); where it is
    a power `t^{−β}` that is too much by the part `β ln²(t₁/t₀)/12`. The relation is one of measures, exact as ε → 0
    over whole stages.

    Noise: the growth is linear in the losses, so that errors of mean zero leave its mean right, and a rise of the loss
    counts negative; `growth_stderr` and `growth_covariance` are its errors. Most of it is the last loss's own, `2t/m`
    times as large. A monotone fit first (`scipy.optimize.isotonic_regression`) trades scatter for a bias upward, which
    pays only where the noise exceeds what the loss still falls between neighbours.

    t: lengths > 0, rising, last axis, any spacing.  loss: at those lengths, same last axis.  m: a constant > 0, by
    default 1: then up to a factor, to be fitted (`predicted_sensitivity.fitted_line`).  depth: L >= 2.
    Returns the shape of the loss, starting from 0. Raises DomainError and ShapeError.
    Source: ours.

    >>> norm_growth([1.0, 10.0, 100.0], loss=[3.0, 2.0, 1.0]).round(4).tolist()
    [0.0, 7.8173, 85.9903]
    """
    t, loss, constant = _curve(t, loss, m, depth)
    with np.errstate(over="ignore", invalid="ignore"):  # judged below, by name
        steps = -2 / constant * _means(t) * np.diff(loss, axis=-1)
        grown = np.concatenate([np.zeros((*steps.shape[:-1], 1)), np.cumsum(steps, axis=-1)], axis=-1)  # B8
    if not np.isfinite(grown).all():
        raise DomainError("the growth", "it overflows in float64 at these lengths and losses", "rescale units")
    return grown


def growth_stderr(t: Numbers, stderr: Numbers, m: float = 1.0, depth: int = 2) -> Values:
    """Standard error of `norm_growth` from those of the losses, independent between lengths (claim B8).

    The growth up to length k weighs loss j by the step of the mean length there: `(2/m) √(M₁²ν₁² + Σ_{j<k} (M_j −
    M_{j−1})²ν_j² + M_{k−1}²ν_k²)`, M_j being the logarithmic mean of the lengths j and j + 1. Errors of neighbouring
    growths are correlated. An error that all losses share moves nothing.

    stderr: of each loss, >= 0, otherwise as `norm_growth`, to which it belongs. Raises DomainError and ShapeError.
    Source: ours; propagation of independent errors.

    >>> growth_stderr([1.0, 10.0, 100.0], stderr=[0.1, 0.1, 0.1]).round(4).tolist()
    [0.0, 1.1055, 10.5461]
    """
    t, stderr, constant = _curve(t, nonnegative("stderr", stderr), m, depth)
    shape = np.broadcast_shapes(t.shape, stderr.shape)
    mean = np.broadcast_to(_means(t), (*shape[:-1], max(shape[-1] - 1, 0)))
    inner = np.diff(mean, axis=-1, prepend=0.0) * stderr[..., :-1]
    with np.errstate(over="ignore"):  # judged below, by name
        found = 2 / constant * np.hypot(np.sqrt(np.cumsum(inner**2, axis=-1)), mean * stderr[..., 1:])
    if not np.isfinite(found).all():
        raise DomainError("the error", "it overflows in float64 at these lengths and errors", "rescale units")
    return np.concatenate([np.zeros((*shape[:-1], min(shape[-1], 1))), found], axis=-1)


def growth_covariance(t: Numbers, stderr: Numbers, m: float = 1.0, depth: int = 2) -> Values:
    """Covariance of `norm_growth` between lengths, `Σ_j ν_j² A_ja A_jb`, A the growth of a unit of loss j (claim B8).

    Its diagonal is the square of `growth_stderr`; neighbours share losses, with weights of opposite sign.
    t, stderr: (lengths,), otherwise as there. Returns (lengths, lengths). Raises DomainError and ShapeError.

    >>> growth_covariance([1.0, 10.0, 100.0], stderr=[0.1, 0.1, 0.1]).round(2).tolist()
    [[0.0, 0.0, 0.0], [0.0, 1.22, -4.89], [0.0, -4.89, 111.22]]
    """
    t, stderr = finite("t", t), nonnegative("stderr", stderr)
    if t.ndim != 1 or stderr.shape not in ((), t.shape):
        raise ShapeError(f"t {t.shape}, stderr {stderr.shape}", "one curve at a time", "pass 1-d arrays of one length")
    columns = norm_growth(t, np.eye(t.size), m, depth) * np.broadcast_to(stderr, t.shape)[:, None]
    return refuse_overflow("the covariance", lambda: columns.T @ columns)


def _curve(t: Numbers, loss: Numbers, m: Any, depth: int) -> tuple[np.ndarray, np.ndarray, float]:
    """`t^{2/L}`, what was measured, and `m^{2/L}`, checked."""
    t = positive("t", t, "the first length must not be 0: t dL is finite there, ln t is not")
    loss, constant, power = finite("loss", loss), positive("m", m), 2 / whole("depth", depth, 2)
    if constant.ndim:
        raise ShapeError(f"m {constant.shape}", "it is one constant", "pass one number m at a time")
    if t.ndim == 0 or loss.ndim == 0 or t.shape[-1] != loss.shape[-1]:
        raise ShapeError(
            f"t {t.shape}, loss {loss.shape}", "the last axes are not the same lengths", "pass one per length"
        )
    check_broadcast(t=t, loss=loss)
    if np.any(np.diff(t, axis=-1) <= 0):
        raise DomainError("t", "the lengths do not rise", "sort them, the loss with them, and average repeated ones")
    return (t, loss, float(constant)) if power == 1 else (t**power, loss, float(constant) ** power)


def _means(t: np.ndarray) -> np.ndarray:
    """The logarithmic mean of neighbouring lengths, between the two."""
    before, after = t[..., :-1], t[..., 1:]
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = (after - before) / before
        # beyond 1.8e308 the difference of logarithms; below, it would lose digits where the lengths are close
        return (after - before) / np.where(np.isinf(ratio), np.log(after) - np.log(before), np.log1p(ratio))


def predicted_exponent(loss_exponent: Numbers, depth: int = 2) -> Values:
    """Exponent with which sensitivity grows, `2/L − β`, from the loss's `L ∝ t^{−β}` (claim B8); `1 − β` at depth 2.

    For depth L > 2 it is the outer layers' part. Positive exponents are growth for ever; at or below 0 the sensitivity
    itself is bounded (at 0 it grows as a logarithm) and the exponent is that of what is missing to its bound.

    loss_exponent: 0 < β < 2, as of a power-law spectrum with α > ½.  depth: L >= 2. Raises DomainError.
    Source: ours.

    >>> float(predicted_exponent(0.4)), float(predicted_exponent(0.25, depth=4))
    (0.6, 0.25)
    """
    beta = positive("loss_exponent", loss_exponent, "the loss must fall, as t^{−β}")
    if np.any(beta >= 2):
        raise DomainError("loss_exponent", "no power-law spectrum gives β >= 2", "fit a loss with its constant removed")
    return 2 / whole("depth", depth, 2) - beta  # B8


def local_factor(sigma: Numbers, epsilon: Numbers) -> Values:
    """By how much a start that is not infinitely small raises both exponents, `1/(1 − 1/ℓ)`, `ℓ = ln(σ/ε)` (claim B8).

    What follows is of order 1/ℓ², whatever the spectrum's exponent. Starts in proportion to the teacher raise nothing
    (`spectral_path.power_law_path`).

    sigma: the singular value being learned, above e·ε, where `t = ln(σ/ε)/2σ` rises as σ falls.  epsilon: start.
    Raises DomainError, ShapeError.

    >>> float(local_factor(1.0, np.exp(-5.0)))
    1.25
    """
    sigma, epsilon = check_broadcast(
        sigma=positive("sigma", sigma), epsilon=positive("epsilon", epsilon, "start from a small positive number")
    )
    left = np.log(sigma) - np.log(epsilon)
    if np.any(left <= 1):
        raise DomainError("epsilon", "features below e·ε are not learned one after another", "use a smaller start")
    return left / (left - 1)  # B8
