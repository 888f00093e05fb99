r"""Derivations as a LaTeX fragment for a paper's appendix; needs amsmath, and amssymb if a formula has `\mathbb`."""

import itertools
import re
import unicodedata
from collections.abc import Mapping, Sequence

from overtraining.setting.errors import Refusal
from overtraining.theory.derivations.checker.core import Assumption, CheckReport, Derivation, Evidence, Step
from overtraining.theory.derivations.checker.line_breaks import rows

ARTICLE = 345.0  # \textwidth of article at 10 pt
TEXT_WIDTHS = {"article": ARTICLE, "NeurIPS": 397.0, "a column of ICML": 234.0}
NARROWEST, WIDEST = 200.0, 2000.0
MARGIN = 25.0  # of an item of a list

SMALL_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa mu nu xi pi rho sigma tau upsilon phi chi psi omega"
)
CAPITAL_GREEK = "Gamma Delta Theta Xi Pi Sigma Upsilon Phi Psi Omega"
GREEK = {
    unicodedata.lookup(f"GREEK {size} LETTER {name.upper()}"): f"\\{name}"
    for size, names in (("SMALL", SMALL_GREEK), ("CAPITAL", CAPITAL_GREEK))
    for name in names.split()
} | {"λ": r"\lambda", "Λ": r"\Lambda", "ϕ": r"\phi", "ϑ": r"\vartheta", "ϵ": r"\epsilon"}
SIGNS = GREEK | {
    "|": "|",
    "‖": r"\|", "×": r"\times", "−": "-", "·": r"\cdot", "±": r"\pm", "∓": r"\mp", "½": r"\tfrac12", "¼": r"\tfrac14",
    "¾": r"\tfrac34", "⅓": r"\tfrac13", "≤": r"\le", "≥": r"\ge", "≠": r"\ne", "≈": r"\approx", "≃": r"\simeq",
    "∼": r"\sim", "≡": r"\equiv", "∝": r"\propto", "≪": r"\ll", "≫": r"\gg", "∞": r"\infty", "√": r"\surd",
    "∇": r"\nabla", "∂": r"\partial", "∑": r"\sum", "∏": r"\prod", "∫": r"\int", "∈": r"\in", "∉": r"\notin",
    "⊂": r"\subset", "⊆": r"\subseteq", "∪": r"\cup", "∩": r"\cap", "∅": r"\emptyset", "∀": r"\forall",
    "∃": r"\exists", "⟨": r"\langle", "⟩": r"\rangle", "⌊": r"\lfloor", "⌋": r"\rfloor", "⌈": r"\lceil",
    "⌉": r"\rceil", "→": r"\to", "←": r"\leftarrow", "↦": r"\mapsto", "↑": r"\uparrow", "↓": r"\downarrow",
    "⇒": r"\Rightarrow", "⇔": r"\Leftrightarrow", "⊙": r"\odot", "⊗": r"\otimes", "∘": r"\circ", "†": r"\dagger",
    "°": r"{}^\circ", "′": "{}'", "″": "{}''", "ℓ": r"\ell", "⊥": r"\perp", "⊤": r"\top", "∥": r"\parallel",
    "𝔼": r"\mathbb{E}", "ℝ": r"\mathbb{R}", "ℕ": r"\mathbb{N}", "ℤ": r"\mathbb{Z}",
}  # fmt: skip
ACCENTS = {"\u0307": r"\dot", "\u0308": r"\ddot", "\u0302": r"\hat", "\u0303": r"\tilde", "\u0304": r"\bar"}
ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "–": "--", "—": "---", "‘": "`", "’": "'", "“": "``", "”": "''", "…": r"\dots{}",
}  # fmt: skip
TOKEN = re.compile(
    # a lone letter before a raised or lowered sign is the symbol that carries it
    r"(?P<carrier>(?<![^\W_])[A-Za-z](?=[²³¹\u2070-\u209c\u1d2c-\u1d6a]|[_^]\{|_[a-z0-9]\b))"
    r"|(?P<script>(?<=[\w)])(?:[_^]\{[^{}]*\}|(?<![a-z]{2})_[a-z0-9]\b))"
    r"|(?P<name>\bd_in\b|\bd_out\b|Σx\b|(?<![A-Za-z])[WNQ]\d(?![a-z0-9])(?:_\{[^{}]*\}|_[a-z]\b)?)"
    rf"|(?P<accented>\w[{''.join(ACCENTS)}])|.",
    flags=re.DOTALL,
)


def latex(derivations: Sequence[Derivation], reports: Sequence[CheckReport], text_width: float = ARTICLE) -> str:
    r"""Derivations to \input: statements, symbols, assumptions, counterexamples, steps with verdicts, variants.

    Claims have labels such as `claim:C1`, their statements `eq:C1`, and the equations of their steps `eq:C1:1`. Prose
    becomes plain LaTeX, its Unicode mathematics included, so that every LaTeX engine can set it.

    text_width: of a line, in points; an equation that is wider is broken. Raises Refusal if a report is of another
    claim than its derivation, and for a width in which no formula can be set.
    """
    for derivation, report in zip(derivations, reports, strict=True):
        if derivation.claim != report.claim:
            given = f"{derivation.claim}, report of {report.claim}"
            raise Refusal(given, "they are not of one claim", "pair them by claim")
    check_width(text_width)
    labels = {derivation.claim: _label(derivation.claim) for derivation in derivations}
    bodies = [
        "\n\n".join(part for part in _parts(derivation, report, labels, text_width) if part)
        for derivation, report in zip(derivations, reports, strict=True)
    ]
    packages = "amsmath,amssymb" if any(r"\mathbb" in body for body in bodies) else "amsmath"
    # \sloppy: a narrow column cannot hold long names and formulas within the text otherwise
    lines = [rf"% Preamble: \usepackage{{{packages}}}", r"\begingroup\sloppy", *bodies, r"\par\endgroup"]
    return "\n".join(lines) + "\n"


def check_width(text_width: float) -> None:
    """Refuse a width of lines in which formulas cannot be set."""
    if not NARROWEST <= text_width <= WIDEST:
        known = ", ".join(f"{points:g} for {style}" for style, points in TEXT_WIDTHS.items())
        raise Refusal(
            f"a text width of {text_width:g} pt", f"it is not from {NARROWEST:g} to {WIDEST:g}", f"pass {known}"
        )


def prose(text: str) -> str:
    r"""Plain text as LaTeX: special characters escaped, Unicode mathematics set as mathematics.

    >>> print(prose("50% of ‖W1‖² ≤ γ₁²"))
    50\% of \ensuremath{\|W_{1}\|^{2}} \ensuremath{\le} \ensuremath{\gamma_{1}^{2}}
    """
    known = {*SIGNS, *map(chr, range(0x180))}
    text = unicodedata.normalize("NFC", text).replace("<=", "≤").replace(">=", "≥")
    text = "".join(c if c in known else unicodedata.normalize("NFD", c) for c in text)
    signs = map(_read, TOKEN.finditer(text))
    latex = ""
    for is_text, group in itertools.groupby(signs, key=lambda sign: sign[0] == "text"):
        run = list(group)
        latex += "".join(piece for _, piece in run) if is_text else rf"\ensuremath{{{_mathematics(run)}}}"
    return latex


def upright(latex: str) -> str:
    r"""Subscripts that are words set upright, so that they do not look like products of variables.

    >>> upright(r"d_{in}\,d_{out}")
    'd_{\\mathrm{in}}\\,d_{\\mathrm{out}}'
    """
    return re.sub(r"_\{(in|out|pre|ft|max|min)\}", r"_{\\mathrm{\1}}", latex)


def _parts(derivation: Derivation, report: CheckReport, labels: Mapping[str, str], text_width: float) -> list[str]:
    label = labels[derivation.claim]
    symbols = [rf"\item[{{${upright(symbol)}$}}] {prose(text)}" for symbol, text in derivation.symbols.items()]
    steps = [
        _step(step, evidence, _display(step.statement, f"eq:{label}:{number}", text_width - MARGIN))
        for number, (step, (_, evidence)) in enumerate(zip(derivation.steps, report.steps, strict=False), 1)
    ]
    if len(report.steps) > len(derivation.steps):
        steps.append(rf"\item The claim \eqref{{eq:{label}}} follows. {_judged(report.steps[-1][1])}")
    return [
        rf"\subsection{{{prose(f'{derivation.claim}. {derivation.title}')}}}\label{{claim:{label}}}",
        prose(derivation.plain) + "\n" + _display(derivation.statement, f"eq:{label}", text_width),
        rf"\paragraph{{Verdict.}} {_verdict(derivation, report)}",
        _list("Symbols", "description", symbols),
        _list("Assumptions", "itemize", [_assumption(a) for a in derivation.assumptions]),
        _list("Steps", "enumerate", steps),
        _sentence("Wrong variants rejected", prose("; ".join(report.rejected))),
        _sentence("Problems", prose("; ".join(report.problems))),
        _sentence("Uses", ", ".join(_reference(claim, labels) for claim in derivation.uses)),
        _sentence("Source", prose(derivation.source)),
    ]


def _label(claim: str) -> str:
    """An identifier without the characters that have a meaning in LaTeX."""
    return re.sub(r"[^A-Za-z0-9]+", "-", claim)


def _reference(claim: str, labels: Mapping[str, str]) -> str:
    number = rf" (Section~\ref{{claim:{labels[claim]}}})" if claim in labels else ""
    return prose(claim) + number


def _verdict(derivation: Derivation, report: CheckReport) -> str:
    rejected = f"{len(report.rejected)} of {report.variants} wrong variants rejected"
    summary = f"{str(report.verdict).capitalize()}; {rejected}."
    link = derivation.link
    if link is None or report.engine_error is None:
        return prose(summary)
    error = f"{report.engine_error:.1e} on {link.domain}."
    return rf"{prose(summary)} Worst relative error of {_code(link.function)}: {prose(error)}"


def _assumption(assumption: Assumption) -> str:
    known = assumption.counterexample
    without = known.text if known else "no counterexample is known."
    return rf"\item \textbf{{{prose(assumption.name)}.}} {prose(assumption.text)} \emph{{Without it:}} {prose(without)}"


def _code(name: str) -> str:
    """A dotted name, which may be broken after its dots and underscores."""
    breakable = re.sub(r"([._])", r"\1\\allowbreak{}", prose(name))
    return rf"\texttt{{{breakable}}}"


def _step(step: Step, evidence: Evidence, display: str) -> str:
    repeats = "Cross-check. " if step.cross_check else ""
    return f"\\item {repeats}{prose(step.because)}\n{display}\n{_judged(evidence)}"


def _judged(evidence: Evidence) -> str:
    return rf"\emph{{{str(evidence.outcome).capitalize()}:}} {prose(evidence.detail)}."


def _display(formula: str, label: str, points: float) -> str:
    inside = rows(upright(formula), points)
    body = "\\\\\n".join(inside)
    if len(inside) > 1:
        body = f"\\begin{{split}}\n{body}\n\\end{{split}}"
    return f"\\begin{{equation}}\\label{{{label}}}\n{body}\n\\end{{equation}}"


def _list(heading: str, kind: str, items: list[str]) -> str:
    lines = [rf"\paragraph{{{heading}.}}", rf"\begin{{{kind}}}", *items, rf"\end{{{kind}}}"]
    return "\n".join(lines) if items else ""


def _sentence(heading: str, latex: str) -> str:
    return rf"\paragraph{{{heading}.}} {latex.rstrip('.')}." if latex else ""


def _read(token: re.Match[str]) -> tuple[str, str]:  # noqa: PLR0911 — one return per kind of character
    """Kind (text, base, super or sub) and LaTeX of one character, or of a letter with its accent."""
    piece = token[0]
    if token["name"]:
        letter = SIGNS.get(piece[0], piece[0])
        layer, _, index = piece[1:].lstrip("_").partition("_")
        if index:
            return "base", f"{letter}_{{{layer},{index.strip('{}')}}}"
        return "base", f"{letter}_{{{layer}}}" if len(layer) == 1 else rf"{letter}_{{\mathrm{{{layer}}}}}"
    if token["accented"]:
        return "base", rf"{ACCENTS[piece[1]]}{{{SIGNS.get(piece[0], piece[0])}}}"
    if token["script"]:
        inside = " ".join(SIGNS.get(c, c) for c in piece[1:].strip("{}"))
        return "super" if piece[0] == "^" else "sub", inside
    if (kind := unicodedata.decomposition(piece)[1:].partition(">")[0]) in ("super", "sub"):
        plain = unicodedata.normalize("NFKD", piece)
        return kind, {"T": r"\top", "−": "-"}.get(plain, SIGNS.get(plain, plain))
    if token["carrier"] or piece in SIGNS:
        return "base", SIGNS.get(piece, piece)
    if piece <= "ſ" or piece in ESCAPES:  # Latin letters with their accents, which LaTeX knows
        return "text", ESCAPES.get(piece, piece)
    nearest = unicodedata.normalize("NFKD", piece)
    return "text", nearest if nearest.isascii() and nearest.isalnum() else f"[U+{ord(piece):04X}]"


def _mathematics(run: list[tuple[str, str]]) -> str:
    out = "" if run[0][0] == "base" else "{}"
    since_base: set[str] = set()
    for kind, found in itertools.groupby(run, key=lambda sign: sign[0]):
        inside = " ".join(latex for _, latex in found)
        if kind == "base":
            out += inside
            since_base = set()
        else:
            out += "{}" if kind in since_base else ""  # a second superscript in a row is an error in LaTeX
            out += ("^" if kind == "super" else "_") + f"{{{inside}}}"
            since_base = {kind} if kind in since_base else since_base | {kind}
    return re.sub(r" (?![A-Za-z])|(?<![A-Za-z]) ", "", out)
