"""The whole Hessian's eigenvalues, and how fast its trace grows, against what is measured in other ways."""

from dataclasses import replace

import numpy as np
import pytest

from overtraining.setting.errors import DomainError
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import SmallGaussian
from overtraining.setting.teachers import PowerLaw
from overtraining.simulations.curvature import WRITTEN_OUT
from overtraining.simulations.hessian_spectrum import hessian_eigenvalues, trace_rate
from overtraining.simulations.measurements import follow

PROTOCOL = Protocol(PowerLaw(2), (0.0, 2.0), (0.0,), Network(3, 2, 4), SmallGaussian(0.3))


def test_eigenvalues_have_the_trace_and_the_edge_of_a_trajectory() -> None:
    values, seen = hessian_eigenvalues(PROTOCOL, key=1), follow(PROTOCOL, key=1)
    assert values.shape == (2, 14)
    assert (np.diff(values, axis=1) >= 0).all()
    np.testing.assert_allclose(values.sum(axis=1), seen.hessian_trace[0], rtol=1e-12)
    np.testing.assert_allclose(values[:, -1], seen.sharpness[0], rtol=1e-12)


def test_the_rate_of_the_trace_is_its_derivative_in_length() -> None:
    """By central differences of the trace along gradient flow."""
    step = 1e-3
    around = replace(PROTOCOL, lengths=(1.0 - step, 1.0, 1.0 + step))
    trace = hessian_eigenvalues(around, key=1).sum(axis=1)
    assert trace_rate(around, key=1)[1] == pytest.approx((trace[2] - trace[0]) / (2 * step), rel=1e-4)


@pytest.mark.parametrize(
    "network", [Network(3, 2, 4, bias=True), Network(12, 12, 12)], ids=["biases", f"more than {WRITTEN_OUT} weights"]
)
def test_refusals(network: Network) -> None:
    with pytest.raises(DomainError, match="whole Hessian"):
        hessian_eigenvalues(replace(PROTOCOL, network=network), 0)
    with pytest.raises(DomainError, match="whole Hessian"):
        trace_rate(replace(PROTOCOL, network=network), 0)
