"""Damaged files: a part of what `python -m benchmarks damage` tries, of files that commands read back."""

from pathlib import Path

import pytest

from benchmarks.damage import GOOD, KINDS, Kind, fate, faults, trials
from benchmarks.environment import environment
from overtraining.runtime.worker_process import WORKER_ENVIRONMENT

TESTED = {
    "chunk of a sweep",
    "result of a sweep",
    "recipe of half a sweep, its status asked",
    "recipe of a memoized call",
}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.name in TESTED], ids=lambda kind: kind.name)
def test_no_damage_gives_a_wrong_result(kind: Kind, tmp_path: Path) -> None:
    with environment(WORKER_ENVIRONMENT):
        fates = dict(trials(kind, tmp_path, "tiny"))
    assert len(fates) == 11
    assert {fate: fault for fault, fate in fates.items() if fate not in GOOD} == {}
    assert set(fates.values()) >= ({"refused by name"} if "status" in kind.name else {"right and said"})


def test_a_reader_that_notices_nothing_is_found_out(tmp_path: Path) -> None:
    def careless(folder: Path, report: object) -> str:
        text = (folder / "file").read_text()
        return text if text != "a list" else str(1 / 0)

    kind = Kind("any", Path.mkdir, "file", careless)
    (tmp_path / "file").write_text("anything")
    assert fate(kind, tmp_path, Path("file"), "what it was") == "wrong"
    assert fate(kind, tmp_path, Path("file"), "anything") == "right"
    (tmp_path / "file").write_text("a list")
    assert fate(kind, tmp_path, Path("file"), "what it was") == "traceback"
    (tmp_path / "file").unlink()
    assert fate(kind, tmp_path, Path("file"), "what it was") == "refused by name"
    assert {fault for fault, _ in faults(b"", "full")} == {fault for fault, _ in faults(b"", "tiny")}
