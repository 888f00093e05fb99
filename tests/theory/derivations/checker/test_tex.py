"""A derivation as LaTeX."""

import os
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from latex2mathml.converter import convert

from overtraining.setting.errors import Refusal
from overtraining.theory import derivations
from overtraining.theory.derivations.checker.core import CheckReport, Step, Verdict, check
from overtraining.theory.derivations.checker.evidence import identity
from overtraining.theory.derivations.checker.run import claim_derivation
from overtraining.theory.derivations.checker.tex import TEXT_WIDTHS, latex, prose, upright
from overtraining.theory.derivations.claims.b1_noise import DERIVATION as B1

CLAIMS = derivations.CLAIMS


def as_if_checked(derivation):
    """A report in which every step holds; the checks themselves would take minutes."""
    evidence = identity(1, 1, "as the check of this test says")
    steps = tuple((step.statement, evidence) for step in (*derivation.steps, derivation))
    error = 1e-16 if derivation.link else None
    return report(
        claim=derivation.claim, steps=steps, rejected=tuple(v.text for v in derivation.variants), engine_error=error
    )


def report(**changes):
    found = CheckReport("B1", Verdict.PROVED, Verdict.PROVED, (), ("a",), (), 2e-16, (), 0.5)
    return replace(found, **changes)


def test_latex_is_well_formed_and_complete():
    text = latex([B1], [check(B1)])
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
    formulas = re.findall(r"\\label\{eq:.*?\}\n(.*?)\n\\end\{equation\}", text, flags=re.DOTALL)
    assert len(formulas) == len(B1.steps) + 1
    for formula in [*formulas, *re.findall(r"\\ensuremath\{(.*?)\}(?=[ ,.;)]|$)", text)]:
        assert "merror" not in convert(formula)
    for words in (
        "zero-mean noise",
        "Without it:",
        "Proved:",
        "8 of 8 wrong variants",
        r"expected\_\allowbreak{}increase",
    ):
        assert words in text


def test_latex_of_another_claims_report_is_refused():
    with pytest.raises(Refusal, match="not of one claim"):
        latex([B1], [report(claim="B2")])


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("W1W1ᵀ ≤ W2_{:k}", r"\ensuremath{W_{1}W_{1}^{\top}} \ensuremath{\le} \ensuremath{W_{2,:k}}"),
        ("|x| <= 1", r"\ensuremath{|}x\ensuremath{|} \ensuremath{\le} 1"),
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
    steps = (Step(r"a&=b\\c&=d", "", lambda: identity(1, 1)),)
    text = latex([replace(B1, steps=steps)], [report(steps=(("", identity(1, 1)),))])
    assert "\\begin{split}\na&=b\\\\\nc&=d\n\\end{split}" in text
    assert text.count("split") == 2


def test_claims_and_equations_have_labels_and_refer_only_to_what_is_there():
    known = [claim_derivation(claim, CLAIMS) for claim in ("B1", "A3", "C1")]
    reports = [as_if_checked(derivation) for derivation in known]
    together, alone = latex(known, reports), latex(known[2:], reports[2:])
    for text, labels in ((together, {"claim:B1", "claim:A3", "claim:C1", "eq:C1", "eq:C1:1"}), (alone, {"claim:C1"})):
        assert labels <= (given := set(re.findall(r"\\label\{(.*?)\}", text)))
        assert set(re.findall(r"\\(?:eq)?ref\{(.*?)\}", text)) <= given
        assert text.count("%") - text.count(r"\%") == text.count("usepackage") == 1
    assert r"Uses.} A3 (Section~\ref{claim:A3}), B1 (Section~\ref{claim:B1})." in together
    assert "Uses.} A3, B1." in alone


def test_an_identifier_of_ones_own_becomes_a_label():
    own = replace(B1, claim="my claim_#1")
    assert r"\label{claim:my-claim-1}" in latex([own], [report(claim=own.claim)])


@pytest.mark.parametrize("points", [0.0, 199.0, float("nan"), float("inf")])
def test_a_width_without_room_for_formulas_is_refused(points):
    with pytest.raises(Refusal, match="pass 345 for article, 397 for NeurIPS, 234 for a column of ICML"):
        latex([B1], [report()], points)


@pytest.mark.parametrize(("style", "points"), TEXT_WIDTHS.items())
def test_tex_sets_all_claims_in_the_width_of_a_style(tmp_path, style, points):
    """No error, no undefined reference and no line that is more than 1 pt too wide."""
    if shutil.which("pdflatex") is None:
        end = pytest.fail if "CI" in os.environ else pytest.skip
        end("no pdflatex: install texlive-latex-base and texlive-latex-recommended")
    known = [claim_derivation(claim, CLAIMS) for claim in CLAIMS]
    fragment = latex(known, list(map(as_if_checked, known)), points)
    packages = re.search(r"% Preamble: (.*)", fragment)[1]
    setting = rf"\documentclass{{article}}{packages}\hfuzz=1pt\textwidth={points}pt\begin{{document}}\section{{Claims}}"
    (tmp_path / "paper.tex").write_text(rf"{setting}\input{{claims}}\end{{document}}")
    (tmp_path / "claims.tex").write_text(fragment)
    call = ["pdflatex", "-draftmode", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"]
    for _ in range(2):  # the second run knows the labels
        done = subprocess.run(call, cwd=tmp_path, capture_output=True, check=False)
        log = (tmp_path / "paper.log").read_text("latin-1")
        assert done.returncode == 0, log[-2000:]
    complaints = [line for line in log.splitlines() if line.startswith(("Overfull", "!", "LaTeX Warning"))]
    assert complaints == [], style


def test_only_words_as_subscripts_are_set_upright():
    assert upright(r"d_{in}+x_{out}^2") == r"d_{\mathrm{in}}+x_{\mathrm{out}}^2"
    assert upright(r"x_{i}+d_{inner}") == r"x_{i}+d_{inner}"
