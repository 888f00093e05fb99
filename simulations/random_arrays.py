"""Random arrays of several shapes; small ones in one go, since there compiling a draw costs more than drawing."""

from collections.abc import Callable, Sequence
from math import prod

import jax
from jaxtyping import Array, Key

SMALL = 64  # numbers of the largest array up to which all are drawn at once

Shape = tuple[int, ...]


def each(law: Callable[[Key[Array, ""], Shape], Array], keys: Key[Array, " n"], shapes: Sequence[Shape]) -> list[Array]:
    """`law(key, shape)` for every key and its shape, bit by bit, whichever way it is done.

    law: of independent numbers, as those of `jax.random`, which depend on their key and place alone: the first ones of
    a longer array are the same.

    >>> keys = jax.random.split(jax.random.key(0), 2)
    >>> bool((each(jax.random.normal, keys, [(2, 2), (3,)])[1] == jax.random.normal(keys[1], (3,))).all())
    True
    """
    if (most := max(map(prod, shapes))) > SMALL:
        return [law(key, shape) for key, shape in zip(keys, shapes, strict=True)]
    drawn = jax.vmap(lambda key: law(key, (most,)))(keys)
    return [numbers[: prod(shape)].reshape(shape) for numbers, shape in zip(drawn, shapes, strict=True)]


def held(shapes: Sequence[Shape]) -> int:
    """How many numbers `each` holds beside its results: of a longer array for every key, the random bits twice."""
    most = max(map(prod, shapes))
    return 2 * len(shapes) * most if most <= SMALL else 0
