"""The compiled batches: the numbers of single runs, the same bits at every place of a batch, bounded memory."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
import xarray as xr

from overtraining.setting.errors import DomainError
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.responses import curve, validate
from overtraining.setting.serialization import write
from overtraining.setting.starts import Aligned, FanIn
from overtraining.setting.tasks import RotatedTeacher
from overtraining.setting.teachers import PowerLaw
from overtraining.setting.training import GradientDescent
from overtraining.simulations import runs
from overtraining.simulations.measurements import follow, respond, seed_key
from overtraining.simulations.sweeps import pool_repetitions, read_cells, run_sweep
from overtraining.simulations.sweeps.batches import RESPONSE, TRAJECTORY, response_memory, trajectory_memory
from overtraining.simulations.sweeps.memoized import memoized_cells
from overtraining.simulations.sweeps.recipe import recipe_text
from overtraining.simulations.sweeps.spec import Axis, Sweep
from overtraining.simulations.sweeps.worker import ChunkTask, compute
from overtraining.simulations.training_plan import plan_training
from tests.simulations.sweeps.conftest import ThisProcess

ONE = Protocol(
    PowerLaw(3), (0.0, 1.0, 4.0), (0.05, 0.1), pretraining=GradientDescent(0.1), sampling=Sampling(draws=16, seeds=2)
)
CELLS = [replace(ONE, teacher=PowerLaw(3, alpha), start=Aligned(e)) for alpha in (0.7, 1.0) for e in (1e-3, 1e-2, 0.1)]
KEYS = list(range(10, 16))


@pytest.mark.parametrize(("measure", "single"), [(RESPONSE, respond), (TRAJECTORY, follow)])
def test_a_batch_has_the_numbers_of_single_runs(measure, single) -> None:  # type: ignore[no-untyped-def]
    """And the same bits wherever a cell stands in it, beside whatever neighbours."""
    usual = measure.run(CELLS, KEYS)
    assert not usual.refused
    for place, (protocol, key) in enumerate(zip(CELLS, KEYS, strict=True)):
        alone = single(protocol, key)
        dataset = measure.as_dataset(protocol, key, {name: values[place] for name, values in usual.values.items()})
        xr.testing.assert_allclose(dataset, alone, rtol=1e-9, atol=1e-13)
        assert dataset.attrs == alone.attrs
        assert all(dataset[name].attrs == alone[name].attrs for name in alone.variables)
    order = [4, 2, 0, 5, 3, 1]
    permuted = measure.run([CELLS[i] for i in order], [KEYS[i] for i in order]).values
    copies = measure.run([CELLS[1]] * 6, [KEYS[1]] * 6).values
    for name, values in usual.values.items():
        assert np.array_equal(permuted[name], values[order])
        assert np.array_equal(copies[name], np.stack([values[1]] * 6))


def test_a_cell_that_diverges_is_refused_alone() -> None:
    rates = [replace(ONE, pretraining=GradientDescent(rate), lengths=(0.0, 40.0, 400.0)) for rate in (0.1, 4.0, 0.2)]
    ran = RESPONSE.run([*rates, *rates], KEYS)
    assert list(ran.refused) == [1, 4]
    assert "it diverges" in ran.refused[1]
    assert np.isfinite(ran.values["after"][[0, 2, 3, 5]]).all()


def test_through_a_store_and_back(tmp_path: Path) -> None:
    """With a padded last chunk: every cell comes back as the Response that its protocol and key give alone."""
    axes = (Axis("start.epsilon", (1e-3, 1e-2, 0.1)), Axis("pretraining.learning_rate", (0.1, 0.2, 0.05)))
    done = run_sweep(Sweep(json.loads(write(ONE)), axes, chunk=6), tmp_path, ThisProcess)
    back = read_cells(done.result)
    assert len(back) == 9
    for response in back:
        validate(response)
    with xr.open_dataset(done.result) as data:
        here = data.sel({"start.epsilon": 0.1, "pretraining.learning_rate": 0.2})
        alone = respond(replace(ONE, start=Aligned(0.1), pretraining=GradientDescent(0.2)), int(here["key"]))
        (same,) = read_cells(here)
        place = int(here["number"])
    assert back[place].attrs == alone.attrs
    assert back[place].identical(same)
    xr.testing.assert_allclose(back[place], alone, rtol=1e-9)


@pytest.mark.parametrize(("measure", "single"), [("response", respond), ("trajectory", follow)])
def test_keys_that_are_given_make_the_very_cells_of_single_runs(tmp_path: Path, measure: str, single) -> None:  # type: ignore[no-untyped-def]
    keys = (7, 3, 12, 5, 9, 4)
    sweep = Sweep(json.loads(write(ONE)), (Axis("key", keys),), measure, chunk=6)
    for cell, key in zip(memoized_cells(sweep, tmp_path), sorted(keys), strict=True):
        alone = single(ONE, key)
        assert cell.attrs == alone.attrs
        xr.testing.assert_allclose(cell, alone, rtol=1e-9)
    (result,) = tmp_path.glob("*/result.nc")
    with xr.open_dataset(result) as data:
        assert data["key"].values.tolist() == sorted(keys)


def test_cells_alone_have_the_bits_that_they_have_together() -> None:
    """What happens where a neighbour crashes: the same compiled program, each cell in its place, copies elsewhere."""
    axes = (Axis("start.epsilon", (1e-3, 1e-2, 0.1)), Axis("pretraining.learning_rate", (0.1, 0.2)))
    recipe = recipe_text(Sweep(json.loads(write(ONE)), axes, chunk=6))
    together = compute(ChunkTask(recipe, 0, tuple(range(6))))
    some = compute(ChunkTask(recipe, 0, (1, 4)))
    assert some.done == (1, 4)
    assert some.keys == (together.keys[1], together.keys[4])
    assert len(set(together.keys)) == 6
    for name, values in together.values.items():
        assert np.array_equal(some.values[name], values[[1, 4]])


def test_repetitions_are_pooled_over_their_starts() -> None:
    keys = (5, 6, 7)
    ran = RESPONSE.run([CELLS[0]] * 6, [*keys, *keys])
    cells = [RESPONSE.as_dataset(CELLS[0], key, {n: v[i] for n, v in ran.values.items()}) for i, key in enumerate(keys)]
    together = pool_repetitions(cells)
    assert together.sizes["seed"] == 6
    assert together.attrs["key"] == "5, 6, 7"
    assert together.attrs["protocol"] == cells[0].attrs["protocol"]
    means = [float(cell.after[seed, 2, 1]) for cell in cells for seed in range(2)]
    found = curve(together, "after").isel(pretraining=2, strength=1)
    assert float(found.value) == pytest.approx(np.mean(means), rel=1e-12)
    assert float(found.stderr) == pytest.approx(np.std(means, ddof=1) / np.sqrt(6), rel=1e-12)
    with pytest.raises(DomainError, match="cells of 2 protocols"):
        pool_repetitions([cells[0], RESPONSE.as_dataset(CELLS[1], 5, {n: v[0] for n, v in ran.values.items()})])
    with pytest.raises(DomainError, match="cells of 0 protocols"):
        pool_repetitions([])


def relu(draws: int) -> Protocol:
    return Protocol(
        PowerLaw(4),
        (0.0, 1.0),
        (0.1,),
        network=Network(4, 8, 4, activation="relu"),
        start=FanIn(),
        inputs=Inputs(samples=100),
        pretraining=GradientDescent(0.01),
        sampling=Sampling(draws),
    )


TUNING = FineTuning(RotatedTeacher(1.0), GradientDescent(0.01, batch=4))


@pytest.mark.parametrize(
    ("protocol", "measured", "stated"),
    [
        (replace(ONE, sampling=Sampling(256)), runs.measure, response_memory),
        (replace(ONE, teacher=PowerLaw(24), network=Network(24, 24, 24)), runs.observe, trajectory_memory),
        (relu(8), runs.measure, response_memory),
        (replace(relu(8), perturbation=TUNING), runs.measure, response_memory),
        (replace(ONE, perturbation=TUNING, sampling=Sampling(64)), runs.measure, response_memory),
    ],
)
def test_stated_memory_covers_what_xla_reserves(protocol: Protocol, measured, stated) -> None:  # type: ignore[no-untyped-def]
    plan, numbers = plan_training(protocol)
    keys = jax.numpy.stack([seed_key(0, seed) for seed in range(protocol.sampling.seeds)])
    batch = jax.jit(jax.vmap(lambda numbers, key: measured(plan, numbers, key), (None, 0)))
    # memory is assigned before machine code is made, so that this need not be good
    compiled = batch.lower(numbers, keys).compile({"xla_backend_optimization_level": 0})
    reserved = compiled.memory_analysis().temp_size_in_bytes
    needed = protocol.sampling.seeds * stated(protocol)
    assert 0.1 * needed < reserved < needed
