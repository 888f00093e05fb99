"""Starts: each has its defining property, at every depth and shape."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from overtraining.setting.inputs import Inputs
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned, Balanced, FanIn, SmallGaussian, start_frames
from overtraining.setting.teachers import PowerLaw, Spectrum, teacher_matrix
from overtraining.setting.weights import Weights
from overtraining.simulations.measurements import initialize

RECTANGLE = Protocol(Spectrum((1.0, 0.5)), (0.0,), (0.0,), Network(4, 3, 5), Aligned(0.01))


def started(network: Network, start: Aligned | Balanced, key: int = 0) -> list[np.ndarray]:
    return [np.asarray(w.weight) for w in initialize(replace(RECTANGLE, network=network, start=start), key)]


def product(weights: list[np.ndarray]) -> np.ndarray:
    made = np.eye(weights[0].shape[1])
    for w in weights:
        made = w @ made
    return made


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
@pytest.mark.parametrize("h", [1, 2, 3, 6])
def test_aligned(h: int, depth: int) -> None:
    """Neighbours balanced; singular values epsilon in as many modes as the width carries; the teacher's vectors."""
    weights = started(Network(4, h, 5, depth), Aligned(0.01))
    for before, after in pairwise(weights):
        np.testing.assert_allclose(after.T @ after, before @ before.T, atol=1e-14)
    made, modes = product(weights), 2 if depth == 1 else min(h, 2)
    left, _, right = np.linalg.svd(teacher_matrix(RECTANGLE.teacher, 5, 4))
    np.testing.assert_allclose(left.T @ made @ right.T, np.diag([0.01] * modes + [0] * (5 - modes))[:, :4], atol=1e-14)


@pytest.mark.parametrize("imbalance", [0.3, -0.3, 1e-9])
@pytest.mark.parametrize("h", [1, 2, 6])
def test_aligned_imbalance(h: int, imbalance: float) -> None:
    """`w2² − w1² = λ` in every carried mode, on the teacher's vectors, and nothing elsewhere."""
    w1, w2 = started(Network(4, h, 5), Aligned(0.01, imbalance))
    difference = np.linalg.eigvalsh(w2.T @ w2 - w1 @ w1.T)
    expected = np.sort([imbalance] * min(h, 2) + [0.0] * (h - min(h, 2)))
    np.testing.assert_allclose(difference, expected, atol=1e-15)
    np.testing.assert_allclose(np.linalg.svd(w2 @ w1)[1][: min(h, 2)], 0.01, rtol=1e-12)


@pytest.mark.parametrize(
    ("network", "imbalance"),
    [
        (Network(4, 3, 5), 0.0),
        (Network(4, 7, 5), 0.0),
        (Network(4, 3, 5, depth=1), 0.0),
        (Network(4, 3, 5, depth=4), 0.0),
        (Network(4, 3, 5), 0.2),
        (Network(3, 5, 5), 0.2),  # two hidden units carry no mode
        (Network(4, 3, 5), -0.2),
        (Network(4, 4, 2), -0.2),
    ],
)
def test_balanced(network: Network, imbalance: float) -> None:
    """`W2ᵀW2 − W1W1ᵀ = λI` in all hidden units, and `f(0)` is epsilon in the rotated frames."""
    start = Balanced(0.01, 0.7, imbalance)
    weights = started(network, start)
    for before, after in pairwise(weights):
        difference = after.T @ after - before @ before.T
        np.testing.assert_allclose(difference, imbalance * np.eye(network.h), atol=1e-14)
    left, right = start_frames(start, RECTANGLE.teacher, network.d_out, network.d_in)
    k = network.width
    np.testing.assert_allclose(product(weights), 0.01 * left[:, :k] @ right[:, :k].T, atol=1e-14)


@pytest.mark.parametrize("start", [Aligned(0.01), Balanced(0.01)])
def test_hidden_frames_depend_on_the_key_only(start: Aligned | Balanced) -> None:
    """And so does nothing that can be seen from outside."""
    one, other = (started(Network(4, 3, 5, depth=3), start, key) for key in (0, 1))
    for a, b in zip(one, other, strict=True):
        assert np.abs(a - b).max() > 0.01
    np.testing.assert_allclose(product(one), product(other), atol=1e-15)


@pytest.mark.parametrize("start", [SmallGaussian(0.3), FanIn(2.0)])
def test_random_starts_have_their_variance(start: SmallGaussian | FanIn) -> None:
    protocol = Protocol(PowerLaw(40), (0.0,), (0.0,), Network(40, 90, 60, depth=3, bias=True), start)
    layers, others = (initialize(protocol, key) for key in (0, 1))
    for layer, other in zip(layers, others, strict=True):
        w = np.asarray(layer.weight)
        variance = 0.09 if isinstance(start, SmallGaussian) else 4 / w.shape[1]
        assert abs((w**2).mean() / variance - 1) < 4 * np.sqrt(2 / w.size)
        assert abs(w.mean()) < 4 * np.sqrt(variance / w.size)
        assert not np.asarray(layer.bias).any()
        assert np.abs(w - np.asarray(other.weight)).max() > 0
    flat = [np.asarray(layer.weight).ravel()[:1000] for layer in layers]
    assert np.abs(np.corrcoef(flat)[np.triu_indices(3, 1)]).max() < 4 / np.sqrt(1000)


@pytest.mark.parametrize(
    "network", [Network(3, 4, 2), Network(3, 4, 2, depth=4), Network(3, 4, 2, activation="tanh", bias=True)]
)
def test_given_weights_are_the_start_of_every_seed(network: Network) -> None:
    generator = np.random.default_rng(0)
    weights = [generator.normal(size=shape) for shape in network.shapes]
    inputs = Inputs(samples=8) if network.bias else Inputs()
    protocol = Protocol(PowerLaw(2), (0.0,), network=network, start=Weights(*weights), inputs=inputs)
    for seed in range(2):
        layers = initialize(protocol, key=0, seed_index=seed)
        assert all((layer.weight == weight).all() for layer, weight in zip(layers, weights, strict=True))
        assert all(layer.bias is None or not layer.bias.any() for layer in layers)
