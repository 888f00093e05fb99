"""B8: the loss curve predicts how fast sensitivity grows, with one free constant."""

import numpy as np

from theory.arrays import Numbers, Values
from theory.domain import finite, positive, together, whole
from theory.errors import DomainError, ShapeError


def norm_growth(t: Numbers, loss: Numbers, m: float = 1.0) -> Values:
    """Growth of `Σs` since the first length, `−(2/m) ∫ t dL` along a measured loss curve (claim B8).

    Each feature σ lowers the loss by ½σ² and raises Σs by σ, at `t = m/σ`, `m = ½ln(1/ε)`: so the sensitivity, which is
    the price c times Σs, is a moment of the loss curve. Between two lengths the loss is taken linear in ln t, which
    gives `∫ t dL = (L₁ − L₀)(t₁ − t₀)/ln(t₁/t₀)`, whatever constant is added to the loss (an irreducible part). A rise
    of the loss counts negative. The relation is one of measures, exact as ε → 0 over whole stages.

    t: lengths > 0, rising, last axis.  loss: at those lengths, same last axis.  m: a constant > 0, by default 1: then
    up to a factor, to be fitted. Returns the shape of the loss, starting from 0.
    Raises DomainError and ShapeError.
    Source: ours.

    >>> norm_growth([1.0, 10.0, 100.0], loss=[3.0, 2.0, 1.0]).round(4).tolist()
    [0.0, 7.8173, 85.9903]
    """
    t, loss = (
        positive("t", t, "the first length must not be 0: t dL is finite there, ln t is not"),
        finite("loss", loss),
    )
    constant = positive("m", m)
    if constant.ndim:
        raise ShapeError(f"m {constant.shape}", "it is one constant", "pass one number m at a time")
    if t.ndim == 0 or loss.ndim == 0 or t.shape[-1] != loss.shape[-1]:
        raise ShapeError(
            f"t {t.shape}, loss {loss.shape}", "the last axes are not the same lengths", "pass one per length"
        )
    together(t=t, loss=loss)
    if np.any(np.diff(t, axis=-1) <= 0):
        raise DomainError("t", "the lengths do not rise", "sort them, and the loss with them")
    before, after = t[..., :-1], t[..., 1:]
    with np.errstate(over="ignore", invalid="ignore"):  # judged below, by name
        ratio = (after - before) / before
        # beyond 1.8e308 the difference of logarithms; below, it would lose digits where the lengths are close
        logarithm = np.where(np.isinf(ratio), np.log(after) - np.log(before), np.log1p(ratio))
        mean = (after - before) / logarithm  # the logarithmic mean, between the two lengths
        steps = -2 / constant * mean * np.diff(loss, axis=-1)
        grown = np.concatenate([np.zeros((*steps.shape[:-1], 1)), np.cumsum(steps, axis=-1)], axis=-1)  # B8
    if not np.isfinite(grown).all():
        raise DomainError("the growth", "it overflows in float64 at these lengths and losses", "rescale units")
    return grown


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

    sigma: the singular value being learned, above e·ε, where `t = ln(σ/ε)/2σ` rises as σ falls.  epsilon: start.
    Raises DomainError, ShapeError.

    >>> float(local_factor(1.0, np.exp(-5.0)))
    1.25
    """
    sigma, epsilon = together(
        sigma=positive("sigma", sigma), epsilon=positive("epsilon", epsilon, "start from a small positive number")
    )
    left = np.log(sigma) - np.log(epsilon)
    if np.any(left <= 1):
        raise DomainError("epsilon", "features below e·ε are not learned one after another", "use a smaller start")
    return left / (left - 1)  # B8
