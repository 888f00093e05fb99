"""Sample random arrays of several shapes at once; small ones by a single call, which compiles faster than several."""

from collections.abc import Callable, Sequence
from math import prod

import jax
from jaxtyping import Array, Key

SMALL = 64  # numbers of the largest array up to which all are sampled by one call

ArrayShape = tuple[int, ...]
Sampler = Callable[[Key[Array, ""], ArrayShape], Array]
"""Independent random numbers of a shape, as `jax.random.normal` gives them."""


def sample_arrays(sampler: Sampler, keys: Key[Array, " n"], shapes: Sequence[ArrayShape]) -> list[Array]:
    """`sampler(key, shape)` for every key and its shape; the bits are the same for one call and for several.

    sampler: gives independent numbers that depend on their key and place alone, so that the first ones of a longer
    array are the same, as in `jax.random`.

    >>> keys = jax.random.split(jax.random.key(0), 2)
    >>> sampled = sample_arrays(jax.random.normal, keys, [(2, 2), (3,)])
    >>> bool((sampled[1] == jax.random.normal(keys[1], (3,))).all())
    True
    """
    most = max(map(prod, shapes))
    if most > SMALL:
        return [sampler(key, shape) for key, shape in zip(keys, shapes, strict=True)]
    rows = jax.vmap(lambda key: sampler(key, (most,)))(keys)
    return [row[: prod(shape)].reshape(shape) for row, shape in zip(rows, shapes, strict=True)]


def extra_numbers(shapes: Sequence[ArrayShape]) -> int:
    """How many numbers `sample_arrays` holds beside its results: a longer array per key, its random bits twice.

    >>> extra_numbers([(2, 2), (3,)]), extra_numbers([(100,), (3,)])
    (16, 0)
    """
    most = max(map(prod, shapes))
    return 2 * len(shapes) * most if most <= SMALL else 0
