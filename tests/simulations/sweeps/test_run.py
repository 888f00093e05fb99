"""A disturbed sweep ends with the same bits as an undisturbed one; damaged chunks are computed again."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from overtraining.runtime.atomic_files import TEMPORARY
from overtraining.setting.serialization import read
from overtraining.simulations.sweeps import read_cells
from overtraining.simulations.sweeps.recipe import recipe_text
from overtraining.simulations.sweeps.run import run_sweep
from overtraining.simulations.sweeps.store import RECIPE, Store, open_store
from overtraining.simulations.sweeps.worker import ChunkOutcome
from tests.simulations.sweeps.conftest import MEASURE, ThisProcess, chunk_files, digest, small, stopped_after
from tests.simulations.sweeps.measures import NAN, RAISES, REFUSES, measured


def test_goes_on_with_what_is_missing(tmp_path: Path, undisturbed: str) -> None:
    stopped_after(12, tmp_path)
    kept = {path.name for path in chunk_files(tmp_path)}
    assert len(kept) == 3
    stopped_after(30, tmp_path)
    assert kept < {path.name for path in chunk_files(tmp_path)}
    (chunk_files(tmp_path)[0].parent / f"{TEMPORARY}left-by-a-kill").write_text("half")
    seen: list[tuple[int, int]] = []
    done = run_sweep(small(), tmp_path, ThisProcess, progress=lambda *at: seen.append(at[:2]))
    assert 30 <= seen[0][0] < seen[-1][0] == 60
    assert digest(done.result) == undisturbed
    assert {path.name for path in tmp_path.iterdir()} == {RECIPE, "lock", "chunks", "result.nc", "result.nc.sha256"}
    assert not list((tmp_path / "chunks").iterdir())  # the result has what they had


def test_a_stop_in_the_first_chunk_keeps_the_cells_that_are_finished(tmp_path: Path, undisturbed: str) -> None:
    stopped_after(3, tmp_path)
    assert len(chunk_files(tmp_path)) == 1
    with open_store(tmp_path, recipe_text(small())) as store:
        assert store.kept(0).done == (0, 1, 2)
    seen: list[int] = []
    done = run_sweep(small(), tmp_path, ThisProcess, progress=lambda done, *_: seen.append(done))
    assert seen == list(range(3, 61))
    assert digest(done.result) == undisturbed


def test_a_stop_while_a_chunk_is_written_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, stops = Store.write, iter([KeyboardInterrupt()])

    def stopped(store: Store, chunk: int, outcome: ChunkOutcome) -> None:
        for stop in stops:
            raise stop
        write(store, chunk, outcome)

    monkeypatch.setattr(Store, "write", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(small(), tmp_path, ThisProcess)
    with open_store(tmp_path, recipe_text(small())) as store:
        assert store.kept(0).done == (0, 1, 2, 3)


def test_a_finished_sweep_is_not_run_again(tmp_path: Path) -> None:
    first = run_sweep(small(), tmp_path, ThisProcess)
    assert run_sweep(small(), tmp_path, workers=lambda: pytest.fail("nothing is to be computed")) == first


def test_the_order_of_axes_and_values_has_no_meaning(tmp_path: Path, undisturbed: str) -> None:
    swapped = small(**{"start.epsilon": [0.3, 0.1, 0.2], "repeat": [4, 2, 0, 1, 3]})
    assert digest(run_sweep(swapped, tmp_path, ThisProcess).result) == undisturbed


def test_the_order_of_outcomes_has_no_meaning(tmp_path: Path, undisturbed: str) -> None:
    class Late(ThisProcess):
        def outcomes(self, take):  # type: ignore[no-untyped-def]
            yield from reversed(list(super().outcomes(take)))

    assert digest(run_sweep(small(), tmp_path, Late).result) == undisturbed


@pytest.mark.parametrize("damage", ["a byte", "cut", "empty", "another chunk's", "another sweep's"])
def test_a_damaged_chunk_is_named_and_computed_again(tmp_path: Path, undisturbed: str, damage: str) -> None:
    stopped_after(20, tmp_path / "store")
    victim, other = chunk_files(tmp_path / "store")[1:3]
    content = victim.read_bytes()
    match damage:
        case "a byte":
            victim.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
        case "cut":
            victim.write_bytes(content[:-7])
        case "empty":
            victim.write_bytes(b"")
        case "another chunk's":
            victim = victim.replace(victim.with_name(f"0000001{other.name[7:]}"))
            victim.write_bytes(other.read_bytes())
        case "another sweep's":
            victim.unlink()
            stopped_after(8, tmp_path / "strange", small(repeat=[5, 6]))
            foreign = chunk_files(tmp_path / "strange")[1]
            victim = foreign.replace(victim.with_name(foreign.name))
    said: list[str] = []
    assert digest(run_sweep(small(), tmp_path / "store", ThisProcess, said.append).result) == undisturbed
    assert [victim.name in line for line in said] == [True]


def test_a_damaged_result_is_named_and_made_again(tmp_path: Path, undisturbed: str) -> None:
    result = run_sweep(small(), tmp_path, ThisProcess).result
    with result.open("r+b") as file:
        file.seek(1000)
        file.write(b"spoiled")
    said: list[str] = []
    assert digest(run_sweep(small(), tmp_path, ThisProcess, said.append).result) == undisturbed
    assert ["result.nc" in line for line in said] == [True]


def test_cells_that_fail_are_named_and_the_others_finish(tmp_path: Path, undisturbed: str) -> None:
    """Of every 4 cells of a chunk some are bad; the good ones have the bits that they have without bad neighbours."""
    sick = small(**{"teacher.alpha": [RAISES, NAN, REFUSES, 20.0], "repeat": [0, 1]})
    done = run_sweep(sick, tmp_path, ThisProcess)
    why = dict(done.failed)
    assert len(why) == 3 * 12
    assert f"repeat = 1, start.epsilon = 0.2, teacher.alpha = {RAISES}, teacher.modes = 3" in why
    reasons = {alpha: next(w for c, w in why.items() if f"alpha = {alpha}" in c) for alpha in (RAISES, NAN, REFUSES)}
    assert "RuntimeError: this cell always raises" in reasons[RAISES]
    assert "not all finite" in reasons[NAN]
    assert "this cell is refused" in reasons[REFUSES]
    with xr.open_dataset(done.result) as data:
        assert bool((data.after.isnull() == (data["teacher.alpha"] != 20.0)).all())
    for cell in read_cells(done.result, MEASURE):
        alone = measured(read(cell.attrs["protocol"]), int(cell.attrs["key"]))
        assert all(np.array_equal(cell[name], values) for name, values in alone.items())
    # what raised may not raise another time: its chunks are kept, and tried again
    tried: list[int] = []
    again = run_sweep(sick, tmp_path, ThisProcess, progress=lambda done, *_: tried.append(done))
    assert again == done
    assert tried[0] == 36
