"""Simulations agree with the predictions of B1 and A3, and reject them when they are changed by 5%."""

from collections.abc import Callable
from dataclasses import replace
from inspect import isfunction, signature
from typing import Any

import jax
import numpy as np
import pytest

from overtraining import simulations
from overtraining.experiments.agreement import Agreement, compare
from overtraining.figures.catalogue.progressive_sensitivity import protocol
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import FineTuning, Noise
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned, SmallGaussian
from overtraining.setting.teachers import Matrix, PowerLaw
from overtraining.setting.training import GradientFlow
from overtraining.setting.weights import Weights
from overtraining.simulations.measurements import pretrain, pretrained, respond
from overtraining.theory.solvers.exact import respond as exactly

RECORDED_KEYS = (0, 1, 2)
SMALL = Protocol(
    PowerLaw(3), (0.0, 3.0, 6.0, 12.0), (0.05, 0.2, 0.8), Network(5, 3, 4), Aligned(0.01), sampling=Sampling(4096)
)


@pytest.mark.parametrize("key", RECORDED_KEYS)
def test_progressive_sensitivity_agrees(key: int) -> None:
    """The figure's protocol, a quarter of its draws: all |z| < 4, not rejected at 1%, and the theory × 1.05 refuted."""
    shown = replace(protocol(), sampling=Sampling(2048, antithetic=True))
    exact, measured = exactly(shown), respond(shown, key)
    agreement = compare(exact, measured)
    assert agreement.z.size == 125
    assert agreement.agrees, (abs(agreement.z).max(), agreement.ks_p)
    assert agreement.detectable < 0.02
    wrong = exact.assign(sensitivity=exact.sensitivity * 1.05)
    refuted = compare(wrong, measured)
    assert not refuted.agrees
    assert abs(refuted.z).max() > 10


@pytest.mark.parametrize("scales", [(1.0, 0.25), (0.0, 1.0), (2.0, 0.0)])
def test_unequal_scales(scales: tuple[float, float]) -> None:
    """A rectangular network, so that swapped layers or dimensions cannot hide."""
    unequal = replace(SMALL, perturbation=Noise(scales))
    assert compare(exactly(unequal), respond(unequal, 0)).agrees
    swapped = replace(SMALL, perturbation=Noise(scales[::-1]))
    assert not compare(exactly(swapped), respond(unequal, 0)).agrees


def test_several_random_starts_are_pooled() -> None:
    random = replace(SMALL, start=SmallGaussian(0.1), sampling=Sampling(256, 8))
    data = respond(random, 0)
    assert data.sizes == {"seed": 8, "pretraining": 4, "strength": 3}
    assert len(np.unique(data.before.values[:, 1])) == 8


def test_antithetic_draws_have_the_same_mean_and_a_smaller_error() -> None:
    plain = respond(SMALL, 0)
    paired = respond(replace(SMALL, sampling=Sampling(4096, antithetic=True)), 0)
    assert compare(exactly(SMALL), paired).agrees
    steep = {"pretraining": 1, "strength": 0}  # in mid-descent, where the gradient is large
    assert float(paired.sensitivity_stderr[0].isel(steep)) < float(plain.sensitivity_stderr[0].isel(steep)) / 2


def test_same_key_same_bits() -> None:
    assert respond(SMALL, 7).identical(respond(SMALL, 7))
    assert not respond(SMALL, 7).equals(respond(SMALL, 8))
    assert respond(SMALL, 7).equals(respond(SMALL, jax.random.key(7)))


@pytest.fixture(scope="module")
def repeated() -> np.ndarray:
    """z-scores of 200 repetitions, cells along the second axis."""
    seen = respond(replace(SMALL, sampling=Sampling(256, 200)), 0)  # from this start they differ in their draws only
    exact = exactly(SMALL).sensitivity
    return ((seen.sensitivity - exact) / seen.sensitivity_stderr).values.reshape(200, -1)


def test_cells_are_independent(repeated: np.ndarray) -> None:
    """Errors at different lengths and strengths are uncorrelated, which the z-test relies on."""
    correlation = np.corrcoef(repeated.T)[np.triu_indices(repeated.shape[1], 1)]
    assert np.abs(correlation).max() < 4.5 / np.sqrt(200)


def test_standard_errors_are_right(repeated: np.ndarray) -> None:
    """The z-scores of every cell have unit variance (within 4 standard errors of a variance)."""
    assert repeated.shape == (200, 12)
    assert np.abs(repeated.var(axis=0) - 1).max() < 4 * np.sqrt(2 / 200)


def test_agreement_notices() -> None:
    """The judge itself: a shifted, a widened and a point-wise wrong sample are all noticed."""
    generator = np.random.default_rng(0)
    good = generator.normal(size=200)

    def judged(z: np.ndarray) -> Agreement:

        return Agreement(z, np.full(z.shape, 100.0))

    assert judged(good).agrees
    assert not judged(good + 0.4).agrees
    assert not judged(1.5 * good).agrees
    assert not judged(0.5 * good).agrees
    assert not judged(np.append(good, 4.5)).agrees


def test_refusals() -> None:
    measured = respond(SMALL, 0)
    with pytest.raises(ShapeError, match="different grids"):
        compare(exactly(replace(SMALL, lengths=(0.0, 1.0))), measured)
    without = replace(SMALL, strengths=(0.0, 0.2, 0.8))
    with pytest.raises(DomainError, match="standard error of 0"):
        compare(exactly(without), respond(without, 0))
    with pytest.raises(DomainError, match="seed"):
        respond(SMALL, -1)


def test_a_checkpoint_is_a_start_from_which_training_continues() -> None:
    """Gradient flow has no memory: two runs, the second from the first's checkpoint, are one."""
    whole = Protocol(PowerLaw(2), (0.0, 4.0, 9.0), start=SmallGaussian(0.1))
    rest = whole.replace(start=pretrained(whole, key=3, length=4, seed_index=1), lengths=(5.0,))
    for continued, straight in zip(pretrain(rest, key=0), pretrain(whole, key=3, seed_index=1), strict=True):
        np.testing.assert_allclose(continued.weight[0], straight.weight[2], atol=1e-6)
    assert pretrained(whole, key=3) == pretrained(whole, key=3, length=9.0)


def test_a_simulated_checkpoint_is_fine_tuned_by_theory() -> None:
    """Pretrained from small random weights, which are not balanced, and fine-tuned on a matrix: within the bound.

    Integrators are asked for 1e-11; the bound is a hundred times what it bounds.
    """
    precise = GradientFlow(rtol=1e-11)
    checkpoint = pretrained(Protocol(PowerLaw(3), (0.0, 25.0), start=SmallGaussian(1e-3), pretraining=precise), key=0)
    task = FineTuning(Matrix(np.diag([0.3, 1.0, 0.2])), precise)
    handed = Weights(layers=checkpoint.layers, tolerance=1e-4)
    protocol = Protocol(PowerLaw(3), (0.0,), (0.5, 2.0, 8.0), start=handed, perturbation=task)
    simulated, exact = respond(protocol, key=0), exactly(protocol.replace({"perturbation.training": GradientFlow()}))
    bound = exact.attrs["imbalance_error"]
    error = max(float(np.abs(simulated[name].values[0] - exact[name].values).max()) for name in exact.data_vars)
    assert 1e-8 < error <= bound < 1e-4


def test_a_checkpoint_that_no_start_can_say_is_refused() -> None:
    with pytest.raises(DomainError, match=r"no such length.*such as 3"):
        pretrained(SMALL, key=0, length=2.9)
    network = Network(2, 3, 2, activation="tanh", bias=True)
    biased = Protocol(PowerLaw(2), (0.0, 1.0), network=network, start=SmallGaussian(0.3), inputs=Inputs(samples=9))
    assert len(pretrained(biased, key=0, length=0).layers) == 2
    with pytest.raises(DomainError, match="biases of 0"):
        pretrained(biased, key=0)


PUBLIC = [getattr(simulations, name) for name in simulations.__all__]
WITH_KEY = [public for public in PUBLIC if isfunction(public) and "key" in signature(public).parameters]


@pytest.mark.parametrize("function", WITH_KEY, ids=lambda function: str(function.__name__))
def test_a_simulation_without_a_key_says_which_to_pass(function: Callable[..., Any]) -> None:
    for call in (lambda: function(SMALL), lambda: function(protocol=SMALL)):
        with pytest.raises(DomainError, match=r"no key: .* pass key=0"):
            call()


def test_the_functions_with_a_key_are_found() -> None:
    assert {respond, pretrain, pretrained} < set(WITH_KEY)
