"""The benchmark of memory runs in processes of its own, and tells arrays that are kept from none."""

import numpy as np
import pytest

from benchmarks import memory


def test_every_call_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call by its own number, at its two sizes."""
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(memory, "_in_a_process", lambda number, size: asked.append((number, size)) or 1.0)
    (report,) = memory.run("full")
    assert asked == [(n, size) for n, call in enumerate(memory.CALLS) for size in call.sizes[1:]]
    assert len(report.rows) == len(memory.CALLS)


def test_the_peak_of_a_call_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An array far larger than all that this process ever had."""
    size = memory.peak_memory() // 8 + 10**7
    monkeypatch.setattr(memory, "CALLS", (memory.Call("ones", "numbers", (1, 2, size), np.ones),))
    memory.growth(0, size)
    assert float(capsys.readouterr().out) > 80


def test_a_new_process_measures_the_first_call() -> None:
    assert memory.run("tiny")[0].rows[0]["MB at the largest"] > 10
