"""Batched descent: the numbers of a run do not depend on what else is in the batch."""

from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.batched_descent import cached_chunk, descend
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import Spectrum
from overtraining.setting.training import GradientDescent
from overtraining.simulations.measurements import follow

SHAPES = {  # (out, in) of W_1, W_2, …: no two sizes alike where that can be, so that a transposed factor cannot fit
    "one layer": ((4, 6),),
    "two layers": ((3, 5), (4, 3)),
    "wide": ((9, 5), (4, 9)),
    "four layers": ((7, 9), (6, 7), (8, 6), (5, 8)),
    "square": ((32, 32), (32, 32)),
}
STEPS = (0, 1, 6, 21)  # the start itself, and odd and even numbers of steps between


def sample(shapes: tuple[tuple[int, int], ...], runs: int, seed: int = 0) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    normal = lambda out, into: generator.normal(size=(runs, out, into)) / np.sqrt(into)
    return {
        "starts": [normal(*shape) for shape in shapes],
        "teachers": normal(shapes[-1][0], shapes[0][1]),
        "learning_rates": generator.uniform(0.01, 0.05, runs),
        "weight_decay": generator.uniform(0, 0.5, runs),
    }


def some(batch: dict[str, Any], which: Any) -> dict[str, Any]:
    return jax.tree.map(lambda x: x[which], batch)


def one_by_one(batch: dict[str, Any], steps: tuple[int, ...]) -> list[np.ndarray]:
    """Every run for itself, by autodiff from the definition of the loss."""

    def objective(weights: list[jax.Array], teacher: jax.Array, decay: float) -> jax.Array:
        error = reduce(lambda product, w: w @ product, weights) - teacher
        return jnp.sum(error**2) / 2 + decay * sum(jnp.sum(w**2) for w in weights) / 2

    gradient, runs = jax.jit(jax.grad(objective)), []
    for i in range(len(batch["teachers"])):
        weights, kept = [w[i] for w in batch["starts"]], []
        for step in range(steps[-1] + 1):
            if step in steps:
                kept.append(weights)
            slopes = gradient(weights, batch["teachers"][i], batch["weight_decay"][i])
            weights = [w - batch["learning_rates"][i] * slope for w, slope in zip(weights, slopes, strict=True)]
        runs.append([np.stack(layer) for layer in zip(*kept, strict=True)])
    return [np.stack(layer) for layer in zip(*runs, strict=True)]


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_every_run_is_what_it_is_alone(shapes: tuple[tuple[int, int], ...]) -> None:
    """Against autodiff, run by run; three chunks, the last of which is filled up."""
    batch = sample(shapes, runs=5)
    made, well = descend(**batch, steps=STEPS, chunk=2)
    assert well.all()
    for layer, expected in zip(made, one_by_one(batch, STEPS), strict=True):
        assert layer.dtype == np.float64
        np.testing.assert_allclose(layer, expected, rtol=0, atol=1e-14)


def test_agrees_with_the_simulation_of_a_protocol() -> None:
    """Singular values along descent from an aligned start, beside those that `follow` measures run by run."""
    rates, sigma, epsilon, steps = (0.05, 0.1), np.array([1.0, 0.5]), 0.01, (0, 40, 100)
    root, frame = np.sqrt(epsilon), np.eye(3)[:, :2]
    w1, w2, teacher = root * np.eye(3)[:, :2] @ np.eye(2, 4), root * np.eye(5, 2) @ frame.T, np.zeros((5, 4))
    np.fill_diagonal(teacher, sigma)
    (made_1, made_2), _ = descend([np.stack([w] * 2) for w in (w1, w2)], np.stack([teacher] * 2), rates, steps, chunk=2)
    for i, rate in enumerate(rates):
        protocol = Protocol(
            Spectrum(tuple(sigma)), rate * np.array(steps), (0.0,), Network(4, 3, 5), Aligned(epsilon),
            GradientDescent(rate),
        )  # fmt: skip
        seen = follow(protocol, key=0).singular_value.values[0, :, :2]
        np.testing.assert_allclose(np.linalg.svd(made_2[i] @ made_1[i])[1][:, :2], seen, rtol=1e-12)


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("chunk", [1, 4])
def test_a_run_keeps_its_bits_in_other_company(shapes: tuple[tuple[int, int], ...], chunk: int) -> None:
    batch = sample(shapes, runs=9)
    made, _ = descend(**batch, steps=STEPS, chunk=chunk)
    order = np.array([8, 3, 0, 5, 7, 1, 2, 6, 4])
    steep = np.where(np.arange(9) == 2, 1, 1e3)[:, None, None]
    for others, which, where in (
        (some(batch, order), order, np.arange(9)),  # other neighbours, another place
        (some(batch, slice(0, 1)), [0], [0]),  # beside copies of itself
        (batch | {"teachers": steep * batch["teachers"]}, [2], [2]),  # beside runs that diverge
    ):
        again, _ = descend(**others, steps=STEPS, chunk=chunk)
        for layer, before in zip(again, made, strict=True):
            np.testing.assert_array_equal(layer[where], before[which])


def test_threads_change_no_bit() -> None:
    batch = sample(SHAPES["square"], runs=40)
    alone, _ = descend(**batch, steps=STEPS, chunk=4)
    side_by_side, _ = descend(**batch, steps=STEPS, chunk=4, threads=3)
    for one, other in zip(alone, side_by_side, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_run_that_diverges_is_named_and_harms_no_other() -> None:
    batch = sample(SHAPES["two layers"], runs=4)
    expected, _ = descend(**batch, steps=(0, 500), chunk=4)
    batch["learning_rates"] = np.where(np.arange(4) == 1, 50.0, batch["learning_rates"])
    made, well = descend(**batch, steps=(0, 500), chunk=4)
    assert well.tolist() == [True, False, True, True]
    for layer, before in zip(made, expected, strict=True):
        np.testing.assert_array_equal(layer[well], before[well])


def test_one_rate_for_all() -> None:
    batch = sample(SHAPES["two layers"], runs=3) | {"weight_decay": 0.0, "learning_rates": 0.02}
    made, _ = descend(**batch, steps=[3], chunk=3)
    again, _ = descend(**batch | {"learning_rates": [0.02] * 3}, steps=[3], chunk=3)
    for one, other in zip(made, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_suggested_chunk_shrinks_with_the_network() -> None:
    chunks = [cached_chunk((d, d), (d, d)) for d in (8, 16, 32, 64, 128, 1024)]
    assert chunks == sorted(chunks, reverse=True)
    assert chunks[-1] == 2  # one alone would be multiplied by another routine
    assert chunks[0] * 6 * 8 * 8**2 <= 2**19 < (chunks[0] + 1) * 6 * 8 * 8**2


BAD = {
    "no layer": ({"starts": []}, ShapeError, "no stacks of matrices"),
    "one matrix": ({"teachers": np.ones((4, 5))}, ShapeError, "no stacks of matrices"),
    "layers in the wrong order": ({"starts": [np.ones((3, 4, 3)), np.ones((3, 3, 5))]}, ShapeError, "input first"),
    "another teacher": ({"teachers": np.ones((3, 5, 4))}, ShapeError, "not like A"),
    "a teacher too few": ({"teachers": np.ones((2, 4, 5))}, ShapeError, "numbers of runs"),
    "a rate too few": ({"learning_rates": [0.1, 0.1]}, ShapeError, "there are 3 runs"),
    "a rate of 0": ({"learning_rates": 0.0}, DomainError, "positive"),
    "negative decay": ({"weight_decay": -1.0}, DomainError, "negative"),
    "NaN in a start": ({"starts": [np.full((3, 3, 5), np.nan), np.ones((3, 4, 3))]}, DomainError, "finite"),
    "half a step": ({"steps": [0, 0.5]}, DomainError, "whole"),
    "steps backwards": ({"steps": [5, 3]}, DomainError, "increasing"),
    "no steps": ({"steps": []}, ShapeError, "non-empty"),
    "no chunk": ({"chunk": 0}, DomainError, "chunk"),
    "no threads": ({"threads": 0}, DomainError, "threads"),
}


@pytest.mark.parametrize(("wrong", "error", "says"), BAD.values(), ids=BAD)
def test_refusals(wrong: dict[str, Any], error: type[Exception], says: str) -> None:
    batch = sample(SHAPES["two layers"], runs=3) | {"steps": STEPS, "chunk": 2}
    with pytest.raises(error, match=says):
        descend(**batch | wrong)
