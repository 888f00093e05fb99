"""Curves that are consistent with a noisy series: draws from a Gaussian process of unknown smoothness."""

import numpy as np

from overtraining.figures.llm.statistics.series import Series

SCALES = np.geomspace(0.1, 3.0, 6)  # part of the range over which a curve keeps its slope
HEIGHTS = 10  # number of heights of the bends to try, from a tenth of the errors to ten times the range
GRID = 121  # places between the first and the last checkpoint


def consistent_curves(
    series: Series, draws: int = 2000, key: int = 0, grid: int = GRID
) -> tuple[np.ndarray, np.ndarray]:
    """Places on the series' clock, and `draws` curves there, (draws, places), from their distribution given the data.

    The curves are a line with unknown ends plus a Matérn-3/2 process. Its scale and height, and the scale of the errors
    if that was estimated, are drawn in proportion to their marginal likelihood, so that the spread of the curves
    includes their uncertainty (Rasmussen and Williams 2006, eq. 2.45; draws by Matheron's rule, Wilson et al. 2020).
    """
    rng = np.random.default_rng(key)
    at = series.clock
    places = np.union1d(np.linspace(0, 1, grid), at)
    line, line_at_places = (np.stack([np.ones_like(x), x - 0.5], axis=1) for x in (at, places))
    typical = float(np.sqrt(np.mean(series.stderr**2)))
    heights = np.geomspace(0.1 * typical, 10 * max(typical, float(np.ptp(series.value))), HEIGHTS)
    errors = series.stderr * _error_scales(series.freedom)[:, None]
    settings = [(scale, size, error) for scale in SCALES for size in heights for error in errors]
    covariances = np.stack([size**2 * _kernel(at, at, scale) + np.diag(e**2) for scale, size, e in settings])
    # one call for all settings: the matrices are small, so that single calls would only start threads
    inverse = np.linalg.inv(np.linalg.cholesky(covariances))
    q, r = np.linalg.qr(inverse @ line)
    y = inverse @ series.value
    rest = y - (q @ (q.mT @ y[..., None]))[..., 0]
    diagonals = np.log(np.einsum("sii->si", inverse)).sum(axis=1), np.log(np.abs(np.einsum("sii->si", r))).sum(axis=1)
    evidence = diagonals[0] - diagonals[1] - (rest**2).sum(axis=1) / 2
    weight = np.exp(evidence - evidence.max())
    chosen = rng.multinomial(draws, weight / weight.sum())
    nugget = 1e-10 * np.eye(places.size)  # neighbouring places are nearly equal
    roots = {scale: np.linalg.cholesky(_kernel(places, places, scale) + nugget) for scale in SCALES}
    here = np.searchsorted(places, at)
    curves = []
    for i in np.flatnonzero(chosen):
        scale, size, error = settings[i]
        start = size * rng.standard_normal((chosen[i], places.size)) @ roots[scale].T
        residual = series.value - start[:, here] - error * rng.standard_normal((chosen[i], at.size))
        scaled = inverse[i] @ residual.T
        along = q[i].T @ scaled
        cross = size**2 * _kernel(places, at, scale) @ inverse[i].T
        curves.append(start + (line_at_places @ np.linalg.solve(r[i], along) + cross @ (scaled - q[i] @ along)).T)
    return places, np.concatenate(curves)


def _kernel(here: np.ndarray, there: np.ndarray, scale: float) -> np.ndarray:
    distance = np.sqrt(3) * np.abs(here[:, None] - there[None, :]) / scale
    return (1 + distance) * np.exp(-distance)


def _error_scales(freedom: float) -> np.ndarray:
    """Five equally probable factors for the errors."""
    if np.isinf(freedom):
        return np.ones(1)
    from scipy.stats import chi2

    scales: np.ndarray = np.sqrt(freedom / chi2.ppf((np.arange(5) + 0.5) / 5, freedom))
    return scales
