"""A5 against DOP853 on a random problem of each of the 216 shapes in {1 … 6}³, and on 20 more to t = 1e4.

Problems are integrated together, filled up with zeros to 6 × 6 × 6: hidden units and directions without weights and
teacher stay without. At λ = 0 those to 1e4 have starts of which no feature is out of reach but by the width, as the
integrator's rounding would leave that saddle, and the solution does not.
"""

from itertools import product

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from overtraining.theory.learning.matrix_rotation import matrix_weights
from overtraining.theory.learning.matrix_solution import balanced_weights, matrix_flow
from tests.matrix_judge import frame

WIDEST = 6
ALL = list(product(range(1, WIDEST + 1), repeat=3))


def problem(shape, seed, reachable=False):
    """λ-balanced weights in a random hidden frame, a random teacher and λ, 0 in every other problem."""
    d_in, h, d_out = shape
    generator, k = np.random.default_rng(seed), min(shape)
    lam = (seed % 2) * generator.uniform(0.05, 1) * (1 if h <= d_out else -1)
    if lam < 0 and h > d_in:
        lam = 0.0
    start = frame(generator, d_out, k) * generator.uniform(0.05, 1, k) @ frame(generator, d_in, k).T
    teacher, turn = generator.normal(size=(d_out, d_in)) / np.sqrt(WIDEST), frame(generator, h, h)
    w1, w2 = balanced_weights(start, h, lam)
    if reachable and matrix_flow(1.0, w1, w2, teacher).saddle:
        return problem(shape, seed + 1000, reachable)
    return turn @ w1, w2 @ turn.T, teacher, lam


def filled(x, rows=WIDEST, cols=WIDEST):
    return np.pad(x, ((0, rows - x.shape[0]), (0, cols - x.shape[1])))


def integrated(problems, t):
    """The weights of all problems at every time."""
    w1, w2, teacher = (np.stack([filled(p[i]) for p in problems]) for i in range(3))

    def rate(_, theta):
        x1, x2 = theta.reshape(2, *w1.shape)
        push = teacher - x2 @ x1
        return np.concatenate([(x2.mT @ push).ravel(), (push @ x1.mT).ravel()])

    start = np.concatenate([w1.ravel(), w2.ravel()])
    path = solve_ivp(rate, (0, t[-1]), start, method="DOP853", t_eval=t, rtol=1e-12, atol=1e-14)
    return path.y.T.reshape(len(t), 2, *w1.shape)


def worst(problems, t):
    """The largest error of any entry of product, Gram matrices and what is left, and of norms and loss."""
    found, errors = integrated(problems, t), []
    for i, (w1, w2, teacher, lam) in enumerate(problems):
        (h, d_in), d_out = w1.shape, len(w2)
        x1, x2 = found[:, 0, i, :h, :d_in], found[:, 1, i, :d_out, :h]
        flow, f = matrix_flow(t, w1, w2, teacher, lam), x2 @ x1
        pairs = [
            (flow.product, f), (flow.gram_in, x1.mT @ x1), (flow.gram_out, x2 @ x2.mT), (flow.unlearned, teacher - f),
            (flow.norm_in, (x1**2).sum((1, 2))), (flow.norm_out, (x2**2).sum((1, 2))),
            (flow.loss, ((f - teacher) ** 2).sum((1, 2)) / 2),
        ]  # fmt: skip
        errors.append(max(np.abs(a - b).max() for a, b in pairs))
    return max(errors)


def test_every_shape():
    """One problem of each of the 216 shapes, λ ≠ 0 in more than 60, a saddle at the end of more than 40."""
    kinds = [problem(shape, seed) for seed, shape in enumerate(ALL)]
    assert sum(p[3] != 0 for p in kinds) > 60
    assert sum(matrix_flow(1.0, *p[:3], p[3]).saddle for p in kinds) > 40
    assert worst(kinds, np.array([0.0, 0.3, 1.0, 3.0, 10.0])) < 1e-9


def test_long_after_convergence():
    shapes = [ALL[i] for i in np.random.default_rng(0).choice(216, 20, replace=False)]
    kinds = [problem(shape, i, reachable=min(shape) == min(shape[0], shape[2])) for i, shape in enumerate(shapes)]
    assert worst(kinds, np.array([10.0, 100.0, 1e3, 1e4])) < 1e-9


@pytest.mark.parametrize("seed", range(12))
def test_weights_and_their_hidden_frame(seed):
    shape = ALL[np.random.default_rng(seed).integers(216)]
    kinds, t = [problem(shape, 2 * seed + 1)], np.array([0.5, 4.0])
    (h, d_in), d_out = kinds[0][0].shape, len(kinds[0][1])
    found, (w1, w2, teacher, lam) = integrated(kinds, t), kinds[0]
    x1, x2 = matrix_weights(t, w1, w2, teacher, imbalance=lam)
    np.testing.assert_allclose(x1, found[:, 0, 0, :h, :d_in], atol=1e-9)
    np.testing.assert_allclose(x2, found[:, 1, 0, :d_out, :h], atol=1e-9)
