"""Docstrings as they are written in the code, made into what Sphinx shows: arguments as a list, quotations as links.

The convention of the code, which needs no markup:

* A line that begins with the name of an argument, or several, and a colon describes it (`lengths: …`). Another one may
  follow on the same line after two spaces. The description goes on until a line that was broken before it was full, so
  that a remark on all arguments begins a line of its own; a blank line ends it, too.
* `Raises X …`, `Source: …` and `Returns …` are what they say, wherever a sentence begins with them.
* A text in backquotes links to what Python would find under that name, if it is a public name; else it is a formula
  if it has signs that code has not (`½γ²`), and code if it has none.
* `claim B1`, or `(B1, B2)`, links to the claim's section.
"""

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from docutils import nodes
from docutils.utils import unescape
from public_names import CLAIM, home_of
from sphinx.application import Sphinx

WIDTH = 120  # of the source
ENDINGS = re.compile(
    r"(?:(?<=[.)] )|(?<=[.)]  )|^)(?=(?:Raises|Source:|Returns|(?:All|Both)(?: arrays| four| three)? broadcast|"
    r"Gradient-flow time|Unit of the loss|Whitened inputs\.|Errors as in|Arguments|Broadcasts)(?!\w))"
)
"""Where a sentence begins that is about no single argument."""

OPENING = " \n([{\"'–—/-"
CLOSING = " \n.,;:!?)]}\"'–—/-"
"""Between which characters and a quotation reStructuredText needs nothing."""

MARKED = {"Raises": "Raises", "Source:": "Source", "Returns": "Returns"}
CLAIM_LIST = re.compile(rf"\b(claims? )((?:{CLAIM.pattern})(?:(?:, | and | to |–)(?:{CLAIM.pattern}))*)(?!\w)")
BRACKETS = re.compile(rf"\(((?:{CLAIM.pattern})(?:(?:, | and |–)(?:{CLAIM.pattern}))*)\)")


def arguments_of(thing: Any) -> list[str]:
    """The names of a function's arguments, or of a class's fields."""
    try:
        names = list(inspect.signature(thing).parameters)
    except (TypeError, ValueError):
        names = []
    return names + ([field.name for field in fields(thing)] if is_dataclass(thing) else [])


def readable(lines: Iterable[str], thing: Any, module: str) -> list[str]:
    """A docstring as reStructuredText."""
    names = arguments_of(thing)
    column = 8 if "." in getattr(thing, "__qualname__", "") else 4
    out: list[str] = []
    before = ""
    for kind, text in _paragraphs(list(lines), names, WIDTH - column):
        shown = text if kind == "as it is" else marked_up(text, module, set(names))
        if kind == "argument":
            out += [] if before == "argument" else [f":{'Fields' if is_dataclass(thing) else 'Arguments'}:", ""]
            out += [f"   * {shown}", ""]
        elif kind == "Raises":
            out += [f":Raises: {_errors(shown, module)}", ""]
        elif kind in MARKED.values():
            out += [f":{kind}: {shown}", ""]
        else:
            out += [*shown.split("\n"), ""]
        before = kind
    return out


def _paragraphs(lines: list[str], names: list[str], width: int) -> Iterator[tuple[str, str]]:
    """The kind of each paragraph (`argument`, `Raises`, `text`, …) and its text; code comes as it is."""
    for block in _blocks(lines):
        if block[0].startswith(">>>"):
            yield "as it is", "\n".join(block)
        elif block[0].startswith("    "):
            yield "as it is", "\n".join([".. code-block:: text", "", *block])
        elif re.match(r"[-*] ", block[0]):
            yield "as it is", "\n".join(block)
        else:
            yield from _described(block, names, width)


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """What blank lines separate, and an example where a line begins with `>>>`."""
    block: list[str] = []
    for line in [*lines, ""]:
        starts = line.startswith(">>>") and block and not block[0].startswith(">>>")
        if (not line or starts) and block:
            yield block
            block = []
        if line:
            block.append(line)


def _described(block: list[str], names: list[str], width: int) -> Iterator[tuple[str, str]]:
    """One block of text, split into descriptions of arguments and what is said beside them."""
    known = "|".join(sorted(map(re.escape, names), key=len, reverse=True)) or "(?!)"
    item = re.compile(rf"(?:\*?\*?(?:{known}))(?:, (?:{known}))*: ")
    parts: list[tuple[bool, str]] = []  # whether it describes an argument, and its text
    for number, line in enumerate(block):
        previous = block[number - 1] if number else ""
        broken_early = len(previous) + 1 + len(line.split()[0]) <= width
        first, *others = re.split(rf"(?<=\S)  (?={item.pattern})", line)
        if item.match(first):
            parts.append((True, first))
        elif parts and not (_may_end(parts[-1]) and broken_early and previous.endswith((".", ")", "`"))):
            parts[-1] = (parts[-1][0], f"{parts[-1][1]} {first}")
        else:
            parts.append((False, first))
        parts += [(True, other) for other in others]
    for place, (is_item, text) in enumerate(parts):
        amid = is_item and any(later for later, _ in parts[place + 1 :])  # what is said there is of this argument
        first, *others = [text] if amid else [piece.strip() for piece in ENDINGS.split(text) if piece.strip()]
        if is_item:
            name, description = first.split(": ", 1)
            yield "argument", f"**{name}** – {description}"
        else:
            others.insert(0, first)
        yield from _told(others)


def _may_end(part: tuple[bool, str]) -> bool:
    """Whether a line that is broken early ends this part: elsewhere it does not, since a formula is not broken."""
    return part[0] or part[1].startswith("Raises")


def _told(pieces: list[str]) -> Iterator[tuple[str, str]]:
    """Sentences that are about no single argument: what is raised and where it is from as fields, the rest together."""
    plain: list[str] = []
    for piece in pieces:
        word, _, rest = piece.partition(" ")
        if word in MARKED and (rest or word == "Source:"):
            if plain:
                yield "text", " ".join(plain)
                plain = []
            yield MARKED[word], rest
        else:
            plain.append(piece)
    if plain:
        yield "text", " ".join(plain)


def marked_up(text: str, module: str, names: set[str]) -> str:
    """A paragraph with quotations and claims as links, and nothing else that reStructuredText would take for markup."""
    out = ""
    for number, part in enumerate(re.split(r"`([^`]+)`", text)):
        shown = _quoted(part, module, names) if number % 2 else _plain(part)
        apart = "" if not out or not shown or out[-1] in OPENING or shown[0] in CLOSING else r"\ "
        out += apart + shown if number % 2 or number else shown
    return out


def _quoted(text: str, module: str, names: set[str]) -> str:
    if text not in names and (home := home_of(text, module)):
        return f":py:obj:`{text} <{home}>`"
    if text.isascii():
        return f"``{text.strip()}``"
    return f":formula:`{text.strip()}`".replace("\\", r"\\")


def _plain(text: str) -> str:
    text = text.replace("\\", "\\\\").replace("|", r"\|")
    text = re.sub(r"(?<!\*)\*(?!\w[^*]*\w?\*)(?<!\w\*)", r"\*", text) if text.count("*") % 2 else text
    text = re.sub(r"(\w)_(?!\w)", r"\1\\_", text)
    text = CLAIM_LIST.sub(lambda found: found.group(1) + _claims(found.group(2)), text)
    text = BRACKETS.sub(lambda found: f"({_claims(found.group(1))})", text)
    return re.sub(rf"^({CLAIM.pattern})(?=[:.,’']| averaged)", lambda found: _claims(found.group(1)), text)


def _errors(text: str, module: str) -> str:
    """The names of errors as links."""

    def link(found: re.Match[str]) -> str:
        home = home_of(found.group(), module)
        return f":py:obj:`{found.group()} <{home}>`" if home else found.group()

    return re.sub(r"(?<![`<.\w])[A-Z][a-z]+[A-Z]\w+(?![`>\w])", link, text)


def _claims(text: str) -> str:
    return re.sub(CLAIM, lambda found: f":ref:`{found.group()} <claim-{found.group()[:2].lower()}>`", text)


def _process(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    module = getattr(thing, "__module__", None) or getattr(getattr(thing, "fget", None), "__module__", "")
    if what == "data":
        module = name.rpartition(".")[0]
    lines[:] = readable(lines, thing, thing.__name__ if inspect.ismodule(thing) else module)


def _skip(app: Sphinx, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """Not shown: fields of named tuples, of which Python says that they are aliases, and what other projects add."""
    if str(getattr(thing, "__doc__", "")).startswith("Alias for field number"):
        return True
    home = getattr(thing, "__module__", None) or "overtraining"
    return True if inspect.isroutine(thing) and not home.startswith("overtraining") else None


def formula(_name: str, raw: str, text: str, *_: Any, **__: Any) -> tuple[list[nodes.Node], list[Any]]:
    """A formula as it is written in a docstring, in letters and signs."""
    return [nodes.inline(raw, unescape(text), classes=["formula"])], []


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_role("formula", formula)
    app.connect("autodoc-process-docstring", _process)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
