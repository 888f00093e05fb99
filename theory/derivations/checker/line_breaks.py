r"""Formulas in LaTeX, broken into rows that fit a width.

A formula is cut after wide spaces, then after other spaces, before relations, before signs and, if nothing else
suffices, inside of its brackets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from overtraining.theory.derivations.checker.formula_atoms import Atom, parsed, source, stripped, width

INDENT = 10.0  # points of \quad
LONELY = 0.25  # of a row: what is shorter does not stand in a row alone if its continuation can be cut


class _Cut(IntEnum):
    """Where a formula is cut, the best places first."""

    NOWHERE = 0
    STATEMENTS = 1
    SPACES = 2
    RELATIONS = 3
    SIGNS = 4
    IN_BRACKETS = 5
    BEFORE_BRACKETS = 6


@dataclass
class _Row:
    atoms: list[Atom]
    continues: bool = False

    def has_room_for(self, piece: list[Atom], points: float) -> bool:
        return width(self.atoms + piece) <= points - INDENT * self.continues


def rows(latex: str, points: float) -> list[str]:
    r"""The formula in rows of at most `points`, where it has places to break; several begin with or have their own `&`.

    >>> rows("a=b+c", 345.0)
    ['a=b+c']
    >>> rows(r"a=b+c,\quad d=e", 60.0)
    ['&a=b+c,', '&d=e']
    >>> rows("abc=bcd+cde+def", 60.0)
    ['&abc=bcd', '&\\quad +cde', '&\\quad +def']
    """
    given: list[list[Atom]] = [[]]
    for atom in parsed(latex):
        if atom.source == r"\\":
            given.append([])
        else:
            given[-1].append(atom)
    if all(width(row) <= points for row in given):
        aligned = "" if len(given) == 1 or any(atom.source == "&" for row in given for atom in row) else "&"
        return [aligned + source(row) for row in given]
    filled: list[_Row] = []
    for row in given:
        filled.append(_Row([]))
        _fill(filled, [[atom for atom in row if atom.source != "&"]], _Cut.NOWHERE, points)
    return ["&" + (r"\quad " if row.continues else "") + source(row.atoms) for row in filled if stripped(row.atoms)]


def _fill(filled: list[_Row], pieces: list[list[Atom]], cut: _Cut, points: float) -> None:
    """Put the pieces into rows, one after the other; a piece that is too wide for a row is cut finer."""
    for piece in pieces:
        row = filled[-1]
        if row.has_room_for(piece, points):
            row.atoms += piece
            continue
        if cut == _Cut.STATEMENTS and row.atoms:
            filled.append(row := _Row([]))
        finer, its_pieces = _finer(piece, cut)
        new = _Row([], continues=True)
        short = 0 < width(row.atoms) < LONELY * points and finer <= _Cut.SIGNS
        if its_pieces and (short or not (row if not row.atoms else new).has_room_for(piece, points)):
            _fill(filled, its_pieces, finer, points)
        else:
            if row.atoms:
                filled.append(row := new)
            row.atoms += piece


def _finer(piece: list[Atom], cut: _Cut) -> tuple[_Cut, list[list[Atom]]]:
    """The next places at which the piece can be cut, and its parts; none if there are no such places."""
    for finer in _Cut:
        if finer > cut and len(parts := _parts(piece, finer)) > 1:
            return finer, parts
    return max(_Cut), []


def _parts(atoms: list[Atom], cut: _Cut) -> list[list[Atom]]:
    parts: list[list[Atom]] = [[]]
    depth = 0
    for atom in _without_stretching(atoms) if cut >= _Cut.IN_BRACKETS else atoms:
        depth -= atom.kind == "close"
        if stripped(parts[-1]) and _breaks_before(atom, cut, depth):
            parts.append([])
        parts[-1].append(atom)
        if _breaks_after(atom, cut, depth):
            parts.append([])
        depth += atom.kind == "open"
    return [part for part in parts if stripped(part)]


def _breaks_before(atom: Atom, cut: _Cut, depth: int) -> bool:
    if cut >= _Cut.IN_BRACKETS:
        return atom.kind in ("relation", "sign") or (cut == _Cut.BEFORE_BRACKETS and atom.kind == "open")
    kinds = {_Cut.RELATIONS: "relation", _Cut.SIGNS: "sign"}
    return depth <= 0 and atom.kind == kinds.get(cut)


def _breaks_after(atom: Atom, cut: _Cut, depth: int) -> bool:
    if cut >= _Cut.IN_BRACKETS:
        return atom.kind in ("mark", "wide")
    if cut == _Cut.SPACES:
        return depth <= 0 and atom.source == r"\ "
    return depth <= 0 and cut == _Cut.STATEMENTS and atom.kind == "wide"


def _without_stretching(atoms: Sequence[Atom]) -> list[Atom]:
    """Brackets of a fixed size instead of stretched ones, which cannot be broken."""
    return [a for atom in atoms for a in (_without_stretching(atom.inside) if atom.inside else [atom])]
