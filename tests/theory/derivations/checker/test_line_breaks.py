"""Formulas broken into rows: at the best places that suffice, and with nothing lost."""

import re

import pytest

from overtraining.theory import derivations
from overtraining.theory.derivations.checker.formula_atoms import parsed, width
from overtraining.theory.derivations.checker.line_breaks import rows
from overtraining.theory.derivations.checker.run import claim_derivation


@pytest.mark.parametrize(
    ("latex", "points", "broken"),
    [
        (r"a=b,\quad c=d", 345.0, [r"a=b,\quad c=d"]),
        (r"aaaa=bbbb,\quad cccc=dddd", 100.0, ["&aaaa=bbbb,", "&cccc=dddd"]),  # statements first
        (r"aa=bb+cc+dd,\quad ee=ff", 70.0, ["&aa=bb+cc", r"&\quad +dd,", "&ee=ff"]),  # then before signs
        (r"aaaaa=(b+c)d=eeeee", 95.0, ["&aaaaa=(b+c)d", r"&\quad =eeeee"]),  # not inside of brackets
        (r"x=\left[a+\frac{bb}{cc}+dddd\right]", 60.0, [r"&x=\biggl[a+\frac{bb}{cc}", r"&\quad +dddd\biggr]"]),
        (r"x=\left|aaaa+bbbb\right|", 50.0, ["&x", r"&\quad =\left|aaaa+bbbb\right|"]),  # its two ends look alike
        (r"x=\{aaaa,bbbb\}\cup\{cccc\}", 60.0, [r"&x=\{aaaa,", r"&\quad bbbb\}", r"&\quad \cup\{cccc\}"]),
        (r"-a=-b+c", 35.0, ["&-a", r"&\quad =-b", r"&\quad +c"]),  # a sign of one term is no place to break
        (r"a&=b\\c&=d", 345.0, ["a&=b", "c&=d"]),
        (r"a=b\\c=d", 345.0, ["&a=b", "&c=d"]),
        (r"aaaa&=bbbb+cccc\\d&=e", 70.0, ["&aaaa=bbbb", r"&\quad +cccc", "&d=e"]),
        ("a" * 40, 100.0, ["&" + "a" * 40]),  # without a place to break it stays whole
    ],
)
def test_a_formula_breaks_at_the_best_places_that_suffice(latex, points, broken):
    assert rows(latex, points) == broken


@pytest.mark.parametrize("points", [209.0, 320.0])
def test_the_claims_fit_and_lose_nothing(points):
    def essence(text):  # brackets may have another size, and spaces at the ends of rows are dropped
        return re.sub(r"\\(left|right|[bB]igg?[lr]?)(?![A-Za-z])|\\q?quad|\\ |&|\s", "", text)

    for claim in derivations.CLAIMS:
        derivation = claim_derivation(claim, derivations.CLAIMS)
        for latex in (derivation.statement, *(step.statement for step in derivation.steps)):
            broken = rows(latex, points)
            assert max(width(parsed(row)) for row in broken) <= points, (claim, latex)
            if r"\begin" not in latex:
                assert essence("".join(broken)) == essence(latex)
