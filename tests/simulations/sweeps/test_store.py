"""The store refuses another recipe, process or content; of two files of one chunk, the better one is kept."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from overtraining.setting.errors import SchemaError
from overtraining.simulations.sweeps import recipe
from overtraining.simulations.sweeps.result_cells import read_cells
from overtraining.simulations.sweeps.run import run_sweep
from overtraining.simulations.sweeps.spec import Sweep
from overtraining.simulations.sweeps.status import status_lines
from overtraining.simulations.sweeps.store import RECIPE, StoreRefused, open_store, own_folder
from overtraining.simulations.sweeps.worker import ChunkOutcome
from tests.simulations.sweeps.conftest import MEASURE, TOML, ThisProcess, chunk_files, digest, small, stopped_after


@pytest.mark.parametrize(
    ("sweep", "says"),
    [
        (small(repeat=[0, 1]), r"axes\.repeat: \[0, 1, 2, 3, 4\] there, \[0, 1\] here"),
        (small(TOML.replace("[0.5]", "[0.6]")), r"protocol\.strengths: \[0\.5\] there, \[0\.6\] here"),
        (small(TOML.replace("chunk = 4", "chunk = 5")), "chunk: 4 there, 5 here"),
        (small(TOML.replace("[axes]", '[axes]\n"start.imbalance" = [0.1]')), r"axes\.start\.imbalance: nothing there"),
    ],
)
def test_other_parameters_are_refused_by_name(tmp_path: Path, sweep: Sweep, says: str) -> None:
    stopped_after(8, tmp_path)
    before = {path: digest(path) for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(StoreRefused, match=says):
        run_sweep(sweep, tmp_path, ThisProcess)
    assert {path: digest(path) for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_folder_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for folder, says in ((tmp_path, "holds other files"), (tmp_path / "thesis.tex", "it is a file")):
        with pytest.raises(StoreRefused, match=says):
            run_sweep(small(), folder, ThisProcess)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("spoil", "says"), [("{", "it is damaged"), ("[" * 100_000, "it is damaged"), (None, "is gone")]
)
def test_chunks_without_their_recipe_are_refused(tmp_path: Path, spoil: str | None, says: str) -> None:
    stopped_after(8, tmp_path)
    (tmp_path / RECIPE).write_text(spoil) if spoil else (tmp_path / RECIPE).unlink()
    with pytest.raises(StoreRefused, match=says):
        run_sweep(small(), tmp_path, ThisProcess)
    assert len(chunk_files(tmp_path)) == 2


@pytest.mark.parametrize("spoil", ["{", "[]", '{"sweep": {"chunk": 5}}', "[" * 100_000, None])
def test_in_the_folder_named_by_it_the_recipe_is_written_again(tmp_path: Path, spoil: str | None) -> None:
    text, said = recipe.recipe_text(small()), list[str]()
    folder = own_folder(tmp_path, text)
    stopped_after(8, folder)
    (folder / RECIPE).write_text(spoil) if spoil else (folder / RECIPE).unlink()
    run_sweep(small(), folder, ThisProcess, said.append)
    assert (folder / RECIPE).read_text() == text
    assert len(said) == (spoil is not None)
    assert all(f"{folder / RECIPE}: " in line and "damaged" in line for line in said)


def test_a_status_is_never_that_of_a_damaged_recipe_or_result(tmp_path: Path) -> None:
    stopped_after(8, tmp_path)
    path = tmp_path / RECIPE
    whole = path.read_text()
    for changed in (whole.replace('"chunk": 4', '"chunk": 5'), "[]", "{}"):
        path.write_text(changed)
        with pytest.raises(StoreRefused, match=r"is damaged|no sweep in it"):
            status_lines(tmp_path, MEASURE)
    path.write_text(whole)
    assert "2 chunks are there, whole or in part, 14 are missing" in status_lines(tmp_path, MEASURE)[1]
    result = run_sweep(small(), tmp_path, ThisProcess).result
    assert "finished" in status_lines(tmp_path, MEASURE)[1]
    path.write_text(whole.replace('"chunk": 4', '"chunk": 5'))
    with pytest.raises(StoreRefused, match=f"{RECIPE}.*damaged"):
        status_lines(tmp_path, MEASURE)
    path.write_text(whole)
    result.write_bytes(result.read_bytes()[:-1])
    with pytest.raises(StoreRefused, match=r"result\.nc.*damaged"):
        status_lines(tmp_path, MEASURE)
    with pytest.raises(SchemaError, match=r"result\.nc: its checksum.*damaged"):
        read_cells(result, MEASURE)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        open_store(tmp_path, recipe.recipe_text(small())),
        pytest.raises(StoreRefused, match="another process is at work"),
    ):
        run_sweep(small(), tmp_path, ThisProcess)


def test_of_two_files_of_a_chunk_the_better_stays(tmp_path: Path) -> None:
    """A kill between writing a chunk anew and removing the one in which something had crashed or lacked leaves both."""
    good = ChunkOutcome((0, 1), (7, 8), {"before": np.ones((2, 2))}, processor="any")
    part = ChunkOutcome((0,), (7,), {"before": np.ones((1, 2))}, processor="any")
    with open_store(tmp_path, recipe.recipe_text(small())) as store:
        for outcome in (part, good, part._replace(crashed={1: "lightning"})):
            store.write(3, outcome)
            (only,) = chunk_files(tmp_path)
            shutil.copy(only, tmp_path / only.name)
    for path in tmp_path.glob("*.npz"):
        path.rename(tmp_path / "chunks" / path.name)
    assert len(chunk_files(tmp_path)) == 3
    with open_store(tmp_path, recipe.recipe_text(small())) as store:
        assert store.missing(5, lambda chunk: 2, print) == {0: 2, 1: 2, 2: 2, 4: 2}
        assert store.read(3).done == (0, 1)
    assert len(chunk_files(tmp_path)) == 1
