"""B8, the sum rule: the loss curve predicts how fast sensitivity grows, and from it the inflection length.

`norm_growth` computes the growth of the norm from the loss curve, `fitted_line` fits the one free constant, the slope
of the sensitivity in this growth, and `turning_length` is the inflection length at that slope.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, nonnegative, one_positive, positive, whole
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.checks import check_loss_curve
from overtraining.theory.products import refuse_overflow

ROUNDS = 4  # of weights and slope: errors of the growth enter by the square of the slope, and are small beside it


def norm_growth(lengths: Numbers, loss: Numbers, m: float = 1.0, depth: int = 2) -> Values:
    """Growth of `Σs` since the first length, `−(2/m) ∫ t dL` along a measured loss curve (claim B8).

    Each feature σ lowers the loss by ½σ² and raises Σs by σ, at `t = m/σ`, `m = ½ln(1/ε)`: so the sensitivity, which is
    c Σs, is a moment of the loss curve. At depth L it raises the norm of the outer layers, `Σs^{2−2/L}`, by
    `−2 ∫ (t/m)^{2/L} dL`, `m = ε^{−(1−2/L)}/(L−2)`. Between two lengths the loss is taken to be linear in ln t, which
    gives `∫ t dL = (L₁ − L₀)(t₁ − t₀)/ln(t₁/t₀)`, whatever constant is added to the loss (an irreducible part); where
    it is a power `t^{−β}` the result is too large by the relative error `β ln²(t₁/t₀)/12`. The relation is one of
    measures, exact as ε → 0 over whole stages.

    Noise: the growth is linear in the losses, so that errors of mean zero do not change its mean, and a rise of the
    loss counts negative; `growth_stderr` and `growth_covariance` are its errors. Most of the error is that of the last
    loss, `2t/m` times as large. A monotone fit first (`scipy.optimize.isotonic_regression`) reduces the scatter but
    biases the growth upward, and helps only where the noise exceeds the fall of the loss between neighbouring lengths.

    lengths: > 0, rising, last axis, any spacing.  loss: at those lengths, same last axis.  m: a constant > 0, by
    default 1: then up to a factor, to be fitted (`fitted_line`).  depth: L >= 2.
    Returns the shape of the loss, starting from 0. Raises DomainError and ShapeError.
    Source: ours.

    >>> norm_growth([1.0, 10.0, 100.0], loss=[3.0, 2.0, 1.0]).round(4).tolist()
    [0.0, 7.8173, 85.9903]
    """
    loss = finite("loss", loss)
    powers, constant = _powers(lengths, loss, m, depth)

    def growth() -> np.ndarray:
        steps = -2 / constant * _means(powers) * np.diff(loss, axis=-1)
        return np.concatenate([np.zeros((*steps.shape[:-1], 1)), np.cumsum(steps, axis=-1)], axis=-1)  # B8

    return refuse_overflow("the growth", growth)


def growth_stderr(lengths: Numbers, stderr: Numbers, m: float = 1.0, depth: int = 2) -> Values:
    """Standard error of `norm_growth` from those of the losses, independent between lengths (claim B8).

    In the growth up to length k the weight of loss j is the difference of neighbouring mean lengths:
    `(2/m) √(M₁²ν₁² + Σ_{j<k} (M_j − M_{j−1})²ν_j² + M_{k−1}²ν_k²)`, where M_j is the logarithmic mean of the lengths j
    and j + 1. Errors of neighbouring growths are correlated. An error that all losses share has no effect.

    stderr: of each loss, >= 0; other arguments as in `norm_growth`. Raises DomainError and ShapeError.
    Source: ours; propagation of independent errors.

    >>> growth_stderr([1.0, 10.0, 100.0], stderr=[0.1, 0.1, 0.1]).round(4).tolist()
    [0.0, 1.1055, 10.5461]
    """
    stderr = nonnegative("stderr", stderr)
    powers, constant = _powers(lengths, stderr, m, depth)
    shape = np.broadcast_shapes(powers.shape, stderr.shape)
    mean = np.broadcast_to(_means(powers), (*shape[:-1], max(shape[-1] - 1, 0)))
    inner = np.diff(mean, axis=-1, prepend=0.0) * stderr[..., :-1]
    later = refuse_overflow(
        "the error of the growth",
        lambda: 2 / constant * np.hypot(np.sqrt(np.cumsum(inner**2, axis=-1)), mean * stderr[..., 1:]),
    )
    return np.concatenate([np.zeros((*shape[:-1], min(shape[-1], 1))), later], axis=-1)


def growth_covariance(lengths: Numbers, stderr: Numbers, m: float = 1.0, depth: int = 2) -> Values:
    """Covariance of `norm_growth` between lengths a and b, `Σ_j ν_j² A_ja A_jb` (claim B8).

    A_ja is the growth up to length a for a loss that is 1 at length j and 0 elsewhere. The diagonal is the square of
    `growth_stderr`; neighbouring growths depend on the same losses, with weights of opposite sign.
    lengths, stderr: (lengths,), otherwise as there. Returns (lengths, lengths). Raises DomainError and ShapeError.

    >>> growth_covariance([1.0, 10.0, 100.0], stderr=[0.1, 0.1, 0.1]).round(2).tolist()
    [[0.0, 0.0, 0.0], [0.0, 1.22, -4.89], [0.0, -4.89, 111.22]]
    """
    lengths, stderr = finite("lengths", lengths), nonnegative("stderr", stderr)
    if lengths.ndim != 1 or stderr.shape not in ((), lengths.shape):
        shapes = f"lengths {lengths.shape}, stderr {stderr.shape}"
        raise ShapeError(shapes, "they are not one curve", "pass 1-d arrays of one size")
    columns = norm_growth(lengths, np.eye(lengths.size), m, depth) * np.broadcast_to(stderr, lengths.shape)[:, None]
    return refuse_overflow("the covariance", lambda: columns.T @ columns)


def predicted_exponent(loss_exponent: Numbers, depth: int = 2) -> Values:
    """Exponent with which sensitivity grows, `2/L − β`, where the loss falls as `L ∝ t^{−β}` (claim B8).

    At depth 2 it is `1 − β`; for depth L > 2 it is that of the outer layers' part. With a positive exponent the
    sensitivity grows without bound, with 0 as a logarithm; with a negative one it is bounded, and the exponent is that
    of its distance to the bound.

    loss_exponent: 0 < β < 2, as of a power-law spectrum with α > ½.  depth: L >= 2. Raises DomainError.
    Source: ours.

    >>> float(predicted_exponent(0.4)), float(predicted_exponent(0.25, depth=4))
    (0.6, 0.25)
    """
    beta = positive("loss_exponent", loss_exponent, "pass the exponent of a loss that falls as t^{−β}")
    if np.any(beta >= 2):
        raise DomainError("loss_exponent", "no power-law spectrum gives β >= 2", "fit a loss with its constant removed")
    return 2 / whole("depth", depth, 2) - beta  # B8


def local_factor(sigma: Numbers, epsilon: Numbers) -> Values:
    """Factor by which a finite start raises both exponents, `1/(1 − 1/ℓ)`, `ℓ = ln(σ/ε)` (claim B8).

    Its error is of order 1/ℓ², whatever the exponent of the spectrum. For starts in proportion to the teacher the
    factor is 1 (`power_law_path`).

    sigma: the singular value being learned, above e·ε, where `t = ln(σ/ε)/2σ` rises as σ falls.  epsilon: start.
    Raises DomainError, ShapeError.

    >>> float(local_factor(1.0, np.exp(-5.0)))
    1.25
    """
    sigma, epsilon = check_broadcast(
        sigma=positive("sigma", sigma), epsilon=positive("epsilon", epsilon, "start from a small positive number")
    )
    log_ratio = np.log(sigma) - np.log(epsilon)
    if np.any(log_ratio <= 1):
        raise DomainError("epsilon", "features below e·ε are not learned one after another", "use a smaller start")
    return log_ratio / (log_ratio - 1)  # B8


@dataclass(frozen=True)
class SensitivityLine:
    """`Δ = offset + slope · G`: the sensitivity as a function of the growth G that `norm_growth` predicts with m = 1.

    slope: the one free constant; in the theory c/m, or `c/m^{2/L}` at depth L.  offset: sensitivity at the first
    length, where G = 0.  fit_covariance: of (slope, offset).  points: the number of lengths in the fit.
    """

    slope: float
    offset: float
    fit_covariance: tuple[tuple[float, float], tuple[float, float]]
    points: int

    def sensitivity(self, growth: Numbers) -> Values:
        """The predicted sensitivity, `offset + slope · G`, at any growths."""
        return (self.offset + self.slope * finite("growth", growth))[()]

    def stderr(self, growth: Numbers) -> Values:
        """The standard error of `sensitivity` from the fit alone, without the errors of the growth."""
        g, ((a, b), (_, d)) = finite("growth", growth), self.fit_covariance
        return np.sqrt(np.maximum(a * g**2 + 2 * b * g + d, 0.0))[()]


def fitted_line(
    growth: Numbers, sensitivity: Numbers, stderr: Numbers | None = None, growth_covariance: Numbers = 0.0
) -> SensitivityLine:
    """The free constant of the sum rule, by least squares of a measured sensitivity on the predicted growth (claim B8).

    Pass the first few lengths to predict the rest. With standard errors ν of the sensitivity and the covariance C_G of
    the growth, the metric is `diag(ν²) + slope² C_G`, found in a few rounds; without any, all lengths have the same
    weight and the scatter about the line gives the errors. Errors of the growth also make the slope too small, by
    about their share of the growth's variance.

    growth: `norm_growth` with m = 1, (lengths,).  sensitivity: at the same lengths.  stderr: its standard errors, > 0.
    growth_covariance: the function of this name, (lengths, lengths), which needs stderr too.
    Raises DomainError, ShapeError where the shapes differ or fewer than two lengths, three without errors, are given.
    Source: ours; generalized least squares (Aitken 1935).

    >>> line = fitted_line([0.0, 1.0, 3.0], sensitivity=[1.0, 3.0, 7.0])
    >>> round(line.slope, 6), round(line.offset, 6)
    (2.0, 1.0)
    """
    g, d = finite("growth", growth), finite("sensitivity", sensitivity)
    growth_covariance = finite("growth_covariance", growth_covariance)
    errors = np.ones(()) if stderr is None else positive("stderr", stderr)
    if g.ndim != 1 or d.shape != g.shape or errors.shape not in ((), g.shape):
        shapes = f"growth {g.shape}, sensitivity {d.shape}"
        raise ShapeError(shapes, "one of each per length is needed", "pass 1-d arrays")
    if growth_covariance.shape not in ((), g.shape * 2) or (stderr is None and growth_covariance.ndim):
        what = f"growth_covariance {growth_covariance.shape}"
        raise ShapeError(what, "it has another shape than the growth, or no stderr beside it", "pass stderr beside it")
    if g.size < (3 if stderr is None else 2):
        raise ShapeError(f"{g.size} lengths", "a line with its error needs two, or three without errors", "pass more")
    if np.ptp(g) == 0:
        raise DomainError("growth", "the loss does not change, so nothing grows", "use a longer prefix")
    design = np.stack([g, np.ones(g.size)], axis=1)
    slope = np.float64(0.0)
    nu = np.broadcast_to(errors, g.shape)
    try:
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            for _ in range(ROUNDS):
                root = np.linalg.cholesky(np.eye(g.size) + slope**2 * growth_covariance / nu[:, None] / nu)
                white = np.linalg.solve(root, design / nu[:, None])
                white_sensitivity = np.linalg.solve(root, d / nu)
                u, size, v = np.linalg.svd(white, full_matrices=False)
                slope, offset = v.T @ ((u.T @ white_sensitivity) / size)
            covariance = (v.T / size**2) @ v
            if stderr is None:
                covariance = covariance * ((white_sensitivity - white @ [slope, offset]) ** 2).sum() / (g.size - 2)
    except FloatingPointError:
        raise DomainError(
            "growth, sensitivity, stderr", "squares of their ratios overflow in float64", "rescale units"
        ) from None
    except np.linalg.LinAlgError:
        raise DomainError(
            "growth_covariance", "it is not a covariance", "compute it by sum_rule.growth_covariance"
        ) from None
    if not size[-1] > np.finfo(float).eps * g.size * size[0]:
        raise DomainError("growth", "it hardly changes beside its size", "use a longer prefix")
    refuse_overflow("the line", lambda: [slope, offset, covariance])
    (a, b), (_, e) = covariance.tolist()
    return SensitivityLine(float(slope), float(offset), ((a, b), (b, e)), g.size)


def turning_length(slope: Numbers, depth: int = 2) -> Values:
    """The inflection length, `1/(2·slope)`, at depth L `(2·slope)^{−L/2}`, whatever the loss curve (claims B8, C5).

    By the sum rule the loss after perturbation changes by `(1 − 2·slope·t^{2/L}) dL`, so that it turns where the
    bracket changes sign, however the loss falls: at `m/2c` in the theory, inversely proportional to the variance of the
    noise. Its relative error is L/2 times that of the slope. With a slope <= 0 it never turns: inf.

    slope: of `fitted_line`, for sensitivities in the unit of the loss; for another noise scale, multiplied by the ratio
    of the variances.  depth: L >= 2. Raises DomainError.
    Source: ours.

    >>> turning_length([0.005, 0.02, -1.0]).tolist()
    [100.0, 25.0, inf]
    """
    slope, half = finite("slope", slope), whole("depth", depth, 2) / 2
    with np.errstate(over="ignore"):
        return np.where(slope > 0, (2 * np.where(slope > 0, slope, 1)) ** -half, np.inf)[()]  # B8, C5


def _powers(lengths: Numbers, values: np.ndarray, m: Any, depth: int) -> tuple[np.ndarray, float]:
    """`t^{2/L}` and `m^{2/L}` for the lengths t of a loss curve."""
    lengths = check_loss_curve(lengths, values)
    m = one_positive("m", m)
    power = 2 / whole("depth", depth, 2)
    return (lengths, m) if power == 1 else (lengths**power, m**power)


def _means(t: np.ndarray) -> np.ndarray:
    """The logarithmic means of neighbouring lengths."""
    before, after = t[..., :-1], t[..., 1:]
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = (after - before) / before
        # where the ratio overflows a difference of logarithms; elsewhere it would lose digits of neighbouring lengths
        return (after - before) / np.where(np.isinf(ratio), np.log(after) - np.log(before), np.log1p(ratio))
