"""Networks: outputs against NumPy."""

from functools import reduce
from itertools import pairwise

import jax
import numpy as np
import pytest
from scipy import special

from overtraining.simulations.networks import Layer, outputs, product

compiled_outputs = jax.jit(outputs, static_argnames="activation")
BY_HAND = {
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "gelu": lambda z: z * special.ndtr(z),
    "linear": lambda z: z,
}


@pytest.mark.parametrize("activation", BY_HAND)
def test_outputs(activation: str) -> None:
    generator = np.random.default_rng(0)
    w1, b1, w2, b2, x = (generator.normal(size=shape) for shape in ((6, 4), 6, (3, 6), 3, (5, 4)))
    expected = BY_HAND[activation](x @ w1.T + b1) @ w2.T + b2
    layers = tuple(jax.device_put(Layer(*pair)) for pair in ((w1, b1), (w2, b2)))
    np.testing.assert_allclose(compiled_outputs(layers, x, activation), expected, rtol=1e-12)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_linear_network_is_the_product_of_its_matrices(depth: int) -> None:
    """Also of checkpoints, stacked along a leading axis."""
    generator = np.random.default_rng(depth)
    sizes = [3, 5, 2, 6, 4][: depth + 1]
    weights = [generator.normal(size=(2, out, into)) for into, out in pairwise(sizes)]
    stacked = np.asarray(jax.jit(product)(tuple(Layer(jax.device_put(w)) for w in weights)))
    x = generator.normal(size=(7, 3))
    for at in range(2):
        expected = reduce(lambda below, w: w[at] @ below, weights, np.eye(3))
        np.testing.assert_allclose(stacked[at], expected, rtol=1e-12)
        layers = tuple(Layer(jax.device_put(w[at])) for w in weights)
        np.testing.assert_allclose(compiled_outputs(layers, x), x @ expected.T, rtol=1e-10)
