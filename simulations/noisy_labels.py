"""SGD on noisy labels, over the whole population or fresh inputs: chains of two-layer linear networks, in pairs.

Both chains of a pair see the same inputs and opposite noise.

Effects that are odd in the noise cancel in a pair exactly, and starts that share their noise differ by little else.
The chains are the last axes of all arrays: products of tiny matrices are then a few long sums, some seven times as
fast.
"""

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from overtraining.simulations.compilation import LOOP, compiled

ChainWeights = Float[Array, "_ _ #start #two pair"]  # out × in, of every chain; 1 for what chains share


def chain_product(upper: ChainWeights, lower: ChainWeights) -> ChainWeights:
    """`upper lower`, chain by chain."""
    # term by term, which is compiled to one loop; a sum over an axis is not
    return reduce(add, (upper[:, k, None] * lower[None, k] for k in range(lower.shape[0])))


@compiled(LOOP, "pairs", "observe", "batch")
def descend_on_noisy_labels(
    w1: Float[Array, "h d_in start"],
    w2: Float[Array, "d_out h start"],
    teacher: Float[Array, "d_out d_in"],
    learning_rates: Float[Array, " step"],
    ends: Int[Array, " end"],
    label_noise: Float[Array, ""],
    pairs: int,
    key: Key[Array, ""],
    observe: Callable[[ChainWeights, ChainWeights, ChainWeights], Any],
    batch: int | None = None,
) -> Any:
    """`observe(W1, W2, W2 W1 − teacher)` after `ends` steps, stacked; all starts see the same noise.

    learning_rates: of every step; those beyond the last end are not used, so that runs of other numbers of steps need
    no compilation of their own.
    label_noise: standard deviation of a batch's mean label noise, `ν/√B`.
    batch: number B of fresh whitened inputs in every step, for each pair; None for the whole population.
    """

    def deviation(w1: Array, w2: Array) -> Array:
        return chain_product(w2, w1) - teacher[:, :, None, None, None]

    def normal(key: Array, rows: int, columns: int) -> Array:
        # in float32: random numbers are most of the work, and no result depends on their last digits
        return jax.random.normal(key, (rows, columns, 1, 1, pairs), jnp.float32).astype(float)

    keys = jax.random.split(key, learning_rates.size)

    def step(number: Array, weights: tuple[Array, ...]) -> tuple[Array, ...]:
        w1, w2, off = weights
        if batch is None:
            n = label_noise * normal(keys[number], *teacher.shape)
            off = off - jnp.concatenate([n, -n], axis=3)
        else:
            for_inputs, for_labels = jax.random.split(keys[number])
            x = normal(for_inputs, teacher.shape[1], batch) / jnp.sqrt(1.0 * batch)
            n = label_noise * normal(for_labels, teacher.shape[0], batch)
            error = chain_product(off, x) - jnp.concatenate([n, -n], axis=3)
            off = chain_product(error, jnp.swapaxes(x, 0, 1))
        # both gradients before either update: W2 must not see the new W1
        gradient1 = chain_product(jnp.swapaxes(w2, 0, 1), off)
        gradient2 = chain_product(off, jnp.swapaxes(w1, 0, 1))
        rate = learning_rates[number]
        w1, w2 = w1 - rate * gradient1, w2 - rate * gradient2
        return w1, w2, deviation(w1, w2)

    def observation(weights: tuple[Array, ...], between: tuple[Array, Array]) -> tuple[tuple[Array, ...], Any]:
        weights = jax.lax.fori_loop(*between, step, weights)
        return weights, observe(*weights)

    start: tuple[Array, ...] = tuple(jnp.broadcast_to(w[..., None, None], (*w.shape, 2, pairs)) for w in (w1, w2))
    begins = jnp.concatenate([jnp.zeros(1, ends.dtype), ends[:-1]])
    return jax.lax.scan(observation, (*start, deviation(*start)), (begins, ends))[1]
