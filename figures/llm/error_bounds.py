"""Standard errors where a file gives none, or gives 0: from the number of test items, or from other checkpoints."""

import numpy as np

AGREE = 1.1
"""Ratio of the largest to the smallest number of items that the errors of one curve may imply: errors are rounded."""


def binomial_stderr(fraction: np.ndarray, items: np.ndarray | float) -> np.ndarray:
    """Standard error `√(p(1−p)/n)` of a fraction p of n test items; at 0 and 1, that of half an item.

    With none or all of the items right, the formula would give 0. Half an item gives `0.71/n`, which is the posterior
    standard deviation of the true fraction under Jeffreys' prior.

    >>> binomial_stderr(np.array([0.5, 0.0, 1.0]), 100.0).round(4).tolist()
    [0.05, 0.0071, 0.0071]
    """
    inside = np.clip(fraction, 0.5 / items, 1 - 0.5 / items)
    stderr: np.ndarray = np.sqrt(inside * (1 - inside) / items)
    return stderr


def completed_stderr(value: np.ndarray, stderr: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, str] | None:
    """The standard errors of a curve of which some are missing (0 or NaN), and what was put in their place.

    Errors that are given stay. The others are binomial if the number of items is known, or if all errors that are given
    imply the same one, `n = p(1−p)/s²`. Otherwise they are the larger one of the nearest errors on both sides. None if
    that would need more errors than it has: if fewer than half of the checkpoints have one.

    value, stderr, items: (checkpoints,), in order of length.

    >>> value, given = np.array([0.0, 0.5, 0.6]), np.array([0.0, 0.05, 0.049])
    >>> stderr, how = completed_stderr(value, given, np.full(3, np.nan))
    >>> stderr.round(4).tolist(), how
    ([0.0071, 0.05, 0.049], '1 of 3 from 100 test items, which the other errors imply')
    """
    known = stderr > 0
    total, missing = value.size, int((~known).sum())
    if missing == 0:
        return stderr, ""
    if not known.any():
        return None
    fractions = bool(((value >= 0) & (value <= 1)).all())
    if fractions and np.isfinite(items[~known]).all():
        return _replaced(stderr, known, binomial_stderr(value, items)), f"{missing} of {total} from the test items"
    implied = _implied_items(value, stderr, known) if fractions else None
    if implied is not None:
        how = f"{missing} of {total} from {implied:,.0f} test items, which the other errors imply"
        return _replaced(stderr, known, binomial_stderr(value, implied)), how
    if 2 * missing > total:
        return None
    places = np.flatnonzero(known)
    after = np.searchsorted(places, np.arange(total))
    left, right = (places[np.clip(i, 0, places.size - 1)] for i in (after - 1, after))
    nearest = np.maximum(stderr[left], stderr[right])
    return _replaced(stderr, known, nearest), f"{missing} of {total} from the nearest checkpoints"


def _replaced(stderr: np.ndarray, known: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.where(known, stderr, other)


def _implied_items(value: np.ndarray, stderr: np.ndarray, known: np.ndarray) -> float | None:
    """The number of test items for which the given errors are binomial, if there is one for all of them."""
    inside = known & (value > 0) & (value < 1)
    if inside.sum() < 2:
        return None
    implied = value[inside] * (1 - value[inside]) / stderr[inside] ** 2
    return float(np.median(implied)) if implied.max() <= AGREE * implied.min() else None
