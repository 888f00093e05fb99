"""A5: the modes of λ-balanced weights, `W2ᵀW2 − W1W1ᵀ = λI`: from weights to modes and back.

Such weights are `W1 = R diag(w1) V₀ᵀ`, `W2 = U₀ diag(w2) Rᵀ` with `w1 w2 = s`, `w2² − w1² = λ` on every mode. With an
imbalance each hidden unit has a mode; where one side has no direction for it, w = √|λ| on the other side.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from overtraining.setting.domain import finite, instance, nonnegative, one_finite, positive, whole
from overtraining.setting.errors import DomainError, NoFormula, ShapeError
from overtraining.setting.protocol import Network
from overtraining.setting.starts import Balanced, start_frames
from overtraining.setting.teachers import Teacher
from overtraining.theory.checks import (
    SMALLEST,
    WeightMatrix,
    check_imbalance,
    check_orthonormal,
    check_range,
    check_weights,
)
from overtraining.theory.learning.unbalanced_mode import split

EPS = np.finfo(float).eps
TOLERANCE = 1e-12  # of an imbalance over ‖W1‖² + ‖W2‖²; its effect on the solution is of the same relative size


class Modes(NamedTuple):
    """The product of a λ-balanced start, `U₀ diag(s) V₀ᵀ` with orthonormal columns, and λ.

    u: `d_out × k`.  v: `d_in × k`.  With λ > 0, u has a column for every hidden unit and v may have fewer; with λ < 0
    the reverse. s has as many entries as the fewer, > 0 for λ = 0.
    """

    u: WeightMatrix
    s: Float[np.ndarray, " _"]
    v: WeightMatrix
    imbalance: float = 0.0

    @property
    def transposed(self) -> "Modes":
        """The modes of the transposed network, whose imbalance has the other sign."""
        return Modes(self.v, self.s, self.u, -self.imbalance)


def check_modes(u: Any, s: Any, v: Any, imbalance: Any) -> Modes:
    """Modes that a λ-balanced network can have; ShapeError and DomainError otherwise."""
    u = finite("u", u)
    v = finite("v", v)
    lam = one_finite("imbalance", imbalance)
    if lam:
        s = nonnegative("s", s, "put the sign into the singular vectors")
    else:
        s = positive("s", s, "leave out the modes that the start does not have")
    if u.ndim != 2 or v.ndim != 2 or s.ndim != 1 or s.size != min(u.shape[1], v.shape[1]) or not u.size * v.size:
        raise ShapeError(f"u {u.shape}, s {s.shape}, v {v.shape}", "these are no modes", "pass d_out × k, k, d_in × k")
    if (u.shape[1] - v.shape[1]) * np.sign(lam) < 0 or (lam == 0 and u.shape[1] != v.shape[1]):
        raise ShapeError(
            f"u {u.shape}, v {v.shape} with imbalance {lam:g}",
            "a column without a partner has the weight √|λ| alone",
            "pass more columns of u only with an imbalance > 0, more columns of v only with one < 0",
        )
    check_orthonormal("u", u, 1e-12)
    check_orthonormal("v", v, 1e-12)
    return Modes(u, s, v, lam)


def modes_of(w1: WeightMatrix, w2: WeightMatrix, imbalance: float | None = None, tolerance: float = TOLERANCE) -> Modes:
    """The modes of λ-balanced weights, without those below the rounding error of the largest.

    imbalance: λ; None takes it from the weights, as 0 where `W2ᵀW2 − W1W1ᵀ` is below 1e-12 of ‖W1‖² + ‖W2‖².
    tolerance: how far from λ-balanced the weights may be, in units of ‖W1‖² + ‖W2‖². Beyond rounding the modes are
    those of balanced weights near them, from which a hidden direction is left out that is nearer to none.
    Raises ShapeError where h is too large for λ, DomainError where the weights are not λ-balanced to the tolerance.

    >>> modes_of(np.array([[3.0]]), np.array([[5.0]]))[1:]
    (array([15.]), array([[1.]]), 16.0)
    """
    w1, w2 = check_weights((w1, w2))
    check_range(np.zeros(()), w1=w1, w2=w2)
    scale = max(np.abs(w1).max(), np.abs(w2).max())
    if scale == 0:
        raise DomainError("w1 = w2 = 0", "it is a saddle, which the flow never leaves", "start from small weights")
    if scale < SMALLEST:
        raise DomainError("w1, w2", "all entries are below 1e-75", "rescale units, or use matrix_flow_from_modes")
    w1, w2, h = w1 / scale, w2 / scale, len(w1)
    difference = w2.T @ w2 - w1 @ w1.T
    size = (w1**2).sum() + (w2**2).sum()
    if imbalance is None:
        lam = 0.0 if np.linalg.norm(difference) <= TOLERANCE * size else float(np.trace(difference)) / h
    else:
        check_range(np.zeros(()), imbalance=np.array(one_finite("imbalance", imbalance)))
        lam = imbalance / scale / scale
        check_imbalance(lam, h, w2.shape[0], w1.shape[1])
    deviation = np.linalg.norm(difference - lam * np.eye(h)) / size
    if not deviation <= tolerance:
        raise DomainError(
            f"W2ᵀW2 − W1W1ᵀ − {lam * scale * scale:g} I of relative size {deviation:.2g}",
            "the solution is for balanced and λ-balanced weights",
            "start from balanced_weights(product, h)",
        )
    if lam == 0:
        modes = _balanced(w1, w2)
    elif lam > 0:
        modes = _upward(w1, w2)
    else:
        modes = _upward(w2.T, w1.T).transposed
    if imbalance is None:
        imbalance = float(lam * scale * scale)
    return modes._replace(s=modes.s * scale * scale, imbalance=imbalance)


def weights_of(modes: Modes, h: int) -> tuple[WeightMatrix, WeightMatrix]:
    """Weights with these modes, mode i on hidden unit i, `W2ᵀW2 − W1W1ᵀ = λI` on the modes.

    h: hidden units; those beyond the modes have weights 0. `modes_of` is the inverse.

    >>> w1, w2 = weights_of(Modes(np.eye(2), np.array([2.0]), np.eye(1), imbalance=3.0), h=2)
    >>> w1.tolist(), w2.round(12).tolist()
    ([[1.0], [0.0]], [[2.0, 0.0], [0.0, 1.732050807569]])
    """
    instance("modes", modes, Modes)
    modes = check_modes(*modes)
    h = whole("h", h)
    k = max(modes.u.shape[1], modes.v.shape[1])
    if k > h:
        raise ShapeError(f"{k} modes", f"{h} hidden units carry {h} modes", "pass a larger h")
    in_v, in_u = split(np.pad(modes.s, (0, k - modes.s.size)), modes.imbalance)

    def padded(values: np.ndarray, frame: np.ndarray) -> np.ndarray:
        return np.pad(values[: frame.shape[1]] * frame, ((0, 0), (0, h - frame.shape[1])))

    return padded(np.asarray(in_v), modes.v).T, padded(np.asarray(in_u), modes.u)


def start_modes(start: Balanced, teacher: Teacher, network: Network) -> Modes:
    """The modes of a protocol's balanced start, `f(0) = ε U₀V₀ᵀ` in frames rotated from the teacher's.

    There are as many modes as fit. With λ ≠ 0 every hidden unit has one; where h exceeds the smaller of d_in and d_out,
    one of its two weights is 0.
    Raises NoFormula for a network that is not linear with two layers, ShapeError where h is too large for λ.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> modes = start_modes(Balanced(0.1, angle=0.0, imbalance=0.5), PowerLaw(2), Network(2, 3, 4))
    >>> modes.u.shape, modes.s.tolist(), modes.v.shape
    ((4, 3), [0.1, 0.1], (2, 2))
    """
    instance("start", start, Balanced)
    instance("network", network, Network)
    return modes_in_frames(start, network, *start_frames(start, teacher, network.d_out, network.d_in))


def modes_in_frames(
    start: Balanced, network: Network, u: Float[np.ndarray, "d_out d_out"], v: Float[np.ndarray, "d_in d_in"]
) -> Modes:
    """The same, where the frames U₀ and V₀ are known."""
    if network.depth != 2 or network.activation != "linear":
        raise NoFormula(repr(network), "the matrix solution is for two linear layers", "use depth=2, linear")
    h, imbalance = network.h, start.imbalance
    check_imbalance(imbalance, h, network.d_out, network.d_in)
    paired = network.width  # modes with a direction on either side
    outputs = u[:, : h if imbalance > 0 else paired]
    inputs = v[:, : h if imbalance < 0 else paired]
    return Modes(outputs, np.full(paired, start.epsilon), inputs, imbalance)


def _balanced(w1: np.ndarray, w2: np.ndarray) -> Modes:
    """From the singular vectors of `[W1ᵀ; W2]`, which are those of both layers.

    What is not orthogonal in a layer is made so from the strongest on, which moves the weakest most.
    """
    q = np.concatenate([w1.T, w2])
    most = min(w1.shape[1], *w2.shape)
    left, values, _ = np.linalg.svd(q, full_matrices=False)
    left, values = left[:, :most], values[:most]
    v, u = (_orthonormal(half) for half in np.split(left, [w1.shape[1]]))
    moved = np.linalg.norm(np.concatenate([v, u]) / np.sqrt(2) - left, axis=0)
    keep = (values > max(q.shape) * EPS * values[0]) & (moved < 1)
    return Modes(u[:, keep], values[keep] ** 2 / 2, v[:, keep])


def _orthonormal(columns: np.ndarray) -> np.ndarray:
    frame, triangle = np.linalg.qr(columns)
    return frame * np.where(np.diag(triangle) < 0, -1.0, 1.0)


def _upward(w1: np.ndarray, w2: np.ndarray) -> Modes:
    """For λ > 0 the hidden frame of W1 makes the columns of W2 orthogonal, none of them 0 if they are λ-balanced.

    Rounding errors of the strongest turn the weakest toward them, by `ε‖W2‖/√λ`; from the strongest on, each is made
    orthogonal to those before. A column that is 0 takes any direction that is left.
    """
    hidden, values, vt = np.linalg.svd(w1)
    along = w2 @ hidden
    length = np.linalg.norm(along, axis=0)
    return Modes(
        _orthonormal(along / np.where(length > 0, length, 1.0)), values * length[: values.size], vt[: values.size].T
    )
