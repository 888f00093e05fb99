"""float64 matrices in exact arithmetic, and random ones, to compare public functions of matrices with formulas."""

from fractions import Fraction

import numpy as np


def fractions(*matrices: np.ndarray) -> tuple[np.ndarray, ...]:
    """The same numbers as arrays of Fraction, whose sums and products have no rounding error."""
    return tuple(np.vectorize(Fraction, otypes=[object])(np.asarray(m, float)) for m in matrices)


def random_point(generator: np.random.Generator, d_in: int, h: int, d_out: int) -> tuple[np.ndarray, ...]:
    """W1, W2, A over 16 decades, Σx of any rank, and two noise scales 1e-6 … 100.

    Every other teacher is at f, beside it by 1e-9, or at 2f, where the unlearned part equals the learned one.
    """
    w1, w2, teacher = (
        generator.normal(size=m) * 10.0 ** generator.uniform(-8, 8) for m in ((h, d_in), (d_out, h), (d_out, d_in))
    )
    if generator.random() < 0.5:
        teacher = w2 @ w1 * generator.choice([1.0, 2.0, 1 + 1e-9])
    return w1, w2, teacher, random_covariance(generator, d_in), 10.0 ** generator.uniform(-6, 2, 2)


def random_covariance(generator: np.random.Generator, d_in: int) -> np.ndarray:
    """Symmetric and positive semidefinite, of random rank."""
    root = generator.normal(size=(d_in, int(generator.integers(1, d_in + 1))))
    covariance = root @ root.T
    return (covariance + covariance.T) / 2
