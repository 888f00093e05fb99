"""B3: the Hessian of the loss: its trace at every depth, its whole spectrum on the balanced aligned path."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from jaxtyping import Float, Int

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, check_memory, finite, whole
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.checks import check_input_covariance, check_singular_value, check_weights
from overtraining.theory.products import refuse_overflow

ARRAYS = 5  # of the spectrum's size, which are there at once while it is computed
FEWER = "pass fewer modes or times"


def hessian_trace(
    weights: Sequence[Float[np.ndarray, "_ _"]], input_covariance: Float[np.ndarray, "d_in d_in"] | None = None
) -> np.float64:
    """Trace of the Hessian, `Σ_l ‖W_L…W_{l+1}‖² tr(W_{l−1}…W_1 Σx (W_{l−1}…W_1)ᵀ)` (claim B3), at every depth.

    The network is linear in each layer, so that the diagonal blocks of the Hessian do not depend on the error f − A:
    the teacher does not enter at any point of weight space. For depth 2 and whitened inputs it is
    `d_out ‖W1‖² + d_in ‖W2‖²`.

    weights: `[W_1, …, W_L]`, each of shape outputs × inputs.  input_covariance: Σx, by default the identity.
    Raises ShapeError where the matrices do not chain, DomainError where Σx is not symmetric positive semidefinite or
    the trace overflows.
    Source: ours; for depth 2 and whitened inputs Braun et al. 2025 (at minima only).

    >>> float(hessian_trace([np.ones((1, 2)), np.ones((3, 1))]))
    12.0
    """
    layers = check_weights(weights)
    sx = check_input_covariance(input_covariance, layers[0].shape[1])

    def trace() -> np.float64:
        before = [np.eye(len(sx))]  # W_{l−1}…W_1 for each l
        after = [np.eye(len(layers[-1]))]  # W_L…W_{l+1}, the last l first
        for w, v in zip(layers[:-1], layers[:0:-1], strict=True):
            before.append(w @ before[-1])
            after.append(after[-1] @ v)
        inputs = [max(float((r @ sx * r).sum()), 0.0) for r in before]  # negative only by rounding
        return np.float64(sum((p**2).sum() * q for p, q in zip(after[::-1], inputs, strict=True)))  # B3

    return refuse_overflow("tr H", trace)


@dataclass(frozen=True)
class HessianSpectrum:
    """The Hessian's eigenvalues in closed form, with their multiplicities; `all` lists them with repetitions.

    Order along the last axis: `3s − σ, σ − s` of each mode; four of each pair i < j; then, for widths larger than the
    number of modes, `s_i`, `±(σ_i − s_i)`, `s_i ± σ_j` and 0. Equal values of different kinds are not merged.
    """

    values: Float[np.ndarray, "... roots"]
    multiplicity: Int[np.ndarray, " roots"]

    @property
    def all(self) -> Float[np.ndarray, "... parameters"]:
        """All `h (d_in + d_out)` eigenvalues in increasing order. Raises DomainError where they do not fit."""
        times = sum(self.multiplicity.tolist())
        points = prod(self.values.shape[:-1])
        check_memory(f"{points:,} spectra of {times:,} eigenvalues", 2 * 8 * points * times, FEWER)
        return np.sort(np.repeat(self.values, self.multiplicity, axis=-1))

    @property
    def largest(self) -> Values:
        """The sharpness λ_max; gradient descent is unstable with a learning rate above 2/λ_max."""
        return self.values[..., self.multiplicity > 0].max(axis=-1)


def hessian_spectrum(s: Numbers, unlearned: Numbers, *, d_in: int, h: int, d_out: int) -> HessianSpectrum:
    """The whole spectrum of the Hessian of a two-layer network where weights are balanced and aligned (claim B3).

    Each mode gives `3s − σ, σ − s`; each pair `s_i + s_j − (σ_i+σ_j)/2 ± ½√((σ_i−σ_j)² + 4s_is_j)` and `(σ_i+σ_j)/2 ±
    ½√((2(s_i−s_j) − (σ_i−σ_j))² + 4s_is_j)`; with m = min(d_in, d_out): `s_i` × (d_in + d_out − 2m), `±(σ_i − s_i)` ×
    (h − m), for h < m and the modes j without a hidden unit `s_i ± σ_j`; the rest is 0.

    s: student singular values >= 0, modes on the last axis.  unlearned: `σ − s`, of either sign
    (`balanced_mode.unlearned`). It is an argument in place of σ, since near convergence the small eigenvalues depend on
    it, and a difference σ − s would have lost it to rounding. At most m modes, missing ones being zero; the first h
    have a hidden unit. Each eigenvalue is accurate relative to its condition number with respect to s and unlearned.
    Whitened inputs; in the unit of σ.
    Raises ShapeError for more than m modes or arrays that do not broadcast, DomainError where a mode without a hidden
    unit has s > 0, for negative s, for anything that is not finite, for eigenvalues that overflow, and for more of them
    than fit into `setting.limits.MEMORY`.
    Source: ours.

    >>> H = hessian_spectrum([1.0], unlearned=[0.5], d_in=2, h=1, d_out=1)
    >>> H.all.tolist(), float(H.largest)
    ([0.5, 1.0, 1.5], 1.5)
    """
    d_in, h, d_out = whole("d_in", d_in), whole("h", h), whole("d_out", d_out)
    m, n = min(d_in, d_out), min(h, d_in, d_out)
    s, unlearned = _all_modes(s, unlearned, m, n)
    sigma = unlearned[..., n:]  # of the modes without a hidden unit
    s, unlearned = s[..., :n], unlearned[..., :n]
    i, j = np.triu_indices(n, 1)
    si, sj, ri, rj = s[..., i], s[..., j], unlearned[..., i], unlearned[..., j]
    zeros = max(h - m, 0) * (d_in + d_out - 2 * m)

    with np.errstate(over="ignore", invalid="ignore"):  # refused below
        g = np.sqrt(si) * np.sqrt(sj)
        families = [  # B3
            (2 * s - unlearned, 1),
            (unlearned, 1),
            *((root, 1) for root in _roots(si - rj, sj - ri, g, ((ri, rj), (-si, ri), (-sj, rj)))),
            *((root, 1) for root in _roots(si + rj, sj + ri, g, ((ri, rj), (si, ri), (sj, rj)))),
            (s, d_in + d_out - 2 * m),
            (unlearned, max(h - m, 0)),
            (-unlearned, max(h - m, 0)),
            (_flat(s[..., :, None] + sigma[..., None, :]), 1),
            (_flat(s[..., :, None] - sigma[..., None, :]), 1),
            (np.zeros((*s.shape[:-1], 1)), zeros),
        ]
    values = refuse_overflow("the spectrum", lambda: np.concatenate([x for x, _ in families], axis=-1))
    multiplicity = np.concatenate([np.full(x.shape[-1], times) for x, times in families])
    return HessianSpectrum(values, multiplicity)


def _all_modes(s: Numbers, unlearned: Numbers, m: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Checked modes, filled up with zeros to m."""
    s, unlearned = check_broadcast(s=check_singular_value("s", s), unlearned=finite("unlearned", unlearned))
    s, unlearned = (np.atleast_1d(x) for x in np.broadcast_arrays(s, unlearned))
    points, roots = prod(s.shape[:-1]), 2 * n * (n + 1) + 2 * n * (m - n) + m
    check_memory(f"{points:,} spectra of {roots:,} different eigenvalues", ARRAYS * 8 * points * roots, FEWER)
    absent = m - s.shape[-1]
    if absent < 0:
        raise ShapeError(f"{s.shape[-1]} modes", f"these widths have room for {m}", "pass at most min(d_in, d_out)")
    s, unlearned = (np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, absent)]) for x in (s, unlearned))
    if s[..., n:].any():
        raise DomainError(f"s of mode {n}", f"{n} hidden units carry {n} modes", "order the modes, learned ones first")
    return s, unlearned


def _roots(a: np.ndarray, b: np.ndarray, g: np.ndarray, minor: tuple[tuple[np.ndarray, np.ndarray], ...]) -> list:
    """Both eigenvalues of `[[a, g], [g, b]]`, whose determinant is the sum of the products in `minor`.

    The one of larger modulus is mean ± radius, a sum without cancellation; the other is determinant / larger, since
    mean ∓ radius would cancel. The quotient is taken factor by factor, so that tiny modes do not underflow.
    """
    mean = a / 2 + b / 2
    large = mean + np.copysign(np.hypot((a - b) / 2, g), mean)
    safe = np.where(large == 0, 1.0, large)  # where a, b and g are 0, as is the determinant
    small = sum(x * (y / safe) for x, y in minor)
    return [np.maximum(large, small), np.minimum(large, small)]


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])
