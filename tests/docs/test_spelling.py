"""The spelling of what people read: pages, README, captions. docs/words.txt has the words that no dictionary knows."""

from functools import cache
from pathlib import Path

import pytest
from spellchecker import SpellChecker

from tests import ROOT
from tests.docs.prose import prose, words

WORDS = ROOT / "docs/words.txt"
GENERATED = ("docs/claims.md", "docs/gallery/figures/", "docs/vocabulary.md")
OTHERS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")


def texts() -> dict[str, str]:
    """What people wrote, by file."""
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / name for name in OTHERS)]
    found = {name: prose(path.read_text(encoding="utf-8")) for path in pages if not _generated(name := _name(path))}
    captions = sorted((ROOT / "gallery/captions").glob("*.txt"))
    return found | {_name(path): path.read_text(encoding="utf-8") for path in captions}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _generated(name: str) -> bool:
    return name.startswith(GENERATED)


@cache
def unknown() -> dict[str, str]:
    """The words that the dictionary does not have, each with a file that has it."""
    used = {word: name for name, text in texts().items() for word in words(text)}
    return {word: used[word] for word in sorted(SpellChecker(language="en").unknown(used))}


def test_every_word_is_spelled_as_a_dictionary_or_our_list_has_it() -> None:
    own = WORDS.read_text(encoding="utf-8").split()
    wrong = [f"{word} ({name})" for word, name in unknown().items() if word not in own]
    assert not wrong, f"correct them, or enter into docs/words.txt what is right: {', '.join(wrong)}"


def test_our_list_is_sorted_and_has_no_word_that_is_not_needed() -> None:
    own = WORDS.read_text(encoding="utf-8").splitlines()
    assert own == sorted(set(own))
    assert [word for word in own if word not in unknown()] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A sensitivty of the netwrk's loss", {"sensitivty", "netwrk"}),
        ("in `cdoe`, {claim}`mispeled`, $\\alhpa$ and $$\\bteta$$", set()),
        ("[the lnik](somwhere.html) or <a href='elswhere'>an anchr</a>", {"lnik", "anchr"}),
        ("```sh\nrnu ths\n```\nthen ths", {"ths"}),
        ("````{note} A ttile\n```python\nwrnog = 1\n```\nand tetx\n````\nafetr", {"ttile", "tetx", "afetr"}),
        ("```{figure} pciture.png\n:alt: a\n\nA captoin\n```", {"captoin"}),
        ("```{code-cell} python\nimprot x\n```\n(a-lable)=\n# Haeding", {"haeding"}),
        ("---\nkey: vaule\n---\nhttps://exmaple.org and a_vairable, wdith/hieght x2vec", set()),
        ("weight-deacy", {"deacy"}),
    ],
)
def test_a_wrong_word_is_found_in_prose_only(text: str, found: set[str]) -> None:
    assert SpellChecker(language="en").unknown(words(prose(text))) == found
