r"""A formula in LaTeX as a row of pieces with estimated widths, for Computer Modern at 10 pt in a display."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace


def _commands(names: str) -> frozenset[str]:
    return frozenset("\\" + name for name in names.split())


TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|\s+|.", flags=re.DOTALL)
SPACES = {r"\quad": 10.0, r"\qquad": 20.0, r"\ ": 3.4, r"\,": 1.7, r"\;": 2.8, r"\:": 2.3, r"\!": -1.7}
RELATIONS = frozenset("=<>") | _commands(
    "le leq ge geq ne neq approx sim simeq equiv propto in notin subset subseteq ll gg"
)
ARROWS = _commands("to mapsto leftarrow rightarrow Leftarrow Rightarrow Leftrightarrow")
LONG_ARROWS = _commands("iff implies")
SIGNS = frozenset("+-") | _commands("pm mp cup cap")
OPENING = frozenset(("(", "[", r"\{")) | _commands("langle lfloor lceil")
CLOSING = frozenset((")", "]", r"\}")) | _commands("rangle rfloor rceil")
FRACTIONS = {r"\frac": 1.0, r"\dfrac": 1.0, r"\tfrac": 0.72}  # scale of both halves
WORDS = _commands("text mathrm operatorname operatorname* textbf textit mathbf")
OVER = _commands("dot ddot hat bar tilde vec overline underline mathbb mathcal mathsf")
LARGE = {r"\sum": 16.2, r"\prod": 14.5, r"\int": 11.7}  # in a display
NAMES = _commands("ln log exp sin cos tan sinh cosh tanh max min sup inf lim det")
LIMITS = _commands("sum prod max min sup inf lim")  # which have their scripts below and above them
SIZES = ((r"\\d?frac|\\sum|\\prod|\\int|\\begin", "bigg"), (r"\\tfrac|\\sqrt", "Big"), ("", "big"))
SCRIPT = 0.72


@dataclass(frozen=True)
class Atom:
    """One piece of a formula that is never broken, unless it holds others between stretched brackets."""

    source: str
    width: float
    kind: str = ""  # relation, sign, open, close, mark, space, wide
    inside: tuple["Atom", ...] = ()
    scripts: float = 0.0  # their share of the width


def parsed(latex: str) -> list[Atom]:
    r"""The pieces of a formula; between \left and \right they are inside of one.

    >>> [atom.kind for atom in parsed(r"a_1=\left(b+c\right)")]
    ['', 'relation', '']
    """
    return _sequence(_Tokens(TOKEN.findall(latex)), ())


def width(atoms: Sequence[Atom]) -> float:
    """Points that the pieces take, without the spaces at their ends.

    >>> 20 < width(parsed("a=b")) < 35
    True
    """
    return sum((atom.width for atom in stripped(atoms)), 0.0)


def stripped(atoms: Sequence[Atom]) -> list[Atom]:
    """Without the spaces at the ends."""
    kept = list(atoms)
    while kept and kept[-1].kind in ("space", "wide"):
        kept.pop()
    while kept and kept[0].kind in ("space", "wide"):
        kept.pop(0)
    return kept


def source(atoms: Sequence[Atom]) -> str:
    """The LaTeX of the pieces."""
    text = ""
    for atom in stripped(atoms):
        joins = re.search(r"\\[A-Za-z]+$", text) and atom.source[0].isalpha()
        text += (" " if joins else "") + atom.source
    return text


def _sequence(tokens: "_Tokens", ends: tuple[str, ...]) -> list[Atom]:
    atoms: list[Atom] = []
    while tokens.peek() and tokens.peek() not in ends:
        token = next(tokens)
        if token.isspace():
            continue
        if token in ("^", "_") or token == "'":
            scripted = tokens.argument() if token != "'" else ""
            base = atoms.pop() if atoms else Atom("{}", 0.0)
            atoms.append(_with_script(base, token, scripted))
        else:
            atoms.append(_atom(token, tokens, atoms[-1].kind if atoms else "begin"))
    return atoms


def _with_script(base: Atom, sign: str, script: str) -> Atom:
    """A base with one more script; two scripts stand above each other and take the width of the wider one."""
    size = SCRIPT * _inner_width(script) + 0.8 if script else 3.0
    source = base.source + sign + script
    if re.split("[_^]", base.source)[0] in LIMITS:
        return replace(base, source=source, width=max(base.width, size + 1.7))
    above = max(base.scripts, size) if script else base.scripts + size
    inside = base.inside and (
        *base.inside[:-1],
        replace(base.inside[-1], source=base.inside[-1].source + sign + script),
    )
    return replace(base, source=source, width=base.width - base.scripts + above, scripts=above, inside=inside)


def _atom(token: str, tokens: "_Tokens", before: str) -> Atom:  # noqa: PLR0911 — one return per construct
    if token in SPACES:
        return Atom(token, SPACES[token], "wide" if "quad" in token else "space")
    if token in FRACTIONS:
        halves = tokens.argument(), tokens.argument()
        wide = FRACTIONS[token] * max(map(_inner_width, halves)) + 2.4
        return Atom(_joined(token, *halves), wide)
    if token in WORDS:
        word = tokens.argument()
        return Atom(token + word, 4.9 * len(word.strip("{}")) + 1.7 * ("operatorname" in token))
    if token in OVER:
        inside = tokens.argument()
        return Atom(_joined(token, inside), _inner_width(inside) + 1.0 * (token == r"\mathbb"))
    if token == r"\sqrt":
        inside = tokens.argument()
        return Atom(_joined(token, inside), _inner_width(inside) + 9.0)
    if token == r"\left":
        return _stretched(tokens)
    if token == r"\begin":
        return _environment(tokens)
    if re.fullmatch(r"\\(big|Big|bigg|Bigg)[lrm]?", token):
        bracket = tokens.argument()
        kind = "open" if bracket in OPENING else "close" if bracket in CLOSING else ""
        return Atom(token + bracket, 5.5, kind)
    if token == "{":
        inside = "{"
        depth = 1
        while depth and tokens.peek():
            piece = next(tokens)
            depth += (piece == "{") - (piece == "}")
            inside += piece
        return Atom(inside, _inner_width(inside + "}" * depth))
    return _sign(token, before)


def _sign(token: str, before: str) -> Atom:
    """A token without arguments."""
    if token in SIGNS:
        binary = before in ("", "close")
        return Atom(token, 12.2 if binary else 7.8, "sign" if binary else "prefix")
    for tokens, points, kind in (
        (RELATIONS, 13.3, "relation"),
        (ARROWS, 15.6, "relation"),
        (LONG_ARROWS, 25.0, "relation"),
        (OPENING, 4.3, "open"),
        (CLOSING, 4.3, "close"),
        ((",", ";"), 4.5, "mark"),
        (("&", r"\\"), 0.0, "align"),
        ((r"\cdot", r"\times", r"\circ", r"\odot", r"\otimes", r"\infty"), 10.0, ""),
        ((r"\ldots", r"\dots", r"\cdots"), 13.3, ""),
        (("|", ":", r"\mid", r"\vert"), 3.4, ""),
        ((r"\|",), 5.0, ""),
    ):
        if token in tokens:
            return Atom(token, points, kind)
    return Atom(token, LARGE.get(token) or _letters(token))


def _letters(token: str) -> float:
    """Points of a letter, a digit, or a name such as `\\ln` or `\\sigma`."""
    if token in NAMES:
        return 5.1 * (len(token) - 1) + 1.7
    if token.startswith("\\"):
        return 7.8 if token[1:2].isupper() else 6.2
    if token in "MW":
        return 10.8
    if token.isupper() or token in "mw":
        return 8.3
    return 5.0 if token.isdigit() else 2.8 if token == "." else 5.6


def _stretched(tokens: "_Tokens") -> Atom:
    opening = tokens.argument()
    inner = _sequence(tokens, (r"\right",))
    next(tokens, "")
    closing = tokens.argument()
    written = source(inner)
    text = rf"\left{opening}{written}\right{closing}"
    size = next(name for pattern, name in SIZES if re.search(pattern, written))
    bracket = {"bigg": 7.5, "Big": 6.0, "big": 4.6}[size]
    wide = width(inner) + sum(bracket if delimiter != "." else 1.2 for delimiter in (opening, closing))
    if opening not in OPENING or closing not in CLOSING:
        return Atom(text, wide)
    ends = Atom(rf"\{size}l{opening}", bracket, "open"), Atom(rf"\{size}r{closing}", bracket, "close")
    return Atom(text, wide, inside=(ends[0], *inner, ends[1]))


def _environment(tokens: "_Tokens") -> Atom:
    name = tokens.argument()
    body, depth = "", 1
    while tokens.peek():
        token = next(tokens)
        depth += (token == r"\begin") - (token == r"\end")
        if not depth:
            tokens.argument()
            break
        body += token
    lines = [[_inner_width(cell) for cell in line.split("&")] for line in body.split(r"\\")]
    columns = [max(line[i] for line in lines if i < len(line)) for i in range(max(map(len, lines)))]
    return Atom(rf"\begin{name}{body}\end{name}", sum(columns) + 10.0 * len(columns) + 8.0)


def _inner_width(latex: str) -> float:
    bare = latex[1:-1] if latex.startswith("{") and latex.endswith("}") else latex
    return width(parsed(bare))


def _joined(command: str, *arguments: str) -> str:
    separate = " " if arguments[0][:1].isalpha() else ""
    return command + separate + "".join(arguments)


class _Tokens:
    """The tokens of a formula, with a look at the next one."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at = tokens, 0

    def __next__(self) -> str:
        if self.at >= len(self.tokens):
            raise StopIteration
        self.at += 1
        return self.tokens[self.at - 1]

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def argument(self) -> str:
        """The next token or group, with its braces."""
        while self.peek().isspace():
            next(self)
        taken = next(self, "")
        depth = int(taken == "{")
        while depth and self.peek():
            token = next(self)
            depth += (token == "{") - (token == "}")
            taken += token
        return taken
