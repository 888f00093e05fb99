"""Finding derivations, and the order in which they are checked."""

import re
import sys
from dataclasses import replace

import pytest

from overtraining.setting.errors import Refusal
from overtraining.theory.derivations.checker.core import Evidence, Step, Verdict
from overtraining.theory.derivations.checker.run import (
    check_all,
    claim_derivation,
    find_derivation,
    load_derivation,
    order_by_use,
)
from overtraining.theory.derivations.claims.b1_noise import DERIVATION as B1

CLAIMS = {
    "B1": "overtraining.theory.derivations.claims.b1_noise",
    "X1": "overtraining.theory.derivations.claims.b1_noise",
    "Y1": "theory.nowhere",
}


def quick(claim, *uses):
    """A derivation under another name, which takes no time to check."""
    return replace(B1, claim=claim, uses=uses, steps=(), assumptions=(), link=None, floor=Verdict.TESTED)


MINE = """
from dataclasses import replace
from overtraining.theory.derivations.claims.b1_noise import DERIVATION as B1
DERIVATION = replace(B1, claim="mine", uses=("B1",))
"""


def test_a_file_outside_the_project_is_checked_with_what_it_uses(tmp_path):
    path = tmp_path / "my_claim.py"
    path.write_text(MINE)
    reports = check_all([find_derivation(str(path), CLAIMS)], CLAIMS)
    assert [(r.claim, r.verdict, r.problems) for r in reports] == [
        ("B1", Verdict.PROVED, ()), ("mine", Verdict.PROVED, ())
    ]  # fmt: skip


FILES = {
    "missing.py": (None, "there is no such file"),
    "words.txt": ("DERIVATION = 1", "it is not a Python file"),
    "empty.py": ("x = 1", "defines no DERIVATION"),
    "other.py": ("DERIVATION = 'B1'", "it has a str as its DERIVATION"),
    "raising.py": ("x = 1\ny = x / 0", "it raises ZeroDivisionError: division by zero (line 2)"),
    "exiting.py": ("raise SystemExit(0)", "it raises SystemExit: 0"),
    "broken.py": ("def :", "it raises SyntaxError"),
    "importing.py": ("import not_installed_anywhere", "it raises ModuleNotFoundError"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_without_a_derivation_is_refused_by_name(tmp_path, name):
    text, why = FILES[name]
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(Refusal, match=re.escape(why)) as refusal:
        load_derivation(tmp_path / name)
    assert name in refusal.value.what


def test_a_claim_of_the_project_keeps_its_identifier(tmp_path):
    path = tmp_path / "my_claim.py"
    for name in ("B1", "b1"):
        path.write_text(MINE.replace("mine", name))
        with pytest.raises(Refusal, match="B1 is a claim of the project"):
            find_derivation(str(path), CLAIMS)


def test_what_is_beside_a_claim_is_found_while_it_is_loaded_and_checked(tmp_path):
    """Also where a step imports it late, and where two folders have a file of the same name; then all is as before."""
    text = MINE.replace('uses=("B1",)', "floor=Verdict.TESTED, steps=(Step('x', '', late),), link=None")
    late = "\ndef late():\n    from engine import NAME\n    return identity(NAME, early.NAME)\n"
    checker = "overtraining.theory.derivations.checker"
    imports = (
        f"import engine as early\nfrom {checker}.core import Step, Verdict\nfrom {checker}.evidence import identity"
    )
    before, found = list(sys.path), []
    for number, folder in enumerate((tmp_path / "a", tmp_path / "b")):
        folder.mkdir()
        (folder / "engine.py").write_text(f"NAME = {number}")
        (folder / "my_claim.py").write_text(imports + late + text.replace("mine", f"mine{number}"))
        found.append(find_derivation(str(folder / "my_claim.py"), CLAIMS))
    assert [report.verdict for report in check_all(found, CLAIMS)] == [Verdict.TESTED] * 2
    assert sys.path == before
    assert "engine" not in sys.modules


def test_a_dataclass_of_the_users_file_is_no_obstacle(tmp_path):
    (tmp_path / "own.py").write_text(
        "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass C:\n    x: int\n" + MINE
    )
    assert load_derivation(tmp_path / "own.py").claim == "mine"


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        ("Z9", "no such claim is known"),
        ("X1", "overtraining.theory.derivations.claims.b1_noise defines no derivation of it"),
    ],
)
def test_an_unknown_claim_is_refused_by_name(claim, why):
    with pytest.raises(Refusal, match=f"claim '{claim}': {why}"):
        claim_derivation(claim, CLAIMS)


def test_claims_come_after_what_they_use_and_otherwise_as_given():
    a, b, c = quick("a", "b", "B1"), quick("b"), quick("c", "b")
    assert [d.claim for d in order_by_use([c, a, b], CLAIMS)] == ["b", "c", "B1", "a"]


@pytest.mark.parametrize(
    ("derivations", "words"),
    [
        ([quick("a", "b"), quick("b", "c"), quick("c", "b")], "b → c → b: these claims use each other"),
        ([quick("a", "a")], "a → a: these claims use each other"),
        ([quick("a", "Z9")], "claim 'Z9': a uses it and no such claim is known"),
        ([quick("a"), quick("a")], "claim 'a': two derivations"),
    ],
)
def test_what_cannot_be_ordered_is_refused_by_name(derivations, words):
    with pytest.raises(Refusal, match=words):
        check_all(derivations, CLAIMS)


def test_a_verdict_is_inherited_through_every_claim_in_between():
    weak = replace(
        quick("a"), steps=(Step("x", "", lambda: Evidence(True, Verdict.PROVED, "")),), floor=Verdict.ASSERTED
    )
    reports = check_all([quick("c", "b"), quick("b", "a"), weak], {})
    assert [(r.claim, r.verdict) for r in reports] == [(c, Verdict.ASSERTED) for c in "abc"]
    assert [bool(r.problems) for r in reports] == [False, True, True]  # below their floors


def test_progress_is_told_as_it_happens():
    seen = []
    reports = check_all([quick("a"), quick("b", "a")], {}, progress=seen.append)
    assert seen == reports


def test_two_processes_find_what_one_finds():
    mine = replace(B1, claim="mine", uses=("B1",))  # has no module of its own, so it stays here
    derivations = [quick("a"), B1, mine]
    assert check_all(derivations, CLAIMS, processes=2) == check_all(derivations, CLAIMS)
