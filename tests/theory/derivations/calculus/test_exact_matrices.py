"""float64 matrices in exact arithmetic, and the random points at which public functions are compared."""

from fractions import Fraction

import numpy as np

from overtraining.theory.derivations.calculus.exact_matrices import fractions, random_covariance, random_point


def test_fractions_are_the_floats_themselves():
    (matrix,) = fractions(np.array([[0.1, 1e-300], [3.0, -2.5]]))
    assert matrix[0, 0] == Fraction(3602879701896397, 36028797018963968)
    assert matrix.astype(float).tolist() == [[0.1, 1e-300], [3.0, -2.5]]
    big, small = fractions(np.array([[1e30]]), np.array([[1e-30]]))
    assert (big + small - big)[0, 0] == small[0, 0]


def test_covariances_are_symmetric_and_not_negative_of_every_rank():
    generator = np.random.default_rng(0)
    covariances = [random_covariance(generator, 3) for _ in range(60)]
    assert all((c == c.T).all() and np.linalg.eigvalsh(c)[0] > -1e-12 for c in covariances)
    assert {np.linalg.matrix_rank(c) for c in covariances} == {1, 2, 3}


def test_random_points_have_the_shapes_and_special_teachers():
    generator = np.random.default_rng(1)
    ratios = set()
    for _ in range(60):
        w1, w2, teacher, covariance, gammas = random_point(generator, 2, 3, 1)
        assert [m.shape for m in (w1, w2, teacher, covariance, gammas)] == [(3, 2), (1, 3), (1, 2), (2, 2), (2,)]
        ratio = teacher / (w2 @ w1)
        if np.ptp(ratio) < 1e-12 * abs(ratio).max():
            ratios.add(round(float(ratio[0, 0]), 10))
    assert {1.0, 2.0, 1.000000001} <= ratios
