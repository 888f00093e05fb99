"""Convert LaTeX formulas to MathML, which browsers draw without scripts or extra fonts; remove unsafe content."""

import html
import re
import unicodedata
from xml.etree.ElementTree import Element, tostring

from latex2mathml.converter import convert_to_element

from overtraining.theory.derivations.checker.tex import upright

ELEMENTS = {
    "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub", "msup", "msubsup", "munder",
    "mover", "munderover", "mtable", "mtr", "mtd", "mstyle", "mpadded", "mphantom", "menclose",
}  # fmt: skip
ATTRIBUTES = {
    "displaystyle", "scriptlevel", "mathvariant", "stretchy", "fence", "form", "minsize", "maxsize", "movablelimits",
    "largeop", "accent", "accentunder", "width", "height", "depth", "lspace", "rspace", "voffset", "columnalign",
}  # fmt: skip
RELATIONS = frozenset("=≤≥<>≈∼∝≡≠→⇒⟹⇔⟺↦≪≫∈≔")
SUMS, UNIONS = frozenset("+−±"), frozenset("∪∩")
ARITY = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2, "munderover": 3, "mroot": 2}
VARIABLE = re.compile("[A-Za-zΑ-Ωα-ωϑϕϵ]")
CAPITALS = frozenset("ΓΔΘΛΞΠΣΥΦΨΩ")  # upright, as in LaTeX
SPELLED = {"~": "∼", "ϵ": "ε"}  # as in the text
WIDE = 40  # characters beyond which a piece may not fit the page at full size


def display(latex: str) -> str:
    """A formula on its own line, in pieces between which a narrow page can break it.

    A formula that cannot be converted is shown as escaped LaTeX.
    """
    try:
        row = _convert(latex, "block")
    except Exception:  # a user's formula may be wrong in any way; the reader should see it
        return f'<p class="formula unreadable"><code>{html.escape(latex)}</code></p>'
    parts = _parts(row)
    size = " wide" if max((_leaves(piece) for pieces in parts for piece in pieces), default=0) > WIDE else ""
    drawn = ("<wbr/>".join(_serialize(piece, ' displaystyle="true"') for piece in pieces) for pieces in parts)
    # a part moves to the next line as a whole if that suffices; otherwise it breaks between its pieces
    return f'<div class="formula{size}" tabindex="0">' + " ".join(f"<span>{part}</span>" for part in drawn) + "</div>"


def inline(latex: str) -> str:
    """A formula within a line of text."""
    try:
        return _serialize(_convert(latex, "inline"))
    except Exception:  # as in display
        return f"<code>{html.escape(latex)}</code>"


def prose(text: str) -> str:
    """Plain text as HTML, with subscripts and superscripts that Unicode does not have.

    >>> prose("W_l decays as e^{−2μt} & d_in")
    'W<sub>l</sub> decays as e<sup>−2μt</sup> &amp; d<sub>in</sub>'
    """
    raised = re.sub(r"\^\{([^{}]*)\}", r"<sup>\1</sup>", html.escape(text))
    lowered = re.sub(r"(?<=[^\W_])_\{([^{}]*)\}", r"<sub>\1</sub>", raised)
    return re.sub(r"\b([^\W\d_])_(in|out|[a-z0-9])\b", r"\1<sub>\2</sub>", lowered)


def symbols(latex: str) -> tuple[str, ...]:
    """The identifiers in a formula in their order, each with its subscript; none if it cannot be converted.

    >>> symbols(r"c = \\tfrac12(\\gamma_1^2 d_{in} + \\dot a)")
    ('c', 'γ_1', 'd_in', 'a')
    """
    try:
        return tuple(dict.fromkeys(_identifiers(_convert(latex, "inline"))))
    except Exception:  # as in display
        return ()


def _convert(latex: str, display: str) -> Element:
    latex = re.sub(r"\\(begin|end)\{(aligned|split|align\*?)\}", _array, upright(latex))
    latex = latex.replace(r"\operatorname*", r"\operatorname")
    row = convert_to_element(latex, display=display)[0]
    _mend(row)
    return row


def _array(match: re.Match[str]) -> str:
    return r"\begin{array}{rl}" if match[1] == "begin" else r"\end{array}"


def _mend(element: Element) -> None:
    """Keep only harmless elements and attributes of mathematics, and make operators `mo`, which gives them spacing."""
    if element.tag not in ELEMENTS:
        raise ValueError(f"{element.tag} is not an element of a formula")
    for name, value in list(element.attrib.items()):
        if name not in ATTRIBUTES or not re.fullmatch(r"[\w.+%-]+", value):
            del element.attrib[name]
        elif value == "negativethinmathspace":
            element.set(name, "-0.167em")
    text = html.unescape(element.text or "")
    if text.startswith("\\") or len(element) != ARITY.get(element.tag, len(element)):
        raise ValueError(f"{text or element.tag} is unknown or incomplete")
    kind = unicodedata.category(text) if len(text) == 1 else ""
    if element.tag == "mi" and (kind in ("Sm", "Ps", "Pe") or text == ":"):
        element.tag = "mo"
        if kind != "Sm":
            element.set("stretchy", "false")
    element.text = SPELLED.get(text, text) or None
    if element.tag == "mi" and VARIABLE.fullmatch(text) and "mathvariant" not in element.attrib:
        # as plain letters: few fonts contain the mathematical alphabets, which are the default
        element.attrib |= {"class": "capital" if text in CAPITALS else "variable", "mathvariant": "normal"}
    for child in element:
        _mend(child)
    for opening, table, closing in zip(element[:], element[1:], element[2:], strict=False):
        if table.tag == "mtable" and (opening.text, closing.text) in (("(", ")"), ("[", "]")):
            table.set(
                "class", "round" if opening.text == "(" else "square"
            )  # drawn by the style sheet, since few fonts can stretch a bracket
            element.remove(opening)
            element.remove(closing)
    if len(element) > 1 and all(child.attrib == {"mathvariant": "normal"} for child in element):
        word = "".join(element.itertext())  # one name, and not a product of its letters
        element.tag, element.text = "mi", word
        element[:] = []


def _parts(row: Element) -> list[list[Element]]:
    """The row cut at wide spaces into parts, and these before relations and sums, but not inside brackets."""
    parts = [[Element("mrow")]]
    depth, before = 0, ""
    for child in row:
        text = (child.text or "") if child.tag == "mo" else child.tag
        depth += (text in ("(", "[", "{", "⟨")) - (text in (")", "]", "}", "⟩"))
        if depth <= 0 and child.tag == "mspace" and child.get("width") in ("1em", "2em"):
            parts.append([Element("mrow")])
            before = ""
            continue
        is_term = text in SUMS and before not in RELATIONS
        if depth <= 0 and before and (text in RELATIONS or is_term):
            parts[-1].append(Element("mrow"))
            child.set("form", "infix")  # at the start of a piece it would count as a prefix and lose its space
        parts[-1][-1].append(child)
        before = text
    return [[p for piece in pieces for p in _split_if_wide(piece)] for pieces in parts if len(pieces[0])]


def _split_if_wide(piece: Element) -> list[Element]:
    """A piece that is too wide for the page is also cut inside brackets: at commas and unions, then at sums."""
    if _leaves(piece) <= WIDE:
        return [piece]
    sets = _cut(_without_fences(piece), UNIONS)
    return [row for part in sets for row in (_cut(list(part), SUMS) if _leaves(part) > WIDE else [part])]


def _cut(children: list[Element], before: frozenset[str]) -> list[Element]:
    rows = [Element("mrow")]
    for child in children:
        sign = child.text if child.tag == "mo" else None
        if sign in before and len(rows[-1]) > 1:
            rows.append(Element("mrow"))
            child.set("form", "infix")
        rows[-1].append(child)
        if sign == ",":
            rows.append(Element("mrow"))
    return [row for row in rows if len(row)]


def _without_fences(row: Element) -> list[Element]:
    """The elements of a row and of its bracketed groups in one sequence; brackets without a partner do not grow."""
    flat = []
    for child in row:
        if child.tag == "mrow" and len(child) and child[0].get("fence") == "true":
            child[0].set("stretchy", "false")
            child[-1].set("stretchy", "false")
            flat += _without_fences(child)
        else:
            flat.append(child)
    return flat


def _leaves(element: Element) -> int:
    """Approximate width in characters; that of a fraction is the width of its wider half."""
    if element.tag == "mfrac":
        return max(map(_leaves, element), default=0)
    if element.tag == "mtable":
        return max((sum(map(_leaves, row)) for row in element), default=0)
    return len(element.text or "") + sum(map(_leaves, element))


def _identifiers(element: Element) -> list[str]:
    if element.tag in ("msub", "msubsup") and len(element) > 1:
        base, low = _plain(element[0]), _plain(element[1])
        rest = [i for child in list(element)[2:] for i in _identifiers(child)]
        return [f"{base}_{low}", *rest] if base and element[0].tag != "mo" else rest + _identifiers(element[1])
    if element.tag == "mi" and element.text and (len(element.text) == 1 or not element.text.isascii()):
        return [element.text]
    return [i for child in element for i in _identifiers(child)]


def _plain(element: Element) -> str:
    return _plain(element[0]) if element.tag == "mover" else "".join(element.itertext())


def _serialize(row: Element, attribute: str = "") -> str:
    return f"<math{attribute}>" + tostring(row, encoding="unicode") + "</math>"
