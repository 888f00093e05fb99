"""Evaluations that change along a curve, and files that are joined to one."""

from dataclasses import replace

from overtraining.figures.llm.readers.consistency import changes_along_curves, joined_files
from overtraining.figures.llm.tidy import Row, tidy_table

ROWS = [Row("m", task, "acc", 0.5, step=float(i), setup="task version 1, limit 10", shots=0.0)
        for task in "ab" for i in range(4)]  # fmt: skip


def test_a_setting_that_stays_is_not_said() -> None:
    assert not changes_along_curves(tidy_table(ROWS))
    both = [*ROWS, *(replace(row, shots=5.0) for row in ROWS)]  # two curves at the same checkpoints
    assert not changes_along_curves(tidy_table(both))


def test_settings_that_change() -> None:
    late = [replace(row, setup="task version 2, limit 10") if row.step > 1 else row for row in ROWS]
    assert changes_along_curves(tidy_table(late)) == [
        "WARNING: m: task version is 1, then 2 along 2 curve(s), such as a (acc): that can look like a turn"
    ]
    shots = [replace(row, shots=5.0) if row.step > 1 else row for row in ROWS]
    (said,) = changes_along_curves(tidy_table(shots))
    assert "the number of shots is 0, then 5 along 2 curve(s)" in said


def test_files_of_one_checkpoint_each_are_not_joined() -> None:
    assert not joined_files(tidy_table(replace(row, source=f"{row.step}") for row in ROWS))
    assert joined_files(tidy_table(replace(row, source="ab"[row.step > 1]) for row in ROWS)) == [
        "m: joined from a and b"
    ]
