"""Where symbols and assumptions occur across claims: which claims use `c`, which need balance?"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from overtraining.figures.book.formulas import symbols
from overtraining.theory.derivations.checker.core import Assumption, Derivation


@dataclass(frozen=True)
class Symbol:
    """A symbol: how it is written, what the claims that name it mean by it, and other claims whose formulas have it."""

    latex: str
    meanings: Mapping[str, tuple[str, ...]]  # meaning -> claims
    seen: tuple[str, ...]


def index_of_symbols(derivations: Iterable[Derivation]) -> list[Symbol]:
    """Every symbol of the claims' tables, Latin before Greek, with the claims that name it and those that only use it.

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
                found = meanings.setdefault(name, {})
                found[meaning] = (*found.get(meaning, ()), derivation.claim)
    used = {d.claim: {s for text in _formulas(d) for s in symbols(text)} for d in derivations}
    index = []
    for name in sorted(written, key=lambda name: (not name[:1].isascii(), name.casefold(), name)):
        claim_derivation = {claim for claims in meanings[name].values() for claim in claims}
        seen = tuple(claim for claim, found in used.items() if name in found and claim not in claim_derivation)
        index.append(Symbol(written[name], meanings[name], seen))
    return index


def index_of_assumptions(derivations: Iterable[Derivation]) -> dict[str, dict[str, Assumption]]:
    """Assumption's name -> claim -> what that claim assumes; names in alphabetical order."""
    found: dict[str, dict[str, Assumption]] = {}
    for derivation in derivations:
        for assumption in derivation.assumptions:
            found.setdefault(assumption.name, {})[derivation.claim] = assumption
    return dict(sorted(found.items(), key=lambda entry: entry[0].casefold()))


def _parts(latex: str) -> list[str]:
    """`\\gamma_1,\\gamma_2` names two symbols; a comma inside of braces or brackets separates nothing."""
    return [part.strip() for part in re.split(r",(?![^{(\[]*[})\]])", latex) if part.strip()]


def _formulas(derivation: Derivation) -> list[str]:
    return [derivation.statement, *(step.statement for step in derivation.steps)]
