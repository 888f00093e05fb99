"""SGD on noisy labels over the whole population: chains of two-layer linear networks, in pairs that see opposite noise.

Effects that are odd in the noise cancel in a pair exactly, and starts that share their noise differ by little else.
The chains are the last axes of all arrays: products of tiny matrices are then a few long sums, some seven times as
fast.
"""

from collections.abc import Callable
from functools import partial, reduce
from operator import add
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

ChainWeights = Float[Array, "_ _ start two pair"]  # out × in, of every chain


def chain_product(upper: ChainWeights, lower: ChainWeights) -> ChainWeights:
    """`upper lower`, chain by chain."""
    # term by term, which is compiled to one loop; a sum over an axis is not
    return reduce(add, (upper[:, k, None] * lower[None, k] for k in range(lower.shape[0])))


@partial(jax.jit, static_argnames=("pairs", "observe"))
def descend_on_noisy_labels(
    w1: Float[Array, "h d_in start"],
    w2: Float[Array, "d_out h start"],
    teacher: Float[Array, "d_out d_in"],
    learning_rates: Float[Array, " step"],
    label_noise: Float[Array, ""],
    pairs: int,
    key: Key[Array, ""],
    observe: Callable[[ChainWeights, ChainWeights, ChainWeights], Any],
) -> Any:
    """`observe(W1, W2, W2 W1 − teacher)` after every step, stacked; all starts see the same noise.

    label_noise: standard deviation of a batch's mean label noise, `ν/√B`.
    """

    def deviation(w1: Array, w2: Array) -> Array:
        return chain_product(w2, w1) - teacher[:, :, None, None, None]

    def step(weights: tuple[Array, ...], rate_and_key: tuple[Array, Array]) -> tuple[tuple[Array, ...], Any]:
        w1, w2, off = weights
        rate, step_key = rate_and_key
        # in float32: random numbers are most of the work, and no result depends on their last digits
        n = label_noise * jax.random.normal(step_key, (*teacher.shape, 1, 1, pairs), jnp.float32).astype(float)
        off = off - jnp.concatenate([n, -n], axis=3)
        # both gradients before either update: W2 must not see the new W1
        gradient1 = chain_product(jnp.swapaxes(w2, 0, 1), off)
        gradient2 = chain_product(off, jnp.swapaxes(w1, 0, 1))
        w1, w2 = w1 - rate * gradient1, w2 - rate * gradient2
        now = w1, w2, deviation(w1, w2)
        return now, observe(*now)

    start = [jnp.broadcast_to(w[..., None, None], (*w.shape, 2, pairs)) for w in (w1, w2)]
    steps = learning_rates, jax.random.split(key, learning_rates.size)
    return jax.lax.scan(step, (*start, deviation(*start)), steps)[1]
