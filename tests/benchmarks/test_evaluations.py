"""The benchmark of evaluations reads the folder that it writes, and compares with the time of reading."""

from pathlib import Path

from benchmarks import evaluations
from overtraining.figures.llm.readers import read


def test_the_folder_is_one_model_at_its_checkpoints(tmp_path: Path) -> None:
    evaluations.write_folder(tmp_path, 3)
    table = read([tmp_path]).table
    assert (table.model.nunique(), table.step.nunique(), len(table)) == (1, evaluations.FILES, 3 * evaluations.FILES)


def test_ratios_are_to_reading() -> None:
    (report,) = evaluations.run("tiny")
    assert [row["what"] for row in report.rows] == ["read", "read and answer", "the same, one thread"]
    assert report.rows[0]["times reading"] == 1
