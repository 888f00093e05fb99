"""D5 against the linear recursion iterated in matrices, and against SGD itself on many chains."""

import mpmath
import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.fine_tuning.label_noise import label_noise_excess, label_noise_scale
from overtraining.theory.sensitivity.curvature import hessian_trace
from tests.judge import assert_right


def chains(
    s: np.ndarray, d_in: int, d_out: int, rate: float, noise: float, batch: int, online: bool, steps: int
) -> tuple[float, float]:
    """Mean excess of SGD from a fitted diagonal task over 400 networks, the second half of the steps, and its error."""
    draw, count, h = np.random.default_rng(3), 400, len(s)
    task = np.zeros((d_out, d_in))
    task[range(h), range(h)] = s
    w1, w2 = np.zeros((count, h, d_in)), np.zeros((count, d_out, h))
    w1[:, range(h), range(h)] = w2[:, range(h), range(h)] = np.sqrt(s)
    turn, kept = lambda m: np.swapaxes(m, 1, 2), np.zeros(count)
    for step in range(steps):
        rest = w2 @ w1 - task
        x = draw.normal(size=(count, d_in, batch))
        gradient = (rest @ x @ turn(x) if online else batch * rest) / batch
        gradient -= noise / batch * draw.normal(size=(count, d_out, batch)) @ turn(x)
        w1, w2 = w1 - rate * turn(w2) @ gradient, w2 - rate * gradient @ turn(w1)
        if step >= steps // 2:
            kept += (rest**2).sum(axis=(1, 2)) / 2
    kept /= steps - steps // 2
    return float(kept.mean()), float(kept.std() / np.sqrt(count))


@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize(("d_in", "d_out"), [(3, 2), (2, 3)])
def test_against_sgd(online: bool, d_in: int, d_out: int) -> None:
    """At noise so small that nothing but the linear recursion is left, far from small steps."""
    s, given = np.array([1.0, 0.4]), {"d_in": d_in, "d_out": d_out, "online": online}
    found, error = chains(s, d_in, d_out, 0.12, 1e-3, 2, online, 300)
    claimed = float(label_noise_excess(s, 0.12, 1e-3, 2, **given))
    assert abs(found - claimed) < 3.5 * error
    assert error < 0.02 * claimed
    other = float(label_noise_excess(s, 0.12, 1e-3, 2, **(given | {"online": not online})))
    assert abs(found - other) > 5 * error


def test_first_order_is_half_the_trace() -> None:
    s, rate, noise, batch = np.array([1.0, 0.3]), 1e-7, 0.7, 3
    w1, w2 = np.sqrt(s)[:, None] * np.eye(2, 4), np.eye(3, 2) * np.sqrt(s)
    claimed = label_noise_scale(rate, noise, batch) ** 2 * hessian_trace([w1, w2]) / 2
    for online in (True, False):
        found = label_noise_excess(s, rate, noise, batch, d_in=4, d_out=3, online=online)
        assert float(found / claimed) == pytest.approx(1, abs=1e-6)


def test_equal_modes_and_their_edge() -> None:
    """`1/(1 − ηs(1 + (d_in + 1)/B))`; where this reaches 0 there is no stationary variance."""
    s, d_in, d_out, batch = np.array([0.5, 0.5]), 2, 2, 4
    edge = 1 / (0.5 * (1 + 3 / 4))
    for rate in (0.1, 0.9 * edge, 0.999 * edge):
        claimed = rate * 0.3**2 * 0.5 * d_in * d_out / (2 * batch) / (1 - rate / edge)
        found = label_noise_excess(s, rate, 0.3, batch, d_in=d_in, d_out=d_out, online=True)
        assert float(found) == pytest.approx(claimed, rel=1e-10)
    with pytest.raises(DomainError, match="without bound"):
        label_noise_excess(s, 1.001 * edge, 0.3, batch, d_in=d_in, d_out=d_out, online=True)


def test_grids_of_rates_and_spectra() -> None:
    rates = np.array([[0.01], [0.1]])
    found = label_noise_excess(np.ones((3, 2)) * [[0.1], [0.2], [0.3]], rates, 1.0, 4, d_in=2, d_out=3, online=True)
    assert found.shape == (2, 3)
    one = label_noise_excess([0.3, 0.3], 0.1, 1.0, 4, d_in=2, d_out=3, online=True)
    assert float(one) == pytest.approx(float(found[1, 2]), rel=1e-14)


def test_precision() -> None:
    draw = np.random.default_rng(0)
    points = np.column_stack([10 ** draw.uniform(-9, 9, (200, 2)), draw.integers(1, 999, 200)])
    assert_right(label_noise_scale, lambda e, n, b: n * mpmath.sqrt(e / (2 * b)), points)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"s": [-1.0]}, DomainError),
        ({"s": [1.0, 1.0, 1.0]}, ShapeError),
        ({"learning_rate": 0.0}, DomainError),
        ({"learning_rate": 2.0}, DomainError),
        ({"label_noise": -1.0}, DomainError),
        ({"batch": 0.5}, DomainError),
        ({"online": 1}, DomainError),
        ({"learning_rate": [0.1, 0.2], "batch": [1, 2, 3]}, ShapeError),
    ],
)
def test_refuses(change, refusal, untyped) -> None:
    given = {
        "s": [1.0, 0.5],
        "learning_rate": 0.1,
        "label_noise": 1.0,
        "batch": 2,
        "d_in": 2,
        "d_out": 2,
        "online": True,
    }
    with pytest.raises(refusal):
        untyped(label_noise_excess)(**(given | change))
