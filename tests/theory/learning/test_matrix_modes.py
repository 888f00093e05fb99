"""The modes of λ-balanced weights: from weights to modes and back, with λ given or detected; a Protocol's start."""

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, NoFormula, ShapeError
from overtraining.setting.protocol import Network
from overtraining.setting.starts import Balanced
from overtraining.setting.teachers import PowerLaw, Spectrum, teacher_matrix
from overtraining.theory.learning.flow import imbalance as imbalance_of
from overtraining.theory.learning.matrix_modes import modes_of, start_modes, weights_of
from overtraining.theory.learning.matrix_solution import balanced_weights, matrix_flow, matrix_flow_from_modes
from tests.matrix_judge import frame


@pytest.mark.parametrize("lam", [0.0, 1e-9, 0.3, -0.3, -1e3])
def test_weights_with_a_product_and_an_imbalance_and_back(lam):
    generator, h = np.random.default_rng(4), 3
    product = generator.normal(size=(3, 4)) if lam > 0 else generator.normal(size=(2, 3))
    w1, w2 = balanced_weights(product, h, lam)
    assert (w1.shape, w2.shape) == ((h, product.shape[1]), (product.shape[0], h))
    np.testing.assert_allclose(w2 @ w1, product, atol=1e-14 * np.linalg.norm(product))
    (found,) = imbalance_of((w1, w2))
    np.testing.assert_allclose(found, lam * np.eye(h), atol=1e-15 * (w1**2 + 1).max() * 10)
    turn = frame(generator, h, h)
    modes = modes_of(turn @ w1, w2 @ turn.T, lam)
    k = modes.s.size
    np.testing.assert_allclose(modes.u[:, :k] * modes.s @ modes.v[:, :k].T, product, atol=1e-14)
    assert modes.imbalance == lam
    detected = modes_of(turn @ w1, w2 @ turn.T).imbalance
    np.testing.assert_allclose(detected, lam, rtol=0, atol=1e-14 * np.linalg.norm(w1) ** 2)
    for a, b in zip(weights_of(modes, h), (w1, w2), strict=True):
        np.testing.assert_allclose(np.linalg.svd(a)[1], np.linalg.svd(b)[1], atol=1e-14 * np.linalg.norm(b))


def test_an_imbalance_is_read_off_or_checked():
    w1, w2 = balanced_weights(np.diag([0.3, 0.2]), 2, 0.1)
    read, told = (matrix_flow(2.0, w1, w2, np.eye(2), x) for x in (None, 0.1))
    np.testing.assert_allclose(read.imbalance, 0.1, rtol=1e-14)
    np.testing.assert_allclose(read.product, told.product, rtol=1e-13)
    for wrong in (0.0, 0.1 + 1e-9, -0.1):
        with pytest.raises(DomainError, match="balanced"):
            matrix_flow(2.0, w1, w2, np.eye(2), wrong)
    rounding = (1 + 1e-14) * np.eye(2)
    assert matrix_flow(1.0, np.eye(2), rounding, np.eye(2)).imbalance == 0
    tiny = 1e-14  # below what can be read off, but known
    assert matrix_flow(1.0, *balanced_weights(np.eye(2), 2, tiny), np.eye(2), tiny).imbalance == tiny


@pytest.mark.parametrize("lam", [0.0, 0.2, -0.2, 1e-12])
@pytest.mark.parametrize("shape", [(3, 3, 3), (2, 3, 4), (4, 3, 2), (3, 1, 2), (3, 5, 4)], ids=str)
def test_a_protocols_balanced_start(lam, shape):
    d_in, h, d_out = shape
    start, teacher, network = Balanced(0.1, 0.4, lam), Spectrum((1.0, 0.5)), Network(d_in, h, d_out)
    if lam and h > (d_out if lam > 0 else d_in):
        with pytest.raises(ShapeError, match="h <= d_"):
            start_modes(start, teacher, network)
        return
    modes = start_modes(start, teacher, network)
    w1, w2 = weights_of(modes, h)
    np.testing.assert_allclose(w2.T @ w2 - w1 @ w1.T, lam * np.eye(h), atol=1e-15)
    np.testing.assert_allclose(np.linalg.svd(w2 @ w1)[1][: network.width], 0.1, rtol=1e-12)
    target = teacher_matrix(teacher, d_out, d_in)
    whole = matrix_flow_from_modes([0.0, 3.0], modes.u, modes.s, modes.v, target, modes.imbalance)
    np.testing.assert_allclose(whole.product[0], w2 @ w1, atol=1e-15)
    np.testing.assert_allclose(matrix_flow([0.0, 3.0], w1, w2, target, lam).product, whole.product, atol=1e-13)


def test_a_deep_network_has_no_such_start():
    with pytest.raises(NoFormula, match="depth=2"):
        start_modes(Balanced(), PowerLaw(2), Network(2, 2, 2, depth=3))
