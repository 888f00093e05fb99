"""SGD on noisy labels over the whole population: chains of two-layer linear networks, in pairs that see opposite noise.

What is odd in the noise cancels in a pair exactly, and starts that share their noise differ by little else. The chains
are the last axes of all arrays: products of tiny matrices are then a few long sums, some seven times as fast.
"""

from collections.abc import Callable
from functools import partial, reduce
from operator import add
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

ChainWeights = Float[Array, "_ _ start two pair"]  # out × in, of every chain


def chain_product(left: ChainWeights, right: ChainWeights) -> ChainWeights:
    """`left right`, chain by chain."""
    # term by term, which is compiled to one loop; a sum over an axis is not
    return reduce(add, (left[:, k, None] * right[None, k] for k in range(right.shape[0])))


@partial(jax.jit, static_argnames=("pairs", "seen"))
def descend_on_noisy_labels(
    w1: Float[Array, "h d_in start"],
    w2: Float[Array, "d_out h start"],
    teacher: Float[Array, "d_out d_in"],
    rates: Float[Array, " step"],
    noise: Float[Array, ""],
    pairs: int,
    key: Key[Array, ""],
    seen: Callable[[ChainWeights, ChainWeights, ChainWeights], Any],
) -> Any:
    """What `seen(W1, W2, W2 W1 − teacher)` says after every step, stacked; all starts see the same noise.

    noise: standard deviation of a batch's mean label noise, `ν/√B`.
    """

    def step(weights: tuple[Array, ...], at: tuple[Array, Array]) -> tuple[tuple[Array, ...], Any]:
        (w1, w2, off), (rate, key) = weights, at
        # in float32: random numbers are most of the work, and nothing asks for their last digits
        n = noise * jax.random.normal(key, (*teacher.shape, 1, 1, pairs), jnp.float32).astype(float)
        off = off - jnp.concatenate([n, -n], axis=3)
        # both slopes before either update: W2 must not see the new W1
        slope1, slope2 = chain_product(jnp.swapaxes(w2, 0, 1), off), chain_product(off, jnp.swapaxes(w1, 0, 1))
        w1, w2 = w1 - rate * slope1, w2 - rate * slope2
        now = w1, w2, missing(w1, w2)
        return now, seen(*now)

    missing = lambda w1, w2: chain_product(w2, w1) - teacher[:, :, None, None, None]
    start = [jnp.broadcast_to(w[..., None, None], (*w.shape, 2, pairs)) for w in (w1, w2)]
    return jax.lax.scan(step, (*start, missing(*start)), (rates, jax.random.split(key, rates.size)))[1]
