"""The words that people wrote on pages in Markdown: without code, mathematics, addresses and the signs of Markdown."""

import re
from collections.abc import Iterator

CODE = (
    "code",
    "code-block",
    "code-cell",
    "eval-rst",
    "include",
    "literalinclude",
    "math",
    "raw",
    "sourcecode",
    "toctree",
)
"""Directives whose content is no prose. All whose name begins with `auto` or `claim` have none either."""

FENCE = re.compile(r"\s*(`{3,}|~{3,}|:{3,})\s*(?:\{([\w:-]+)\})?(.*)")
OPTION = re.compile(r"\s*:[\w-]+:(\s|$)")
LABEL = re.compile(r"\s*\([\w-]+\)=\s*")
NO_PROSE = (
    re.compile(r"\{[\w:-]+\}(`+).+?\1", re.DOTALL),  # roles
    re.compile(r"(`+).+?\1", re.DOTALL),
    re.compile(r"\$\$.+?\$\$", re.DOTALL),
    re.compile(r"(?<![\\$])\$[^$\n]+(?:\n[^$\n]+){0,2}\$"),
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"</?[a-zA-Z][^>]*>"),
    re.compile(r"\]\([^)]*\)"),  # where a link leads
    re.compile(r"\]:\s*\S+"),
    re.compile(r"\w+://\S+|\b[\w.+-]+@[\w-]+\.\w+"),
    re.compile(r"\{[#.%][^}]*\}"),  # classes and anchors
)
WORD = re.compile(r"(?<![\w.\\/_^])[^\W\d_]+(?:['’][^\W\d_]+)?(?![\w/_^=(])")
SHORTEST = 3


def prose(text: str) -> str:
    """The prose of a page."""
    text = "\n".join(_lines(text))
    for pattern in NO_PROSE:
        text = pattern.sub(" … ", text)
    return text


def _lines(text: str) -> Iterator[str]:
    """The lines that are not within code, nor settings of a page or a directive."""
    open_fences: list[str] = []
    within_code = False
    lines = text.splitlines()
    if lines[:1] == ["---"]:
        lines = lines[lines.index("---", 1) + 1 :]
    for line in lines:
        fence = FENCE.fullmatch(line)
        if fence and open_fences and not fence[2] and not fence[3].strip() and _closes(fence[1], open_fences[-1]):
            open_fences.pop()
            within_code = False
        elif within_code:
            continue
        elif fence:
            open_fences.append(fence[1])
            name = fence[2] or ""
            within_code = name in CODE or name.startswith(("auto", "claim")) or not (name or fence[1][0] == ":")
            if not within_code and " " in fence[3].strip():  # a title, not a file
                yield fence[3]
        elif not (open_fences and OPTION.match(line)) and not LABEL.fullmatch(line):
            yield line


def _closes(fence: str, opened: str) -> bool:
    return fence[0] == opened[0] and len(fence) >= len(opened)


def words(text: str) -> set[str]:
    """The words of a text, in lower case and without a possessive s; short ones are left out."""
    found = (word.lower().replace("’", "'").removesuffix("'s") for word in WORD.findall(text))
    return {word for word in found if len(word) >= SHORTEST and word.isascii()}
