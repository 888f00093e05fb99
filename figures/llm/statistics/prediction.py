"""What the linear theory would have said: sensitivity and inflection from the base loss alone (claim B8)."""

from dataclasses import dataclass

import numpy as np

from overtraining.setting.domain import finite, positive
from overtraining.setting.errors import DomainError, SchemaError, ShapeError
from overtraining.theory.sensitivity.predicted_sensitivity import fitted_line, turning_length
from overtraining.theory.sensitivity.sum_rule import norm_growth

LEAST = 5  # checkpoints: three to fit two constants, two to be predicted


@dataclass(frozen=True)
class Prediction:
    """Sensitivity as `offset + price·G(t)`, `G = −2∫t dL`, with constants fitted to the first `fitted` points.

    price: c/m, in 1/length; price_stderr its error.  inflection: `1/(2·price)`, where `d(L + Δ)/dt = L'(1 − 2·price·t)`
    changes its sign; infinite for a price <= 0.  predicted, line: at all lengths, by B8 and by a straight line in the
    length, both fitted to the same points.  miss, line_miss: root mean square of what is left at the other points, in
    standard errors.  unexplained: share of the variation of the sensitivity at those points that B8 leaves.
    """

    length: np.ndarray
    sensitivity: np.ndarray
    predicted: np.ndarray
    line: np.ndarray
    fitted: int
    offset: float
    price: float
    price_stderr: float
    inflection: float
    miss: float
    line_miss: float
    unexplained: float

    @property
    def sentence(self) -> str:
        """What came of it."""
        rest = self.length.size - self.fitted
        told = (
            f"price {self.price:.3g} ± {self.price_stderr:.2g} per unit of length, from the first {self.fitted} "
            f"checkpoints; the other {rest}: B8 misses by {self.miss:.1f} standard errors, a straight line by "
            f"{self.line_miss:.1f}; B8 leaves {100 * self.unexplained:.0f}% of their variation unexplained; "
        )
        if np.isinf(self.inflection):
            return told + "no inflection predicted: the sensitivity does not grow with Σs"
        return (
            told + f"predicted inflection at {self.inflection:.3g} (half of that at twice the perturbation's variance)"
        )


def predict(
    length: np.ndarray, loss: np.ndarray, sensitivity: np.ndarray, stderr: np.ndarray, prefix: float = 0.5
) -> Prediction:
    """Fit the one constant of B8 (and an offset) to the first checkpoints, and predict the others.

    length: > 0, rising.  loss: of the base model.  sensitivity: loss after − loss before, at one strength; stderr: its
    standard errors.  prefix: share of the checkpoints to fit, at least three. Raises DomainError, ShapeError, and
    SchemaError for fewer than five checkpoints. Source: ours.

    >>> t = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    >>> p = predict(t, t**-0.5, 3 + 0.25 * norm_growth(t, t**-0.5), np.full(6, 0.1))
    >>> round(p.price, 12), round(p.inflection, 12), p.miss < 1e-9
    (0.25, 2.0, True)
    """
    t, before, delta, error = (
        positive("length", length, "leave out the start"), finite("loss", loss), finite("sensitivity", sensitivity),
        positive("stderr", stderr),
    )  # fmt: skip
    if not t.shape == before.shape == delta.shape == error.shape or t.ndim != 1:
        shapes = f"length {t.shape}, loss {before.shape}, sensitivity {delta.shape}, stderr {error.shape}"
        raise ShapeError(shapes, "these are not four numbers per checkpoint", "pass four equal rows")
    if t.size < LEAST:
        why = "three are needed to fit, and two to be predicted"
        raise SchemaError(f"{t.size} checkpoints that base and changed model share", why, "measure more checkpoints")
    fitted = min(max(3, round(prefix * t.size)), t.size - 2)
    growth, rest = np.asarray(norm_growth(t, before)), slice(fitted, None)
    try:
        by_rule, by_length = (fitted_line(x[:fitted], delta[:fitted], error[:fitted]) for x in (growth, t))
    except DomainError as refusal:
        why = "it does not change over the fitted checkpoints"
        raise SchemaError("the base loss", why, "fit a longer prefix") from refusal
    predicted, line = np.asarray(by_rule.sensitivity(growth)), np.asarray(by_length.sensitivity(t))
    misses = [float(np.sqrt(np.mean(((delta - curve)[rest] / error[rest]) ** 2))) for curve in (predicted, line)]
    spread = float(((delta[rest] - delta[:fitted].mean()) ** 2).sum())
    left = float(((delta - predicted)[rest] ** 2).sum())
    return Prediction(
        t, delta, predicted, line, fitted, by_rule.offset, by_rule.price, float(np.sqrt(by_rule.covariance[0][0])),
        float(turning_length(by_rule.price)), misses[0], misses[1], left / spread if spread else np.inf,
    )  # fmt: skip
