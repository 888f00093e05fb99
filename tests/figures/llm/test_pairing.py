"""Base and fine-tuned models in one folder."""

import pytest

from overtraining.figures.llm.pairing import paired_by_name
from overtraining.figures.llm.tidy import Row, tidy_table


def stages(*models: str, later: str = "") -> dict[str, tuple[str, str]]:
    """Base model and change of every fine-tuned one."""
    rows = [Row(name, name, "acc", 0.5, step=2.0 if name == later else 1.0) for name in models]
    table, notes = paired_by_name(tidy_table(rows))
    tuned = table[table.stage == "fine-tuned"]
    assert len(notes) == len(tuned)
    return {row.task: (row.model, row.perturbation) for row in tuned.itertuples()}


@pytest.mark.parametrize(
    ("tuned", "change"),
    [
        ("lab/m-1b-sft", "sft"),
        ("lab/m-1b/dpo-v2", "dpo v2"),
        ("sft/lab/m-1b", "sft"),
        ("LAB/M-1B_Instruct", "instruct"),
    ],
)
def test_a_word_of_fine_tuning_beside_the_name(tuned: str, change: str) -> None:
    assert stages("lab/m-1b", tuned) == {tuned: ("lab/m-1b", change)}


def test_the_longest_name_is_the_base() -> None:
    assert stages("m", "m-1b", "m-1b-sft") == {"m-1b-sft": ("m-1b", "sft")}
    assert stages("m", "m-sft", "m-sft-dpo") == {"m-sft": ("m", "sft"), "m-sft-dpo": ("m", "sft dpo")}


def test_what_is_not_paired() -> None:
    assert not stages("m-1b", "m-1b-code")  # no word of fine-tuning
    assert not stages("m-1b", "m-7b-sft")
    assert not stages("m-sft")
    assert not stages("m", "m-sft", later="m-sft")  # no checkpoint in common
