"""A6: one balanced mode of a network of any depth L: time as a function of the singular value, and its inverse.

With `q = 2 − 2/L`, `k = 1 − 2/L` and `u = s/σ` the flow `ṡ = L s^q (σ − s)` reads `u^{−q}/(1−u) du = L σ^q dt`. Its
integral, the rescaled time `L σ^q t`, contains one of `x^{a−1}/(1−x)`: below σ with x = u, a = 1 − k, beside the power
`u^{−k}` that delays learning; above σ with `x = v = σ/s`, a = 1 + k. The inverse is found by Newton's method, up to
x = 1/2 in a power of x in which the rescaled time is nearly linear, then in the log-odds of x, from the side on which
the iteration converges monotonically.
"""

from collections.abc import Callable

import numpy as np
from numpy.polynomial.polynomial import polyval
from scipy.special import digamma, expit, exprel

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, positive, whole
from overtraining.setting.errors import DomainError, NoFormula
from overtraining.theory.checks import check_deep_mode
from overtraining.theory.learning import balanced_mode

ORDER = np.arange(1, 56)  # series in a variable of at most 1/2 end at 2^-55
NEWTON = 10  # the slope varies by a factor of 2 at most, so that the digits double at once and 7 steps suffice


def singular_value(time: Numbers, sigma: Numbers, epsilon: Numbers, depth: int, weight_decay: Numbers = 0.0) -> Values:
    """Student singular value s(t) of a balanced mode of depth L, `ṡ = L s^{2−2/L} (σ − s)`, `s(0) = ε` (claim A6).

    time: t >= 0, gradient-flow time.  sigma: teacher singular value >= 0.  epsilon: start > 0, on either side of sigma;
    every layer starts at `ε^{1/L}`.  depth: L >= 1; 1 is exponential, 2 is `balanced_mode`. At sigma = 0 the mode
    decays algebraically, `s^{−q} = ε^{−q} + 2(L−1)t`, for L = 1 exponentially.
    weight_decay: μ >= 0, which subtracts `L μ s` from ṡ; for L <= 2 only.
    All but depth broadcast. Raises DomainError outside (also where σ/ε overflows), ShapeError where arrays do not
    broadcast, NoFormula for weight decay beyond two layers.
    Source: Saxe, McClelland, Ganguli 2014 (arXiv 1312.6120), eq. 17, for the differential equation.

    >>> singular_value([0.0, 10.0, 14.0, 1e6], sigma=1.0, epsilon=1e-3, depth=3).round(4).tolist()
    [0.001, 0.9094, 1.0, 1.0]
    """
    return learned_and_unlearned(time, sigma, epsilon, depth, weight_decay)[0]


def unlearned(time: Numbers, sigma: Numbers, epsilon: Numbers, depth: int, weight_decay: Numbers = 0.0) -> Values:
    """Unlearned part `σ − s(t)` (claim A6), accurate where s has converged to σ; negative above σ.

    Arguments and errors as in `singular_value`.

    >>> float(unlearned(30.0, sigma=1.0, epsilon=0.5, depth=3)) * 1e39
    1.097...
    """
    return learned_and_unlearned(time, sigma, epsilon, depth, weight_decay)[1]


def time_to_reach(s: Numbers, sigma: Numbers, epsilon: Numbers, depth: int) -> Values:
    """Gradient-flow time at which the student's singular value is s, in closed form (claim A6).

    For L >= 3 and small ε it is about `ε^{−(1−2/L)}/((L−2)σ)`, for every s; for L = 2 it is logarithmic in 1/ε.
    s: between epsilon and sigma; s = sigma gives inf.  sigma > 0.  Otherwise as in `singular_value`.
    Raises DomainError where s is never reached.

    >>> time_to_reach([0.5, 1.0], sigma=1.0, epsilon=1e-6, depth=4).round(3).tolist()
    [499.733, inf]
    """
    L = whole("depth", depth)
    _, sigma, epsilon, _ = check_deep_mode(0.0, positive("sigma", sigma), epsilon)
    s, sigma, epsilon = np.broadcast_arrays(*check_broadcast(s=positive("s", s), sigma=sigma, epsilon=epsilon))
    side = np.sign(sigma - epsilon)
    if ((s - epsilon) * side < 0).any() or ((sigma - s) * side < 0).any() or (s[side == 0] != sigma[side == 0]).any():
        raise DomainError("s", "it is never reached on the way from epsilon to sigma", "pass s between the two")
    with np.errstate(divide="ignore", invalid="ignore"):  # s = sigma is reached never, or at once
        passed = _passed(s, sigma, epsilon, side >= 0, L)
    return np.where(s == epsilon, 0.0, passed / (L * sigma ** (2 - 2 / L)))[()]  # A6


def learned_and_unlearned(
    time: Numbers, sigma: Numbers, epsilon: Numbers, depth: int, weight_decay: Numbers = 0.0
) -> tuple[Values, Values]:
    """`singular_value` and `unlearned` in one pass, for large grids. Arguments and errors as there.

    >>> s, rest = learned_and_unlearned(10.0, sigma=1.0, epsilon=1e-3, depth=3)
    >>> round(float(s + rest), 12)
    1.0
    """
    L = whole("depth", depth)
    if L == 2:
        return balanced_mode.learned_and_unlearned(time, sigma, epsilon, weight_decay)
    time, sigma, epsilon, mu = check_deep_mode(time, sigma, epsilon, weight_decay)
    if L == 1:
        return _one_layer(time, sigma, epsilon, mu)
    if mu.any():
        raise NoFormula(f"weight decay at depth {L}", "only one and two layers have a formula", "use weight_decay=0")
    shape = np.broadcast_shapes(time.shape, sigma.shape, epsilon.shape, mu.shape)
    time, sigma, epsilon = (np.broadcast_to(x, shape).ravel() for x in (time, sigma, epsilon))
    s = _without_teacher(time, epsilon, L)
    below = epsilon < sigma
    above = (epsilon > sigma) & (sigma > 1e-20 * s)  # further above it the teacher has no influence in float64
    unlearned = sigma - s
    for side, invert in ((below, _invert_below), (above, _invert_above)):
        if not side.any():  # usually one side is empty, and its inversion would take as long as that of a few numbers
            continue
        top, start = sigma[side], epsilon[side]
        tau = np.minimum(L * top ** (2 - 2 / L) * time[side], 1e300)  # converged long before
        larger = np.maximum(start, top)
        x, w = invert(np.minimum(start, top) / larger, np.abs(top - start) / larger, tau, L)
        if side is below:
            s[side], unlearned[side] = top * x, top * w
        else:
            s[side], unlearned[side] = top / x, -top * w / x
    converged = epsilon == sigma
    s[converged] = sigma[converged]
    unlearned[converged] = 0
    return s.reshape(shape)[()], unlearned.reshape(shape)[()]


def _one_layer(time: np.ndarray, sigma: np.ndarray, epsilon: np.ndarray, mu: np.ndarray) -> tuple[Values, Values]:
    rest = np.exp(-(1 + mu) * time)  # part of the start that remains
    gone = -np.expm1(-(1 + mu) * time)
    end = sigma / (1 + mu)
    return epsilon * rest + end * gone, (sigma - epsilon) * rest + mu * end * gone


def _without_teacher(time: np.ndarray, epsilon: np.ndarray, L: int) -> np.ndarray:
    q = 2 - 2 / L
    grown = 2 * (L - 1) * time
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
    """Rescaled time `L σ^q t` between ε and s."""
    converging = -_log_ratio(np.abs(sigma - s), np.abs(sigma - epsilon), -np.abs(s - epsilon))
    if L == 1:
        return converging
    x, x0 = (np.minimum(y / sigma, sigma / y) for y in (s, epsilon))
    w, w0 = (np.abs(sigma - y) / np.maximum(y, sigma) for y in (s, epsilon))
    grown, k = _log_ratio(s, epsilon, s - epsilon), 1 - 2 / L
    # the power's rise from the ratio s/ε: where s is near a tiny ε, a difference of two powers would lose its digits
    rise = x0**-k * grown * exprel(-k * grown)
    up = rise + (converging if L == 2 else _smooth(x, w, L) - _smooth(x0, w0, L))
    return np.where(below, up, _above(x, w, L) - _above(x0, w0, L))


def _log_ratio(a: Values, b: Values, difference: Values) -> Values:
    """`ln(a/b)`, also where a is near b, given `a − b`."""
    return np.where(np.abs(difference) < b / 2, np.log1p(difference / b), np.log(a) - np.log(b))


def _below(u: Values, w: Values, L: int) -> Values:
    k = 1 - 2 / L
    return -np.expm1(-k * np.log(u)) / k + _smooth(u, w, L)


def _smooth(u: Values, w: Values, L: int) -> Values:
    """The rescaled time below σ less its power of u: bounded as u → 0, a logarithm as w = 1 − u → 0."""
    b = 2 / L
    early = np.expm1(b * np.log(u)) / b + _tail(b, np.minimum(u, 0.5))
    return np.where(u <= 0.5, early, _near(b, np.minimum(w, 0.5), -np.log(w)))


def _above(v: Values, w: Values, L: int) -> Values:
    q = 2 - 2 / L
    early = v**q / q + _tail(q, np.minimum(v, 0.5))
    return np.where(v <= 0.5, early, _near(q, np.minimum(w, 0.5), -np.log(w)) + 1 / q)


def _newton(x: np.ndarray, correction: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    for _ in range(NEWTON if x.size else 0):
        step = correction(x)
        x = x - step
        if (np.abs(step) <= np.spacing(np.abs(x))).all():  # rounding alone
            break
    return x


def _joined(early: np.ndarray, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x, of those that are early, and the others, at the log-odds z, in the order of all; the same of 1 − x."""
    all_x, all_w = np.empty((2, early.size))
    all_x[early], all_w[early] = x, 1 - x
    all_x[~early], all_w[~early] = expit(z), expit(-z)
    return all_x, all_w


def _invert_below(u0: np.ndarray, w0: np.ndarray, tau: np.ndarray, L: int) -> tuple[np.ndarray, np.ndarray]:
    """u and 1 − u at which `_below` has grown by tau."""
    k, b, half = 1 - 2 / L, 2 / L, np.array(0.5)
    end = _below(u0, w0, L) + tau
    early = end < _below(half, half, L)
    start, soon, late = u0[early], tau[early], end[~early]
    m0 = start**-k

    def smooth(u: np.ndarray) -> np.ndarray:
        return np.expm1(b * np.log(u)) / b + _tail(b, u)

    smooth_start = smooth(start)

    def u_of(m: np.ndarray) -> np.ndarray:  # not m^{−1/k}, in which the rounding of k would act on a large logarithm
        return start * (m / m0) ** (-1 / k)

    def in_power(m: np.ndarray) -> np.ndarray:  # m = u^{−k}: the rescaled time is nearly −m/k; convex, from the left
        u = np.minimum(u_of(m), 0.5)
        return -((m0 - m) / k + smooth(u) - smooth_start - soon) * k * (1 - u)

    def in_odds(z: np.ndarray) -> np.ndarray:  # z = ln(u/(1−u)): the rescaled time is nearly z; concave, from the left
        m = np.exp(k * np.logaddexp(0, -z))
        clock = -np.expm1(k * np.logaddexp(0, -z)) / k + _near(b, expit(-z), np.logaddexp(0, z))
        return (clock - late) / m

    power = u_of(_newton(np.maximum(m0 - k * soon, 2**k), in_power))
    odds = _newton(np.maximum(late + np.euler_gamma + digamma(1 + b), 0), in_odds)
    return _joined(early, power, odds)


def _invert_above(v0: np.ndarray, w0: np.ndarray, tau: np.ndarray, L: int) -> tuple[np.ndarray, np.ndarray]:
    """v and 1 − v at which `_above` has grown by tau."""
    q, half = 2 - 2 / L, np.array(0.5)
    end = _above(v0, w0, L) + tau
    early = end < _above(half, half, L)
    soon, late = end[early], end[~early]

    def in_power(n: np.ndarray) -> np.ndarray:  # n = v^q: the rescaled time is nearly n/q; convex, from the right
        v = np.minimum(n ** (1 / q), 0.5)
        return (n / q + _tail(q, v) - soon) * q * (1 - v)

    def in_odds(z: np.ndarray) -> np.ndarray:  # z = ln(v/(1−v)): convex, from the right
        clock = _near(q, expit(-z), np.logaddexp(0, z)) + 1 / q
        return (clock - late) * np.exp(q * np.logaddexp(0, -z))

    power = _newton(np.minimum(q * soon, 2**-q), in_power) ** (1 / q)
    odds = _newton(late + np.euler_gamma + digamma(1 + q) - 1 / q, in_odds)
    return _joined(early, power, odds)
