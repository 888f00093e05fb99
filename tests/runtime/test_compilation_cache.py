"""The cache of compiled programs: read by the next process, with the same bits; bounded; off by a switch."""

import os
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from overtraining.runtime.compilation_cache import (
    JAX_FOLDER,
    SWITCH,
    ZSTANDARD,
    cache_variables,
    remove_damaged,
    remove_oldest,
)
from overtraining.runtime.worker_processes import WorkerProcesses
from overtraining.setting.protocol import Protocol
from overtraining.setting.teachers import PowerLaw

PROTOCOL = Protocol(PowerLaw(2), (0.0, 3.0, 9.0), (0.25,))


def measure(protocol: Protocol) -> tuple[np.ndarray, dict[str, int]]:
    """In a worker: the losses after noise, and how many programs were compiled and how many read."""
    import jax

    from overtraining.simulations import respond

    events: dict[str, int] = {}

    def count(name: str, **_: object) -> None:
        events[name.rpartition("/")[2]] = events.get(name.rpartition("/")[2], 0) + 1

    jax.monitoring.register_event_listener(count)
    return respond(protocol, 0).after.values, events


def in_a_new_process() -> tuple[np.ndarray, dict[str, int]]:
    with WorkerProcesses(measure) as processes:
        jobs = iter([PROTOCOL])
        ((_, answer),) = processes.answers(lambda: next(jobs, None))
    assert isinstance(answer, tuple), answer
    return answer


def test_the_next_process_compiles_only_what_is_damaged_and_has_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(JAX_FOLDER, raising=False)
    monkeypatch.setenv(SWITCH, str(tmp_path))
    before = dict(os.environ)
    cold, compiled = in_a_new_process()
    assert compiled["cache_misses"] > 3
    # what was not damaged is read, and what was cut short is compiled again
    longest = max(tmp_path.rglob("*-cache"), key=lambda path: path.stat().st_size)
    whole = longest.read_bytes()
    longest.write_bytes(whole[: len(whole) // 2])
    warm, read = in_a_new_process()
    assert longest.stat().st_size > 0.9 * len(whole)  # compiled again it has not the same bytes
    assert read["cache_misses"] == 1
    assert read["cache_hits"] == compiled["cache_misses"] - 1
    assert (cold == warm).all()
    monkeypatch.setenv(SWITCH, "off")
    without, events = in_a_new_process()
    assert "cache_hits" not in events
    assert (cold == without).all()
    assert dict(os.environ) == before | {SWITCH: "off"}


def test_what_is_damaged_is_removed_once_and_nothing_else(tmp_path: Path) -> None:
    whole = zlib.compress(b"a program")
    contents = {"whole": whole, "cut": whole[:-1], "changed": whole[:-3] + b"xyz", "other": b"{}", "empty": b""}
    contents["zstandard"] = ZSTANDARD + b"..."
    for name, content in contents.items():
        (tmp_path / "kind").mkdir(exist_ok=True)
        (tmp_path / "kind" / f"{name}-cache").write_bytes(content)
    (tmp_path / "kind" / "folder-cache").mkdir()
    remove_damaged(tmp_path)
    left = {path.name for path in tmp_path.glob("kind/*")}
    assert left == {"whole-cache", "zstandard-cache", "folder-cache"}
    old = tmp_path / "kind" / "whole-cache"
    old.write_bytes(whole[:-1])
    os.utime(old, (0, 0))  # as if it had not changed
    remove_damaged(tmp_path)
    assert not old.exists()


def test_what_has_been_looked_at_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kind").mkdir()
    (tmp_path / "kind" / "whole-cache").write_bytes(zlib.compress(b"a program"))
    time.sleep(0.05)  # what was written within one tick of the system's clock is read again
    remove_damaged(tmp_path)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(str(path)))
    remove_damaged(tmp_path)


def test_the_programs_used_longest_ago_are_removed(tmp_path: Path) -> None:
    for age in range(4):
        file = tmp_path / "kind" / f"{age}-cache"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(bytes(100))
        os.utime(file, (1e9 - age, 1e9 - age))
    of_the_user = tmp_path / "kind" / "thesis.tex"
    of_the_user.write_bytes(bytes(1000))
    os.utime(of_the_user, (0, 0))
    remove_oldest(tmp_path, 250)
    assert sorted(path.name for path in tmp_path.rglob("*-cache")) == ["0-cache", "1-cache"]
    assert of_the_user.exists()


def test_no_cache_where_it_is_off_or_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(JAX_FOLDER, raising=False)
    monkeypatch.setenv(SWITCH, "off")
    assert cache_variables() == {}
    (tmp_path / "file").touch()
    for named in ("file", "file/folder"):
        monkeypatch.setenv(SWITCH, str(tmp_path / named))
        with pytest.raises(NotADirectoryError, match=rf"OVERTRAINING_CACHE leads to a file: .*{named}'"):
            cache_variables()
    monkeypatch.setenv(SWITCH, str(tmp_path / "folder"))
    assert cache_variables()[JAX_FOLDER].startswith(str(tmp_path / "folder"))
    monkeypatch.setenv(JAX_FOLDER, "of the user")
    assert cache_variables() == {}
