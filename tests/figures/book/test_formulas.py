"""Formulas: readable for every claim, safe, and broken into lines at the right places."""

import xml.etree.ElementTree as ET

import pytest

from overtraining.figures.book.formulas import display, inline, symbols
from overtraining.theory import derivations
from overtraining.theory.derivations.checker.run import claim_derivation

CLAIMS = getattr(derivations, "CLAIMS", {"B1": "overtraining.theory.derivations.claims.b1_noise"})


@pytest.mark.parametrize("claim", CLAIMS)
def test_formulas_of_the_claims_are_readable(claim):
    derivation = claim_derivation(claim, CLAIMS)
    for latex in (derivation.statement, *(step.statement for step in derivation.steps)):
        assert "unreadable" not in display(latex), latex
    for latex in derivation.symbols:
        assert "<code>" not in inline(latex), latex


@pytest.mark.parametrize(
    ("latex", "seen"),
    [
        (r"\unknown x", "<code>"),
        (r"\frac{1", "<code>"),
        ("x_", "<code>"),
        ("", "<code>"),
        (r"a<b", "<mo form=\"infix\">&lt;</mo>"),
        (r"\begin{aligned}a&=b\\c&=d\end{aligned}", "<mtable>"),
        (r"\begin{pmatrix}0&A\\A&0\end{pmatrix}", '<mtable class="round">'),
        (r"d_{in}", "<mi>in</mi>"),
        (r"\epsilon", ">ε</mi>"),
        (r"\mathrm{tr}\,H", "<mi>tr</mi>"),
    ],
)  # fmt: skip
def test_a_formula_is_drawn_or_shown_as_it_was_written(latex, seen):
    assert seen in display(latex)


def test_an_attribute_that_is_no_mathematics_is_dropped():
    assert "evil" not in display(r"\href{evil}{x}\class{evil}{y}\style{evil}{z}")


def test_a_formula_breaks_before_relations_and_never_inside_of_brackets():
    text = display(r"f(a+b)=c+d,\quad g=h")
    assert text.count("<span>") == 2
    assert text.count("<wbr/>") == 3
    assert ">+</mo><mi" in text.split("<wbr/>")[0]


def test_a_formula_too_wide_for_a_page_breaks_inside_of_its_brackets():
    many = r"\in\left\{" + r"\}\cup\{".join(rf"a_{i}+b_{i},\,c_{i}" for i in range(9)) + r"\right\}"
    text = display(r"\lambda" + many)
    assert text.count("<wbr/>") == 1 + 8 + 9  # the relation, the unions, the commas
    longer = display("x=(" + "+".join(f"a_{{{i}}}" for i in range(40)) + ")")
    assert longer.count("<wbr/>") == 1 + 39
    assert ET.fromstring(longer) is not None


def test_symbols_of_a_formula_carry_their_subscripts():
    assert symbols(r"\dot s_i=2s_i(\sigma_i-s_i)+\tfrac12\|W_1\|_F^2\ln c") == ("s_i", "σ_i", "W_1", "F", "c")
