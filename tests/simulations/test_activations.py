"""Networks with an activation: held-out losses, curvature and linear part, each with a right standard error."""

from dataclasses import replace

import jax
import numpy as np
import pytest
import xarray as xr

from overtraining.setting.errors import DomainError
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import Noise, Pruning
from overtraining.setting.protocol import Network, Sampling
from overtraining.setting.training import GradientFlow
from overtraining.simulations.compilation import ONCE, compiled
from overtraining.simulations.data import HELD_OUT, sample_examples
from overtraining.simulations.measurements import follow, initialize, respond
from overtraining.simulations.observables import linear_part
from overtraining.simulations.training_plan import plan_training
from tests.simulations.samples import RELU


@pytest.mark.parametrize(
    ("h", "law", "antithetic"),
    [(8, "gaussian", False), (1, "sign", True)],  # the scatter of draws alone, and of examples alone
)
def test_the_error_of_a_rise_contains_draws_and_examples(h: int, law: str, antithetic: bool) -> None:
    """Noise on W2 alone costs exactly `½γ²d_out E‖relu(W1x)‖² = ¼γ²d_out‖W1‖²`: z-scores over 60 seeds."""
    protocol = replace(
        RELU,
        lengths=(0.0,),
        network=replace(RELU.network, h=h),
        perturbation=Noise((0.0, 1.0), law),
        sampling=Sampling(64, 60, antithetic),
    )
    seen, z = respond(protocol, 0).squeeze(), []
    for seed, (rise, error) in enumerate(zip(seen.sensitivity.values, seen.sensitivity_stderr.values, strict=True)):
        w1 = np.asarray(initialize(protocol, 0, seed)[0].weight)
        z.append((rise - 0.2**2 * 3 * (w1**2).sum() / 4) / error)
    assert abs(np.mean(z)) < 4 / np.sqrt(60)
    assert 0.4 < np.var(z) < 1 + 4 * np.sqrt(2 / 60)
    assert seen.attrs["held_out"] == HELD_OUT


def test_the_loss_before_has_the_error_of_its_examples() -> None:
    """Against `½E‖W2 relu(W1x) − Ax‖²` by the arc-cosine kernel (Cho and Saul 2009), over 60 seeds."""
    protocol = replace(RELU, lengths=(0.0,), perturbation=Pruning(), strengths=(0.0,), sampling=Sampling(64, 60))
    seen, z = respond(protocol, 0).squeeze(), []
    teacher = np.asarray(plan_training(RELU)[1].problem.teacher)
    for seed, (before, error) in enumerate(zip(seen.before.values, seen.before_stderr.values, strict=True)):
        w1, w2 = (np.asarray(layer.weight) for layer in initialize(RELU, 0, seed))
        norms = np.linalg.norm(w1, axis=1)
        angle = np.arccos(np.clip(w1 @ w1.T / np.outer(norms, norms), -1, 1))
        kernel = np.outer(norms, norms) * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
        exact = (np.trace(w2 @ kernel @ w2.T) - np.sum(w2 @ w1 * teacher) + np.sum(teacher**2)) / 2
        z.append((before - exact) / error)
    assert not seen.sensitivity.values.any()
    assert not seen.sensitivity_stderr.values.any()
    assert abs(np.mean(z)) < 4 / np.sqrt(60)
    assert abs(np.var(z) - 1) < 4 * np.sqrt(2 / 60)


@pytest.fixture(scope="module")
def followed() -> xr.Dataset:
    """A relu network with biases along gradient flow."""
    network = Network(4, 8, 3, activation="relu", bias=True)
    return follow(replace(RELU, network=network, pretraining=GradientFlow(1e-6), lengths=(0.0, 1.0, 4.0)), 0)


def test_homogeneous_layers_grow_alike(followed: xr.Dataset) -> None:
    """Claim B4 beyond linear networks: under gradient flow on any sample `‖W1‖² + ‖b1‖² − ‖W2‖²` is conserved."""
    seen = followed.isel(seed=0)
    gap = seen.layer_norm[:, 0] + seen.bias_norm[:, 0] - seen.layer_norm[:, 1]
    np.testing.assert_allclose(gap, gap[0], rtol=1e-4)  # kinks may cost the integrator some of its 1e-6
    assert float(seen.weight_norm[2] - seen.weight_norm[0]) > 0.1
    assert float(seen.loss[2]) < float(seen.loss[0]) / 2


def test_the_linear_part() -> None:
    """That of a linear network is its matrix; that of relu is half of it, up to the sample."""
    layers, what = initialize(RELU, 0), plan_training(RELU)[1].problem
    w1, w2 = (np.asarray(layer.weight) for layer in layers)

    @compiled(ONCE)
    def linear_parts(key: jax.Array) -> list[jax.Array]:
        held_out = sample_examples(what, 20_000, key)
        return [linear_part(layers, activation, held_out) for activation in ("linear", "relu")]

    linear, relu = map(np.asarray, linear_parts(jax.random.key(1)))
    np.testing.assert_allclose(linear, w2 @ w1, rtol=1e-9)
    assert np.abs(relu - w2 @ w1 / 2).max() < 0.03
    assert np.abs(w2 @ w1).max() > 0.3


def test_what_a_trajectory_holds(followed: xr.Dataset) -> None:
    estimated = {"loss", "hessian_trace", "sharpness"}
    assert {str(v).removesuffix("_stderr") for v in followed if str(v).endswith("_stderr")} == estimated
    assert all((followed[f"{name}_stderr"] > 0).all() for name in estimated)


def test_the_whole_population_is_refused() -> None:
    with pytest.raises(DomainError, match="whole population"):
        replace(RELU, inputs=Inputs())
