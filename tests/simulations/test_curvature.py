"""The Hessian by differentiation, against differences of the loss; its estimates within their errors."""

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from overtraining.setting.inputs import Inputs
from overtraining.setting.protocol import Network
from overtraining.setting.resolved import resolve
from overtraining.setting.teachers import PowerLaw
from overtraining.simulations import curvature
from overtraining.simulations.data import Examples, learning_problem, losses, population_loss, sample_examples
from overtraining.simulations.measurements import follow, initialize, pretrain
from overtraining.simulations.networks import Layers
from overtraining.simulations.training_plan import plan_training
from tests.simulations.samples import RELU, SEEN


@pytest.mark.parametrize("limit", [256, 0])
def test_curvature_has_a_right_error(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hessian of a tanh network on 200 independent held-out sets: its z-scores about a long average."""
    monkeypatch.setattr(curvature, "WRITTEN_OUT", limit)
    protocol = replace(RELU, network=Network(4, 8, 3, activation="tanh"))
    layers, what = initialize(protocol, 0), plan_training(protocol)[1].problem

    @jax.jit
    def estimated(key: jax.Array) -> dict[str, jax.Array]:
        data, probes = jax.random.split(key)
        groups = jax.tree.map(lambda a: a.reshape(16, -1, a.shape[1]), sample_examples(what, 48, data))

        def loss(layers: Layers, i: jax.Array) -> jax.Array:
            return losses(layers, Examples(groups.x[i], groups.y[i]), "tanh").mean()

        return curvature.estimate_curvature(loss, 16, layers, probes)

    found = jax.device_get([estimated(key) for key in jax.random.split(jax.random.key(7), 200)])
    for name in ("hessian_trace", "sharpness"):
        values, errors = (np.array([one[n] for one in found]) for n in (name, f"{name}_stderr"))
        scatter = values.std(ddof=1) / np.sqrt((errors**2).mean())
        assert 1 - 4 / np.sqrt(400) < scatter < 1 + 4 / np.sqrt(400)


def differences(loss: Callable[[np.ndarray], np.ndarray], point: np.ndarray, step: float = 1e-3) -> np.ndarray:
    """The Hessian by central differences of the loss, whose error for a polynomial of degree 6 is step² × O(1)."""
    a, b = step * np.eye(point.size)[:, None], step * np.eye(point.size)[None]
    return (loss(point + a + b) - loss(point + a - b) - loss(point - a + b) + loss(point - a - b)) / (4 * step**2)


@pytest.mark.parametrize(
    "network", [Network(4, 3, 5, depth=1), Network(4, 3, 5), Network(4, 3, 5, depth=3), Network(4, 3, 5, bias=True)]
)
def test_curvature_is_that_of_the_loss(network: Network) -> None:
    inputs = Inputs(spectrum=SEEN.inputs.spectrum, shared=False)
    protocol = replace(SEEN, teacher=PowerLaw(2), network=network, inputs=inputs)
    seen, layers = follow(protocol, 0), jax.device_get(pretrain(protocol, 0))
    what, leaves = learning_problem(resolve(protocol)), jax.tree.leaves(layers)
    cuts = np.cumsum([leaf[0].size for leaf in leaves])[:-1]

    @jax.jit
    @jax.vmap
    @jax.vmap
    def loss(point: jax.Array) -> jax.Array:
        parts = [part.reshape(leaf.shape[1:]) for part, leaf in zip(jnp.split(point, cuts), leaves, strict=True)]
        return population_loss(jax.tree.unflatten(jax.tree.structure(layers), parts), what)

    for i in range(2):
        flat = np.concatenate([leaf[i].ravel() for leaf in leaves])
        hessian = differences(lambda points: np.asarray(loss(points)), flat)
        assert float(seen.hessian_trace[0, i]) == pytest.approx(np.trace(hessian), rel=1e-5)
        assert float(seen.sharpness[0, i]) == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-5)
    assert not any(str(name).endswith("_stderr") for name in seen)


def test_estimates_agree_with_the_whole_hessian(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hutchinson's trace within its error, over 40 keys with unit variance; the edge to its residual."""
    protocol = replace(SEEN, network=Network(4, 12, 5), lengths=(0.5,))
    layers, what = jax.tree.map(lambda w: np.asarray(w)[0], pretrain(protocol, 1)), learning_problem(resolve(protocol))
    compiled = lambda: jax.jit(
        lambda key: curvature.estimate_curvature(lambda w, _: population_loss(w, what), 1, layers, key)
    )
    exact = jax.device_get(compiled()(jax.random.key(0)))
    monkeypatch.setattr(curvature, "WRITTEN_OUT", 0)
    estimate = compiled()
    found = jax.device_get([estimate(jax.random.key(k)) for k in range(40)])
    z = np.array([(f["hessian_trace"] - exact["hessian_trace"]) / f["hessian_trace_stderr"] for f in found])
    assert abs(z.mean()) < 4 / np.sqrt(40)
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / 40)
    for f in found:
        assert float(f["sharpness"]) == pytest.approx(float(exact["sharpness"]), rel=1e-8)
        assert float(f["sharpness_stderr"]) < 2e-5 * float(exact["sharpness"])


def test_large_networks_are_estimated() -> None:
    seen = follow(replace(SEEN, network=Network(20, 16, 20), inputs=Inputs(), lengths=(0.0, 1.0)), 0)
    assert (seen.hessian_trace_stderr > 0).all()
    assert "sharpness_stderr" in seen
