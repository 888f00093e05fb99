"""Where code can be changed: operations, boundaries of comparisons, numbers, signs, `and` and `or`, conditions."""

import ast
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

OPERATIONS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult}
BOUNDARIES = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}


@dataclass(frozen=True)
class Site:
    """One change of one expression.

    function: qualified name, empty at the level of the module.  ordinal: among the function's sites of this kind.
    """

    file: str
    function: str
    kind: str
    ordinal: int
    before: str
    after: str

    def rank(self, key: int) -> str:
        """A random number that depends on the key and the place alone: other sites come and go, the order stays."""
        place = f"{key} {self.file} {self.function} {self.kind} {self.ordinal}"
        return hashlib.sha256(place.encode()).hexdigest()


def sites_below(folder: Path, root: Path) -> list[Site]:
    """All sites in the Python files of a folder, whose names are relative to `root`."""
    files = [(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")) for path in folder.rglob("*.py")]
    return [site for file, source in sorted(files) for site, *_ in _changes(file, source)]


def sample(sites: Iterable[Site], size: int, key: int) -> list[Site]:
    """A random sample, which an edit of the files changes only where sites come or go."""
    return sorted(sites, key=lambda site: site.rank(key))[:size]


def find_again(site: Site, sites: Iterable[Site]) -> Site | None:
    """The same change of the same expression in the same function, at the nearest ordinal; None if it is gone."""

    def change(s: Site) -> tuple[str, ...]:
        return s.file, s.function, s.kind, s.before, s.after

    same = [other for other in sites if change(other) == change(site)]
    return min(same, key=lambda other: abs(other.ordinal - site.ordinal), default=None)


def places_of(sites: Iterable[Site]) -> dict[Site, tuple[str, str, str]]:
    """File, function and change of each site, as the record of equivalent mutants has them: without lines.

    A change that a function allows several times ends in [2], [3], ….
    """
    counts = Counter[tuple[str, str, str]]()
    places = {}
    for site in sites:
        place = site.file, site.function, f"{site.before} → {site.after}"
        counts[place] += 1
        places[site] = place if counts[place] == 1 else (*place[:2], f"{place[2]} [{counts[place]}]")
    return places


def mutated(source: str, site: Site) -> str:
    """The source with this one change.

    >>> source = "def area(r):\\n    return 3.14 * r**2"
    >>> first, *_ = [s for s, *_ in _changes("area.py", source) if s.kind == "number"]
    >>> print(mutated(source, first))
    def area(r):
        return (6.28) * r**2
    """
    node, after = next((node, after) for other, node, after in _changes(site.file, source) if other == site)
    lines = source.encode().splitlines(keepends=True)  # ast counts columns in bytes
    starts = [sum(map(len, lines[:n])) for n in range(len(lines))]
    start = starts[node.lineno - 1] + node.col_offset
    end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
    text = after if isinstance(node, ast.stmt) else f"({after})"
    return b"".join((source.encode()[:start], text.encode(), source.encode()[end:])).decode()


def _changes(file: str, source: str) -> Iterator[tuple[Site, ast.expr | ast.stmt, str]]:
    """Each site of a file with its node and the text that is to stand there."""
    counts = Counter[tuple[str, str]]()
    for function, node in _computing(ast.parse(source), ""):
        for kind, place, changed in _changed(node):
            after = ast.unparse(ast.fix_missing_locations(changed))
            yield Site(file, function, kind, counts[function, kind], ast.unparse(place), after), place, after
            counts[function, kind] += 1


def _computing(node: ast.AST, function: str) -> Iterator[tuple[str, ast.AST]]:
    """All nodes with the function they are in, except annotations and what an error says."""
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and field not in ("annotation", "returns") and not _says(child):
                name = child.name if isinstance(child, ast.FunctionDef | ast.ClassDef) else ""
                inside = f"{function}.{name}".strip(".")
                yield inside, child
                yield from _computing(child, inside)


def _says(node: ast.AST) -> bool:
    refusal = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refusal"
    return refusal or isinstance(node, ast.Raise | ast.JoinedStr)


def _changed(node: ast.AST) -> Iterator[tuple[str, ast.expr | ast.stmt, ast.AST]]:
    """The kinds of change that a node allows: what is replaced, and by what."""
    match node:
        case ast.BinOp(left, operation, right) if type(operation) in OPERATIONS:
            yield "operation", node, ast.BinOp(left, OPERATIONS[type(operation)](), right)
        case ast.AugAssign(target, operation, value) if type(operation) in OPERATIONS:
            yield "operation", node, ast.AugAssign(target, OPERATIONS[type(operation)](), value)
        case ast.Compare(left, comparisons, right):
            for n, comparison in enumerate(comparisons):
                if type(comparison) in BOUNDARIES:
                    changed = [*comparisons[:n], BOUNDARIES[type(comparison)](), *comparisons[n + 1 :]]
                    yield "boundary", node, ast.Compare(left, changed, right)
        case ast.BoolOp(ast.And(), values):
            yield "logic", node, ast.BoolOp(ast.Or(), values)
        case ast.BoolOp(ast.Or(), values):
            yield "logic", node, ast.BoolOp(ast.And(), values)
        case ast.UnaryOp(ast.USub(), operand):
            yield "sign", node, operand
        case ast.Constant(int() | float() as number) if not isinstance(number, bool):
            yield "number", node, ast.Constant(2 * number if isinstance(number, float) and number else number + 1)
        case ast.If(condition) | ast.IfExp(condition):  # a refusal that is left out is one of these
            yield "condition", condition, ast.Constant(False)
            yield "condition", condition, ast.Constant(True)
