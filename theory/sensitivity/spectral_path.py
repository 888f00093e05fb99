"""B7, B8 at finite ε: loss and norm along pretraining for spectra of millions of modes, or infinitely many."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import zeta

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import nonnegative, one_positive, positive, truth, whole
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.checks import SMALLEST
from overtraining.theory.learning import balanced_mode, deep_mode
from overtraining.theory.sensitivity.mode_sums import ModeSums, sum_over_modes

Modes = Callable[[np.ndarray], np.ndarray]
TERMS, SMALL = 10, 2.0**-6  # a series of radius π or more in the clock, cut below 2^-6: the rest is 1e-20


@dataclass(frozen=True)
class PathSums:
    """Sums over a spectrum along the balanced aligned path, all in the shape of the lengths; `q = 2 − 2/L`.

    loss: `½Σ(σ − s)²`.  norm_gained: `Σ(s^q − ε^q)`, what every outer layer's noise has come to cost since the start;
    Σ(s − ε) at depth 2.  loss_rate: `−dL/dt = L Σ s^q (σ − s)²`.  norm_rate: its growth, `qL Σ s^{2q−1}(σ − s)`.
    error: estimated relative errors of these four, first axis. From three layers on norm_gained is a difference, and
    inaccurate while little is gained.
    """

    t: Values
    loss: Values
    norm_gained: Values
    loss_rate: Values
    norm_rate: Values
    error: Values

    @property
    def loss_exponent(self) -> Values:
        """The local exponent `β(t) = −d ln L/d ln t`."""
        return self.t * self.loss_rate / self.loss

    @property
    def stationary_price(self) -> Values:
        """The price c of a unit of the norm at which the loss after noise, `L + c Σs^q`, is stationary at this length.

        `−dL/dt` over the norm's rate: noise of that price turns here. For a spectrum dense at `σ*`, where
        `2σ*t = ln(σ*/ε)`, it is `½σ*` and a little less (claim C5).
        """
        return self.loss_rate / self.norm_rate


def path_sums(t: Numbers, sigma: Modes, epsilon: float | Modes, modes: int, depth: int = 2) -> PathSums:
    """Loss and norm of any large spectrum `σ(i)`, i = 1 … modes, at finite ε (claims B7, B8), without a sum over all.

    The index is a continuous number to `sigma`, called with arrays of indices between 1 and modes: a spectrum of
    density ρ is the σ(i) at which `∫_σ ρ = i − ½`. Where σ(i) is smooth a few hundred nodes are exact to 1e-13
    (`mode_sums.sum_over_modes`); where it is not, modes are added one by one, up to a limit.

    t: lengths >= 0, gradient-flow time, any shape.  sigma: elementwise, >= 0.  epsilon: start of every mode, one number
    or a function of the index, > 0.  modes: at most 2⁵³.  depth: L >= 2.
    Raises DomainError outside, ShapeError where sigma or epsilon change shapes, NotSolved where the spectrum is too
    rough for the number of modes.
    Source: ours.

    >>> found = path_sums(30.0, sigma=lambda i: np.exp(-i / 1e6), epsilon=1e-9, modes=10**7)
    >>> float(found.loss.round(3)), bool((found.error < 1e-12).all())
    (24062.074, True)
    """
    t, last, L = nonnegative("t", t), whole("modes", modes), whole("depth", depth, 2)
    if not callable(sigma):
        raise DomainError(f"sigma = {sigma!r}", "it is no function of the index", "pass one, or use power_law_path")
    start = epsilon if callable(epsilon) else one_positive("epsilon", epsilon)
    lengths = t.ravel()

    def terms(i: np.ndarray, row: np.ndarray) -> np.ndarray:
        return _terms(lengths[row], _each("sigma", sigma, i), _each("epsilon", start, i), L)

    return _gathered(t, sum_over_modes(terms, np.full(lengths.size, last + 1.0)))


def power_law_path(
    t: Numbers,
    alpha: float,
    epsilon: float,
    modes: int | None,
    *,
    scale: float = 1.0,
    relative: bool = False,
    depth: int = 2,
) -> PathSums:
    """Loss and norm for `σ_i = scale · i^{−α}`, i = 1 … modes, or infinitely many, at finite ε (claims B7, B8).

    relative: every mode starts at `ε σ_i`, not at ε. Then a mode is `s = σ u(Lσ^q t)` with one u for all, so that for
    infinitely many the loss falls as the pure power `β = 2 − 1/α` from any ε. Started at equal ε its exponent is
    larger, by `sum_rule.local_factor`, and infinitely many modes have no finite loss.

    t: lengths >= 0, gradient-flow time.  alpha: > 0, above ½ for infinitely many.  modes: a number, or None for
    infinitely many, which need a relative start below the teacher, ε < 1; their tail is Hurwitz's zeta function.
    depth: L >= 2. Raises DomainError outside.
    Source: ours.

    >>> found = power_law_path([1e3, 1e4], alpha=0.75, epsilon=1e-6, modes=None, relative=True)
    >>> found.loss_exponent.round(3).tolist()
    [0.667, 0.667]
    """
    t, alpha, scale = nonnegative("t", t), one_positive("alpha", alpha), one_positive("scale", scale)
    L = whole("depth", depth, 2)
    truth("relative", relative)
    start = one_positive("epsilon", epsilon)
    law: Modes = lambda i: scale * i**-alpha
    if modes is not None:
        if law(np.array(float(whole("modes", modes)))) < SMALLEST:
            raise DomainError("modes", "the weakest singular value is below 1e-75", "use fewer, they add nothing")
        return path_sums(t, law, (lambda i: start * law(i)) if relative else start, modes, L)
    if not relative:
        why = "equal starts of infinitely many modes have infinite norm and loss"
        raise DomainError("modes = None", why, "use relative=True, or a number of modes")
    if alpha <= 0.5:
        raise DomainError("alpha", "Σσ² is infinite for α <= ½", "use alpha > ½")
    if start >= 1:
        raise DomainError("epsilon", "modes start above the teacher", "use epsilon < 1")
    lengths, q = t.ravel(), 2 - 2 / L
    if np.any(lengths * scale**q > 1e30):
        raise DomainError("t", "the first modes have converged 1e30 times over", "rescale units")
    # an octave at which all that follow are early in the clock
    stop = 2.0 ** np.ceil(np.maximum(np.log2(L * scale**q * np.maximum(lengths, 1e-30) / SMALL) / (alpha * q), 4))

    def terms(i: np.ndarray, row: np.ndarray) -> np.ndarray:
        sigma = law(i)
        return _terms(lengths[row], sigma, start * sigma, L)

    head = sum_over_modes(terms, stop)
    tail = _tail(L * scale**q * lengths, stop, alpha, start, L) * scale ** np.array([[2.0], [q], [q], [2 + q], [2 * q]])
    return _gathered(t, ModeSums(head.value + tail, head.error + 8 * np.finfo(float).eps * tail))


def _terms(t: np.ndarray, sigma: np.ndarray, epsilon: np.ndarray, L: int) -> np.ndarray:
    """What one mode adds to the loss, the norm, what is to be taken from it, and the rates of loss and norm."""
    q = 2 - 2 / L
    if L == 2:
        s, left = balanced_mode.singular_value(t, sigma, epsilon), balanced_mode.unlearned(t, sigma, epsilon)
        gained = s * ((sigma - epsilon) / sigma) * -np.expm1(-2 * sigma * t)  # s − ε without a difference early on
        return np.stack([left**2 / 2, gained, np.zeros_like(s), 2 * s * left**2, 2 * s * left])
    s, left = deep_mode.singular_value(t, sigma, epsilon, L), deep_mode.unlearned(t, sigma, epsilon, L)
    start, power = np.broadcast_to(epsilon**q, s.shape), s**q
    return np.stack([left**2 / 2, power, start, L * power * left**2, q * L * power * s ** (q - 1) * left])


def _tail(tau: np.ndarray, first: np.ndarray, alpha: float, start: float, L: int) -> np.ndarray:
    """The sums over all i >= first of `u' = u^q (1 − u)` in the clock `τ i^{−αq}`, by its power series."""
    q, k = 2 - 2 / L, np.arange(TERMS)
    u, w = np.zeros((2, TERMS))
    u[0], w[0] = start, start**q
    rest = lambda: np.append(1 - u[0], -u[1:])
    for n in range(TERMS - 1):  # Miller's recurrence for w = u^q beside the equation itself
        u[n + 1] = (w * rest()[n - k])[: n + 1].sum() / (n + 1)
        j = np.arange(1, n + 2)
        w[n + 1] = (((q + 1) * j / (n + 1) - 1) * u[j] * w[n + 1 - j]).sum() / u[0]
    left, times = rest(), lambda x, y: np.convolve(x, y)[:TERMS]
    lost, growth = times(left, left), times(w, left)
    gained, rate = np.append(w[1:], 0.0), np.append(w[1:] * k[1:], 0.0)  # of u^q, over the clock; its derivative
    nothing = np.zeros(TERMS)
    powers = (
        (2.0, lost / 2),
        (2 * q, gained * tau[:, None]),
        (2.0, nothing),
        (2 + q, L * times(growth, left)),
        (2 * q, L * rate),
    )
    series = lambda p, c: c * tau[:, None] ** k * zeta(alpha * (p + q * k), first[:, None])
    return np.stack([series(p, c).sum(axis=1) for p, c in powers])


def _gathered(t: np.ndarray, sums: ModeSums) -> PathSums:
    take = np.array([[1, 0, 0, 0, 0], [0, 1, -1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]])  # the start from the norm
    values, error = take @ sums.value, np.abs(take) @ sums.error
    relative = error / np.where(values == 0, 1, np.abs(values))
    loss, gained, loss_rate, norm_rate = (x.reshape(t.shape)[()] for x in values)
    return PathSums(t[()], loss, gained, loss_rate, norm_rate, relative.reshape(4, *t.shape))


def _each(name: str, value: float | Modes, index: np.ndarray) -> np.ndarray:
    """The spectrum, or the starts, at these indices."""
    if not callable(value):
        return np.full(index.shape, value)
    found = positive(name, value(index))
    if found.shape != index.shape:
        raise ShapeError(f"{name} of shape {found.shape}", f"it was asked at {index.shape}", "let it act on arrays")
    return found
