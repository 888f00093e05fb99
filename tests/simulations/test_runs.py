"""Runs as pure functions: one compilation per shape; results depend neither on the batch nor on the grid."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import Noise
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw, Spectrum
from overtraining.setting.training import GradientDescent, GradientFlow, Pretraining
from overtraining.simulations import runs
from overtraining.simulations.measurements import respond
from overtraining.simulations.training_plan import plan_training

CELL = Protocol(
    PowerLaw(2),
    (0.0, 1.0, 3.0),
    (0.1, 0.2),
    Network(3, 2, 4),
    Aligned(0.05),
    GradientDescent(0.1),
    inputs=Inputs(label_noise=0.1),
    sampling=Sampling(64),
)
OTHER = replace(
    CELL,
    teacher=Spectrum((2.0, 0.7)),
    lengths=(0.0, 1.0, 4.0),
    strengths=(0.3, 0.7),
    start=Aligned(0.01, 0.2),
    perturbation=Noise((1.0, 0.3)),
    inputs=Inputs(label_noise=0.3),
)


@pytest.mark.parametrize(
    "hows",
    [
        (GradientFlow(), GradientFlow(1e-6, 0.1)),
        (GradientDescent(0.1), GradientDescent(0.2, weight_decay=0.1)),
        (GradientDescent(0.1, 4, "adam", schedule="cosine"), GradientDescent(0.2, 4, "adam", schedule="cosine")),
    ],
    ids=["flow", "sgd", "adam"],
)
def test_different_runs_share_one_compilation_and_one_vmap(hows: tuple[Pretraining, Pretraining]) -> None:
    cells = [replace(cell, pretraining=how) for cell, how in zip((CELL, OTHER), hows, strict=True)]
    alone = [respond(cell, 3) for cell in cells[:1]]
    compiled = runs.compiled_programs()
    alone += [respond(cell, 3) for cell in cells[1:]]
    assert runs.compiled_programs() == compiled
    (plan, first), (same, second) = map(plan_training, cells)
    assert plan == same
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), first, second)
    key = jax.random.fold_in(jax.random.key(3), 0)
    together = jax.vmap(partial(runs.measure, plan))(stacked, jnp.stack([key, key]))
    for i, one in enumerate(alone):
        np.testing.assert_allclose(together["before"][i], one.before[0], rtol=1e-7)
        np.testing.assert_allclose(together["rise"][i], one.sensitivity[0], rtol=1e-7)
    assert together["solved"].all()


def test_without_label_noise_none_is_sampled() -> None:
    """Its program is another one, whose losses are those of noise that vanishes."""
    how = GradientDescent(0.1, 4)
    none, little = (replace(CELL, pretraining=how, inputs=Inputs(label_noise=noise)) for noise in (0.0, 1e-13))
    assert len(jax.tree.leaves(plan_training(none)[1])) == len(jax.tree.leaves(plan_training(little)[1])) - 1
    np.testing.assert_allclose(respond(none, 3).after, respond(little, 3).after, rtol=1e-10)
    assert (respond(CELL, 3).before == respond(none, 3).before)[0, 0].item()  # of the start, which sees no label


@pytest.mark.parametrize("how", [GradientFlow(), GradientDescent(0.1, 4, "momentum")])
def test_a_cell_knows_nothing_of_the_grid(how: Pretraining) -> None:
    """Its draws belong to its own length and strength, not to their places; flow adds its tolerance, 1e-8."""
    whole = respond(replace(CELL, pretraining=how), 3)
    alone = respond(replace(CELL, pretraining=how, lengths=(1.0, 2.0, 4.0), strengths=(0.2, 0.5)), 3)
    cell = {"pretraining": [1.0], "strength": [0.2]}
    np.testing.assert_allclose(whole.sensitivity.sel(cell), alone.sensitivity.sel(cell), rtol=1e-7)
    np.testing.assert_allclose(whole.sensitivity_stderr.sel(cell), alone.sensitivity_stderr.sel(cell), rtol=1e-7)
    neighbours = (replace(CELL, lengths=(0.0, t, 3.0)) for t in (1.0, np.nextafter(1.0, 2)))
    first, second = (respond(cell, 3).sensitivity[0] for cell in neighbours)
    assert (first[0] == second[0]).all()
    assert (first[1] != second[1]).all()  # the neighbouring number has draws of its own
