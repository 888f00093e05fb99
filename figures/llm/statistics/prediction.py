"""Predict sensitivity and inflection point from the base loss alone, as the linear theory does (claim B8)."""

from dataclasses import dataclass

import numpy as np

from overtraining.setting.domain import finite, positive
from overtraining.setting.errors import DomainError, SchemaError, ShapeError
from overtraining.theory.sensitivity.sum_rule import fitted_line, norm_growth, turning_length

MINIMUM = 5  # checkpoints: three to fit two constants, and two to be predicted


@dataclass(frozen=True)
class Prediction:
    """Sensitivity as `offset + noise_cost·G(t)`, `G = −2∫t dL`, with constants fitted to the first `fitted` points.

    noise_cost: c/m, in 1/length; noise_cost_stderr: its standard error.  inflection: `1/(2·noise_cost)`, where
    `d(L + Δ)/dt = L'(1 − 2·noise_cost·t)` changes its sign; infinite for a cost <= 0.  predicted, line: the sensitivity
    at all lengths, by B8 and by a straight line in the length, both fitted to the same points.  misfit, line_misfit:
    root mean square of their errors at the other points, in standard errors.  unexplained: fraction of the variation of
    the sensitivity at those points that B8 does not explain.
    """

    length: np.ndarray
    sensitivity: np.ndarray
    predicted: np.ndarray
    line: np.ndarray
    fitted: int
    offset: float
    noise_cost: float
    noise_cost_stderr: float
    inflection: float
    misfit: float
    line_misfit: float
    unexplained: float

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        others = self.length.size - self.fitted
        fit = (
            f"noise cost {self.noise_cost:.3g} ± {self.noise_cost_stderr:.2g} per unit of length, fitted to the first "
            f"{self.fitted} checkpoints; at the other {others}, B8 is off by {self.misfit:.1f} standard errors, a "
            f"straight line by {self.line_misfit:.1f}; B8 does not explain {100 * self.unexplained:.0f}% of their "
            "variation; "
        )
        if np.isinf(self.inflection):
            return fit + "no inflection predicted: the sensitivity does not grow with Σs"
        return fit + (
            f"predicted inflection at {self.inflection:.3g} (at half of that for twice the variance of the noise)"
        )


def predict(
    length: np.ndarray, loss: np.ndarray, sensitivity: np.ndarray, stderr: np.ndarray, prefix: float = 0.5
) -> Prediction:
    """Fit the one constant of B8 (and an offset) to the first checkpoints, and predict the others.

    length: > 0, increasing.  loss: of the base model.  sensitivity: loss after − loss before, at one strength; stderr:
    its standard errors.  prefix: fraction of the checkpoints to fit, at least three.
    Raises DomainError, ShapeError, and SchemaError for fewer than five checkpoints. Source: this project.

    >>> t = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    >>> p = predict(t, t**-0.5, 3 + 0.25 * norm_growth(t, t**-0.5), np.full(6, 0.1))
    >>> round(p.noise_cost, 12), round(p.inflection, 12), p.misfit < 1e-9
    (0.25, 2.0, True)
    """
    t = positive("length", length, "leave out the start")
    before = finite("loss", loss)
    delta = finite("sensitivity", sensitivity)
    error = positive("stderr", stderr)
    if not t.shape == before.shape == delta.shape == error.shape or t.ndim != 1:
        shapes = f"length {t.shape}, loss {before.shape}, sensitivity {delta.shape}, stderr {error.shape}"
        raise ShapeError(shapes, "these are not four numbers per checkpoint", "pass four arrays of equal length")
    if t.size < MINIMUM:
        why = "three are needed for the fit, and two to be predicted"
        raise SchemaError(f"{t.size} checkpoints that base and changed model share", why, "measure more checkpoints")
    fitted = min(max(3, round(prefix * t.size)), t.size - 2)
    growth = np.asarray(norm_growth(t, before))
    others = slice(fitted, None)
    try:
        by_rule, by_length = (fitted_line(x[:fitted], delta[:fitted], error[:fitted]) for x in (growth, t))
    except DomainError as refusal:
        why = "it does not change over the fitted checkpoints"
        raise SchemaError("the base loss", why, "fit a longer prefix") from refusal
    predicted, line = np.asarray(by_rule.sensitivity(growth)), np.asarray(by_length.sensitivity(t))
    misfit, line_misfit = (float(np.sqrt(np.mean(((delta - x) / error)[others] ** 2))) for x in (predicted, line))
    variation = float(((delta[others] - delta[:fitted].mean()) ** 2).sum())
    unexplained = float(((delta - predicted)[others] ** 2).sum())
    return Prediction(
        length=t,
        sensitivity=delta,
        predicted=predicted,
        line=line,
        fitted=fitted,
        offset=by_rule.offset,
        noise_cost=by_rule.slope,
        noise_cost_stderr=float(np.sqrt(by_rule.fit_covariance[0][0])),
        inflection=float(turning_length(by_rule.slope)),
        misfit=misfit,
        line_misfit=line_misfit,
        unexplained=unexplained / variation if variation else np.inf,
    )
