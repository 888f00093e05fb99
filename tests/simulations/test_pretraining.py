"""Simulated training: starts, flow and descent, by conserved quantities and convergence orders."""

from dataclasses import replace

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, NotSolved
from overtraining.setting.inputs import Inputs
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned, FanIn, SmallGaussian
from overtraining.setting.teachers import Matrix, Spectrum
from overtraining.setting.training import GradientDescent, GradientFlow
from overtraining.simulations.measurements import follow, pretrain
from overtraining.theory.learning.balanced_mode import singular_value

RECTANGLE = Protocol(
    Spectrum((1.0, 0.5)), lengths=np.linspace(0, 12, 7), strengths=(0.0,), network=Network(4, 3, 5), start=Aligned(0.01)
)
TINY = (0.0, 200.0, 210.0, 220.0, 240.0, 250.0, 260.0)  # as many as there are above: one program


def largest_distance(protocol: Protocol) -> float:
    measured = follow(protocol, key=3).singular_value.values[0, :, :2]
    exact = singular_value(np.array(protocol.lengths)[:, None], np.array([1.0, 0.5]), 0.01)
    return float(np.abs(measured - exact).max())


def test_float64_everywhere() -> None:
    assert {layer.weight.dtype for layer in pretrain(RECTANGLE, key=0)} == {np.dtype("float64")}


def test_flow_follows_the_closed_form_to_its_tolerance() -> None:
    """The error falls with the tolerance, about in proportion, and is small against it."""
    tolerances = np.array([1e-4, 1e-6, 1e-8, 1e-10])
    found = [largest_distance(replace(RECTANGLE, pretraining=GradientFlow(rtol))) for rtol in tolerances]
    slope = np.polyfit(np.log(tolerances), np.log(found), 1)[0]
    assert 0.8 < slope < 1.2
    assert found[-1] < 1e-9


def test_flow_from_a_tiny_start() -> None:
    """The absolute tolerance is relative to the start: from ε = 1e-200 growth over 200 orders of magnitude."""
    protocol = replace(RECTANGLE, start=Aligned(1e-200), lengths=TINY, teacher=Spectrum((1.0, 0.9)))
    measured = follow(protocol, key=0).singular_value.values[0, :, :2]
    exact = singular_value(np.array(TINY)[:, None], np.array([1.0, 0.9]), 1e-200)
    np.testing.assert_allclose(measured[1, 0], exact[1, 0], rtol=1e-4)  # 5e-27, still on its way
    np.testing.assert_allclose(measured[-1], exact[-1], rtol=1e-4)


def test_descent_is_first_order() -> None:
    """Halving the learning rate halves the distance to the flow: fitted slope 1 within 0.05."""
    rates = np.array([0.04, 0.02, 0.01, 0.005])
    found = [largest_distance(replace(RECTANGLE, pretraining=GradientDescent(float(rate)))) for rate in rates]
    slope = np.polyfit(np.log(rates), np.log(found), 1)[0]
    assert slope == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("start", [SmallGaussian(0.4), Aligned(0.1)])
def test_flow_conserves_balancedness(start: SmallGaussian | Aligned) -> None:
    """Claim A1, from a balanced and from an unbalanced start."""
    seen = follow(replace(RECTANGLE, start=start), key=0)
    np.testing.assert_allclose(seen.imbalance.values[0], seen.imbalance.values[0, 0], atol=1e-7)
    assert (seen.imbalance.values[0, 0] > 0.1) == isinstance(start, SmallGaussian)


def test_balancedness_at_depth_on_a_sample_with_biases_and_decay() -> None:
    """Claim A1 with all that may be added: neighbours' differences decay as `e^{−2μt}`, with the biases' own part."""
    inputs = Inputs(spectrum=(2.0, 1.0, 0.5, 0.25), samples=7, label_noise=0.5)
    protocol = replace(
        RECTANGLE,
        network=Network(4, 3, 5, depth=3, bias=True),
        start=FanIn(),
        inputs=inputs,
        pretraining=GradientFlow(weight_decay=0.1),
    )
    seen = follow(protocol, key=0).isel(seed=0)
    decay = np.exp(-2 * 0.1 * np.array(protocol.lengths))
    np.testing.assert_allclose(seen.imbalance, float(seen.imbalance[0]) * decay, rtol=1e-6)
    assert (seen.bias_norm[-1] > 1e-4).all()  # so that leaving them out would show


def test_users_own_matrix() -> None:
    matrix = np.array([[2.0, 0.0, 1.0, 0.0], [0.0, 1.0, -1.0, 0.0], *np.zeros((3, 4))])
    seen = follow(replace(RECTANGLE, teacher=Matrix(matrix), lengths=np.linspace(0, 60, 7), start=Aligned(1e-3)), key=0)
    found = seen.singular_value.values[0, -1]
    np.testing.assert_allclose(found[:2], np.linalg.svd(matrix)[1][:2], rtol=1e-6)
    assert 0 < found[2] < 1e-3  # of a singular value 0 it forgets the start, slowly


def test_refusals() -> None:
    with pytest.raises(DomainError, match="not a multiple of the step"):
        follow(replace(RECTANGLE, pretraining=GradientDescent(0.7)), key=0)
    with pytest.raises(NotSolved, match="diverges"):
        follow(replace(RECTANGLE, pretraining=GradientDescent(4.0), lengths=80.0 * np.arange(7)), key=0)
    with pytest.raises(NotSolved, match="gave up"):
        follow(replace(RECTANGLE, lengths=np.linspace(0, 1e7, 7)), key=0)


def test_seeds_differ_and_repeat() -> None:
    protocol = replace(RECTANGLE, start=SmallGaussian(0.1), sampling=Sampling(2, 3))
    first, again = follow(protocol, key=5), follow(protocol, key=5)
    assert first.identical(again)
    assert len(np.unique(first.loss.values[:, 1])) == 3
    assert not first.equals(follow(protocol, key=6))
