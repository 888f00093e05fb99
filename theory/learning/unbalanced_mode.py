"""A4: one mode whose layers differ by a conserved imbalance λ = w₂² − w₁², from rich (0) to lazy (large).

With `r = √(λ² + 4σ²)`, `R₀ = √(λ² + 4p₀²)`, `κ = (λ² + 4σp₀)/r` (so |κ| <= R₀) and `E = e^{−rt}` the product is a
weighted mean of where it started and where it goes, `p = (p₀ + σB)/(1 + B)`, with a weight that only grows,
`B = (1 − E)/(2rE) · [(R₀ + κ) + (R₀ − κ)E]`. The smaller of `R₀ ± κ` comes from their product `(2λ(σ − p₀)/r)²`: this
is where a difference of nearly equal roots would lose everything at small λ.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import exprel

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, nonnegative
from overtraining.setting.errors import DomainError
from overtraining.theory.checks import check_range


def product(t: Numbers, sigma: Numbers, start: Numbers, imbalance: Numbers) -> Values:
    """The mode's product `p(t) = w₁w₂`, `ṗ = √(λ² + 4p²) (σ − p)`, `p(0) = p₀` (claim A4).

    t: pretraining length >= 0, gradient-flow time.  sigma: teacher singular value >= 0.  start: p₀, of either sign.
    imbalance: λ, of either sign; the product depends on |λ| only. At λ = 0 this is `balanced_mode` for p₀ > 0, while
    p₀ <= 0 ends in the saddle at 0; with any imbalance every start reaches sigma.
    All broadcast. Raises DomainError outside, ShapeError where arrays do not broadcast.
    Source: the flow of Saxe, McClelland, Ganguli 2014 (arXiv 1312.6120), appendix; this form of its solution is ours.

    >>> product([0.0, 1.0, 10.0], sigma=1.0, start=0.0, imbalance=0.1).round(6).tolist()
    [0.0, 0.158602, 1.0]
    """
    return _product(_mean(t, sigma, start, imbalance))


def unlearned(t: Numbers, sigma: Numbers, start: Numbers, imbalance: Numbers) -> Values:
    """What is left to learn, `σ − p(t) = (σ − p₀)/(1 + B)` (claim A4), accurate where p has converged to σ.

    Arguments and errors as in `product`.

    >>> float(unlearned(40.0, sigma=1.0, start=0.0, imbalance=1.0)) * 1e39
    4.420...
    """
    return _left(_mean(t, sigma, start, imbalance))


def learned_and_left(t: Numbers, sigma: Numbers, start: Numbers, imbalance: Numbers) -> tuple[Values, Values]:
    """`product` and `unlearned` in one pass, for large grids. Arguments and errors as there.

    >>> p, left = learned_and_left(3.0, sigma=1.0, start=1e-3, imbalance=0.5)
    >>> round(float(p + left), 12)
    1.0
    """
    m = _mean(t, sigma, start, imbalance)
    return _product(m), _left(m)


def weights_moved(t: Numbers, sigma: Numbers, start: Numbers, imbalance: Numbers) -> tuple[Values, Values]:
    """How far each weight moves, `(|w₁(t) − w₁(0)|, |w₂(t) − w₂(0)|)` (claim A4), accurate where this is little.

    From `p − p₀ = (σ − p₀)B/(1 + B)` and `Δ(w²) = ½Δ√(λ² + 4p²)`, the same for either weight. Arguments and errors as
    in `product`.

    >>> [float(w) for w in weights_moved([1e-12, 9.0], sigma=4.0, start=1.0, imbalance=0.0)[0].round(18)]
    [3e-12, 1.0]
    """
    m = _mean(t, sigma, start, imbalance)
    ends = [[np.abs(w) for w in weights(at, sigma, start, imbalance)] for at in (t, 0.0)]
    p, lam = _product(m), finite("imbalance", imbalance)
    with np.errstate(over="ignore", invalid="ignore"):  # B overflows: converged
        grown = m.late + m.early
        moved = m.gap * np.where(np.isinf(grown), 1.0, grown / (1 + grown))
    both = np.hypot(lam, 2 * p) + np.hypot(lam, 2 * m.start)
    squares = 2 * np.abs(moved) * (np.abs(p + m.start) / np.where(both > 0, both, 1))
    crossed = np.sign(p) * np.sign(m.start) < 0  # the smaller weight goes through 0, as far as its two ends are from it
    way = lambda now, before: squares / np.where(now + before > 0, now + before, 1)
    through = [crossed & ((lam >= 0) == (i == 0)) for i in (0, 1)]
    found = [np.where(c, now + old, way(now, old)) for c, now, old in zip(through, *ends, strict=True)]
    return found[0][()], found[1][()]  # A4


def weights(t: Numbers, sigma: Numbers, start: Numbers, imbalance: Numbers) -> tuple[Values, Values]:
    """The weights themselves, `(w₁, w₂)` with `w₁w₂ = p(t)`, `w₂² − w₁² = λ` (claim A4).

    The larger of the two is taken positive, `√((√(λ² + 4p²) + |λ|)/2)`; the other one is p over it. Arguments and
    errors as in `product`.

    >>> [float(w) for w in weights(0.0, sigma=1.0, start=2.0, imbalance=3.0)]
    [1.0, 2.0]
    """
    w1, w2 = split(product(t, sigma, start, imbalance), imbalance)
    t, sigma, p0, lam = _mode(t, sigma, start, imbalance)
    # without imbalance a product below 0 dies; its root is a number long after the product itself has vanished
    size, dies = np.abs(p0), (lam == 0) & (p0 < 0)
    dying = np.sqrt(size) * np.exp(-sigma * t) / np.sqrt(1 + 2 * size * t * exprel(-2 * sigma * t))
    return np.where(dies, -dying, w1)[()], np.where(dies, dying, w2)[()]  # A4


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


def _left(m: "_Mean") -> Values:
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


def _mode(t: Numbers, sigma: Numbers, start: Numbers, imbalance: Numbers) -> tuple[np.ndarray, ...]:
    t, sigma, p0, lam = check_broadcast(
        t=nonnegative("t", t, "measure pretraining forward from the start, t >= 0"),
        sigma=nonnegative("sigma", sigma, "a singular value is not negative; put the sign into the singular vectors"),
        start=finite("start", start),
        imbalance=finite("imbalance", imbalance),
    )
    check_range(sigma, t=t, start=p0, imbalance=lam)
    if ((lam != 0) & (np.abs(lam) < np.finfo(float).tiny)).any():  # its reciprocal may overflow
        raise DomainError("imbalance", "it is not 0 but below 2.3e-308", "pass 0.0")
    return t, sigma, p0, lam


def _mean(t: Numbers, sigma: Numbers, start: Numbers, imbalance: Numbers) -> _Mean:
    t, sigma, p0, lam = _mode(t, sigma, start, imbalance)
    r, norm, gap = np.hypot(lam, 2 * sigma), np.hypot(lam, 2 * p0), sigma - p0
    over_r = 1 / np.where(r > 0, r, 1)
    kappa = np.where(r > 0, lam * (lam * over_r) + 2 * p0 * (2 * sigma * over_r), norm)
    large = np.sqrt(norm + np.abs(kappa))
    small = 2 * np.abs(gap) * (np.abs(lam) * over_r) / np.where(large > 0, large, 1)
    turned = kappa < 0
    with np.errstate(over="ignore", invalid="ignore"):  # to infinity: converged
        half = t * exprel(-r * t) / 2
        growth = np.exp(np.minimum(r * t / 4, 709))  # in two factors, since `small` may be as small as λ itself
        climb = np.sqrt(half) * np.where(turned, small, large) * growth * growth
        late = climb**2
        early = half * np.where(turned, large, small) ** 2
        # p₀ + σB with p₀ eliminated: −σ(R₀ − κ)E/2r is what is left of it at λ = 0
        size = np.abs(p0)
        both = r * norm + 4 * sigma * size
        ratio = lam / np.where(both > 0, both, 1) * lam * sigma * (1 + (2 * p0 * over_r) ** 2)
        rest = (ratio - (lam * over_r) ** 2 * (sigma + 2 * size) - sigma * large**2 * np.exp(-r * t) * over_r) / 2
        rest = rest + sigma * late
    return _Mean(sigma, p0, gap, climb, late, early, turned & (np.abs(lam) < size), rest)
