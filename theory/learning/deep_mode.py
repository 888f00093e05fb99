"""A6: one balanced mode of a network of any depth L: time as a function of the singular value, and its inverse.

With `q = 2 − 2/L`, `k = 1 − 2/L` and `u = s/σ` the flow `ṡ = L s^q (σ − s)` reads `u^{−q}/(1−u) du = L σ^q dt`. On both
sides of σ its integral holds one of `x^{a−1}/(1−x)`: below with x = u, a = 1 − k, next to the power `u^{−k}` that makes
learning late; above with `x = v = σ/s`, a = 1 + k. The inverse is found by Newton's method, up to x = 1/2 in a power of
x in which the clock is nearly linear, then in the log-odds of x, from the side on which it converges monotonically.
"""

from collections.abc import Callable

import numpy as np
from numpy.polynomial.polynomial import polyval
from scipy.special import digamma, expit, exprel

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, nonnegative, normal_inverse, positive, whole
from overtraining.setting.errors import DomainError, NoFormula
from overtraining.theory.checks import check_range
from overtraining.theory.learning import balanced_mode

ORDER = np.arange(1, 56)  # 2^-55: where series in a variable of at most 1/2 end
NEWTON = 10  # the slope varies by a factor of 2 at most, so the digits double from the start: 7 steps give all


def singular_value(t: Numbers, sigma: Numbers, epsilon: Numbers, depth: int, decay: Numbers = 0.0) -> Values:
    """Student singular value s(t) of a balanced mode of depth L, `ṡ = L s^{2−2/L} (σ − s)`, `s(0) = ε` (claim A6).

    t: pretraining length >= 0, gradient-flow time.  sigma: teacher singular value >= 0.  epsilon: start > 0, on either
    side of sigma; every layer starts at `ε^{1/L}`.  depth: L >= 1; 1 is exponential, 2 is `balanced_mode`. At
    sigma = 0 the mode dies algebraically, `s^{−q} = ε^{−q} + 2(L−1)t`, for L = 1 exponentially.
    decay: weight decay μ >= 0, which takes `L μ s` from ṡ; for L <= 2 only.
    All but depth broadcast. Raises DomainError outside (also where σ/ε overflows), ShapeError where arrays do not
    broadcast, NoFormula for weight decay beyond two layers.
    Source: Saxe, McClelland, Ganguli 2014 (arXiv 1312.6120), eq. 17, for the differential equation.

    >>> singular_value([0.0, 10.0, 14.0, 1e6], sigma=1.0, epsilon=1e-3, depth=3).round(4).tolist()
    [0.001, 0.9094, 1.0, 1.0]
    """
    return learned_and_left(t, sigma, epsilon, depth, decay)[0]


def unlearned(t: Numbers, sigma: Numbers, epsilon: Numbers, depth: int, decay: Numbers = 0.0) -> Values:
    """What is left to learn, `σ − s(t)` (claim A6), accurate where s has converged to σ; negative above σ.

    Arguments and errors as in `singular_value`.

    >>> float(unlearned(30.0, sigma=1.0, epsilon=0.5, depth=3)) * 1e39
    1.097...
    """
    return learned_and_left(t, sigma, epsilon, depth, decay)[1]


def time_to_reach(s: Numbers, sigma: Numbers, epsilon: Numbers, depth: int) -> Values:
    """Pretraining length at which the student's singular value is s, in closed form (claim A6).

    For L >= 3 and small ε it is about `ε^{−(1−2/L)}/((L−2)σ)`, for every s; for L = 2 logarithmic in 1/ε.
    s: from epsilon on toward sigma; s = sigma gives inf.  sigma > 0.  Otherwise as in `singular_value`.
    Raises DomainError where s is never reached.

    >>> time_to_reach([0.5, 1.0], sigma=1.0, epsilon=1e-6, depth=4).round(3).tolist()
    [499.733, inf]
    """
    L = whole("depth", depth)
    _, sigma, epsilon = _mode(0.0, positive("sigma", sigma), epsilon)
    s, sigma, epsilon = np.broadcast_arrays(*check_broadcast(s=positive("s", s), sigma=sigma, epsilon=epsilon))
    side = np.sign(sigma - epsilon)
    if ((s - epsilon) * side < 0).any() or ((sigma - s) * side < 0).any() or (s[side == 0] != sigma[side == 0]).any():
        raise DomainError("s", "it is never reached on the way from epsilon to sigma", "pass s between the two")
    with np.errstate(divide="ignore", invalid="ignore"):  # s = sigma is reached never, or at once
        passed = _passed(s, sigma, epsilon, side >= 0, L)
    return np.where(s == epsilon, 0.0, passed / (L * sigma ** (2 - 2 / L)))[()]  # A6


def _mode(t: Numbers, sigma: Numbers, epsilon: Numbers) -> tuple[np.ndarray, ...]:
    t, sigma, epsilon = check_broadcast(
        t=nonnegative("t", t, "measure pretraining forward from the start, t >= 0"),
        sigma=nonnegative("sigma", sigma, "a singular value is not negative; put the sign into the singular vectors"),
        epsilon=normal_inverse("epsilon", epsilon, "start from a small positive number; 0 is a saddle"),
    )
    check_range(sigma, t=t, epsilon=epsilon)
    normal_inverse("epsilon/sigma", epsilon / np.where(sigma > 0, sigma, 1), "start from a larger epsilon")
    return t, sigma, epsilon


def learned_and_left(
    t: Numbers, sigma: Numbers, epsilon: Numbers, depth: int, decay: Numbers = 0.0
) -> tuple[Values, Values]:
    """`singular_value` and `unlearned` in one pass, for large grids. Arguments and errors as there.

    >>> s, left = learned_and_left(10.0, sigma=1.0, epsilon=1e-3, depth=3)
    >>> round(float(s + left), 12)
    1.0
    """
    L = whole("depth", depth)
    if L == 2:
        return balanced_mode.learned_and_left(t, sigma, epsilon, decay)
    t, sigma, epsilon = _mode(t, sigma, epsilon)
    t, sigma, epsilon, mu = check_broadcast(t=t, sigma=sigma, epsilon=epsilon, decay=nonnegative("decay", decay))
    if L == 1:
        return _one_layer(t, sigma, epsilon, mu)
    if mu.any():
        raise NoFormula(f"weight decay at depth {L}", "only one and two layers have a formula", "use decay=0")
    shape = np.broadcast_shapes(t.shape, sigma.shape, epsilon.shape, mu.shape)
    t, sigma, epsilon = (np.broadcast_to(x, shape).ravel() for x in (t, sigma, epsilon))
    s = _without_teacher(t, epsilon, L)
    above = (epsilon > sigma) & (sigma > 1e-20 * s)  # further up the teacher is not felt
    gap = sigma - s
    for side, invert in ((epsilon < sigma, _invert_below), (above, _invert_above)):
        if not side.any():  # mostly one of the two, and to invert nothing takes as long as to invert a few
            continue
        top, start = sigma[side], epsilon[side]
        tau = np.minimum(L * top ** (2 - 2 / L) * t[side], 1e300)  # converged long before
        x, w = invert(
            np.minimum(start, top) / np.maximum(start, top), np.abs(top - start) / np.maximum(top, start), tau, L
        )
        s[side], gap[side] = (top * x, top * w) if invert is _invert_below else (top / x, -top * w / x)
    s[epsilon == sigma], gap[epsilon == sigma] = sigma[epsilon == sigma], 0
    return s.reshape(shape)[()], gap.reshape(shape)[()]


def _one_layer(t: np.ndarray, sigma: np.ndarray, epsilon: np.ndarray, mu: np.ndarray) -> tuple[Values, Values]:
    check_range(sigma, decay=mu)
    gone = -np.expm1(-(1 + mu) * t)  # of the start
    rest, end = np.exp(-(1 + mu) * t), sigma / (1 + mu)
    return epsilon * rest + end * gone, (sigma - epsilon) * rest + mu * end * gone


def _without_teacher(t: np.ndarray, epsilon: np.ndarray, L: int) -> np.ndarray:
    q, grown = 2 - 2 / L, 2 * (L - 1) * t
    with np.errstate(over="ignore", divide="ignore"):  # one of the two forms is finite
        fast = grown * epsilon**q
        return np.where(fast < 1, epsilon * (1 + fast) ** (-1 / q), (epsilon**-q + grown) ** (-1 / q))


def _tail(a: float, x: Values) -> Values:
    """`∫₀ˣ y^a/(1−y) dy = x^a Σ x^n/(n+a)`, n >= 1, for x <= 1/2."""
    return x**a * polyval(x, np.concatenate([[0.0], 1 / (ORDER + a)]))


def _near(a: float, w: Values, minus_log_w: Values) -> Values:
    """`Σ x^{n+a}/(n+a)`, n >= 0, less `1/a`, in `w = 1 − x` <= 1/2: `−ln w − γ − ψ(1+a) − Σ (1−a)_n wⁿ/(n n!)`."""
    coefficients = np.cumprod((ORDER - a) / ORDER) / ORDER
    return minus_log_w - np.euler_gamma - digamma(1 + a) - polyval(w, np.concatenate([[0.0], coefficients]))


def _passed(s: np.ndarray, sigma: np.ndarray, epsilon: np.ndarray, below: np.ndarray | np.bool, L: int) -> Values:
    """`L σ^q t` on the way from ε to s."""
    left = -_log_ratio(np.abs(sigma - s), np.abs(sigma - epsilon), -np.abs(s - epsilon))
    if L == 1:
        return left
    x, x0 = (np.minimum(y / sigma, sigma / y) for y in (s, epsilon))
    w, w0 = (np.abs(sigma - y) / np.maximum(y, sigma) for y in (s, epsilon))
    grown, k = _log_ratio(s, epsilon, s - epsilon), 1 - 2 / L
    # the power's rise by the ratio: where s is near a tiny ε, each end has lost the digits that their difference needs
    rise = x0**-k * grown * exprel(-k * grown)
    up = rise + (left if L == 2 else _smooth(x, w, L) - _smooth(x0, w0, L))
    return np.where(below, up, _above(x, w, L) - _above(x0, w0, L))


def _log_ratio(a: Values, b: Values, difference: Values) -> Values:
    """`ln(a/b)`, also where a is near b, given `a − b`."""
    return np.where(np.abs(difference) < b / 2, np.log1p(difference / b), np.log(a) - np.log(b))


def _below(u: Values, w: Values, L: int) -> Values:
    k = 1 - 2 / L
    return -np.expm1(-k * np.log(u)) / k + _smooth(u, w, L)


def _smooth(u: Values, w: Values, L: int) -> Values:
    """What the clock below σ has beside the power: bounded as u → 0, a logarithm as w = 1 − u → 0."""
    b = 2 / L
    early = np.expm1(b * np.log(u)) / b + _tail(b, np.minimum(u, 0.5))
    return np.where(u <= 0.5, early, _near(b, np.minimum(w, 0.5), -np.log(w)))


def _above(v: Values, w: Values, L: int) -> Values:
    q = 2 - 2 / L
    early = v**q / q + _tail(q, np.minimum(v, 0.5))
    return np.where(v <= 0.5, early, _near(q, np.minimum(w, 0.5), -np.log(w)) + 1 / q)


def _newton(x: np.ndarray, correction: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    for _ in range(NEWTON):
        x = x - correction(x)
    return x


def _invert_below(u0: np.ndarray, w0: np.ndarray, tau: Values, L: int) -> tuple[np.ndarray, np.ndarray]:
    """u and 1 − u at which `_below` has grown by tau."""
    k, b, half = 1 - 2 / L, 2 / L, np.array(0.5)
    target, middle = _below(u0, w0, L) + tau, _below(half, half, L)
    early = target < middle
    late, tau, m0 = np.maximum(target, middle), np.where(early, tau, 0), np.minimum(u0, 0.5) ** -k

    # m = u^{−k}: the clock is −m/k and a little; convex, from the left
    smooth = lambda u: np.expm1(b * np.log(u)) / b + _tail(b, u)
    start = np.minimum(u0, 0.5)
    smooth_start = smooth(start)
    back = lambda m: start * (m / m0) ** (-1 / k)  # not m^{−1/k}, which rounds k under a large logarithm

    def in_power(m: np.ndarray) -> np.ndarray:
        u = np.minimum(back(m), 0.5)
        return -((m0 - m) / k + smooth(u) - smooth_start - tau) * k * (1 - u)

    # z = ln(u/(1−u)): the clock is z and a little; concave, from the left
    def in_odds(z: np.ndarray) -> np.ndarray:
        m = np.exp(k * np.logaddexp(0, -z))
        clock = -np.expm1(k * np.logaddexp(0, -z)) / k + _near(b, expit(-z), np.logaddexp(0, z))
        return (clock - late) / m

    power = back(_newton(np.maximum(m0 - k * tau, 2**k), in_power))
    odds = _newton(np.maximum(late + np.euler_gamma + digamma(1 + b), 0), in_odds)
    return np.where(early, power, expit(odds)), np.where(early, 1 - power, expit(-odds))


def _invert_above(v0: np.ndarray, w0: np.ndarray, tau: Values, L: int) -> tuple[np.ndarray, np.ndarray]:
    """v and 1 − v at which `_above` has grown by tau."""
    q, half = 2 - 2 / L, np.array(0.5)
    target, middle = _above(v0, w0, L) + tau, _above(half, half, L)
    soon, late = np.minimum(target, middle), np.maximum(target, middle)

    def in_power(n: np.ndarray) -> np.ndarray:  # n = v^q: the clock is n/q and a little; convex, from the right
        v = np.minimum(n ** (1 / q), 0.5)
        return (n / q + _tail(q, v) - soon) * q * (1 - v)

    def in_odds(z: np.ndarray) -> np.ndarray:  # z = ln(v/(1−v)): convex, from the right
        clock = _near(q, expit(-z), np.logaddexp(0, z)) + 1 / q
        return (clock - late) * np.exp(q * np.logaddexp(0, -z))

    power = _newton(np.minimum(q * soon, 2**-q), in_power) ** (1 / q)
    odds = _newton(late + np.euler_gamma + digamma(1 + q) - 1 / q, in_odds)
    return np.where(target < middle, power, expit(odds)), np.where(target < middle, 1 - power, expit(-odds))
