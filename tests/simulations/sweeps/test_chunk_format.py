"""The file of a chunk: what is written comes back, and nothing else is read."""

from pathlib import Path

import numpy as np
import pytest

from overtraining.simulations.sweeps.chunk_format import Damaged, chunk_number, decode, encode, file_name
from overtraining.simulations.sweeps.worker import ChunkOutcome

OUTCOME = ChunkOutcome(
    done=(0, 3),
    keys=(2**62, 7),
    values={"before": np.array([[0.1, 1e-300], [np.pi, -0.0]]), "after": np.ones((2, 1, 1))},
    refused={1: "it is refused"},
    crashed={2: "it crashed: “why?”"},
    processor="any",
)


def written(folder: Path, chunk: int = 12) -> Path:
    content = encode(OUTCOME, "recipe", chunk)
    path = folder / file_name(chunk, content)
    path.write_bytes(content)
    return path


def test_there_and_back(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert chunk_number(path) == 12
    found = decode(path, "recipe")
    assert found.values.keys() == OUTCOME.values.keys()
    for name, array in OUTCOME.values.items():
        np.testing.assert_array_equal(found.values[name], array)
    assert found._replace(values={}) == OUTCOME._replace(values={})


def test_equal_outcomes_have_equal_bytes() -> None:
    assert encode(OUTCOME, "recipe", 1) == encode(OUTCOME, "recipe", 1)
    assert encode(OUTCOME, "recipe", 1) != encode(OUTCOME, "recipe", 2)


def test_other_files_are_damaged(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(Damaged, match="another sweep's"):
        decode(path, "another recipe")
    with pytest.raises(Damaged, match="checksum"):
        decode(path.rename(tmp_path / "x.npz"), "recipe")
    again = written(tmp_path, 13)
    again.write_bytes(again.read_bytes()[:-1] + b"x")
    with pytest.raises(Damaged, match="checksum"):
        decode(again, "recipe")
    renumbered = written(tmp_path, 14)
    with pytest.raises(Damaged, match="another chunk"):
        decode(renumbered.rename(tmp_path / renumbered.name.replace("0000014", "0000015")), "recipe")


@pytest.mark.parametrize("content", [b"", b"{}", encode(OUTCOME, "recipe", 1)[:-30]])
def test_what_is_no_chunk_is_damaged_whatever_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / file_name(1, content)
    path.write_bytes(content)
    with pytest.raises(Damaged, match="it is no chunk"):
        decode(path, "recipe")


@pytest.mark.parametrize(("name", "number"), [("0000007.abc.npz", 7), ("notes.npz", None), (".temporary-1.npz", None)])
def test_numbers_of_files(name: str, number: int | None) -> None:
    assert chunk_number(Path(name)) == number
