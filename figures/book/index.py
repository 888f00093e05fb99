"""Indexes of the book: which claims use a symbol, and which claims need an assumption."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from overtraining.figures.book.formulas import symbols
from overtraining.theory.derivations.checker.core import Assumption, Derivation


@dataclass(frozen=True)
class Symbol:
    """A symbol, the meanings that claims give it, and other claims whose formulas contain it."""

    latex: str
    meanings: Mapping[str, tuple[str, ...]]  # meaning -> claims
    also_in: tuple[str, ...]


def index_of_symbols(derivations: Iterable[Derivation]) -> list[Symbol]:
    """All symbols in the claims' tables, Latin before Greek, with the claims that define them and that only use them.

    >>> from overtraining.theory.derivations.claims.b1_noise import DERIVATION
    >>> [symbol.latex for symbol in index_of_symbols([DERIVATION])]
    ['d_{in}', 'd_{out}', 'h', 'q_1', 'q_2', '\\\\gamma_1', '\\\\gamma_2', '\\\\tau']
    """
    derivations = list(derivations)
    written: dict[str, str] = {}
    meanings: dict[str, dict[str, tuple[str, ...]]] = {}
    for derivation in derivations:
        for latex, meaning in derivation.symbols.items():
            for part in _parts(latex):
                name = (symbols(part) or (part,))[0]
                written.setdefault(name, part)
                of_symbol = meanings.setdefault(name, {})
                of_symbol[meaning] = (*of_symbol.get(meaning, ()), derivation.claim)
    used = {d.claim: {s for text in _formulas(d) for s in symbols(text)} for d in derivations}
    index = []
    for name in sorted(written, key=lambda name: (not name[:1].isascii(), name.casefold(), name)):
        defining = {claim for claims in meanings[name].values() for claim in claims}
        also_in = tuple(claim for claim, names in used.items() if name in names and claim not in defining)
        index.append(Symbol(written[name], meanings[name], also_in))
    return index


def index_of_assumptions(derivations: Iterable[Derivation]) -> dict[str, dict[str, Assumption]]:
    """Name of the assumption -> claim -> the assumption as that claim states it; names in alphabetical order."""
    index: dict[str, dict[str, Assumption]] = {}
    for derivation in derivations:
        for assumption in derivation.assumptions:
            index.setdefault(assumption.name, {})[derivation.claim] = assumption
    return dict(sorted(index.items(), key=lambda entry: entry[0].casefold()))


def _parts(latex: str) -> list[str]:
    """The symbols in a list such as `\\gamma_1,\\gamma_2`; a comma inside brackets does not separate."""
    return [part.strip() for part in re.split(r",(?![^{(\[]*[})\]])", latex) if part.strip()]


def _formulas(derivation: Derivation) -> list[str]:
    return [derivation.statement, *(step.statement for step in derivation.steps)]
