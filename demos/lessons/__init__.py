"""The table of the lessons; each lesson is a marimo app with sliders, in a file of its own."""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from overtraining.setting.errors import DomainError


@dataclass(frozen=True)
class Lesson:
    """A row of the table: the file is `lesson_NUMBER_NAME.py`, beside this one."""

    number: int
    name: str
    title: str
    claims: str
    minutes: int

    @property
    def path(self) -> Path:
        return Path(__file__).parent / f"lesson_{self.number}_{self.name}.py"


LESSONS = (
    Lesson(1, "features", "Features are learned one at a time", "A3, A6, A7", 25),
    Lesson(2, "fragile", "The longer, the more fragile", "B1, B4, C1–C5", 35),
    Lesson(3, "forgetting", "Fine-tuning and forgetting", "D1–D4, D6, D7", 40),
    Lesson(4, "remedies", "What helps, and the dispute", "E1–E3", 35),
    Lesson(5, "models", "A real model", "F1", 25),
)


def find(name: str) -> Lesson:
    """The lesson of this name or number; DomainError lists the near ones of an unknown.

    >>> find("2").name
    'fragile'
    """
    known = {lesson.name: lesson for lesson in LESSONS} | {str(lesson.number): lesson for lesson in LESSONS}
    if name not in known:
        near = get_close_matches(name, known, n=2, cutoff=0.4) or [lesson.name for lesson in LESSONS]
        raise DomainError(f"lesson {name!r}", "there is no such lesson", f"try {', '.join(near)}")
    return known[name]
