"""A sweep that is disturbed in every way ends with the same bits as one that is not."""

from pathlib import Path

import numpy as np
import pytest

from simulations.sweeps import recipe
from simulations.sweeps.run import run
from simulations.sweeps.store import CHUNKS, StoreRefused
from tests.simulations.sweeps.conftest import digest, small
from tests.simulations.sweeps.measures import DIES, NAN, RAISES, REFUSES


class Stopped(Exception):
    """What a test stops a sweep with."""


def stopped_after(cells: int, folder: Path, sweep=None) -> None:
    def stop(done: int, of: int) -> None:
        if done >= cells:
            raise Stopped

    with pytest.raises(Stopped):
        run(sweep or small(), folder, progress=stop)


def chunk_files(folder: Path) -> list[Path]:
    return sorted((folder / CHUNKS).glob("*.npz"))


def test_goes_on_with_what_is_missing(tmp_path: Path, undisturbed: str) -> None:
    stopped_after(12, tmp_path)
    kept = {path.name for path in chunk_files(tmp_path)}
    assert len(kept) == 3
    stopped_after(30, tmp_path)
    assert kept < {path.name for path in chunk_files(tmp_path)}
    seen: list[tuple[int, int]] = []
    done = run(small(), tmp_path, progress=lambda *at: seen.append(at))
    assert 30 <= seen[0][0] < seen[-1][0] == 60
    assert digest(done.result) == undisturbed
    assert not chunk_files(tmp_path)  # the result has what they had


def test_a_finished_sweep_is_not_run_again(tmp_path: Path) -> None:
    first = run(small(), tmp_path)
    again = run(small(), tmp_path, workers=lambda: pytest.fail("nothing is to be computed"))
    assert again == first


def test_the_order_of_axes_and_values_has_no_meaning(tmp_path: Path, undisturbed: str) -> None:
    swapped = small(**{"start.epsilon": [0.3, 0.1, 0.2], "repeat": [4, 2, 0, 1, 3]})
    assert digest(run(swapped, tmp_path).result) == undisturbed


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
            victim.write_bytes(other.read_bytes())
            other = victim.with_name(f"0000001.{other.name.split('.')[1]}.npz")
            victim = victim.rename(other)
        case "another sweep's":
            stopped_after(20, tmp_path / "strange", small(repeat=[7]))
            victim.unlink()
            (foreign,) = [path for path in chunk_files(tmp_path / "strange") if path.name.startswith("0000001")]
            victim = foreign.rename(victim.with_name(foreign.name))
    said: list[str] = []
    assert digest(run(small(), tmp_path / "store", report=said.append).result) == undisturbed
    assert [victim.name in line for line in said] == [True]


def test_a_damaged_result_is_named_and_made_again(tmp_path: Path, undisturbed: str) -> None:
    result = run(small(), tmp_path).result
    with result.open("r+b") as file:
        file.seek(1000)
        file.write(b"spoiled")
    said: list[str] = []
    assert digest(run(small(), tmp_path, report=said.append).result) == undisturbed
    assert len(said) == 1
    assert "result.nc" in said[0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"repeat": [0, 1]}, r"sweep\.axes\.repeat: \[0, 1, 2, 3, 4\] there, \[0, 1\] here"),
        ({"start.angle": [0.1]}, r"sweep\.axes\.start\.angle"),
    ],
)
def test_other_parameters_are_refused_by_name(tmp_path: Path, change: dict, says: str) -> None:
    stopped_after(8, tmp_path)
    before = {path: digest(path) for path in tmp_path.rglob("*") if path.is_file()}
    change = {"start": [{"kind": "Balanced"}], **change} if "start.angle" in change else change
    sweep = small(**change) if "start.angle" not in change else None
    if sweep is None:
        import tomllib

        from simulations.sweeps.spec import parse
        from tests.simulations.sweeps.conftest import TOML

        plain = tomllib.loads(TOML.replace("[axes]", 'start = { kind = "Balanced" }\n[axes]\n"start.angle" = [0.1]'))
        sweep = parse(plain)
    with pytest.raises(StoreRefused, match=says):
        run(sweep, tmp_path)
    assert {path: digest(path) for path in tmp_path.rglob("*") if path.is_file()} == before
