"""B8 put to use: a base-loss curve predicts sensitivity up to one constant, and the constant the inflection point."""

from dataclasses import dataclass

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import finite, positive, whole
from overtraining.setting.errors import DomainError, ShapeError

ROUNDS = 4  # of weights and slope: the errors of the growth enter by the slope's square, and are small beside it


@dataclass(frozen=True)
class Line:
    """`Δ = offset + price · G`: the sensitivity against the growth G that the base-loss curve predicts with m = 1.

    price: the one free constant; in the theory c/m, or `c/m^{2/L}` at depth L.  offset: sensitivity where G = 0, at the
    first length.  covariance: of (price, offset).  points: how many lengths the fit has seen.
    """

    price: float
    offset: float
    covariance: tuple[tuple[float, float], tuple[float, float]]
    points: int

    def sensitivity(self, growth: Numbers) -> Values:
        """The predicted sensitivity, `offset + price · G`, at any growths."""
        return (self.offset + self.price * finite("growth", growth))[()]

    def stderr(self, growth: Numbers) -> Values:
        """Its standard error from the fit alone, not from the growth's own errors."""
        g, ((a, b), (_, d)) = finite("growth", growth), self.covariance
        return np.sqrt(np.maximum(a * g**2 + 2 * b * g + d, 0.0))[()]


def fitted_line(
    growth: Numbers, sensitivity: Numbers, stderr: Numbers | None = None, growth_covariance: Numbers = 0.0
) -> Line:
    """The constant of the sum rule by least squares of a measured sensitivity on the predicted growth (claim B8).

    Pass the first few lengths to predict the rest. With errors of the sensitivity ν, and of the growth C_G, which are
    correlated, in the metric `diag(ν²) + price² C_G`, found in a few rounds; without any, all lengths weigh the same
    and the scatter about the line gives the errors. Errors of the growth also make the price too small, by about the
    part that they have in the growth's own variance.

    growth: `sum_rule.norm_growth` with m = 1, (lengths,).  sensitivity: at the same lengths.  stderr: its standard
    errors, > 0.  growth_covariance: `sum_rule.growth_covariance`, (lengths, lengths), which needs stderr too.
    Raises DomainError, ShapeError where the shapes differ or fewer than two lengths, three without errors, are given.
    Source: ours; generalized least squares (Aitken 1935).

    >>> line = fitted_line([0.0, 1.0, 3.0], sensitivity=[1.0, 3.0, 7.0])
    >>> round(line.price, 6), round(line.offset, 6)
    (2.0, 1.0)
    """
    g, d, shared = (
        finite("growth", growth),
        finite("sensitivity", sensitivity),
        finite("growth_covariance", growth_covariance),
    )
    errors = np.ones(()) if stderr is None else positive("stderr", stderr)
    if g.ndim != 1 or d.shape != g.shape or errors.shape not in ((), g.shape):
        raise ShapeError(
            f"growth {g.shape}, sensitivity {d.shape}", "one of each per length is needed", "pass 1-d arrays"
        )
    if shared.shape not in ((), g.shape * 2) or (stderr is None and shared.ndim):
        raise ShapeError(
            f"growth_covariance {shared.shape}", "it is not the growth's, or alone", "pass stderr beside it"
        )
    if g.size < (3 if stderr is None else 2):
        raise ShapeError(f"{g.size} lengths", "a line with its error needs two, or three without errors", "pass more")
    if np.ptp(g) == 0:
        raise DomainError("growth", "the loss does not change, so nothing grows", "use a longer prefix")
    design, price = np.stack([g, np.ones(g.size)], axis=1), np.float64(0.0)
    nu = np.broadcast_to(errors, g.shape)
    try:
        for _ in range(ROUNDS):
            root = np.linalg.cholesky(np.eye(g.size) + price**2 * shared / np.outer(nu, nu))
            white, target = np.linalg.solve(root, design / nu[:, None]), np.linalg.solve(root, d / nu)
            u, size, v = np.linalg.svd(white, full_matrices=False)
            price, offset = v.T @ ((u.T @ target) / size)
    except np.linalg.LinAlgError:
        raise DomainError(
            "growth_covariance", "it is no covariance", "compute it by sum_rule.growth_covariance"
        ) from None
    if not size[-1] > np.finfo(float).eps * g.size * size[0]:
        raise DomainError("growth", "it hardly changes beside its size", "use a longer prefix")
    covariance = (v.T / size**2) @ v
    if stderr is None:
        covariance = covariance * ((target - white @ [price, offset]) ** 2).sum() / (g.size - 2)
    (a, b), (_, e) = covariance.tolist()
    return Line(float(price), float(offset), ((a, b), (b, e)), g.size)


def turning_length(price: Numbers, depth: int = 2) -> Values:
    """The inflection length, `1/(2·price)`, at depth L `(2·price)^{−L/2}`, whatever the loss curve (claims B8, C5).

    Along the sum rule the loss after perturbation changes by `(1 − 2·price·t^{2/L}) dL`, so that it turns where the
    bracket does, however the loss falls: `m/2c` in the theory, inverse in the noise's variance. Its relative error is
    L/2 times the price's. A price <= 0 never turns: inf.

    price: of `fitted_line`, for sensitivities in the unit of the loss; for another noise scale, times the ratio of the
    variances. Raises DomainError.
    Source: ours.

    >>> turning_length([0.005, 0.02, -1.0]).tolist()
    [100.0, 25.0, inf]
    """
    price, half = finite("price", price), whole("depth", depth, 2) / 2
    with np.errstate(over="ignore"):
        return np.where(price > 0, (2 * np.where(price > 0, price, 1)) ** -half, np.inf)[()]  # B8, C5
