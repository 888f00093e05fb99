"""A sweep that is disturbed ends with the same bits as one that is not; what does not belong together is refused."""

import importlib
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from overtraining.setting.serialization import read
from overtraining.simulations.sweeps import progress, read_cells, recipe
from overtraining.simulations.sweeps.atomic_files import TEMPORARY
from overtraining.simulations.sweeps.run import run_sweep
from overtraining.simulations.sweeps.spec import Sweep
from overtraining.simulations.sweeps.store import RECIPE, StoreRefused, open_store
from overtraining.simulations.sweeps.task_queue import merge_outcomes
from overtraining.simulations.sweeps.worker import ChunkOutcome
from tests.simulations.sweeps.conftest import TOML, ThisProcess, chunk_files, digest, small
from tests.simulations.sweeps.measures import NAN, RAISES, REFUSES, measured


class Stopped(Exception):
    """What a test stops a sweep with."""


def stopped_after(cells: int, folder: Path, sweep: Sweep | None = None) -> None:
    def stop(done: int, _: int) -> None:
        if done >= cells:
            raise Stopped

    with pytest.raises(Stopped):
        run_sweep(sweep or small(), folder, ThisProcess, progress=stop)


def test_goes_on_with_what_is_missing(tmp_path: Path, undisturbed: str) -> None:
    stopped_after(12, tmp_path)
    kept = {path.name for path in chunk_files(tmp_path)}
    assert len(kept) == 3
    stopped_after(30, tmp_path)
    assert kept < {path.name for path in chunk_files(tmp_path)}
    (chunk_files(tmp_path)[0].parent / f"{TEMPORARY}left-by-a-kill").write_text("half")
    seen: list[tuple[int, int]] = []
    done = run_sweep(small(), tmp_path, ThisProcess, progress=lambda *at: seen.append(at))
    assert 30 <= seen[0][0] < seen[-1][0] == 60
    assert digest(done.result) == undisturbed
    assert {path.name for path in tmp_path.iterdir()} == {RECIPE, "lock", "chunks", "result.nc", "result.nc.sha256"}
    assert not list((tmp_path / "chunks").iterdir())  # the result has what they had


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


@pytest.mark.parametrize("changed", ["jax", "sources", "overtraining"])
def test_another_version_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    stopped_after(8, tmp_path)
    real = recipe.software_identity
    monkeypatch.setattr(recipe, "software_identity", lambda measure: real(measure) | {changed: "another"})
    with pytest.raises(StoreRefused, match=f'software.{changed}: .* there, "another" here'):
        run_sweep(small(), tmp_path, ThisProcess)


def test_a_folder_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for folder, says in ((tmp_path, "holds other files"), (tmp_path / "thesis.tex", "it is a file")):
        with pytest.raises(StoreRefused, match=says):
            run_sweep(small(), folder, ThisProcess)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(("spoil", "says"), [("{", "it is damaged"), (None, "is gone")])
def test_chunks_without_their_recipe_are_refused(tmp_path: Path, spoil: str | None, says: str) -> None:
    stopped_after(8, tmp_path)
    (tmp_path / RECIPE).write_text(spoil) if spoil else (tmp_path / RECIPE).unlink()
    with pytest.raises(StoreRefused, match=says):
        run_sweep(small(), tmp_path, ThisProcess)
    assert len(chunk_files(tmp_path)) == 2


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        open_store(tmp_path, recipe.recipe_text(small())),
        pytest.raises(StoreRefused, match="another process is at work"),
    ):
        run_sweep(small(), tmp_path, ThisProcess)


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
        assert data.sizes["cell"] == 12
        assert set(data["teacher.alpha"].values) == {20.0}
        assert not any(bool(np.isnan(v).any()) for v in data.data_vars.values() if v.dtype.kind == "f")
    for cell in read_cells(done.result):
        alone = measured(read(cell.attrs["protocol"]), int(cell.attrs["key"]))
        assert all(np.array_equal(cell[name], values) for name, values in alone.items())
    # what raised may not raise another time: its chunks are kept, and tried again
    tried: list[int] = []
    again = run_sweep(sick, tmp_path, ThisProcess, progress=lambda done, cells: tried.append(done))
    assert again == done
    assert tried[0] < 48


def test_of_two_files_of_a_chunk_the_better_stays(tmp_path: Path) -> None:
    """A kill between writing a chunk anew and removing the one in which something had crashed leaves both."""
    good = ChunkOutcome((0, 1), (7, 8), {"before": np.ones((2, 2))}, processor="any")
    with open_store(tmp_path, recipe.recipe_text(small())) as store:
        for crashed in ({1: "lightning"}, {}, {1: "flood"}):
            store.write(3, good._replace(crashed=crashed))
            (only,) = chunk_files(tmp_path)
            shutil.copy(only, tmp_path / only.name)
    for path in tmp_path.glob("*.npz"):
        path.rename(tmp_path / "chunks" / path.name)
    assert len(chunk_files(tmp_path)) == 3
    with open_store(tmp_path, recipe.recipe_text(small())) as store:
        assert 3 not in store.missing(16, print)
        assert not store.read(3).crashed
    assert len(chunk_files(tmp_path)) == 1


def test_parts_of_a_chunk_are_put_together_in_the_order_of_its_cells() -> None:
    parts = [
        ChunkOutcome((3, 5), (13, 15), {"x": np.array([3.0, 5.0])}, {1: "refused"}, {}, "b", 1.0, 9),
        ChunkOutcome((0, 4), (10, 14), {"x": np.array([0.0, 4.0])}, {}, {2: "crashed"}, "a", 2.0, 8),
    ]
    whole = merge_outcomes(parts)
    assert (whole.done, whole.keys) == ((0, 3, 4, 5), (10, 13, 14, 15))
    assert whole.values["x"].tolist() == [0.0, 3.0, 4.0, 5.0]
    assert (whole.refused, whole.crashed, whole.processor) == ({1: "refused"}, {2: "crashed"}, "a; b")


def test_a_clock_that_jumps_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], undisturbed: str
) -> None:
    """It jumps back by a day whenever it is read."""
    days = iter(range(10**9))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: 3e9 - 86400.0 * next(days))
        patch.setattr(time, "time_ns", lambda: 10**9 * (3 * 10**9 - 86400 * next(days)))
        shows = importlib.reload(progress).Progress(often=0.0)  # with whatever clock it binds when it is imported
        found = digest(run_sweep(small(), tmp_path, ThisProcess, progress=shows).result)
    importlib.reload(progress)
    shown = capsys.readouterr().err.splitlines()
    assert found == undisturbed
    assert len(shown) == 17
    assert shown[-1].startswith("60 of 60 cells done")
    assert not any("-" in line for line in shown)  # no negative rate or time
