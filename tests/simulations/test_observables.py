"""Observables along pretraining against their definitions: norms, balancedness, and the Hessian by differences."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from overtraining.setting.inputs import input_covariance
from overtraining.setting.protocol import Network
from overtraining.setting.teachers import teacher_matrix
from overtraining.simulations.measurements import follow, pretrain
from tests.simulations.samples import SEEN

GIVEN = (SEEN.teacher, 5, 4)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_norms_and_imbalance(depth: int) -> None:
    protocol = replace(SEEN, network=Network(4, 3, 5, depth))
    seen, layers = follow(protocol, 2).isel(seed=0), [np.asarray(layer.weight) for layer in pretrain(protocol, 2)]
    for i in range(2):
        weights = [w[i] for w in layers]
        norms = [np.linalg.norm(w) ** 2 for w in weights]
        np.testing.assert_allclose(seen.layer_norm[i], norms, rtol=1e-13)
        assert float(seen.weight_norm[i]) == pytest.approx(sum(norms), rel=1e-13)
        gap = np.sqrt(sum(np.linalg.norm(b.T @ b - a @ a.T) ** 2 for a, b in pairwise(weights)))
        assert ("imbalance" in seen) == (depth > 1)
        if depth > 1:
            assert float(seen.imbalance[i]) == pytest.approx(gap, rel=1e-13)
        made = np.linalg.multi_dot(weights[::-1]) if depth > 1 else weights[0]
        width = min(protocol.network.width, 4)
        np.testing.assert_allclose(seen.singular_value[i], np.linalg.svd(made)[1][:width], rtol=1e-12)
        error = made - teacher_matrix(*GIVEN)
        expected = np.trace(error @ input_covariance(SEEN.inputs, *GIVEN) @ error.T) / 2
        assert float(seen.loss[i]) == pytest.approx(expected, rel=1e-13)
