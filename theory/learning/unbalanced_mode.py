"""A4: one mode whose layers differ by a conserved imbalance λ = w₂² − w₁², from rich (0) to lazy (large).

With `r = √(λ² + 4σ²)`, `R₀ = √(λ² + 4p₀²)`, `κ = (λ² + 4σp₀)/r` (so |κ| <= R₀) and `E = e^{−rt}` the product is a
weighted mean of its initial value and its limit, `p = (p₀ + σB)/(1 + B)`, with a weight that only grows,
`B = (1 − E)/(2rE) · [(R₀ + κ) + (R₀ − κ)E]`. The smaller of `R₀ ± κ` is computed from their product
`(2λ(σ − p₀)/r)²`, since the difference of nearly equal roots would lose all its digits at small λ.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import exprel

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite
from overtraining.theory.checks import check_range, check_unbalanced_mode


def product(time: Numbers, sigma: Numbers, initial_product: Numbers, imbalance: Numbers) -> Values:
    """The mode's product `p(t) = w₁w₂`, `ṗ = √(λ² + 4p²) (σ − p)`, `p(0) = p₀` (claim A4).

    time: t >= 0, gradient-flow time.  sigma: teacher singular value >= 0.  initial_product: p₀, of either sign.
    imbalance: λ, of either sign; the product depends on |λ| only. At λ = 0 this is `balanced_mode` for p₀ > 0, while
    p₀ <= 0 ends in the saddle at 0; with any imbalance every start reaches sigma.
    All broadcast. Raises DomainError outside, ShapeError where arrays do not broadcast.
    Source: the flow of Saxe, McClelland, Ganguli 2014 (arXiv 1312.6120), appendix; this form of its solution is ours.

    >>> product([0.0, 1.0, 10.0], sigma=1.0, initial_product=0.0, imbalance=0.1).round(6).tolist()
    [0.0, 0.158602, 1.0]
    """
    return _product(_mean(time, sigma, initial_product, imbalance))


def unlearned(time: Numbers, sigma: Numbers, initial_product: Numbers, imbalance: Numbers) -> Values:
    """Unlearned part `σ − p(t) = (σ − p₀)/(1 + B)` (claim A4), accurate where p has converged to σ.

    Arguments and errors as in `product`.

    >>> float(unlearned(40.0, sigma=1.0, initial_product=0.0, imbalance=1.0)) * 1e39
    4.420...
    """
    return _unlearned(_mean(time, sigma, initial_product, imbalance))


def learned_and_unlearned(
    time: Numbers, sigma: Numbers, initial_product: Numbers, imbalance: Numbers
) -> tuple[Values, Values]:
    """`product` and `unlearned` in one pass, for large grids. Arguments and errors as there.

    >>> p, rest = learned_and_unlearned(3.0, sigma=1.0, initial_product=1e-3, imbalance=0.5)
    >>> round(float(p + rest), 12)
    1.0
    """
    mean = _mean(time, sigma, initial_product, imbalance)
    return _product(mean), _unlearned(mean)


def weights_moved(time: Numbers, sigma: Numbers, initial_product: Numbers, imbalance: Numbers) -> tuple[Values, Values]:
    """How far each weight moves, `(|w₁(t) − w₁(0)|, |w₂(t) − w₂(0)|)` (claim A4), accurate where this is little.

    From `p − p₀ = (σ − p₀)B/(1 + B)` and `Δ(w²) = ½Δ√(λ² + 4p²)`, the same for either weight. Arguments and errors as
    in `product`.

    >>> [float(w) for w in weights_moved([1e-12, 9.0], sigma=4.0, initial_product=1.0, imbalance=0.0)[0].round(18)]
    [3e-12, 1.0]
    """
    mean = _mean(time, sigma, initial_product, imbalance)
    now = [np.abs(w) for w in weights(time, sigma, initial_product, imbalance)]
    before = [np.abs(w) for w in weights(0.0, sigma, initial_product, imbalance)]
    p = _product(mean)
    lam = finite("imbalance", imbalance)
    with np.errstate(over="ignore", invalid="ignore"):  # B overflows: converged
        grown = mean.late + mean.early
        moved = mean.gap * np.where(np.isinf(grown), 1.0, grown / (1 + grown))
    roots = np.hypot(lam, 2 * p) + np.hypot(lam, 2 * mean.start)
    squares = 2 * np.abs(moved) * (np.abs(p + mean.start) / np.where(roots > 0, roots, 1))
    sign_changes = np.sign(p) * np.sign(mean.start) < 0  # the smaller weight passes through 0
    distances = []
    for layer in (0, 1):
        through_0 = sign_changes & ((lam >= 0) == (layer == 0))
        total = now[layer] + before[layer]
        distances.append(np.where(through_0, total, squares / np.where(total > 0, total, 1))[()])  # A4
    return distances[0], distances[1]


def weights(time: Numbers, sigma: Numbers, initial_product: Numbers, imbalance: Numbers) -> tuple[Values, Values]:
    """The weights themselves, `(w₁, w₂)` with `w₁w₂ = p(t)`, `w₂² − w₁² = λ` (claim A4).

    The larger of the two is taken positive, `√((√(λ² + 4p²) + |λ|)/2)`; the other one is p over it. Arguments and
    errors as in `product`.

    >>> [float(w) for w in weights(0.0, sigma=1.0, initial_product=2.0, imbalance=3.0)]
    [1.0, 2.0]
    """
    w1, w2 = split(product(time, sigma, initial_product, imbalance), imbalance)
    time, sigma, p0, lam = check_unbalanced_mode(time, sigma, initial_product, imbalance)
    # without imbalance a product below 0 decays; its root is still a float64 when the product itself has underflowed
    size = np.abs(p0)
    decays = (lam == 0) & (p0 < 0)
    root = np.sqrt(size) * np.exp(-sigma * time) / np.sqrt(1 + 2 * size * time * exprel(-2 * sigma * time))
    return np.where(decays, -root, w1)[()], np.where(decays, root, w2)[()]  # A4


def split(product: Numbers, imbalance: Numbers) -> tuple[Values, Values]:
    """The two weights of a mode, `(w₁, w₂)` with `w₁w₂ = p` and `w₂² − w₁² = λ`, the larger one positive.

    Any real numbers up to 1e75, which broadcast. Raises DomainError for others, ShapeError where they do not.

    >>> split(2.0, imbalance=[3.0, -3.0])
    (array([1., 2.]), array([2., 1.]))
    """
    p, lam = check_broadcast(product=finite("product", product), imbalance=finite("imbalance", imbalance))
    check_range(np.zeros(()), product=p, imbalance=lam)
    larger = np.sqrt((np.hypot(lam, 2 * p) + np.abs(lam)) / 2)
    smaller = p / np.where(larger > 0, larger, 1)  # both are 0 in the saddle
    return np.where(lam >= 0, smaller, larger)[()], np.where(lam >= 0, larger, smaller)[()]  # A4


def _product(m: "_Mean") -> Values:
    with np.errstate(over="ignore", invalid="ignore"):  # of the forms that are not chosen
        total = 1 + m.late + m.early
        mean = np.where(total < 2, (m.start + m.sigma * (m.late + m.early)) / total, m.sigma - m.gap / total)
        mean = np.where(m.lingers, np.where(np.isinf(total), m.sigma, m.rest / total), mean)
    return mean[()]  # A4


def _unlearned(m: "_Mean") -> Values:
    late = np.isinf(m.late)  # B overflows, its root may not
    root, total = np.where(late, m.climb, 1), np.where(late, 1, 1 + m.late + m.early)
    return (m.gap / root / root / total)[()]  # A4


class _Mean(NamedTuple):
    """`p = (p₀ + σB)/(1 + B)`, `B = climb² + early`; `rest = p₀ + σB` where |λ| < −p₀, a p that lingers near 0."""

    sigma: np.ndarray
    start: np.ndarray
    gap: Values
    climb: Values
    late: Values
    early: Values
    lingers: np.ndarray | np.bool
    rest: Values


def _mean(time: Numbers, sigma: Numbers, initial_product: Numbers, imbalance: Numbers) -> _Mean:
    time, sigma, p0, lam = check_unbalanced_mode(time, sigma, initial_product, imbalance)
    r = np.hypot(lam, 2 * sigma)
    norm = np.hypot(lam, 2 * p0)
    gap = sigma - p0
    over_r = 1 / np.where(r > 0, r, 1)
    kappa = np.where(r > 0, lam * (lam * over_r) + 2 * p0 * (2 * sigma * over_r), norm)
    large = np.sqrt(norm + np.abs(kappa))
    small = 2 * np.abs(gap) * (np.abs(lam) * over_r) / np.where(large > 0, large, 1)
    obtuse = kappa < 0
    with np.errstate(over="ignore", invalid="ignore"):  # to infinity: converged
        half = time * exprel(-r * time) / 2
        growth = np.exp(np.minimum(r * time / 4, 709))  # in two factors, since `small` may be as small as λ itself
        climb = np.sqrt(half) * np.where(obtuse, small, large) * growth * growth
        late = climb**2
        early = half * np.where(obtuse, large, small) ** 2
        # p₀ + σB with p₀ eliminated; at λ = 0 only −σ(R₀ − κ)E/2r remains
        size = np.abs(p0)
        both = r * norm + 4 * sigma * size
        ratio = lam / np.where(both > 0, both, 1) * lam * sigma * (1 + (2 * p0 * over_r) ** 2)
        rest = (ratio - (lam * over_r) ** 2 * (sigma + 2 * size) - sigma * large**2 * np.exp(-r * time) * over_r) / 2
        rest = rest + sigma * late
    return _Mean(sigma, p0, gap, climb, late, early, obtuse & (np.abs(lam) < size), rest)
