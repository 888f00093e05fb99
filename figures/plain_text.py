"""Text that comes from a file, shown as text: on a terminal, on a page, in a picture."""

import re
import unicodedata
from html import escape

_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")  # controls, directions, halves of characters, line breaks
_FORMULA = re.compile(r"'*[=+\-@]")  # tabs and line breaks, which begin formulas too, are escaped before

LONGEST = 40
"""Characters in a picture, for which a longer name would leave no room."""


def printable(text: str) -> str:
    r"""The text with an escape for every character that is not seen: terminals obey some of them.

    >>> print(printable("\x1b[31mred"))
    \x1b[31mred
    """
    if text.isprintable():
        return text
    return "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in _INVISIBLE else c for c in text)


def in_spreadsheet(text: str) -> str:
    """The text for a cell of a CSV, with an apostrophe before what a spreadsheet would take for a formula.

    >>> in_spreadsheet("=1+1"), in_spreadsheet("a=b"), in_spreadsheet("'=1")
    ("'=1+1", 'a=b', "''=1")
    """
    return f"'{text}" if _FORMULA.match(text) else text


def from_spreadsheet(cell: str) -> str:
    """The text that `in_spreadsheet` made into a cell.

    >>> from_spreadsheet("'=1+1"), from_spreadsheet("'a'")
    ('=1+1', "'a'")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def in_page(text: str) -> str:
    """The text as HTML, also within the quotes of an attribute; never pass it through Markdown.

    >>> in_page("<img src=http://example.org>")
    '&lt;img src=http://example.org&gt;'
    """
    return escape(printable(text))


def in_picture(text: str) -> str:
    r"""The text as Matplotlib takes it for a title or label: no mathematics, no sign that hides it, at most 40 signs.

    >>> print(in_picture("_$x$"))
     _\$x\$
    """
    shown = printable(text)
    shown = shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
    return (" " if shown.startswith("_") else "") + shown.replace("$", r"\$")
