"""A5: the whole product matrix under gradient flow from any balanced start to any target, in forms that never overflow.

With `Q = [W1ᵀ; W2]` balance makes gradient flow a matrix Riccati equation, `d(QQᵀ)/dt = F QQᵀ + QQᵀ F − (QQᵀ)²`,
`F = [[0, Aᵀ], [A, 0]]`. In F's eigenbasis, `(v, ±u)/√2` at ±σ, its solution is a quotient of exponentials; here every
direction of the start that grows is divided by its own growth, so that only decaying exponentials remain.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.linalg import qr, solve_triangular
from scipy.special import exprel

from theory.arrays import Numbers, Values
from theory.domain import finite, nonnegative, positive, whole
from theory.errors import DomainError, ShapeError
from theory.scale import SMALLEST, moderate
from theory.weights import chained, fitting

EPS = np.finfo(float).eps
Matrix = Float[np.ndarray, "_ _"]
Stack = Float[np.ndarray, "... _ _"]


@dataclass(frozen=True)
class MatrixFlow:
    """The solution at every time, the times' axes first: everything that does not need the hidden rotation.

    `factor_in` (d_in × k) and `factor_out` (d_out × k) are W1ᵀ and W2 up to one common rotation of the hidden space,
    k being the rank of the start; `residual` is `A − f`, accurate where f has converged to A; `never_learned` lists the
    teacher's singular values that this start cannot reach at any time: if there are any, the flow ends in a saddle.
    """

    factor_in: Stack
    factor_out: Stack
    residual: Stack
    never_learned: Float[np.ndarray, " lost"]

    @property
    def product(self) -> Stack:
        """`f = W2 W1`."""
        return self.factor_out @ _t(self.factor_in)

    @property
    def gram_in(self) -> Stack:
        """`W1ᵀW1`, which is `(fᵀf)^½`."""
        return self.factor_in @ _t(self.factor_in)

    @property
    def gram_out(self) -> Stack:
        """`W2W2ᵀ`, which is `(ffᵀ)^½`."""
        return self.factor_out @ _t(self.factor_out)

    @cached_property
    def norm(self) -> Values:
        """`‖W1‖² = ‖W2‖²`, the sum of the student's singular values."""
        return (self.factor_in**2).sum((-2, -1)) / 2 + (self.factor_out**2).sum((-2, -1)) / 2

    @cached_property
    def loss(self) -> Values:
        """`½‖f − A‖²`."""
        return (self.residual**2).sum((-2, -1)) / 2

    @property
    def saddle(self) -> bool:
        """Does this flow end in a saddle, with features never learned for lack of the right start?"""
        return self.never_learned.size > 0


def matrix_flow(t: Numbers, w1: Matrix, w2: Matrix, teacher: Matrix) -> MatrixFlow:
    """Gradient flow on `½‖W2W1 − A‖²` from balanced weights: product, Gram matrices, norms, loss (claim A5).

    `QQᵀ(t) = e^{Ft} Q₀ S⁻¹ Q₀ᵀ e^{Ft}`, `S = I + Q₀ᵀ(∫₀ᵗ e^{2Fs}ds)Q₀`; any widths, any target, any t.

    t: pretraining length >= 0, gradient-flow time, any shape.  w1: `h × d_in`.  w2: `d_out × h`.  teacher: A,
    `d_out × d_in`, of any rank. Whitened inputs. Directions of the start below the rounding of its largest are taken
    to be absent; `matrix_flow_from_modes` takes a start of any grading.
    Features that the start cannot reach (for square A and h >= d at least one where det(W2W1) and det A differ in sign)
    are not learned by rounding: the solution stays in the saddle and says so.
    Raises ShapeError where the matrices do not fit, DomainError where they are not balanced, `W2ᵀW2 = W1W1ᵀ`, where a
    number is beyond 1e75, and where all weights are below 1e-75.
    Source: Fukumizu 1998; Braun, Dominé, Fitzgerald, Saxe 2022, theorem 3.1, there for full rank and no bottleneck.

    >>> flow = matrix_flow([0.0, 3.0, 1e6], np.eye(2) * 1e-2, np.eye(2) * 1e-2, np.diag([1.0, 0.5]))
    >>> flow.product[:, 0, 0].round(6).tolist(), flow.saddle
    ([0.0001, 0.038782, 1.0], False)
    """
    w1, w2 = layers = chained(w1, w2)
    teacher = fitting(teacher, layers)
    moderate(np.zeros(()), w1=w1, w2=w2)
    scale = max(np.abs(w1).max(), np.abs(w2).max())
    if scale == 0:
        raise DomainError("w1 = w2 = 0", "it is a saddle, which the flow never leaves", "start from small weights")
    if scale < SMALLEST:
        raise DomainError("w1, w2", "all entries are below 1e-75", "rescale units, or use matrix_flow_from_modes")
    q = np.concatenate([w1.T, w2]) / scale
    d_in = w1.shape[1]
    imbalance = np.linalg.norm(q[d_in:].T @ q[d_in:] - q[:d_in].T @ q[:d_in])
    if imbalance > 1e-12 * (q**2).sum():  # what the solution makes of an imbalance is of the same relative size
        size = f"W2ᵀW2 − W1W1ᵀ of relative size {imbalance / (q**2).sum():.2g}"
        raise DomainError(size, "the solution is for balanced weights", "start from balanced_weights(product, h)")
    left, values, _ = np.linalg.svd(q, full_matrices=False)
    keep = values > max(q.shape) * EPS * values[0]
    return _solve(t, np.sqrt(2) * left[:, keep], scale * values[keep] / np.sqrt(2), d_in, teacher)


def matrix_flow_from_modes(t: Numbers, u: Matrix, s: Float[np.ndarray, " _"], v: Matrix, teacher: Matrix) -> MatrixFlow:
    """The same (claim A5) from the start's product `f₀ = U₀ diag(s) V₀ᵀ`, whose values s > 0 may span all of float64.

    u: `d_out × k`, v: `d_in × k`, with orthonormal columns. Every balanced network with this product, of whatever width
    >= k, has this solution. Raises ShapeError, and DomainError where the columns are not orthonormal.

    >>> flow = matrix_flow_from_modes([0.0, 400.0], np.eye(2), np.array([1e-100, 1e-300]), np.eye(2), np.eye(2))
    >>> flow.loss.round(12).tolist(), flow.norm.round(12).tolist()
    ([1.0, 0.0], [0.0, 2.0])
    """
    u, v, s = finite("u", u), finite("v", v), positive("s", s, "leave out the modes that the start does not have")
    if u.ndim != 2 or v.ndim != 2 or s.ndim != 1 or not u.shape[1] == v.shape[1] == s.size > 0:
        raise ShapeError(f"u {u.shape}, s {s.shape}, v {v.shape}", "these are no modes", "pass d_out × k, k, d_in × k")
    for name, frame in (("u", u), ("v", v)):
        if np.abs(frame.T @ frame - np.eye(s.size)).max() > 1e-12:
            raise DomainError(name, "its columns are not orthonormal", "pass singular vectors")
    return _solve(t, np.concatenate([v, u]), np.sqrt(s), v.shape[0], fitting(teacher, (v.T, u)))


def balanced_weights(product: Matrix, h: int) -> tuple[Matrix, Matrix]:
    """Balanced weights `W1 (h × d_in), W2 (d_out × h)` with this product, its modes on the first hidden units (A5).

    Raises ShapeError where the product has more modes than there are hidden units.

    >>> w1, w2 = balanced_weights(np.diag([4.0, 1.0]), h=3)
    >>> np.abs(w1).tolist()
    [[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    """
    product, h = finite("product", product), whole("h", h)
    if product.ndim != 2 or product.size == 0:
        raise ShapeError(f"product {product.shape}", "it is no matrix", "pass a non-empty d_out × d_in matrix")
    u, s, vt = np.linalg.svd(product, full_matrices=False)
    rank = int((s > max(product.shape) * EPS * s[0]).sum())
    if rank > h:
        raise ShapeError(f"a product of rank {rank}", f"{h} hidden units carry {h} modes", "pass a larger h")
    root, pad = np.sqrt(s[:rank]), (0, h - rank)
    return np.pad(root[:, None] * vt[:rank], (pad, (0, 0))), np.pad(u[:, :rank] * root, ((0, 0), pad))


def _solve(t: Numbers, frame: np.ndarray, root: np.ndarray, d_in: int, teacher: np.ndarray) -> MatrixFlow:
    """From `Q₀ = frame · diag(root) · Rᵀ`, where `frameᵀ frame = 2I`; the hidden frame R drops out."""
    t = nonnegative("t", t, "measure pretraining forward from the start, t >= 0")
    moderate(np.zeros(()), t=t, s=root**2, teacher=teacher)
    u, sigma, vt = np.linalg.svd(teacher)
    modes = _Modes(frame, root, d_in, u, sigma, vt)
    made = [modes.at(float(time)) for time in (t.ravel() if t.size else [0.0])]
    y_in, y_out, left = (np.stack(x)[: t.size].reshape(*t.shape, *x[0].shape) for x in zip(*made, strict=True))
    return MatrixFlow(y_in, y_out, left, sigma[modes.lost])


class _Modes:
    """The start in the eigenbasis of F, split by what grows: rows `C` of `Q₀ = C √D` at +σ, −σ and 0."""

    def __init__(
        self, frame: np.ndarray, root: np.ndarray, d_in: int, u: np.ndarray, sigma: np.ndarray, vt: np.ndarray
    ):
        m = sigma.size
        on_v, on_u = vt @ frame[:d_in], u.T @ frame[d_in:]
        grow = (on_v[:m] + on_u[:m]) / np.sqrt(2)
        rest = np.concatenate([(on_v[:m] - on_u[:m]) / np.sqrt(2), on_v[m:], on_u[m:]])
        rounding = 8 * len(frame) * EPS  # of a singular vector's entries, as a component of a unit vector
        kept = _independent(grow, rounding)
        dropped = np.setdiff1d(np.arange(m), kept)
        span, triangle = np.linalg.qr(grow[kept].T, mode="complete")
        solve = solve_triangular(triangle[: kept.size], np.eye(kept.size), trans=1)
        self.basis = np.concatenate([span[:, : kept.size] @ solve, span[:, kept.size :]], axis=1)
        # a dropped row is a combination of the kept ones before it: what else it has is rounding
        before = kept[None, :] < dropped[:, None]
        self.dropped_rows = np.where(before, grow[dropped] @ self.basis[:, : kept.size], 0.0)
        self.rest = rest @ self.basis
        self.kept, self.dropped, self.root = kept, dropped, root
        self.lost = dropped[sigma[dropped] > max(len(u), len(vt)) * EPS * sigma[0]]
        self.u, self.sigma, self.vt = u, sigma, vt

    def at(self, t: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Factors and residual at one time; QR of the stack of bounded rows that S is made of."""
        sigma, kept, m = self.sigma, self.kept, self.sigma.size
        n, k = kept.size, self.root.size
        shrink = np.concatenate([np.exp(-sigma[kept] * t), np.ones(k - n)])
        weight = np.sqrt(t * exprel(-2 * sigma * t))  # √((1 − e^{−2σt})/2σ), of the growing and of the decaying rows
        follow = self.dropped_rows * np.exp((sigma[self.dropped][:, None] - sigma[kept]) * t)
        follow = np.concatenate([follow, np.zeros((len(follow), k - n))], axis=1)
        rest = self.rest * shrink
        rest_weight = np.concatenate([weight, np.full(len(rest) - m, np.sqrt(t))])[:, None]
        lower = np.concatenate(
            [weight[self.dropped][:, None] * follow, self.basis * shrink / self.root[:, None], rest_weight * rest]
        )
        rows = np.concatenate([np.eye(n, k) * np.pad(weight[kept], (0, k - n)), lower])
        # sorted rows and columns keep QR stable row by row (Cox and Higham 1998 pivot; a fixed order errs no more here)
        pivot, order = np.argsort(-np.linalg.norm(rows, axis=0)), np.argsort(-np.abs(rows).max(axis=1))
        (triangle,) = qr(rows[order][:, pivot], mode="r", check_finite=False)
        divide = lambda x: solve_triangular(triangle[:k], x[:, pivot].T, trans=1, check_finite=False).T  # x R⁻¹
        grow = np.empty((m, k))
        grow[kept], grow[self.dropped] = divide(np.eye(n, k)), divide(follow)
        rest = divide(rest)
        decay = np.exp(-sigma * t)[:, None]
        y_in = np.concatenate([(grow + decay * rest[:m]) / np.sqrt(2), rest[m : len(self.vt)]])  # A5
        y_out = np.concatenate([(grow - decay * rest[:m]) / np.sqrt(2), rest[len(self.vt) :]])
        left = -y_out @ y_in.T
        left[:m, :m] = self._left(grow, decay * rest[:m], lower[:, :n], divide(lower), decay) / 2
        return self.vt.T @ y_in, self.u @ y_out, self.u @ left @ self.vt

    def _left(
        self, grow: np.ndarray, fall: np.ndarray, columns: np.ndarray, rows: np.ndarray, decay: np.ndarray
    ) -> np.ndarray:
        """`2(Σ − f)` in the teacher's modes, `2Σ − QQᵀ` of the growing rows by whichever form rounds less, per entry.

        Before a feature is learned the difference is the better form, after that a sum of decaying terms.
        """
        kept, sigma = self.kept, self.sigma
        twice, own = 2 * sigma[kept, None], grow[kept]
        growing = 2 * np.diag(sigma) - grow @ grow.T
        decaying = twice * (columns.T @ (rows @ own.T)) - decay[kept] ** 2 * (own @ own.T)
        length = np.linalg.norm(own, axis=1)
        direct = np.outer(length, length) + np.diag(twice[:, 0])
        indirect = (twice[:, 0] * np.linalg.norm(columns, axis=0) + decay[kept, 0] ** 2 * length)[:, None] * length
        best = np.where(indirect <= indirect.T, decaying, decaying.T)
        place = np.ix_(kept, kept)
        growing[place] = np.where(np.minimum(indirect, indirect.T) < direct, best, growing[place])
        return growing - grow @ fall.T + fall @ grow.T + fall @ fall.T


def _independent(rows: np.ndarray, rounding: float) -> np.ndarray:
    """The first rows, in order, that are no combination of earlier ones: the strongest features that can be learned."""
    kept = np.arange(len(rows))
    while kept.size:
        diagonal = np.abs(np.diag(np.linalg.qr(rows[kept].T, mode="r")))
        weak = np.flatnonzero(diagonal <= rounding)
        end = weak[0] if weak.size else diagonal.size
        if end == kept.size:
            break
        kept = np.delete(kept, end)
    return kept


def _t(x: np.ndarray) -> np.ndarray:
    return np.swapaxes(x, -1, -2)
