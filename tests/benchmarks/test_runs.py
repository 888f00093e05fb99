"""A loop over runs and batched NumPy take the same steps as `descend`."""

import numpy as np

from benchmarks import runs
from benchmarks.batched_descent import descend


def test_loop_and_numpy_make_the_steps_of_descend() -> None:
    w1, w2, teachers = runs.sample(3, runs=2)
    made, _ = descend((w1, w2), teachers, runs.LEARNING_RATE, (7,), chunk=2)
    for one, layer in zip(runs.numpy_steps(w1, w2, teachers, 7), made, strict=True):
        np.testing.assert_allclose(one, layer[:, 0], rtol=1e-13)
    for first, layer in zip(runs.loop(w1[1], w2[1], teachers[1], 7), made, strict=True):
        np.testing.assert_allclose(first, layer[1, 0], rtol=1e-13)
