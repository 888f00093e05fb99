"""B7, B8 at finite ε: loss and norm along pretraining for spectra of millions of modes, or of infinitely many."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import zeta

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import one_positive, positive, truth, whole
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.checks import SMALLEST, check_alpha, check_time
from overtraining.theory.learning import deep_mode
from overtraining.theory.sensitivity.mode_quadrature import ModeSums, sum_over_modes

FunctionOfIndex = Callable[[np.ndarray], np.ndarray]
TERMS = 10  # of a series in rescaled time, of radius of convergence π or more
SMALL = 2.0**-6  # the largest rescaled time at which the series is used: the terms left out are 1e-20


@dataclass(frozen=True)
class SpectrumPath:
    """Sums over a spectrum along the balanced aligned path, all in the shape of the lengths; `q = 2 − 2/L`.

    loss: `½Σ(σ − s)²`.  norm_gained: `Σ(s^q − ε^q)`, to which the growth of the cost of noise on an outer layer is
    proportional; Σ(s − ε) at depth 2.  loss_rate: `−dL/dt = L Σ s^q (σ − s)²`.  norm_rate: the growth of norm_gained,
    `qL Σ s^{2q−1}(σ − s)`.  relative_error: estimates for these four, on the first axis. From three layers on
    norm_gained is computed as a difference, which is inaccurate while it is small.
    """

    lengths: Values
    loss: Values
    norm_gained: Values
    loss_rate: Values
    norm_rate: Values
    relative_error: Values

    @property
    def loss_exponent(self) -> Values:
        """The local exponent `β(t) = −d ln L/d ln t`."""
        return self.lengths * self.loss_rate / self.loss

    @property
    def stationary_noise_cost(self) -> Values:
        """The cost c of a unit of the norm for which the loss after noise, `L + c Σs^q`, is stationary at this length.

        It is the quotient of loss_rate and norm_rate. For a spectrum dense at `σ*`, where `2σ*t = ln(σ*/ε)`, it is
        slightly below `½σ*` (claim C5).
        """
        return self.loss_rate / self.norm_rate


def spectrum_path(
    lengths: Numbers, sigma: FunctionOfIndex, epsilon: float | FunctionOfIndex, modes: int, depth: int = 2
) -> SpectrumPath:
    """Loss and norm of any large spectrum `σ(i)`, i = 1 … modes, at finite ε (claims B7, B8), without a sum over all.

    `sigma` is called with arrays of indices between 1 and modes, which need not be whole numbers: a spectrum of density
    ρ is the σ(i) at which `∫_σ ρ = i − ½`. Where σ(i) is smooth, a few hundred nodes are exact to 1e-13
    (`mode_quadrature.sum_over_modes`); where it is not, modes are added one by one, up to a limit.

    lengths: >= 0, gradient-flow time, any shape.  sigma: elementwise, >= 0.  epsilon: start of every mode, one number
    or a function of the index, > 0.  modes: at most 2⁵³.  depth: L >= 2.
    Raises DomainError outside, ShapeError where sigma or epsilon change shapes, NotSolved where the spectrum is too
    rough for the number of modes.
    Source: ours.

    >>> path = spectrum_path(30.0, sigma=lambda i: np.exp(-i / 1e6), epsilon=1e-9, modes=10**7)
    >>> float(path.loss.round(3)), bool((path.relative_error < 1e-12).all())
    (24062.074, True)
    """
    lengths = check_time("lengths", lengths)
    last, L = whole("modes", modes), whole("depth", depth, 2)
    if not callable(sigma):
        raise DomainError(f"sigma = {sigma!r}", "it is not a function of the index", "pass one, or use power_law_path")
    start = epsilon if callable(epsilon) else one_positive("epsilon", epsilon)
    flat = lengths.ravel()

    def terms(i: np.ndarray, row: np.ndarray) -> np.ndarray:
        return _terms(flat[row], _each("sigma", sigma, i), _each("epsilon", start, i), L)

    return _collected(lengths, sum_over_modes(terms, np.full(flat.size, last + 1.0)))


def power_law_path(
    lengths: Numbers,
    alpha: float,
    epsilon: float,
    modes: int | None,
    *,
    scale: float = 1.0,
    relative: bool = False,
    depth: int = 2,
) -> SpectrumPath:
    """Loss and norm for `σ_i = scale · i^{−α}`, i = 1 … modes, or infinitely many, at finite ε (claims B7, B8).

    relative: every mode starts at `ε σ_i` instead of ε. Then a mode is `s = σ u(Lσ^q t)` with the same u for all, so
    that with infinitely many modes the loss falls as the pure power `β = 2 − 1/α` for any ε. For equal starts the
    exponent is larger, by the factor `sum_rule.local_factor`, and infinitely many modes have an infinite loss.

    lengths: >= 0, gradient-flow time, any shape.  alpha: > 0, above ½ for infinitely many modes.  epsilon: > 0.
    modes: a number, or None for infinitely many, which need a relative start below the teacher, ε < 1; their tail is
    Hurwitz's zeta function.  scale: > 0.  depth: L >= 2. Raises DomainError outside.
    Source: ours.

    >>> path = power_law_path([1e3, 1e4], alpha=0.75, epsilon=1e-6, modes=None, relative=True)
    >>> path.loss_exponent.round(3).tolist()
    [0.667, 0.667]
    """
    lengths = check_time("lengths", lengths)
    alpha, scale = one_positive("alpha", alpha), one_positive("scale", scale)
    L = whole("depth", depth, 2)
    truth("relative", relative)
    start = one_positive("epsilon", epsilon)

    def law(i: np.ndarray) -> np.ndarray:
        return np.asarray(scale * i**-alpha)

    if modes is not None:
        if law(np.array(float(whole("modes", modes)))) < SMALLEST:
            raise DomainError("modes", "the weakest singular value is below 1e-75", "use fewer, they add nothing")
        return spectrum_path(lengths, law, (lambda i: start * law(i)) if relative else start, modes, L)
    if not relative:
        why = "equal starts of infinitely many modes have infinite norm and loss"
        raise DomainError("modes = None", why, "use relative=True, or a number of modes")
    check_alpha(alpha)
    if start >= 1:
        raise DomainError("epsilon", "modes start above the teacher", "use epsilon < 1")
    flat = lengths.ravel()
    q = 2 - 2 / L
    if np.any(flat * scale**q > 1e30):
        raise DomainError("lengths", "the first modes have converged 1e30 times over", "rescale units")
    # an octave from which on the rescaled time of every mode is small
    stop = 2.0 ** np.ceil(np.maximum(np.log2(L * scale**q * np.maximum(flat, 1e-30) / SMALL) / (alpha * q), 4))

    def terms(i: np.ndarray, row: np.ndarray) -> np.ndarray:
        sigma = law(i)
        return _terms(flat[row], sigma, start * sigma, L)

    head = sum_over_modes(terms, stop)
    tail = _tail(L * scale**q * flat, stop, alpha, start, L) * scale ** np.array([[2.0], [q], [q], [2 + q], [2 * q]])
    return _collected(lengths, ModeSums(head.value + tail, head.error_estimate + 8 * np.finfo(float).eps * tail))


def _terms(length: np.ndarray, sigma: np.ndarray, epsilon: np.ndarray, L: int) -> np.ndarray:
    """Contribution of one mode to the loss, the norm, the norm at the start, and the rates of loss and norm."""
    q = 2 - 2 / L
    s, unlearned = deep_mode.learned_and_unlearned(length, sigma, epsilon, L)
    loss = unlearned**2 / 2
    if L == 2:
        gained = s * ((sigma - epsilon) / sigma) * -np.expm1(-2 * sigma * length)  # s − ε without a difference early on
        return np.stack([loss, gained, np.zeros_like(s), 2 * s * unlearned**2, 2 * s * unlearned])
    power = s**q
    start = np.broadcast_to(epsilon**q, s.shape)
    return np.stack([loss, power, start, L * power * unlearned**2, q * L * power * s ** (q - 1) * unlearned])


def _tail(tau: np.ndarray, first: np.ndarray, alpha: float, start: float, L: int) -> np.ndarray:
    """The sums over all i >= first of `u' = u^q (1 − u)` at the rescaled time `τ i^{−αq}`, by its power series."""
    q, k = 2 - 2 / L, np.arange(TERMS)
    u, w = np.zeros((2, TERMS))
    u[0], w[0] = start, start**q

    def remainder() -> np.ndarray:  # coefficients of 1 − u
        return np.append(1 - u[0], -u[1:])

    for n in range(TERMS - 1):  # Miller's recurrence for w = u^q, with the differential equation itself
        u[n + 1] = (w * remainder()[n - k])[: n + 1].sum() / (n + 1)
        j = np.arange(1, n + 2)
        w[n + 1] = (((q + 1) * j / (n + 1) - 1) * u[j] * w[n + 1 - j]).sum() / u[0]

    def times(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.convolve(x, y)[:TERMS]

    unlearned = remainder()
    gained = np.append(w[1:], 0.0)  # of u^q, over the rescaled time
    rate = np.append(w[1:] * k[1:], 0.0)  # derivative of u^q
    powers = (
        (2.0, times(unlearned, unlearned) / 2),
        (2 * q, gained * tau[:, None]),
        (2.0, np.zeros(TERMS)),
        (2 + q, L * times(times(w, unlearned), unlearned)),
        (2 * q, L * rate),
    )

    def series(power: float, coefficients: np.ndarray) -> np.ndarray:
        return coefficients * tau[:, None] ** k * zeta(alpha * (power + q * k), first[:, None])

    return np.stack([series(power, coefficients).sum(axis=1) for power, coefficients in powers])


def _collected(lengths: np.ndarray, sums: ModeSums) -> SpectrumPath:
    take = np.array([[1, 0, 0, 0, 0], [0, 1, -1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]])  # the norm less its start
    values = take @ sums.value
    errors = np.abs(take) @ sums.error_estimate
    relative = (errors / np.where(values == 0, 1, np.abs(values))).reshape(4, *lengths.shape)
    loss, gained, loss_rate, norm_rate = (x.reshape(lengths.shape)[()] for x in values)
    return SpectrumPath(lengths[()], loss, gained, loss_rate, norm_rate, relative)


def _each(name: str, value: float | FunctionOfIndex, index: np.ndarray) -> np.ndarray:
    """The spectrum, or the starts, at these indices."""
    if not callable(value):
        return np.full(index.shape, value)
    numbers = positive(name, value(index))
    if numbers.shape != index.shape:
        what = f"{name} of shape {numbers.shape}"
        raise ShapeError(what, f"it was called with indices of shape {index.shape}", "let it act on arrays")
    return numbers
