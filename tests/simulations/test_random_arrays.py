"""Random arrays that are sampled together have the bits of arrays that are sampled one by one."""

import jax
import numpy as np
import pytest

from overtraining.simulations.perturbations import NOISE_LAWS
from overtraining.simulations.random_arrays import SMALL, extra_numbers, sample_arrays


@pytest.mark.parametrize("law", NOISE_LAWS.values(), ids=NOISE_LAWS)
@pytest.mark.parametrize("largest", [SMALL, SMALL + 1])
def test_arrays_are_those_of_single_calls(law, largest: int) -> None:  # type: ignore[no-untyped-def]
    """Up to the size that is sampled by one call, and beyond it."""
    shapes = [(2, 3), (largest,), (1,)]
    keys = jax.random.split(jax.random.key(3), len(shapes))
    together = jax.jit(lambda keys: sample_arrays(law, keys, shapes))(keys)
    alone = jax.jit(lambda keys: [law(key, shape) for key, shape in zip(keys, shapes, strict=True)])(keys)
    for array, other, shape in zip(together, alone, shapes, strict=True):
        assert array.shape == shape
        np.testing.assert_array_equal(array, other)


def test_extra_numbers_are_those_of_one_call() -> None:
    assert extra_numbers([(SMALL,), (1,)]) == 2 * 2 * SMALL
    assert extra_numbers([(SMALL + 1,), (1,)]) == 0
