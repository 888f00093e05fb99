"""B6r: the mean cost of rounding the weights of two layers, over Haar-random hidden frames."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import betainc, gammaln

from overtraining.setting import limits
from overtraining.setting.domain import at_most, one_positive
from overtraining.setting.errors import NotSolved
from overtraining.theory.checks import check_teacher, check_weights
from overtraining.theory.products import refuse_overflow

MOST_STEPS = 64  # between 0 and the largest weight that a frame is likely to give, up to which the quadrature is fast
DEGREE = 8  # of the spherical harmonics by which two rows of a frame depend on each other
NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(20)
FAR = 9.0  # standard deviations beyond which an entry has a probability below 1e-18
SMALL_H = 3  # hidden units below which a frame is a sign or an angle, and the mean an integral


class MeanRise(NamedTuple):
    """A mean rise of the loss, and a bound on its error, `|rise − mean| ≤ bound`."""

    rise: float
    bound: float


def mean_rounding_increase(
    w1: Float[np.ndarray, "h d_in"],
    w2: Float[np.ndarray, "d_out h"],
    teacher: Float[np.ndarray, "d_out d_in"],
    step_1: float,
    step_2: float,
) -> MeanRise:
    """Mean rise of the loss when every weight is rounded to its layer's step, over hidden frames (claim B6r).

    The mean is over `W1 → O W1, W2 → W2 Oᵀ` with O Haar-random, which changes neither f nor gradient flow. Each row o
    of O is uniform on the sphere and gives `F_ji = [o·W2_j:][o·W1_:i]`, [·] rounding, so that
    `E f′ = h E F` and `E‖f′‖² = h E‖F‖² + h(h−1) Σ_ℓ λ_ℓ ‖F_ℓ‖²`, F_ℓ the part of F in harmonics of degree ℓ, and
    `λ_ℓ = Π_{k<ℓ, even} −(k+1)/(h−1+k)` for two orthogonal rows (Funk–Hecke; 0 for odd ℓ). Degrees beyond 8 are left
    out: they change the mean by at most `bound`, of relative order h⁻⁴. Of one or two hidden units nothing is left
    out. Inputs are white: the loss is ½‖f − A‖².
    Steps > 0. Raises NotSolved where a weight can have more than 64 steps, ShapeError where the matrices do not chain,
    DomainError where the result overflows, and for more than a million pairs d_in × d_out.

    >>> w = np.eye(8)
    >>> rise, bound = mean_rounding_increase(w, w, w, 0.5, 0.5)
    >>> round(rise, 3), round(bound, 3)
    (1.677, 0.055)
    """
    w1, w2 = layers = check_weights((w1, w2))
    steps = one_positive("step_1", step_1), one_positive("step_2", step_2)
    teacher = check_teacher(teacher, layers)
    h = len(w1)

    def in_steps() -> tuple[np.ndarray, np.ndarray]:
        return w1.T / steps[0], w2 / steps[1]

    def moments() -> tuple[np.ndarray, np.ndarray]:
        found = np.array([[_pair(a, b, h) for a in columns] for b in rows])  # j, i, (h E F, E f′², error)
        return steps[0] * steps[1] * found[..., 0], (steps[0] * steps[1]) ** 2 * found[..., 1:].sum(axis=(0, 1))

    columns, rows = refuse_overflow("a weight in steps", in_steps)
    pairs = len(rows) * len(columns)
    at_most("the number of pairs d_in × d_out", pairs, limits.PAIRS, "each has an integral of its own")
    with np.errstate(over="ignore"):  # inf is refused as well
        most = max(np.linalg.norm(x, axis=1).max() for x in (columns, rows)) * min(1.0, FAR / h**0.5)
    if most > MOST_STEPS:
        raise NotSolved(
            f"a weight of {most:.3g} steps",
            f"the quadrature is for {MOST_STEPS}",
            "use Noise() of scale step/√12 for fine steps",
        )
    mean, (square, error) = refuse_overflow("the loss after rounding", moments)
    f = w2 @ w1
    rise = (square - (f**2).sum()) / 2 - (teacher * (mean - f)).sum()  # B6r
    return MeanRise(float(rise), float(error / 2))


def _pair(a: np.ndarray, b: np.ndarray, h: int) -> tuple[float, float, float]:
    """`h E F` and `E(Σ_k F_k)²` over the rows k of O, `F_k = [o_k·a][o_k·b]`, and a bound on the latter's error."""
    size_a, size_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if min(size_a, size_b) <= 0.5:
        return 0.0, 0.0, 0.0  # no frame rounds this to another multiple than 0
    unit = a / size_a
    along = float(unit @ b)
    across = float(np.linalg.norm(b - along * unit))
    if h == 1:
        value = float(_nearest(size_a) * _nearest(along))
        return value, value**2, 0.0
    if h < SMALL_H:
        return _of_angle(size_a, along, across)
    mean, square, by_degree = _harmonics(size_a, along, across, h)
    even = np.arange(0, DEGREE + 2, 2)
    eigenvalues = np.cumprod(np.append(1.0, -(even + 1) / (h - 1 + even)))  # of degrees 0, 2, …, DEGREE + 2
    left_out = max(square - by_degree.sum(), 0.0)
    pairs = h * (h - 1)
    total = h * square + pairs * float(eigenvalues[:-1] @ by_degree)
    return h * mean, total, pairs * abs(float(eigenvalues[-1])) * left_out


def _harmonics(size: float, along: float, across: float, h: int) -> tuple[float, float, np.ndarray]:
    """E F, E F², and the squared norms of F's parts of degrees 0, 2, …, on the sphere of h >= 3 dimensions.

    o = (cos φ, sin φ · c, …) has `x = size cos φ` and `y = along cos φ + across sin φ · c`; over c, [y] is a sum of
    steps, whose means are exact; over φ a Gauss rule between all kinks, half of them, since F(−o) = F(o). The harmonics
    of these two coordinates are `C_{ℓ−k}(cos φ) sin^k φ q_k(c)`.
    """
    edge = min(1.0, FAR / h**0.5)
    thresholds = np.arange(int(np.hypot(along, across)) + 1) + 0.5
    phi, weights = _rule(_kinks(size, along, across, h), np.arccos(edge), np.pi / 2)
    weights *= np.sin(phi) ** (h - 2)
    weights /= weights.sum()
    x, cosine, sine = _nearest(size * np.cos(phi)), np.cos(phi), np.sin(phi)
    with np.errstate(divide="ignore", invalid="ignore"):
        cuts = (np.array([[-1], [1]]) * thresholds - (along * cosine)[:, None, None]) / (across * sine)[:, None, None]
    cuts = np.clip(np.nan_to_num(cuts, nan=1.0), -1, 1)  # node, side, threshold; 0/0 has probability 0
    above = _parts_above(cuts, h)  # E q_k(c) 1{c > cut}
    below = -above[:, :, 0]
    below[0] += 1
    first = (above[:, :, 1] - below).sum(axis=-1)  # E q_k(c) [y]
    second = ((above[0, :, 1] + below[0]) @ (2 * np.arange(thresholds.size) + 1.0)) @ (weights * x**2)
    by_degree, of_sine = np.zeros(DEGREE // 2 + 1), 1.0  # E sin^{2k} φ
    for k in range(DEGREE + 1):
        projected = _orthonormal(cosine, (h - 2) / 2 + k, DEGREE - k)[0] @ (weights * x * sine**k * first[k])
        degrees = np.arange(k, DEGREE + 1)
        even = degrees % 2 == 0
        by_degree[degrees[even] // 2] += projected[even] ** 2 / of_sine
        of_sine *= (h - 1 + 2 * k) / (h + 2 * k)
    return float((weights * x) @ first[0]), float(second), by_degree


def _of_angle(size: float, along: float, across: float) -> tuple[float, float, float]:
    """The same sums for two hidden units, whose frame is an angle: the rows are (cos φ, sin φ) and (−sin φ, cos φ)."""
    kinks = _kinks(size, along, across, 2)
    phi, weights = _rule(np.concatenate([kinks, kinks - np.pi / 2]), 0.0, np.pi / 2)
    weights /= weights.sum()
    turned = np.stack([phi, phi + np.pi / 2])
    f = _nearest(size * np.cos(turned)) * _nearest(along * np.cos(turned) + across * np.sin(turned))
    total = f.sum(axis=0)
    return float(weights @ total), float(weights @ total**2), 0.0


def _kinks(size: float, along: float, across: float, h: int) -> np.ndarray:
    """Angles at which x meets a threshold, or y does at c = ±1 or on average; and some at the scale of the weight."""
    b, angle = np.hypot(along, across), np.arctan2(across, along)
    at_x, at_y, at_mean = (
        np.arccos(np.clip((np.arange(-int(s) - 1, int(s) + 1) + 0.5) / max(s, 0.5), -1, 1))
        for s in (size, b, abs(along))
    )
    at_scale = np.arccos(np.clip(np.arange(FAR) / h**0.5, -1, 1))
    ends = np.abs(angle - at_y), (angle + at_y) % np.pi, 2 * np.pi - angle - at_y
    return np.concatenate([at_x, *ends, at_mean, at_scale])


def _rule(kinks: np.ndarray, start: float, end: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights between neighbouring kinks, denser at the ends, where the integrand may be like a root."""
    edges = np.unique(np.clip(np.append(kinks, [start, end]), start, end))
    u = (NODES + 1) / 2
    widths = np.diff(edges)[:, None]
    nodes = edges[:-1, None] + widths * u**2 * (3 - 2 * u)
    return nodes.ravel(), (widths * 3 * u * (1 - u) * NODE_WEIGHTS).ravel()


def _nearest(x: np.ndarray | float) -> np.ndarray:
    """The nearest whole numbers; ties go toward 0."""
    return np.asarray(np.sign(x) * np.ceil(np.abs(x) - 0.5))


def _parts_above(cuts: np.ndarray, h: int) -> np.ndarray:
    """`E q_k(c) 1{c > cut}`, k = 0 … DEGREE, c an entry of a uniform unit vector of h − 1 >= 2 entries, along axis 0.

    q_k are the orthonormal polynomials of c's law, for which `((1 − c²)^p q_k′)′ = −k(k + 2p − 1)(1 − c²)^{p−1} q_k`.
    """
    p = (h - 2) / 2
    tail = betainc(p, 0.5, 1 - cuts**2) / 2
    density = (1 - cuts**2) ** p * np.exp(gammaln(p + 0.5) - gammaln(p) - gammaln(0.5))
    slopes = _orthonormal(cuts, p - 0.5, DEGREE)[1]
    whole = np.where(cuts < 0, 1 - tail, tail)
    return np.array([whole, *(density * slopes[k] / (k * (k + 2 * p - 1)) for k in range(1, DEGREE + 1))])


def _orthonormal(x: np.ndarray, index: float, degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Gegenbauer's polynomials of mean square 1 under `(1 − x²)^{index − ½}`, up to a degree, and their derivatives."""
    values, slopes = [np.ones_like(x)], [np.zeros_like(x)]
    before, last, last_slope = 0.0, np.zeros_like(x), np.zeros_like(x)
    for n in range(1, degree + 1):
        squared = n * (n + 2 * index - 1) / (4 * (n + index) * (n + index - 1)) if n > 1 else 1 / (2 * (1 + index))
        after = squared**0.5
        value = (x * values[-1] - before * last) / after
        slope = (values[-1] + x * slopes[-1] - before * last_slope) / after
        before, last, last_slope = after, values[-1], slopes[-1]
        values.append(value)
        slopes.append(slope)
    return np.array(values), np.array(slopes)
