"""LaTeX formulas as MathML that browsers draw by themselves: no script, no font from elsewhere, nothing unsafe."""

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
SPELLED = {"~": "∼", "ϵ": "ε"}  # as the prose spells them
WIDE = 40  # leaves of a piece that may not fit the page at full size


def display(latex: str) -> str:
    """A formula on its own line, in pieces, so that a narrow page can break it as a typesetter would.

    What cannot be converted is shown as its LaTeX, escaped.
    """
    try:
        row = _convert(latex, "block")
    except Exception:  # a user's formula may be wrong in any way; the reader should see which
        return f'<p class="formula unreadable"><code>{html.escape(latex)}</code></p>'
    parts = _parts(row)
    size = " wide" if max((_leaves(piece) for pieces in parts for piece in pieces), default=0) > WIDE else ""
    drawn = ("<wbr/>".join(_serialize(piece, ' displaystyle="true"') for piece in pieces) for pieces in parts)
    # a part goes to the next line as a whole if that is enough, else it breaks between its pieces
    return f'<div class="formula{size}" tabindex="0">' + " ".join(f"<span>{part}</span>" for part in drawn) + "</div>"


def inline(latex: str) -> str:
    """A formula within a line of text."""
    try:
        return _serialize(_convert(latex, "inline"))
    except Exception:  # as in display
        return f"<code>{html.escape(latex)}</code>"


def prose(text: str) -> str:
    """Plain text as HTML, with the indices and exponents that Unicode cannot write set as such.

    >>> prose("W_l decays as e^{−2μt} & d_in")
    'W<sub>l</sub> decays as e<sup>−2μt</sup> &amp; d<sub>in</sub>'
    """
    raised = re.sub(r"\^\{([^{}]*)\}", r"<sup>\1</sup>", html.escape(text))
    lowered = re.sub(r"(?<=[^\W_])_\{([^{}]*)\}", r"<sub>\1</sub>", raised)
    return re.sub(r"\b([^\W\d_])_(in|out|[a-z0-9])\b", r"\1<sub>\2</sub>", lowered)


def symbols(latex: str) -> tuple[str, ...]:
    """The identifiers in a formula as they appear, each with its subscript; none where it cannot be converted.

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
    """Keep what is mathematics and known to be harmless, and give operators their own element, hence their spacing."""
    if element.tag not in ELEMENTS:
        raise ValueError(f"{element.tag} is no element of a formula")
    for name, value in list(element.attrib.items()):
        if name not in ATTRIBUTES or not re.fullmatch(r"[\w.+%-]+", value):
            del element.attrib[name]
        elif value == "negativethinmathspace":
            element.set(name, "-0.167em")
    text = html.unescape(element.text or "")
    if text.startswith("\\") or len(element) != ARITY.get(element.tag, len(element)):
        raise ValueError(f"{text or element.tag} is unknown or not complete")
    kind = unicodedata.category(text) if len(text) == 1 else ""
    if element.tag == "mi" and (kind in ("Sm", "Ps", "Pe") or text == ":"):
        element.tag = "mo"
        if kind != "Sm":
            element.set("stretchy", "false")
    element.text = SPELLED.get(text, text) or None
    if element.tag == "mi" and VARIABLE.fullmatch(text) and "mathvariant" not in element.attrib:
        # as text: the mathematical alphabets, the default, are in few fonts, and then from different ones
        element.attrib |= {"class": "capital" if text in CAPITALS else "variable", "mathvariant": "normal"}
    for child in element:
        _mend(child)
    for left, table, right in zip(element[:], element[1:], element[2:], strict=False):
        if table.tag == "mtable" and (left.text, right.text) in (("(", ")"), ("[", "]")):
            table.set("class", "round" if left.text == "(" else "square")  # drawn, as few fonts can stretch a bracket
            element.remove(left)
            element.remove(right)
    if len(element) > 1 and all(child.attrib == {"mathvariant": "normal"} for child in element):
        word = "".join(element.itertext())  # one name, and no product of its letters
        element.tag, element.text = "mi", word
        element[:] = []


def _parts(row: Element) -> list[list[Element]]:
    """The row cut at wide spaces into parts, these cut before relations and sums, where outside of all brackets."""
    parts, depth, before = [[Element("mrow")]], 0, ""
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
            child.set("form", "infix")  # at the start of a piece it would be taken for a prefix, without its space
        parts[-1][-1].append(child)
        before = text
    return [[p for piece in pieces for p in _softened(piece)] for pieces in parts if len(pieces[0])]


def _softened(piece: Element) -> list[Element]:
    """A piece too wide for the page is cut inside of its brackets too: at commas and unions, at sums if need be."""
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
    """The elements of a row and of its bracketed groups in one sequence; brackets without partner do not grow."""
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
    """Roughly how many characters wide: those of a fraction's larger half, of the base and of half its scripts."""
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
