"""Inputs, labels and losses: samples converge to the population, and batches have the stated distribution."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from overtraining.setting.inputs import Inputs, input_covariance
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.resolved import resolve
from overtraining.setting.starts import SmallGaussian
from overtraining.setting.teachers import PowerLaw, Spectrum, teacher_matrix
from overtraining.setting.training import GradientDescent, GradientFlow
from overtraining.simulations import runs
from overtraining.simulations.data import (
    LearningProblem,
    learning_problem,
    losses,
    population_loss,
    sample_examples,
    training_loss,
)
from overtraining.simulations.measurements import follow, initialize, pretrain
from overtraining.simulations.networks import Layer, Layers
from overtraining.simulations.training_plan import plan_training

INPUTS = Inputs(spectrum=(3.0, 1.0, 0.5, 0.1), shared=False, label_noise=0.7)
NOISY = Protocol(
    PowerLaw(3),
    (0.0, 0.1, 0.2, 0.5),
    (0.0,),
    Network(4, 3, 5, bias=True),
    SmallGaussian(0.5),
    GradientDescent(0.1, batch=8),
    inputs=INPUTS,
)
GIVEN = (NOISY.teacher, 5, 4)
sampled = jax.jit(sample_examples, static_argnums=1)


def with_biases(protocol: Protocol) -> Layers:
    layers = initialize(protocol, 0)
    return tuple(layer._replace(bias=jax.device_put(np.full(layer.bias.shape, 0.3))) for layer in layers)


def test_population_loss_is_its_definition() -> None:
    layers = with_biases(NOISY)
    (w1, b1), (w2, b2) = ((np.asarray(part) for part in layer) for layer in layers)
    error = w2 @ w1 - teacher_matrix(*GIVEN)
    expected = np.trace(error @ input_covariance(INPUTS, *GIVEN) @ error.T) / 2 + np.sum((w2 @ b1 + b2) ** 2) / 2
    found = jax.jit(population_loss)(layers, learning_problem(resolve(NOISY)))
    assert float(found) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(("samples", "batch"), [(4000, None), (None, 4000), (4000, 4000)])
def test_the_gradient_of_samples_tends_to_that_of_the_population(samples: int | None, batch: int | None) -> None:
    """Every entry, over 200 independent training sets or batches of 4,000: |z| < 4.5, labels' noise included."""
    layers, what = with_biases(NOISY), learning_problem(resolve(NOISY))

    @jax.jit
    def gradients(keys: jax.Array) -> tuple[Layers, Layers]:
        def gradient(key: jax.Array) -> Layers:
            return jax.grad(training_loss(what, "linear", samples, batch, key))(layers, jnp.asarray(5))

        return jax.lax.map(gradient, keys), jax.grad(population_loss)(layers, what)

    found, expected = jax.tree.map(np.asarray, gradients(jax.random.split(jax.random.key(1), 200)))
    for each, exact in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        error = each.std(axis=0, ddof=1) / np.sqrt(200)
        distance = np.abs(each.mean(axis=0) - exact)
        assert (distance < 4.5 * error).all()
        assert (error > 1e-6).all()


def test_examples_have_their_covariance_and_noise() -> None:
    what = learning_problem(resolve(NOISY))
    x, y = map(np.asarray, sampled(what, 40_000, jax.random.key(2)))
    noise = (y - x @ teacher_matrix(*GIVEN).T) / 0.7
    everything = np.hstack([x @ np.linalg.inv(np.linalg.cholesky(input_covariance(INPUTS, *GIVEN))).T, noise])
    second = everything.T @ everything / len(x)
    assert np.abs(everything.mean(axis=0)).max() < 4.5 / np.sqrt(len(x))
    assert np.abs(second - np.eye(9)).max() < 4.5 * np.sqrt(2 / len(x))


def test_nearly_singular_inputs() -> None:
    spectrum = (1.0, 1e-8, 1e-16, 1e-30)
    what = learning_problem(resolve(replace(NOISY, inputs=Inputs(spectrum=spectrum, shared=False))))
    root = np.asarray(what.root)
    np.testing.assert_allclose(root @ root.T, input_covariance(Inputs(spectrum, False), *GIVEN), atol=1e-15)


def test_label_noise_averages_out_of_the_population() -> None:
    whole = replace(NOISY, pretraining=GradientDescent(0.1))
    np.testing.assert_array_equal(
        *(follow(replace(whole, inputs=replace(INPUTS, label_noise=noise)), 0).loss for noise in (0.0, 5.0))
    )


def test_a_training_set_is_fitted_with_its_noise() -> None:
    """Fewer examples than inputs: one layer interpolates the noisy labels, and the reported loss stays."""
    protocol = replace(
        NOISY,
        network=Network(4, 3, 5, depth=1),
        lengths=(0.0, 2000.0),
        pretraining=GradientFlow(),
        inputs=Inputs(samples=3, label_noise=0.7),
    )
    key = jax.random.key(4)
    data_key = jax.random.split(jax.random.fold_in(key, 0), 4)[2]
    x, y = map(np.asarray, sampled(learning_problem(resolve(protocol)), 3, jax.random.split(data_key)[0]))
    start, end = np.asarray(pretrain(protocol, key)[0].weight)
    np.testing.assert_allclose(x @ end.T, y, atol=1e-6)
    assert np.abs(x @ start.T - y).max() > 0.1
    assert float(follow(protocol, key).loss[0, 1]) > 0.05


@pytest.mark.parametrize("samples", [None, 20])
def test_batches_are_numbered_by_the_step(samples: int | None) -> None:
    """So that a run's numbers do not depend on its other checkpoints, and no batch is used twice."""
    protocol = replace(NOISY, inputs=replace(INPUTS, samples=samples))
    fine, coarse = pretrain(protocol, 3), pretrain(replace(protocol, lengths=(0.0, 0.3, 0.4, 0.5)), 3)
    for a, b in zip(jax.tree.leaves(fine), jax.tree.leaves(coarse), strict=True):
        np.testing.assert_allclose(np.asarray(a)[-1], np.asarray(b)[-1], rtol=1e-13)
    loss = training_loss(learning_problem(resolve(protocol)), "linear", samples, 8, jax.random.key(0))
    layers = with_biases(NOISY)
    assert len(np.unique(jax.jit(jax.vmap(lambda step: loss(layers, step)))(np.arange(50)))) == 50


def test_stochastic_descent_has_its_exact_second_moment() -> None:
    """One layer, fresh whitened batches: `v ← v(1 − 2η + η²(1 + (d_in + 1)/B)) + η²ν² d_in d_out/B`, `v = E‖W − A‖²`.

    By the second moment of a Wishart matrix. 4,000 runs at once by vmap, at three lengths.
    """
    rate, batch, noise, d_in, d_out = 0.1, 3, 0.5, 4, 2
    protocol = Protocol(
        Spectrum((1.0, 0.5)),
        (0.0, 0.5, 1.0, 5.0),
        (0.0,),
        Network(d_in, 1, d_out, depth=1),
        SmallGaussian(0.5),
        GradientDescent(rate, batch),
        inputs=Inputs(label_noise=noise),
    )
    keys = jax.random.split(jax.random.key(5), 4000)
    found = 2 * np.asarray(jax.jit(jax.vmap(partial(_loss, *plan_training(protocol))))(keys))
    v, steps = 1.25 + 0.25 * d_in * d_out, 0
    for column, length in zip(found.T, protocol.lengths, strict=True):
        while steps < round(length / rate):
            v = v * (1 - 2 * rate + rate**2 * (1 + (d_in + 1) / batch)) + rate**2 * noise**2 * d_in * d_out / batch
            steps += 1
        assert abs(column.mean() - v) < 4 * column.std() / np.sqrt(4000)


def _loss(plan: runs.TrainingPlan, numbers: runs.RunNumbers, key: jax.Array) -> jax.Array:
    (layer,) = runs.train(plan, numbers, key).checkpoints
    return jax.vmap(lambda w: population_loss((Layer(w),), numbers.problem))(layer.weight)


def test_losses_of_examples_by_hand() -> None:
    layers, what = with_biases(NOISY), LearningProblem(*learning_problem(resolve(NOISY)))
    examples = sampled(what, 3, jax.random.key(0))
    (w1, b1), (w2, b2) = ((np.asarray(part) for part in layer) for layer in layers)
    of_each = map(np.asarray, (*examples, jax.jit(losses)(layers, examples)))
    for x, y, loss in zip(*of_each, strict=True):
        assert float(loss) == pytest.approx(np.sum((w2 @ (w1 @ x + b1) + b2 - y) ** 2) / 2)
