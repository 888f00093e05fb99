"""Model, checkpoint and date of a file, by its contents or its path."""

from pathlib import Path

import pytest

from overtraining.figures.llm.readers.files import File
from overtraining.figures.llm.readers.origin import origin, run_name
from overtraining.figures.llm.tidy import Unreadable


@pytest.mark.parametrize(
    ("path", "model", "revision", "name", "step"),
    [
        ("r.json", "lab/m", "step7", "lab/m", 7),
        ("step7/lab__m/results_2026-01-01.json", "lab/m", "", "lab/m", 7),  # two folders above
        ("1000/results.json", "lab/m", "", "lab/m", 1000),
        ("16k.json", "lab/m", "main", "lab/m", 16_000),
        ("runs/m/step7/metrics.json", "", "", "m", 7),
        ("m-step7/metrics.json", "", "", "m", 7),
        ("r.json", "lab/m", "stage2-ingredient1-step7-tokens3B", "lab/m, stage2-ingredient1", 7),
        ("r.json", "lab/m/epoch-3", "", "lab/m", 3),
        ("r.json", "lab/m-step9", "step7", "lab/m", 7),  # the revision counts
    ],
)
def test_where_names_are_found(path: str, model: str, revision: str, name: str, step: float) -> None:
    found = origin(File(Path(path), ""), model, revision)
    assert (found["model"], found["step"]) == (name, step)


def test_what_is_said(tmp_path: Path) -> None:
    for path, model, says in (
        ("1000/r.json", "m", "names that are nothing but a number are taken as the step"),
        ("m-step7/r.json", "", "the model is named after the folder, m"),
        ("r.json", "m/epoch-3", "the names count epochs, which are taken as steps"),
        ("r.json", "m/stage3-step7", "stage3 counts its steps from 0 again and is a curve of its own"),
    ):
        origin(file := File(Path(path), ""), model)
        assert file.notes == [says]


@pytest.mark.parametrize("path", ["sft-step8/checkpoint-5/r.json", "step8/x/step5.json"])
def test_two_checkpoints_are_a_question(path: str) -> None:
    with pytest.raises(Unreadable, match=r"it may be .* or .*\. Instead: pass --checkpoint"):
        origin(File(Path(path), ""), "m")
    with pytest.raises(Unreadable, match="its name says step 8, its contents say step 9"):
        origin(File(Path("step8.json"), ""), "m", "step9")


def test_dates() -> None:
    day = origin(File(Path("step1/results_2026-01-02.json"), ""), "m")["date"]
    assert origin(File(Path("step1/results_2026-01-02T03-04-05.678.json"), ""), "m")["date"] - day == 11_045
    assert str(origin(File(Path("step1/results_2026-13-02.json"), ""), "m")["date"]) == "nan"  # no such month
    assert run_name(Path("metrics.csv")) == "metrics"
