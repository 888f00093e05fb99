"""Finding derivations, the order in which they are checked, and what is said of them."""

import json
import re
from dataclasses import replace

import pytest
from latex2mathml.converter import convert

from overtraining.setting.errors import Refusal
from overtraining.theory.derivations.checker.core import CheckReport, Evidence, Step, Verdict, check
from overtraining.theory.derivations.checker.report import as_json, failed, table
from overtraining.theory.derivations.checker.run import (
    check_all,
    claim_derivation,
    find_derivation,
    load_derivation,
    order_by_use,
)
from overtraining.theory.derivations.checker.tex import latex, prose
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
        quick("a"), steps=(Step("x", "", lambda: Evidence(True, Verdict.ASSUMED, "")),), floor=Verdict.ASSUMED
    )
    reports = check_all([quick("c", "b"), quick("b", "a"), weak], {})
    assert [(r.claim, r.verdict) for r in reports] == [(c, Verdict.ASSUMED) for c in "abc"]
    assert [bool(r.problems) for r in reports] == [False, True, True]  # below their floors


def test_progress_is_told_as_it_happens():
    seen = []
    reports = check_all([quick("a"), quick("b", "a")], {}, progress=seen.append)
    assert seen == reports


def test_two_processes_find_what_one_finds():
    mine = replace(B1, claim="mine", uses=("B1",))  # has no module of its own, so it stays here
    derivations = [quick("a"), B1, mine]
    assert check_all(derivations, CLAIMS, processes=2) == check_all(derivations, CLAIMS)


def report(**changes):
    found = CheckReport("B1", Verdict.PROVED, Verdict.PROVED, (), ("a",), (), 2e-16, (), 0.5)
    return replace(found, **changes)


def test_the_table_fits_a_terminal_and_tells_every_problem():
    problems = ("step failed: " + "x" * 300, "engine\noff by 0.05")
    text = table([check(B1), report(claim="a claim of mine", problems=problems, engine_error=None)])
    assert max(map(len, text.splitlines())) <= 100
    assert "8/8" in text
    assert "engine off by 0.05" in text
    assert text.replace("\n", "").replace(" ", "").count("x" * 300) == 1
    assert "2 problems" in text


def test_json_has_the_counts_and_stays_json():
    first, second = json.loads(as_json([check(B1), report(engine_error=float("inf"))], [B1]))
    assert (first["claim"], first["verdict"], first["floor"]) == ("B1", "proved", "proved")
    assert (first["steps"], first["variants"], first["rejected"]) == (3, 8, 8)
    assert first["engine_function"] == "overtraining.theory.sensitivity.noise.expected_increase"
    assert first["title"] == B1.title
    assert first["engine_error"] < 1e-15
    assert 0 < first["seconds"] < 60
    assert second["engine_error"] is None
    assert first.keys() == second.keys()


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([], True),
        ([report()], False),
        ([report(), report(problems=("x",))], True),
        ([report(survivors=("x",))], True),
        ([report(verdict=Verdict.FAILED)], True),
    ],
)
def test_failure_is_any_problem_and_nothing_checked(reports, expected):
    assert failed(reports) is expected


def test_latex_is_well_formed_and_complete():
    text = latex(B1, check(B1))
    begun, stack = re.findall(r"\\(begin|end)\{([a-z*]+)\}", text), []
    for kind, name in begun:
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert stack == []
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}") > 0
    assert text.isascii()
    assert "d_{out}" not in text
    formulas = re.findall(r"\\begin\{equation\*\}\n(.*?)\n\\end", text, flags=re.DOTALL)
    assert len(formulas) == len(B1.steps) + 2
    for formula in [*formulas, *re.findall(r"\\ensuremath\{(.*?)\}(?=[ ,.;)]|$)", text)]:
        assert "merror" not in convert(formula)
    for words in ("zero-mean noise", "Without it:", "Proved:", "8 of 8 wrong variants", r"expected\_increase"):
        assert words in text


def test_latex_of_another_claims_report_is_refused():
    with pytest.raises(Refusal, match="not of one claim"):
        latex(B1, report(claim="B2"))


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("ab_cd & 5% {x}", r"ab\_cd \& 5\% \{x\}"),
        ("W1ᵀ", r"\ensuremath{W_{1}^{\top}}"),
        ("d_in ≤ ½", r"\ensuremath{d_{\mathrm{in}}} \ensuremath{\le} \ensuremath{\tfrac12}"),
        ("σ₁₂²", r"\ensuremath{\sigma_{12}^{2}}"),
        ("x²₁²", r"\ensuremath{x^{2}_{1}{}^{2}}"),
        ("ṡ and ẇ", r"\ensuremath{\dot{s}} and \ensuremath{\dot{w}}"),
        ("γλ", r"\ensuremath{\gamma\lambda}"),
        ("σx", r"\ensuremath{\sigma}x"),
        ("Köthe", "Köthe"),
        ("漢", "[U+6F22]"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
    ],
)
def test_prose_becomes_latex(text, latex):
    assert prose(text) == latex


def test_formulas_with_rows_are_set_as_rows():
    steps = (Step(r"a&=b\\c&=d", "", lambda: Evidence(True, Verdict.PROVED, "")),)
    text = latex(replace(B1, steps=steps), report(steps=(("", Evidence(True, Verdict.PROVED, "")),)))
    assert r"\begin{aligned}a&=b\\c&=d\end{aligned}" in text
    assert text.count("aligned") == 2
