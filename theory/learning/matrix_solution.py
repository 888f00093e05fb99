"""A5: the product matrix under gradient flow from any λ-balanced start to any teacher, in closed form.

With `Q = [W1ᵀ; W2]`, `W2ᵀW2 − W1W1ᵀ = λI` makes gradient flow a matrix Riccati equation, solved in `matrix_riccati`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import finite, one_finite, whole
from overtraining.setting.errors import ShapeError
from overtraining.theory.checks import (
    WeightMatrix,
    check_imbalance,
    check_range,
    check_teacher,
    check_time,
    check_weights,
)
from overtraining.theory.learning.matrix_modes import Modes, check_modes, modes_of, weights_of
from overtraining.theory.learning.matrix_riccati import solve_riccati

EPS = np.finfo(float).eps
MatrixStack = Float[np.ndarray, "... _ _"]


@dataclass(frozen=True)
class MatrixFlow:
    """The solution at every time, with the axes of the times first, as far as it does not need the hidden rotation.

    `factor_in` (d_in × k) and `factor_out` (d_out × k) are W1ᵀ and W2 up to one common rotation of the hidden space,
    where k is the number of modes of the start; `unlearned` is `A − f`, accurate where f has converged to A;
    `never_learned` lists the teacher's singular values that this start cannot reach at any time: if there are any, the
    flow ends in a saddle. `imbalance` is λ.
    """

    factor_in: MatrixStack
    factor_out: MatrixStack
    unlearned: MatrixStack
    never_learned: Float[np.ndarray, " never"]
    imbalance: float

    @property
    def product(self) -> MatrixStack:
        """`f = W2 W1`."""
        return self.factor_out @ _t(self.factor_in)

    @property
    def gram_in(self) -> MatrixStack:
        """`G = W1ᵀW1`, for which `G² + λG = fᵀf`."""
        return self.factor_in @ _t(self.factor_in)

    @property
    def gram_out(self) -> MatrixStack:
        """`G = W2W2ᵀ`, for which `G² − λG = ffᵀ`."""
        return self.factor_out @ _t(self.factor_out)

    @cached_property
    def norm_in(self) -> Values:
        """`‖W1‖²`."""
        return (self.factor_in**2).sum((-2, -1))

    @cached_property
    def norm_out(self) -> Values:
        """`‖W2‖²`, which is `‖W1‖² + λh`."""
        return (self.factor_out**2).sum((-2, -1))

    @cached_property
    def norm(self) -> Values:
        """`½(‖W1‖² + ‖W2‖²)`; for λ = 0 each of the two, and the sum of the student's singular values."""
        return (self.norm_in + self.norm_out) / 2

    @cached_property
    def loss(self) -> Values:
        """`½‖f − A‖²`."""
        return (self.unlearned**2).sum((-2, -1)) / 2

    @property
    def saddle(self) -> bool:
        """Whether this flow ends in a saddle, since features of the teacher are never learned from this start."""
        return self.never_learned.size > 0


def matrix_flow(
    time: Numbers, w1: WeightMatrix, w2: WeightMatrix, teacher: WeightMatrix, imbalance: float | None = None
) -> MatrixFlow:
    """Gradient flow on `½‖W2W1 − A‖²` from λ-balanced weights: product, Gram matrices, norms, loss (claim A5).

    `QQᵀ(t) = e^{Ft} Q₀ S⁻¹ Q₀ᵀ e^{Ft}`, `S = I + Q₀ᵀ(∫₀ᵗ e^{2Fs}ds)Q₀`, `F = [[−λ/2, Aᵀ], [A, λ/2]]`; any widths, any
    teacher, any t.

    time: t >= 0, gradient-flow time, any shape.  w1: `h × d_in`.  w2: `d_out × h`.  teacher: A,
    `d_out × d_in`, of any rank. Whitened inputs.
    imbalance: λ of `W2ᵀW2 − W1W1ᵀ = λI`, against which the weights are checked; None takes it from the weights, as 0
    where it is below 1e-12 of ‖W1‖² + ‖W2‖². With h > d_out it cannot be positive, with h > d_in not negative.

    Directions of a balanced start below the rounding error of its largest are taken to be absent;
    `matrix_flow_from_modes` accepts a start whose singular values differ by any factor.
    Features that the start cannot reach are not learned through rounding errors: the solution stays in the saddle, and
    `saddle` is True. At λ = 0, for square A and h >= d, this is at least one feature where det(W2W1) and det A differ
    in sign; at every λ it is those for which a narrow h has no hidden unit.
    Raises ShapeError where the matrices do not fit or h is too large for λ, DomainError where they are not λ-balanced
    to 1e-12, where a number is beyond 1e75, and where all weights are below 1e-75, NotSolved where only an imbalance
    below rounding would free a feature.
    Source: Fukumizu 1998; Braun, Dominé, Fitzgerald, Saxe 2022, theorem 3.1, there for full rank and no bottleneck;
    with λ: Dominé et al. 2024 (arXiv 2409.14623).

    >>> flow = matrix_flow([0.0, 3.0, 1e6], np.eye(2) * 1e-2, np.eye(2) * 1e-2, np.diag([1.0, 0.5]))
    >>> flow.product[:, 0, 0].round(6).tolist(), flow.saddle
    ([0.0001, 0.038782, 1.0], False)
    """
    w1, w2 = check_weights((w1, w2))
    return _solve(time, modes_of(w1, w2, imbalance), check_teacher(teacher, (w1, w2)))


def matrix_flow_from_modes(
    time: Numbers,
    u: WeightMatrix,
    s: Float[np.ndarray, " _"],
    v: WeightMatrix,
    teacher: WeightMatrix,
    imbalance: float = 0.0,
) -> MatrixFlow:
    """`matrix_flow` (claim A5) from the start's product `f₀ = U₀ diag(s) V₀ᵀ`, whose values s may span all of float64.

    u: `d_out × k`, v: `d_in × k`, with orthonormal columns.  s > 0. Every balanced network with this product, of
    whatever width >= k, has this solution.
    imbalance: λ. If it is not 0 the network has h = k hidden units, each of which is a mode, and s may be 0; columns
    that u (λ > 0) or v (λ < 0) has beyond the other are hidden units with `√|λ|` on that side and 0 on the other.
    Raises ShapeError, DomainError where the columns are not orthonormal, and NotSolved as `matrix_flow`.

    >>> flow = matrix_flow_from_modes([0.0, 400.0], np.eye(2), np.array([1e-100, 1e-300]), np.eye(2), np.eye(2))
    >>> flow.loss.round(12).tolist(), flow.norm.round(12).tolist()
    ([1.0, 0.0], [0.0, 2.0])
    >>> flow = matrix_flow_from_modes(50.0, -np.eye(2), np.array([0.1, 0.1]), np.eye(2), np.eye(2), imbalance=1e-3)
    >>> flow.product.round(12).tolist(), flow.norm_in.round(6).tolist()
    ([[1.0, 0.0], [0.0, 1.0]], 1.999)
    """
    modes = check_modes(u, s, v, imbalance)
    return _solve(time, modes, check_teacher(teacher, (modes.v.T, modes.u)))


def balanced_weights(product: WeightMatrix, h: int, imbalance: float = 0.0) -> tuple[WeightMatrix, WeightMatrix]:
    """Weights `W1 (h × d_in), W2 (d_out × h)` with this product and `W2ᵀW2 − W1W1ᵀ = λI` (claim A5).

    Modes are on the first hidden units.

    imbalance: λ, of either sign; it needs `h <= d_out` (λ > 0) or `h <= d_in` (λ < 0).
    Raises ShapeError there, and where the product has more modes than there are hidden units.

    >>> w1, w2 = balanced_weights(np.diag([4.0, 1.0]), h=3)
    >>> np.abs(w1).tolist()
    [[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    """
    product = finite("product", product)
    h = whole("h", h)
    lam = one_finite("imbalance", imbalance)
    if product.ndim != 2 or product.size == 0:
        raise ShapeError(f"product {product.shape}", "it is not a matrix", "pass a non-empty d_out × d_in matrix")
    check_imbalance(lam, h, *product.shape)
    if lam < 0:
        w2, w1 = balanced_weights(product.T, h, -lam)
        return w1.T, w2.T
    u, s, vt = np.linalg.svd(product)
    rank = int((s > max(product.shape) * EPS * s[0]).sum())
    if rank > h:
        raise ShapeError(f"a product of rank {rank}", f"{h} hidden units carry {h} modes", "pass a larger h")
    if lam == 0:
        return weights_of(Modes(u[:, :rank], s[:rank], vt[:rank].T), h)
    both = min(h, len(vt))
    return weights_of(Modes(u[:, :h], s[:both], vt[:both].T, lam), h)


def _solve(time: Numbers, modes: Modes, teacher: np.ndarray) -> MatrixFlow:
    time = check_time("time", time)
    check_range(np.zeros(()), time=time, s=modes.s, imbalance=np.array(modes.imbalance), teacher=teacher)
    upward = modes.imbalance >= 0  # otherwise the transposed network is solved
    if not upward:
        modes, teacher = modes.transposed, teacher.T
    *factors, unlearned, never_learned = solve_riccati(time.ravel(), modes, teacher)
    first, second, unlearned = (x.reshape(*time.shape, *x.shape[1:]) for x in (*factors, unlearned))
    if upward:
        return MatrixFlow(first, second, unlearned, never_learned, modes.imbalance)
    return MatrixFlow(second, first, _t(unlearned), never_learned, -modes.imbalance)


def _t(x: np.ndarray) -> np.ndarray:
    return np.swapaxes(x, -1, -2)
