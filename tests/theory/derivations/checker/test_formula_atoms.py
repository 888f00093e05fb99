"""The pieces of a formula: their LaTeX is the formula's, and their widths are near to TeX's."""

import pytest

from overtraining.theory.derivations.checker.formula_atoms import parsed, source, width


@pytest.mark.parametrize(
    ("latex", "points"),  # measured by pdflatex at 10 pt, in \displaystyle
    [
        (r"\Delta P<0\iff\sigma>2c", 92.7),
        (r"f'=f-\eta\left(W_2W_2^\top G+GW_1^\top W_1\right)+\eta^2GW_1^\top W_2^\top G", 220.4),
        (r"\tfrac{d}{dT}(W_2^\top W_2-W_1W_1^\top)=0", 113.7),
        (
            r"\nabla_{W_1}L=W_2^\top(f-A)\Sigma_x,\quad\nabla_{W_2}L=(f-A)\Sigma_xW_1^\top,\quad\dot L=-\|\nabla L\|^2",
            293.8,
        ),
        (
            r"\tau=\tfrac1\sigma\left(1+\tfrac{x}{\ln(1/\varepsilon)}\right):\quad s\to\tfrac{\sigma}{1+\sigma e^{-x}}",
            153.8,
        ),
        (r"\lambda=0>p_0:\ p\to0", 84.3),
        ("f'f'f'f'", 35.1),
    ],
)
def test_widths_are_near_to_those_of_tex(latex, points):
    assert width(parsed(latex)) == pytest.approx(points, rel=0.06)


@pytest.mark.parametrize(
    "latex",
    [
        r"\tfrac12\sigma x^{2}_i",
        r"\tfrac\lambda2I",
        r"\begin{cases}0&a\\b&\begin{pmatrix}c\end{pmatrix}\end{cases}",
        r"\left.\tfrac{d}{ds}\right|_{s=0}f''",
        r"\sqrt{a^2+b}\;\operatorname*{arg\,min}_x",
        r"\Big(\sum_k F\Big)^2",
    ],
)
def test_the_source_is_kept(latex):
    assert source(parsed(latex)).replace(" ", "") == latex.replace(" ", "")


@pytest.mark.parametrize(
    "wrong", ["{", r"\frac", r"\left(", r"\begin{cases}", "^", "_", "}", r"\right", r"\sqrt", "\\"]
)
def test_a_formula_that_is_wrong_is_read_to_its_end(wrong):
    assert width(parsed(wrong)) >= 0
