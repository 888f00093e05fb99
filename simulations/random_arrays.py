"""Random arrays of several shapes; small ones in one go, since there compiling a draw costs more than drawing."""

from collections.abc import Callable, Sequence
from math import prod

import jax
from jaxtyping import Array, Key

SMALL = 64  # numbers of the largest array up to which all are drawn at once

ArrayShape = tuple[int, ...]


def sample_arrays(
    law: Callable[[Key[Array, ""], ArrayShape], Array], keys: Key[Array, " n"], shapes: Sequence[ArrayShape]
) -> list[Array]:
    """`law(key, shape)` for every key and its shape, bit by bit, whichever way it is done.

    law: of independent numbers, as those of `jax.random`, which depend on their key and place alone: the first ones of
    a longer array are the same.

    >>> keys = jax.random.split(jax.random.key(0), 2)
    >>> bool((sample_arrays(jax.random.normal, keys, [(2, 2), (3,)])[1] == jax.random.normal(keys[1], (3,))).all())
    True
    """
    if (most := max(map(prod, shapes))) > SMALL:
        return [law(key, shape) for key, shape in zip(keys, shapes, strict=True)]
    drawn = jax.vmap(lambda key: law(key, (most,)))(keys)
    return [numbers[: prod(shape)].reshape(shape) for numbers, shape in zip(drawn, shapes, strict=True)]


def extra_numbers(shapes: Sequence[ArrayShape]) -> int:
    """How many numbers `sample_arrays` holds beside its results: a longer array per key, its random bits twice."""
    most = max(map(prod, shapes))
    return 2 * len(shapes) * most if most <= SMALL else 0
