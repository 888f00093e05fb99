"""The form that people fit: loss E + B D^−β plus sensitivity C D^γ, and where their sum turns."""

from dataclasses import dataclass

import numpy as np

from overtraining.figures.llm.statistics.scaling_law import ScalingLaw, fit_law
from overtraining.setting.domain import finite, positive
from overtraining.setting.errors import ShapeError

EXPONENTS = np.linspace(-2.0, 4.0, 121)  # of the sensitivity, from which the fit starts


@dataclass(frozen=True)
class PowerLaws:
    """Two power laws fitted to the first `fitted` checkpoints: the loss before the change, and the sensitivity.

    law: `E + B D^−β` of the loss.  cost, growth: C and γ of the sensitivity `C D^γ`.  predicted: the sensitivity at all
    lengths.  misfit: root mean square of its errors at the other lengths, in standard errors.
    """

    law: ScalingLaw
    cost: float
    growth: float
    predicted: np.ndarray
    fitted: int
    misfit: float

    @property
    def inflection(self) -> float:
        """The length at which the sum turns, `(βB / γC)^{1/(β + γ)}`; infinite where the sensitivity does not grow."""
        return self.law.turning_tokens(self.cost, self.growth) if self.cost > 0 and self.growth > 0 else np.inf

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        turns = f"predicted inflection at {self.inflection:.3g}" if np.isfinite(self.inflection) else "no inflection"
        return (
            f"power law plus power law, fitted to the same checkpoints: exponents {-self.law.beta:.2g} of the loss "
            f"above {self.law.irreducible:.3g} and {self.growth:.2g} of the sensitivity; at the others, it is off by "
            f"{self.misfit:.1f} standard errors; {turns}"
        )


def fit_power_laws(
    length: np.ndarray, loss: np.ndarray, sensitivity: np.ndarray, stderr: np.ndarray, fitted: int
) -> PowerLaws:
    """Fit both power laws to the first `fitted` checkpoints, and predict the sensitivity at the others.

    length: > 0.  loss: before the change, > 0.  sensitivity: loss after − loss before; stderr: its standard errors. The
    loss is fitted by `fit_law`, the sensitivity by least squares.
    Raises DomainError, ShapeError, NotSolved, and SchemaError for fewer than six fitted checkpoints.
    Source: the form of scaling laws for quantization (Kumar et al. 2024, arXiv 2411.04330) at one size of the model.

    >>> t = 2.0 ** np.arange(12)
    >>> p = fit_power_laws(t, 2 + 8 * t**-0.5, 0.002 * t**0.5, np.full(12, 0.01), fitted=6)
    >>> round(p.inflection, 3), round(p.growth, 6)
    (4000.0, 0.5)
    """
    t, before = positive("length", length), positive("loss", loss)
    delta, error = finite("sensitivity", sensitivity), positive("stderr", stderr)
    if not t.shape == before.shape == delta.shape == error.shape or t.ndim != 1:
        shapes = f"length {t.shape}, loss {before.shape}, sensitivity {delta.shape}, stderr {error.shape}"
        raise ShapeError(shapes, "these are not four numbers per checkpoint", "pass four arrays of equal length")
    first = slice(fitted)
    law = fit_law(np.ones(t[first].size), t[first], before[first], draws=0).law
    unit = float(np.exp(np.log(t[first]).mean()))
    coefficient, growth = _fitted_power(t[first] / unit, delta[first], error[first])
    predicted = coefficient * (t / unit) ** growth
    misfit = float(np.sqrt(np.mean(((delta - predicted) / error)[fitted:] ** 2)))
    return PowerLaws(law, float(coefficient * unit**-growth), growth, predicted, fitted, misfit)


def _fitted_power(x: np.ndarray, y: np.ndarray, error: np.ndarray) -> tuple[float, float]:
    """Coefficient and exponent of `y = c x^γ` by least squares; the best c for each γ is known."""
    from scipy.optimize import minimize_scalar

    def coefficient(growth: float) -> float:
        power = x**growth / error
        return float(power @ (y / error) / (power @ power))

    def cost(growth: float) -> float:
        return float((((y - coefficient(growth) * x**growth) / error) ** 2).sum())

    start = EXPONENTS[np.argmin([cost(growth) for growth in EXPONENTS])]
    step = EXPONENTS[1] - EXPONENTS[0]
    growth = float(
        minimize_scalar(cost, bounds=(start - step, start + step), method="bounded", options={"xatol": 1e-10}).x
    )
    return coefficient(growth), growth
