"""A Protocol from one's own data, answered by theory and by simulation."""

import numpy as np
import pytest

import overtraining as ot
from overtraining.setting.errors import DomainError, NoFormula, ShapeError

GENERATOR = np.random.default_rng(5)
X = GENERATOR.normal(size=(200, 4)) @ np.diag([2.0, 1.0, 0.7, 0.3])
Y = X @ GENERATOR.normal(size=(4, 3)) + 0.1 * GENERATOR.normal(size=(200, 3))


def test_data_make_a_protocol_that_can_be_written_and_read() -> None:
    teacher, inputs, rank = ot.from_data(X, Y)
    assert rank == 4
    assert ot.teacher(X=X, Y=Y) == teacher
    assert inputs.label_noise == pytest.approx(0.1, rel=0.1)
    protocol = ot.Protocol(teacher, lengths=(0, 5), strengths=(0.1,), inputs=inputs)
    assert (protocol.network.d_in, protocol.network.d_out) == (4, 3)
    assert ot.read(ot.write(protocol)) == protocol
    assert len(repr(inputs)) < 100


def test_one_layer_trains_as_gradient_descent_on_the_examples() -> None:
    teacher, inputs, _ = ot.from_data(X, Y)
    network = ot.Network(4, 3, 3, depth=1)
    start = ot.Aligned(1e-2)
    protocol = ot.Protocol(teacher, lengths=(0, 0.5, 2.0), network=network, start=start, inputs=inputs)
    path = ot.theory.follow(protocol)
    left, _, right = ot.setting.resolve(protocol).singular_frames
    w = start.epsilon * left @ right
    rest = ((X @ np.array(teacher.entries).T - Y) ** 2).sum(axis=1).mean() / 2
    steps, losses = 4000, []
    for k in range(steps + 1):
        if k in (0, steps // 4, steps):
            losses.append(((X @ w.T - Y) ** 2).sum(axis=1).mean() / 2 - rest)
        w = w + 2.0 / steps * (Y - X @ w.T).T @ X / len(X)
    np.testing.assert_allclose(path.loss, losses, rtol=3e-3)


@pytest.mark.parametrize("start", [ot.Aligned(1e-2), ot.Balanced(0.1, angle=0.0)])
def test_an_autoencoder_of_any_inputs_has_a_formula(start: ot.Aligned | ot.Balanced) -> None:
    """All singular values of A = I are 1, so that its modes are those of Σx."""
    teacher, inputs, _ = ot.from_data(X, X)
    protocol = ot.Protocol(teacher, lengths=(0, 1, 5, 25), strengths=(0.1,), start=start, inputs=inputs)
    exact, simulated = ot.theory.follow(protocol), ot.simulations.follow(protocol, 0)
    np.testing.assert_allclose(exact.loss, simulated.loss.mean("seed"), rtol=1e-5)
    np.testing.assert_allclose(exact.singular_value, simulated.singular_value.mean("seed"), rtol=1e-5)


def test_simulations_train_two_layers_on_any_covariance() -> None:
    """The loss at the start is that of the formula, and at the end the teacher is learned."""
    teacher, inputs, _ = ot.from_data(X, Y)
    protocol = ot.Protocol(teacher, lengths=(0, 2000), strengths=(0.1,), start=ot.Aligned(0.1), inputs=inputs)
    loss = ot.simulations.follow(protocol, 0).loss.mean("seed").values
    left, _, right = ot.setting.resolve(protocol).singular_frames
    error = 0.1 * left @ right - np.array(teacher.entries)
    assert loss[0] == pytest.approx(np.trace(error @ (X.T @ X / len(X)) @ error.T) / 2)
    assert loss[1] < 1e-10 * loss[0]
    with pytest.raises(NoFormula, match="beside the diagonal"):
        ot.theory.follow(protocol)


def test_inputs_that_say_their_covariance_twice_are_refused() -> None:
    for change in ({"spectrum": (1.0, 1.0)}, {"shared": False}):
        with pytest.raises(DomainError, match=r"input_covariance and .*pass one"):
            ot.Inputs(input_covariance=np.eye(2), **change)
    with pytest.raises(DomainError, match="all of it is 0"):
        ot.Inputs(input_covariance=np.zeros((2, 2)))
    with pytest.raises(ShapeError, match=r"input_covariance of shape \(3, 3\): x has 2"):
        ot.Protocol(ot.PowerLaw(2), (0, 1), inputs=ot.Inputs(input_covariance=np.eye(3)))


@pytest.mark.parametrize("given", [{"X": X}, {"Y": Y}, {"source": [1.0], "X": X, "Y": Y}])
def test_half_of_the_data_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(DomainError, match="pass X=…, Y=…"):
        ot.teacher(**given)
