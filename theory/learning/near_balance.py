"""A5, A6: how far gradient flow from nearly balanced weights can be from the closed form, which is for balanced ones.

Let `W̃` be the balanced weights and `δ = W − W̃`, of the norm D. For two layers `f = f̃ + X + Y`, `X = W̃2 δ1 + δ2 W̃1`,
`Y = δ2 δ1`, and both flows together give, with the unlearned part `A − f̃`,

    ½ d(D²)/dt = 2⟨A − f̃, Y⟩ − ‖X‖² − 3⟨X, Y⟩ − 2‖Y‖² = 2⟨A − f̃, Y⟩ − ‖X + 3Y/2‖² + ‖Y‖²/4.

The sum of Y's singular values is at most `‖δ1‖‖δ2‖ <= D²/2`, so that `dD/dt <= ‖A − f̃‖₂ D + D³/16`. And `‖A − f̃‖₂`
never increases, since `d(A − f)/dt = −W2W2ᵀ(A − f) − (A − f)W1ᵀW1`: its value at the beginning of an interval holds for
all of it.

What the network has no hidden units for stays unlearned, and would let this bound grow for ever. `−‖X + 3Y/2‖²` helps
there. Let the range of W̃2, and of W̃1ᵀ, be taken at the beginning of an interval, during which W̃ moves by at most
`p = √(interval · decrease of the loss)`; let r be the norm of the part of `A − f̃` that is orthogonal to both ranges,
and r' that of the rest; `m_l = σ_min(W̃_l)` and `α_l = max(m_l − p − 3D/2, 0)`. Then
`dD/dt <= [r' + ‖W̃‖p + p²/2 + (m_1 + m_2)p + max(r − α_1α_2, 0)] D + D³/16`. The smaller of both bounds holds.

For L layers with the largest singular value w, and inputs of the largest variance κ, the same steps give
`½ d(D²)/dt <= ‖(A − f̃)Σx‖₂ S + κ((L − 1)/2L)² S²`, `S = Lx((w + x)^{L−1} − w^{L−1})`, `x = D/√L`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from overtraining.theory.checks import WeightMatrix
from overtraining.theory.learning.matrix_modes import TOLERANCE, Modes, modes_of, weights_of
from overtraining.theory.learning.matrix_solution import MatrixFlow, matrix_flow_from_modes

EPS = np.finfo(float).eps
NODES = 256  # of the grid in time: with it, the exponent of the bound is a few percent above its least
AT_ONCE = 2**22  # numbers in a stack of matrices, 32 MB

Nodes = Float[np.ndarray, " node"]
Sizes = Float[np.ndarray, "*grid"]


class Nearby(NamedTuple):
    """Balanced weights near given ones, by their modes, and their distance, `(Σ_l ‖W_l − W̃_l‖²)^½`."""

    modes: Modes
    distance: float


class Deviation(NamedTuple):
    """The most by which weights differ from those of a closed form: `distance`, in the norm over all layers.

    largest: the root mean square over the layers of their largest singular values.  variance: the largest one of the
    inputs.
    """

    distance: Sizes
    largest: Sizes
    depth: int
    variance: float = 1.0

    def of_product(self, layers: int) -> Sizes:
        """The most by which the product of so many layers differs, `(w + x)^l − w^l`, `x = distance/√l`."""
        x = self.distance / layers**0.5
        w = np.maximum(self.largest, 1e-6 * x)  # of a layer that is 0, a larger w is a bound too
        with np.errstate(over="ignore", invalid="ignore"):  # infinite where there is no bound
            more = w**layers * np.expm1(layers * np.log1p(np.divide(x, w, out=np.zeros_like(w), where=w > 0)))
        return np.where(np.isfinite(x), more, np.inf)

    def of_loss(self, loss: Sizes, variance: float | None = None) -> Sizes:
        """The most by which the loss differs: `√(2κL)‖f − f̃‖ + κ‖f − f̃‖²/2`.

        variance: of the inputs of this loss, by default those of pretraining.
        """
        apart = np.sqrt(self.variance if variance is None else variance) * self.of_product(self.depth)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.where(np.isfinite(apart), np.sqrt(2 * loss) * apart + apart**2 / 2, np.inf)


def nearest_balanced(w1: WeightMatrix, w2: WeightMatrix) -> Nearby:
    """Balanced or λ-balanced weights near these, whichever are nearer; the hidden rotation is free.

    Raises what `modes_of` raises for weights that are all 0, or out of range.

    >>> near = nearest_balanced(np.eye(2), np.diag([1.0, 1.000001]))
    >>> round(near.modes.imbalance * 1e6, 3), round(near.distance * 1e6, 3)
    (1.0, 0.5)
    """
    (h, d_in), d_out = w1.shape, len(w2)
    norms = (w1**2).sum(), (w2**2).sum()
    mean = float(norms[1] - norms[0]) / h
    wide = h > (d_out if mean > 0 else d_in)  # for W2ᵀW2 − W1W1ᵀ = λI
    none = h * abs(mean) <= TOLERANCE * sum(norms)
    found = (modes_of(w1, w2, imbalance, np.inf) for imbalance in ([0.0] if wide or none else [0.0, mean]))
    return min((Nearby(modes, _distance(w1, w2, modes)) for modes in found), key=lambda near: near.distance)


def _distance(w1: WeightMatrix, w2: WeightMatrix, modes: Modes) -> float:
    """Of weights from those with these modes, in the hidden frame in which it is least."""
    first, second = weights_of(modes, len(w1))
    left, _, right = np.linalg.svd(w1 @ first.T + w2.T @ second)
    turn = left @ right
    return float(np.hypot(np.linalg.norm(w1 - turn @ first), np.linalg.norm(w2 - second @ turn.T)))


class DistanceBound(NamedTuple):
    """The most that D can be at every node, increasing; inf where there is no bound."""

    nodes: Nodes
    reached: Nodes

    def at(self, time: Nodes) -> Nodes:
        """At times up to the last node."""
        return self.reached[np.searchsorted(self.nodes, time)]


def two_layer_bound(last: float, distance: float, modes: Modes, teacher: WeightMatrix, h: int) -> DistanceBound:
    """The bound on D up to the time `last`, for two layers whose balanced start has these modes; whitened inputs.

    distance: D at the start.  h: number of hidden units.

    >>> modes = Modes(np.eye(2), np.array([0.01, 0.01]), np.eye(2))
    >>> two_layer_bound(20.0, 1e-7, modes, np.diag([1.0, 0.5]), h=2).reached[[0, -1]].round(8).tolist()
    [1e-07, 1.81e-06]
    """
    flow = matrix_flow_from_modes(0.0, *modes[:3], teacher, modes.imbalance)
    nodes = time_nodes(last, float(np.linalg.norm(flow.unlearned, 2)))
    size = modes.u.shape[0] * modes.v.shape[0]
    pieces = np.array_split(nodes, 1 + nodes.size * size // AT_ONCE)
    flows = (matrix_flow_from_modes(piece, *modes[:3], teacher, modes.imbalance) for piece in pieces)
    seen = _Seen(*(np.concatenate(x) for x in zip(*(_seen(flow, h) for flow in flows), strict=True)))
    step = np.diff(nodes)
    moved = np.append(np.sqrt(step * np.maximum(-np.diff(seen.loss), EPS * seen.loss[:-1])), 0.0)
    beside = seen.reached + (seen.norm + seen.least_in + seen.least_out) * moved + moved**2 / 2

    def rate(i: int, apart: float) -> float:
        pull_in, pull_out = (max(w[i] - moved[i] - 1.5 * apart, 0.0) for w in (seen.least_in, seen.least_out))
        hindered = beside[i] + max(seen.beyond[i] - pull_in * pull_out, 0.0)
        return float(min(seen.unlearned[i], hindered)) + apart**2 / 16

    return distance_bound(nodes, distance, rate)


class _Seen(NamedTuple):
    """What the rate needs of the balanced flow, at every node."""

    unlearned: Nodes  # ‖A − f̃‖₂
    beyond: Nodes  # the part of it that is orthogonal to the ranges of W̃2 and W̃1ᵀ
    reached: Nodes  # the rest
    least_in: Nodes  # smallest singular value of W̃1, 0 if some hidden unit has none
    least_out: Nodes
    norm: Nodes  # √(‖W̃1‖₂² + ‖W̃2‖₂²)
    loss: Nodes


def _seen(flow: MatrixFlow, h: int) -> _Seen:
    into, w_in, _ = np.linalg.svd(flow.factor_in, full_matrices=False)
    out, w_out, _ = np.linalg.svd(flow.factor_out, full_matrices=False)
    beyond = flow.unlearned - out @ (out.swapaxes(1, 2) @ flow.unlearned)
    beyond = beyond - (beyond @ into) @ into.swapaxes(1, 2)
    in_all = flow.factor_in.shape[2] == h  # hidden directions
    return _Seen(
        unlearned=np.linalg.norm(flow.unlearned, 2, axis=(1, 2)),
        beyond=np.linalg.norm(beyond, 2, axis=(1, 2)),
        reached=np.linalg.norm(flow.unlearned - beyond, 2, axis=(1, 2)),
        least_in=w_in[:, -1] * (in_all and w_in.shape[1] == h),
        least_out=w_out[:, -1] * (in_all and w_out.shape[1] == h),
        norm=np.hypot(w_in[:, 0], w_out[:, 0]),
        loss=np.asarray(flow.loss),
    )


def deep_rate(unlearned: Nodes, largest: Nodes, depth: int, variance: float) -> Callable[[int, float], float]:
    """The rate for any depth, from `‖(A − f̃)Σx‖₂` and the layers' largest singular value w at every node.

    Both must be monotone from node to node.
    """
    most = np.maximum(largest[:-1], largest[1:])

    def rate(i: int, apart: float) -> float:
        x = max(apart, 1e-300) / depth**0.5
        w = max(float(most[i]), 1e-6 * x)
        second = depth * x * w ** (depth - 1) * np.expm1((depth - 1) * np.log1p(x / w))  # S
        return float(second * (unlearned[i] + variance * ((depth - 1) / (2 * depth)) ** 2 * second) / (depth * x**2))

    return rate


def time_nodes(last: float, fastest: float) -> Nodes:
    """Nodes from 0 to the last, dense where what changes at the pace `fastest` is seen."""
    first = 0.01 / max(fastest, 1e-300)
    if last == 0:
        return np.zeros(1)
    return np.append(0.0, np.geomspace(first, last, NODES)) if first < last else np.linspace(0.0, last, NODES)


def distance_bound(nodes: Nodes, distance: float, growth: Callable[[int, float], float]) -> DistanceBound:
    """The bound for `dD/dt <= growth(i, D) D` on interval i; growth must not decrease with D.

    While D has grown by at most a factor g, it has grown by no more than `e^{growth(i, gD) · interval}`, which
    must not exceed g. Where it does there is no bound.
    """
    reached = [distance]
    with np.errstate(over="ignore"):
        for i, step in enumerate(np.diff(nodes)):
            slow = growth(i, reached[-1])
            fast = growth(i, float(reached[-1] * np.exp(2 * slow * step)))
            reached.append(float(reached[-1] * np.exp(fast * step)) if fast <= 2 * slow else np.inf)
    return DistanceBound(nodes, np.array(reached))
