"""Own weights as a start: what is accepted, the network that follows from them, and what is refused by name."""

import jax.numpy as jnp
import numpy as np
import pytest

from overtraining.setting.errors import DomainError, Refusal, ShapeError
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import Matrix
from overtraining.setting.weights import Weights

W1, W2 = np.arange(1.0, 13).reshape(3, 4), np.arange(1.0, 7).reshape(2, 3)
TEACHER = Matrix(np.ones((2, 4)))


class Tensor:
    """What a parameter of PyTorch does: it refuses to become an array before it is detached."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.detached = array, False

    def detach(self) -> "Tensor":
        made = Tensor(self.array)
        made.detached = True
        return made

    def cpu(self) -> "Tensor":
        return self

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        if not self.detached:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return self.array


@pytest.mark.parametrize("kind", [np.float32, jnp.float32, np.ndarray.tolist, Tensor])
def test_arrays_of_any_library_are_the_same_weights(kind) -> None:
    assert Weights(kind(W1), kind(W2)) == Weights(layers=(W1, W2)) == Weights(W1, W2)
    assert hash(Weights(kind(W1), kind(W2))) == hash(Weights(W1, W2))


def test_float32_is_kept_to_the_last_bit() -> None:
    single = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    assert (Weights(single).matrices[0] == single.astype(float)).all()


def test_the_network_follows_from_the_weights() -> None:
    protocol = Protocol(TEACHER, (0, 1), start=Weights(W1, W2))
    assert protocol.network == Network(d_in=4, h=3, d_out=2)
    assert Protocol(TEACHER, (0,), start=Weights(W1, np.eye(3), W2)).network == Network(4, 3, 2, depth=3)
    assert Protocol(TEACHER, (0,), start=Weights(TEACHER.entries)).network.depth == 1
    assert protocol.replace(start=Weights(W1[:1], W2[:, :1])).network.h == 1
    assert protocol.replace(start=Aligned()).network.h == 2


@pytest.mark.parametrize(
    ("build", "kind", "says"),
    [
        (Weights, ShapeError, "no weights"),
        (lambda: Weights(W1, W1), ShapeError, r"W2 of shape \(3, 4\) after W1 of shape \(3, 4\)"),
        (lambda: Weights([W1, W1]), ShapeError, r"W1 of shape \(2, 3, 4\).*Weights\(W1, W2, …\)"),
        (lambda: Weights(W1, np.ones((5, 3)), np.ones((2, 5))), ShapeError, r"hidden layers of widths \[3, 5\]"),
        (lambda: Weights(W1, np.full((2, 3), np.nan)), DomainError, r"W2\[0, 0\] = nan"),
        (lambda: Weights(0 * W1, 0 * W2), DomainError, "saddle"),
        (lambda: Weights(W1, layers=(W1,)), DomainError, "they are the same"),
        (lambda: Weights(W1, tolerance=-1.0), DomainError, "tolerance"),
        (lambda: Weights(W1, tolerence=1.0), DomainError, "try tolerance"),
        (lambda: Protocol(TEACHER, (0,), start=Weights(W1)), ShapeError, "a teacher of shape"),
        (
            lambda: Protocol(TEACHER, (0,), start=Weights(W1, W2), network=Network(4, 2, 2)),
            ShapeError,
            r"its layers have the shapes \(\(2, 4\), \(2, 2\)\)",
        ),
    ],
)
def test_weights_are_refused_by_name(build, kind: type[Refusal], says: str) -> None:
    with pytest.raises(kind, match=says):
        build()


def test_arrays_that_are_no_start_are_refused_in_a_few_words(untyped) -> None:
    with pytest.raises(DomainError, match=r"pass Weights\(W1, W2, …\)") as refused:
        untyped(Protocol.__init__)(object.__new__(Protocol), np.eye(50), (0,), start=(np.eye(50), np.eye(50)))
    assert len(str(refused.value)) < 100
