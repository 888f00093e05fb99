"""Curves consistent with a noisy series: draws from a Gaussian process whose smoothness is not assumed known."""

import numpy as np

from overtraining.figures.llm.statistics.series import Series

SCALES = np.geomspace(0.1, 3.0, 6)  # over how much of the range a curve keeps its slope
SIZES = 10  # how many heights of the bends are tried, from a tenth of the errors to ten times the range
GRID = 121  # places between the first and the last checkpoint


def curves(series: Series, draws: int = 2000, seed: int = 0, grid: int = GRID) -> tuple[np.ndarray, np.ndarray]:
    """Places on the series' clock, and `draws` curves there, (draws, places), drawn from what the data leave open.

    A line with unknown ends plus a Matérn-3/2 process; its scale and height, and the scale of the errors where that is
    estimated, are drawn in proportion to their marginal likelihood, so that the curves do not pretend to know them
    (Rasmussen and Williams 2006, eq. 2.45; draws by Matheron's rule, Wilson et al. 2020).
    """
    rng, at = np.random.default_rng(seed), series.clock
    places = np.union1d(np.linspace(0, 1, grid), at)
    line, line_there = (np.stack([np.ones_like(x), x - 0.5], axis=1) for x in (at, places))
    typical = float(np.sqrt(np.mean(series.stderr**2)))
    sizes = np.geomspace(0.1 * typical, 10 * max(typical, float(np.ptp(series.value))), SIZES)
    errors = series.stderr * _error_scales(series.freedom)[:, None]
    settings = [(scale, size, error) for scale in SCALES for size in sizes for error in errors]
    covariances = np.stack([size**2 * _kernel(at, at, scale) + np.diag(e**2) for scale, size, e in settings])
    # all settings in one call each: the matrices are small, and a call apiece would wake threads for nothing
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
    here, found = np.searchsorted(places, at), []
    for i in np.flatnonzero(chosen):
        scale, size, error = settings[i]
        start = size * rng.standard_normal((chosen[i], places.size)) @ roots[scale].T
        left = series.value - start[:, here] - error * rng.standard_normal((chosen[i], at.size))
        scaled = inverse[i] @ left.T
        along = q[i].T @ scaled
        cross = size**2 * _kernel(places, at, scale) @ inverse[i].T
        found.append(start + (line_there @ np.linalg.solve(r[i], along) + cross @ (scaled - q[i] @ along)).T)
    return places, np.concatenate(found)


def _kernel(a: np.ndarray, b: np.ndarray, scale: float) -> np.ndarray:
    distance = np.sqrt(3) * np.abs(a[:, None] - b[None, :]) / scale
    return (1 + distance) * np.exp(-distance)


def _error_scales(freedom: float) -> np.ndarray:
    """Five equally probable factors of the errors."""
    if np.isinf(freedom):
        return np.ones(1)
    from scipy.stats import chi2

    scales: np.ndarray = np.sqrt(freedom / chi2.ppf((np.arange(5) + 0.5) / 5, freedom))
    return scales
