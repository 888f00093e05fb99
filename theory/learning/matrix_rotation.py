"""A5: the weights themselves and how far they move, by integrating a rotation that the closed form does not give."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import one_positive
from overtraining.setting.errors import DomainError, NotSolved
from overtraining.theory.checks import WeightMatrix, check_time
from overtraining.theory.learning.matrix_solution import MatrixFlow, matrix_flow

FlowAt = Callable[[np.ndarray], MatrixFlow]
STEPS = 1e5  # of an explicit solver: more would take minutes


def matrix_weights(
    time: Numbers,
    w1: WeightMatrix,
    w2: WeightMatrix,
    teacher: WeightMatrix,
    tolerance: float = 1e-9,
    imbalance: float | None = None,
) -> tuple[Float[np.ndarray, "... h d_in"], Float[np.ndarray, "... d_out h"]]:
    """The weights `W1(t), W2(t)` of λ-balanced gradient flow, `Q = e^{Ft}Q₀Z`, `Ż = −½S⁻¹ṠZ` (claim A5).

    `QQᵀ` has the closed form of `matrix_flow`; the rotation Z that it leaves open has no closed form where the S(t) at
    different times do not commute. As e^{Ft} and S overflow, the bounded `Q̇ = FQ − ½QQᵀQ` is integrated instead
    (DOP853) and projected onto the closed form, so that only the rotation has the integration's error. Integration ends
    where `‖Q(t) − Q(t')‖² <= (t − t')(L(t') − L(t))` shows that the remaining distance is below the tolerance.

    Arguments as in `matrix_flow`; tolerance: of Q, relative to the larger of its norms now and at the start. Raises
    what `matrix_flow` does, DomainError for a tolerance that is not positive, and NotSolved where the integration would
    take too many steps or differs from the closed form by more than the tolerance, as in a saddle, which the
    integration leaves through rounding errors after a time of about 36/σ.

    >>> w1, w2 = matrix_weights([0.0, 50.0], 0.1 * np.eye(2), 0.1 * np.eye(2), np.diag([1.0, 0.25]))
    >>> w1[1].round(6).tolist()
    [[1.0, 0.0], [0.0, 0.5]]
    """
    time = check_time("time", time)
    tolerance = one_positive("tolerance", tolerance, "pass a small number > 0, such as 1e-9")
    if tolerance > 0.1:
        raise DomainError(f"tolerance = {tolerance:g}", "it is relative to the weights", "pass at most 0.1, say 1e-9")

    def flow_at(times: np.ndarray) -> MatrixFlow:
        return matrix_flow(times, w1, w2, teacher, imbalance)

    flow = flow_at(time)
    start = np.concatenate([np.asarray(w1, float).T, np.asarray(w2, float)])
    k, d_in = flow.factor_in.shape[-1], flow.factor_in.shape[-2]
    _, _, hidden = np.linalg.svd(start, full_matrices=False)
    hidden = hidden[:k]  # weights of a balanced start of rank k stay in k directions of the hidden space
    factor = np.concatenate([flow.factor_in, flow.factor_out], axis=-2)
    integrated = _integrate(time, start @ hidden.T, teacher, tolerance, flow_at)
    u, _, vt = np.linalg.svd(np.swapaxes(factor, -1, -2) @ integrated)
    q = factor @ (u @ vt)
    size = np.maximum(np.linalg.norm(q, axis=(-2, -1)), np.linalg.norm(start))
    deviation = np.linalg.norm(q - integrated, axis=(-2, -1)) / size
    if not (deviation <= tolerance).all():
        reason = f"integration and closed form differ by {deviation.max():.2g}"
        raise NotSolved(
            f"weights at times up to {time.max():g}", reason, "pass shorter times, or use matrix_flow alone"
        )
    q = q @ hidden
    return np.swapaxes(q[..., :d_in, :], -1, -2), q[..., d_in:, :]


def distance_moved(
    time: Numbers,
    w1: WeightMatrix,
    w2: WeightMatrix,
    teacher: WeightMatrix,
    tolerance: float = 1e-9,
    imbalance: float | None = None,
) -> Values:
    """`√(‖W1(t) − W1(0)‖² + ‖W2(t) − W2(0)‖²)`, how far the weights are from their start (claim A5).

    Arguments, domain and errors as in `matrix_weights`.

    >>> distance_moved([0.0, 50.0], 0.1 * np.eye(2), 0.1 * np.eye(2), np.diag([1.0, 0.25])).round(6).tolist()
    [0.0, 1.392839]
    """
    moved_1, moved_2 = matrix_weights(time, w1, w2, teacher, tolerance, imbalance)
    return np.sqrt(((moved_1 - w1) ** 2).sum((-2, -1)) + ((moved_2 - w2) ** 2).sum((-2, -1)))


def _integrate(
    time: np.ndarray, start: np.ndarray, teacher: WeightMatrix, tolerance: float, flow_at: FlowAt
) -> np.ndarray:
    """Q at every time, in k hidden directions."""
    d_in = teacher.shape[1]
    speed = np.linalg.norm(teacher, 2) + (start**2).sum()
    end = _standstill(float(time.max(initial=0.0)), speed, (start**2).sum(), tolerance, flow_at)
    if end == 0:
        return np.broadcast_to(start, (*time.shape, *start.shape))
    if end * speed > STEPS:
        reason = f"it would take about {end * speed:.1g} steps"
        shorter = f"pass times <= {STEPS / speed:.2g}, or use matrix_flow"
        raise NotSolved(f"weights at times up to {time.max():g}", reason, shorter)
    from scipy.integrate import solve_ivp  # a third of a second that no other formula of the theory needs

    def velocity(_: float, flat: np.ndarray) -> np.ndarray:
        q = flat.reshape(start.shape)
        unlearned = teacher - q[d_in:] @ q[:d_in].T
        return np.concatenate([unlearned.T @ q[d_in:], unlearned @ q[:d_in]]).ravel()

    times, place = np.unique(np.minimum(time.ravel(), end), return_inverse=True)
    absolute = np.broadcast_to(np.linalg.norm(start, axis=0), start.shape).ravel() * tolerance / 100
    rtol = max(tolerance / 100, 3e-14)  # SciPy takes no less than 100 machine epsilons
    path = solve_ivp(velocity, (0.0, end), start.ravel(), method="DOP853", t_eval=times, rtol=rtol, atol=absolute)
    return path.y.T[place].reshape(*time.shape, *start.shape)


def _standstill(longest: float, speed: float, size: float, tolerance: float, flow_at: FlowAt) -> float:
    """The first of a geometric sequence of times after which the remaining distance is below the tolerance."""
    if longest * speed < 64:
        return longest
    row = np.append(np.geomspace(32 / speed, longest, 1 + int(2 * np.log2(longest * speed / 32))), longest)
    flow = flow_at(row)
    loss = np.asarray(flow.loss)
    size = max(size, 2 * np.asarray(flow.norm)[-1])
    drop = np.maximum(loss - loss[-1], 0.0) + 1e-14 * loss  # its rounding error, where the loss does not go to 0
    rest = np.sqrt((longest - row) * drop)
    return float(row[np.argmax(rest <= tolerance / 10 * np.sqrt(size))])
