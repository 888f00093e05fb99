"""B3: the curvature of the loss: its trace at every depth, its whole spectrum on the balanced aligned path."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, nonnegative, whole
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.checks import check_input_covariance, check_weights
from overtraining.theory.products import refuse_overflow


def hessian_trace(
    weights: Sequence[Float[np.ndarray, "_ _"]], input_covariance: Float[np.ndarray, "d_in d_in"] | None = None
) -> np.float64:
    """Trace of the Hessian, `Σ_l ‖W_L…W_{l+1}‖² tr(W_{l−1}…W_1 Σx (W_{l−1}…W_1)ᵀ)` (claim B3), at every depth.

    The network is linear in each layer, so a layer's own block of the Hessian does not see the residual: the teacher
    does not enter, at no point of weight space. For depth 2 and whitened inputs: `d_out ‖W1‖² + d_in ‖W2‖²`.

    weights: `[W_1, …, W_L]`, each of them next width × width.  input_covariance: Σx, by default the identity.
    Raises ShapeError where the matrices do not chain, DomainError where Σx is not symmetric positive semidefinite or
    the trace overflows.
    Source: ours; for depth 2 and whitened inputs Braun et al. 2025 (at minima only).

    >>> float(hessian_trace([np.ones((1, 2)), np.ones((3, 1))]))
    12.0
    """
    layers = check_weights(weights)
    sx = check_input_covariance(input_covariance, layers[0].shape[1])

    def trace() -> np.float64:
        before, after = [np.eye(len(sx))], [np.eye(len(layers[-1]))]  # W_{l−1}…W_1 for each l; W_L…W_{l+1}, last first
        for w, v in zip(layers[:-1], layers[:0:-1], strict=True):
            before.append(w @ before[-1])
            after.append(after[-1] @ v)
        inputs = [max(float((r @ sx * r).sum()), 0.0) for r in before]  # rounding, where Σx is singular
        return np.float64(sum((p**2).sum() * q for p, q in zip(after[::-1], inputs, strict=True)))  # B3

    return refuse_overflow("tr H", trace)


@dataclass(frozen=True)
class HessianSpectrum:
    """The Hessian's eigenvalues in closed form, each with how often it occurs; `all` writes them out.

    Order along the last axis: of each mode `3s − σ, σ − s`; four of each pair i < j; then, where the widths leave room,
    `s_i`, `±(σ_i − s_i)`, `s_i ± σ_j` and 0. Coincidences between these are not merged.
    """

    values: Float[np.ndarray, "... roots"]
    multiplicity: Int[np.ndarray, " roots"]

    @property
    def all(self) -> Float[np.ndarray, "... parameters"]:
        """All `h (d_in + d_out)` eigenvalues in increasing order."""
        return np.sort(np.repeat(self.values, self.multiplicity, axis=-1))

    @property
    def largest(self) -> Values:
        """The sharpness λ_max; gradient descent with a learning rate above 2/λ_max is unstable."""
        return self.values[..., self.multiplicity > 0].max(axis=-1)


def hessian_spectrum(s: Numbers, left: Numbers, *, d_in: int, h: int, d_out: int) -> HessianSpectrum:
    """The whole spectrum of the Hessian of a two-layer network where weights are balanced and aligned (claim B3).

    Own modes `3s − σ, σ − s`; each pair `s_i + s_j − (σ_i+σ_j)/2 ± ½√((σ_i−σ_j)² + 4s_is_j)` and `(σ_i+σ_j)/2 ±
    ½√((2(s_i−s_j) − (σ_i−σ_j))² + 4s_is_j)`; with m = min(d_in, d_out): `s_i` × (d_in + d_out − 2m), `±(σ_i − s_i)` ×
    (h − m), for h < m and the modes j that find no hidden unit `s_i ± σ_j`; the rest is 0.

    s: student singular values >= 0, modes on the last axis.  left: what is left to learn, `σ − s`, of either sign
    (`balanced_mode.unlearned`). These two, not s and σ, since near convergence the small roots are made of `left`,
    which σ − s has lost to rounding. At most m modes, missing ones being zero; the first h have a hidden unit.
    Each root is accurate relative to its condition number with respect to s and left. Whitened inputs, unit of σ.
    Raises ShapeError for more than m modes or arrays that do not broadcast, DomainError where a mode without a hidden
    unit has s > 0, for negative s, for anything that is not finite, and for roots that overflow.
    Source: ours.

    >>> H = hessian_spectrum([1.0], left=[0.5], d_in=2, h=1, d_out=1)
    >>> H.all.tolist(), float(H.largest)
    ([0.5, 1.0, 1.5], 1.5)
    """
    d_in, h, d_out = whole("d_in", d_in), whole("h", h), whole("d_out", d_out)
    m, n = min(d_in, d_out), min(h, d_in, d_out)
    s, left = _modes(s, left, m, n)
    sigma = left[..., n:]
    s, left = s[..., :n], left[..., :n]
    i, j = np.triu_indices(n, 1)
    si, sj, ri, rj = s[..., i], s[..., j], left[..., i], left[..., j]
    zeros = max(h - m, 0) * (d_in + d_out - 2 * m)

    with np.errstate(over="ignore", invalid="ignore"):  # refuse_overflow() refuses what overflows
        g = np.sqrt(si) * np.sqrt(sj)
        families = [  # B3
            (2 * s - left, 1),
            (left, 1),
            *((root, 1) for root in _roots(si - rj, sj - ri, g, ((ri, rj), (-si, ri), (-sj, rj)))),
            *((root, 1) for root in _roots(si + rj, sj + ri, g, ((ri, rj), (si, ri), (sj, rj)))),
            (s, d_in + d_out - 2 * m),
            (left, max(h - m, 0)),
            (-left, max(h - m, 0)),
            (_flat(s[..., :, None] + sigma[..., None, :]), 1),
            (_flat(s[..., :, None] - sigma[..., None, :]), 1),
            (np.zeros((*s.shape[:-1], 1)), zeros),
        ]
    values = refuse_overflow("the spectrum", lambda: np.concatenate([x for x, _ in families], axis=-1))
    multiplicity = np.concatenate([np.full(x.shape[-1], times) for x, times in families])
    return HessianSpectrum(values, multiplicity)


def _modes(s: Numbers, left: Numbers, m: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    s, left = check_broadcast(s=nonnegative("s", s, "a singular value is not negative"), left=finite("left", left))
    s, left = (np.atleast_1d(x) for x in np.broadcast_arrays(s, left))
    missing = m - s.shape[-1]
    if missing < 0:
        raise ShapeError(f"{s.shape[-1]} modes", f"these widths have room for {m}", "pass at most min(d_in, d_out)")
    s, left = (np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, missing)]) for x in (s, left))
    if s[..., n:].any():
        raise DomainError(f"s of mode {n}", f"{n} hidden units carry {n} modes", "order the modes, learned ones first")
    return s, left


def _roots(a: np.ndarray, b: np.ndarray, g: np.ndarray, minor: tuple[tuple[np.ndarray, np.ndarray], ...]) -> list:
    """Both eigenvalues of `[[a, g], [g, b]]`, whose determinant is the sum of the products in `minor`.

    The one of larger modulus as mean ± radius, which adds; the other as determinant / larger, which does not cancel
    where mean ∓ radius would. The quotient is taken factor by factor, so that tiny modes do not underflow.
    """
    mean = a / 2 + b / 2
    large = mean + np.copysign(np.hypot((a - b) / 2, g), mean)
    safe = np.where(large == 0, 1.0, large)  # all of a, b and g are 0, and so is the determinant
    small = sum(x * (y / safe) for x, y in minor)
    return [np.maximum(large, small), np.minimum(large, small)]


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])
