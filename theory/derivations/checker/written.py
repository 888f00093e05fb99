"""SymPy's expressions as mathematics in plain text, for the details of a check."""

import re

import sympy as sp
from sympy.printing.pretty.pretty_symbology import pretty_symbol
from sympy.printing.str import StrPrinter

RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def written(expression: sp.Basic) -> str:
    """An expression with Greek letters, raised exponents and products without signs.

    A symbol whose name is a difference is written as that difference, in brackets where it is a factor.

    >>> s, excess = sp.Symbol("s"), sp.Symbol("c − σ")
    >>> written(2 * s**2 * excess * (excess + sp.Symbol("gamma_1") * s))
    '2 s² (c − σ) (c − σ + γ₁ s)'
    """
    spelled = expression.xreplace({symbol: _difference(symbol) for symbol in expression.free_symbols})
    text = _Printer({"order": "none"}).doprint(spelled)
    text = re.sub(r"\*\*(\d+|\(-\d+\))", lambda found: found[1].strip("()").translate(RAISED), text)
    text = re.sub(r"\*\*(?:\(([^()]*)\)|(\w+))", r"^{\1\2}", text)
    return text.replace("*", " ").replace("sqrt(", "√(").replace("-", "−")


class _Printer(StrPrinter):
    def _print_Symbol(self, symbol: sp.Symbol) -> str:
        return str(pretty_symbol(symbol.name))


def _difference(symbol: sp.Symbol) -> sp.Expr:
    whole, _, part = symbol.name.partition(" − ")
    return sp.Symbol(whole) - sp.Symbol(part) if part else symbol
