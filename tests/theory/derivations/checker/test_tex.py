"""A derivation as LaTeX."""

import re
from dataclasses import replace

import pytest
from latex2mathml.converter import convert

from overtraining.setting.errors import Refusal
from overtraining.theory.derivations.checker.core import CheckReport, Evidence, Step, Verdict, check
from overtraining.theory.derivations.checker.tex import latex, prose, upright
from overtraining.theory.derivations.claims.b1_noise import DERIVATION as B1


def report(**changes):
    found = CheckReport("B1", Verdict.PROVED, Verdict.PROVED, (), ("a",), (), 2e-16, (), 0.5)
    return replace(found, **changes)


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


def test_only_words_as_subscripts_are_set_upright():
    assert upright(r"d_{in}+x_{out}^2") == r"d_{\mathrm{in}}+x_{\mathrm{out}}^2"
    assert upright(r"x_{i}+d_{inner}") == r"x_{i}+d_{inner}"
