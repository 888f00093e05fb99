"""A teacher and inputs from the user's own data, which together make a Protocol."""

from typing import Any, NamedTuple

from overtraining.setting.inputs import Inputs
from overtraining.setting.least_squares import least_squares
from overtraining.setting.teachers import Matrix


class OwnData(NamedTuple):
    """What `from_data` finds: the teacher, the inputs, and the rank of X, below d_in if it does not tell all of A."""

    teacher: Matrix
    inputs: Inputs
    rank: int


def from_data(X: Any, Y: Any) -> OwnData:
    """The teacher `A = Yᵀ X (XᵀX)⁻¹` of data and their inputs, `Σx = XᵀX / n`, to be passed on to a Protocol.

    X, Y: one example per row, `n × d_in` and `n × d_out`, of any kind of real numbers.
    Where X has less than full rank, A is the least-squares map of smallest norm. `inputs.label_noise` is the estimated
    standard deviation of what A leaves over; it is 0 where there are no more examples than the rank.
    Gradient flow over this population is gradient flow over these examples, of linear networks without biases; with
    biases, or an activation, simulations sample Gaussian inputs of the same second moment. Theory has formulas where Σx
    and AᵀA have common axes, for one layer, and for white inputs.
    Raises ShapeError for shapes that do not fit, DomainError for numbers that are not finite.

    >>> import numpy as np
    >>> from overtraining.setting.protocol import Protocol
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> data = from_data(X, X @ np.diag([1.0, 0.5, 0.2]))
    >>> np.array(data.teacher.entries).round(6).diagonal().tolist(), data.rank
    ([1.0, 0.5, 0.2], 3)
    >>> Protocol(data.teacher, lengths=(0, 10), inputs=data.inputs).network.d_in
    3
    """
    found = least_squares(X, Y)
    inputs = Inputs(input_covariance=found.input_covariance, label_noise=found.label_noise)
    return OwnData(Matrix(found.teacher), inputs, found.rank)
