"""Mutants of a derivation: one expression of a step, of the conclusion or of the formula, changed at one place.

Only what the checks compute is changed: the functions of the claim's own modules that a step, the conclusion or the
formula reach, and the constants that these name. Wrong variants, counterexamples, the engine link and plots stay.
"""

import ast
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import sympy as sp

from overtraining.theory.derivations.checker.core import Derivation

FORMULA, CONCLUSION = "formula", "conclusion"
NOT_COMPUTED = {"range", "symbols", "Symbol", "default_rng", "integers", "ndindex", "Letter", "workdps", "uniform"}
"""Calls whose arguments are sizes, names and seeds, not mathematics."""
Place = tuple[str, str, str]
"""What names a mutant for as long as its expression stays: the claim, the function, and the change."""
TRIED = 6
"""A vanishing term is 0 where a dimension is 1 … 6: on every shape that a check is likely to try."""


@dataclass(frozen=True)
class Mutant:
    """One change.

    module, function, ordinal: where; ordinal counts the function's changes of this kind.  parts: which checks compute
    it: numbers of steps, `conclusion`, `formula`.  kind: factor, term, sign, exponent, or vanishing (a term that is 0
    on small shapes, of the formula's value).  nth: among the changes of functions of this name that read the same.
    """

    claim: str
    module: str
    function: str
    line: int
    kind: str
    ordinal: int
    before: str
    after: str
    parts: tuple[int | str, ...]
    nth: int = 1

    @property
    def change(self) -> str:
        """The expression before and after, as the record of equivalent mutants has it."""
        return f"{self.before} → {self.after}" + f" [{self.nth}]" * (self.nth > 1)

    @property
    def place(self) -> Place:
        """What names it in the record of equivalent mutants."""
        return self.claim, self.function, self.change

    def rank(self, seed: int) -> str:
        """A random number that depends on the seed and the place alone: an edit elsewhere leaves the order."""
        place = f"{seed} {self.claim} {self.module} {self.function} {self.kind} {self.ordinal} {self.before}"
        return hashlib.sha256(place.encode()).hexdigest()


def mutants_of(derivation: Derivation, home: Iterable[ModuleType]) -> list[Mutant]:
    """All mutants of a derivation, those of the source in the order of the files, then those of the formula's value.

    home: the modules that belong to the claim.
    """
    modules = {module.__name__: module for module in home}
    starts: dict[int | str, Any] = {n: step.check for n, step in enumerate(derivation.steps, 1)}
    starts |= {CONCLUSION: derivation.conclusion, FORMULA: derivation.formula}
    reached = {part: _reached(start, modules) for part, start in starts.items()}
    found = []
    for name, module in modules.items():
        counts = Counter[tuple[str, str]]()
        for node, kind, changed, where in _changes(_tree(module)):
            parts = tuple(part for part, places in reached.items() if any((name, key) in places for key in where))
            label = next((key for key in where if isinstance(key, str)), "")
            ordinal = counts[label, kind]
            counts[label, kind] += 1
            if parts:
                texts = ast.unparse(node), ast.unparse(changed)
                found.append(Mutant(derivation.claim, name, label, node.lineno, kind, ordinal, *texts, parts))
    return list(_numbered([*found, *_vanishing(derivation)]))


def _numbered(mutants: Iterable[Mutant]) -> Iterator[Mutant]:
    """Those whose function and change read the same, told apart."""
    counts = Counter[tuple[str, str, str]]()
    for mutant in mutants:
        text = mutant.function, mutant.before, mutant.after
        counts[text] += 1
        yield replace(mutant, nth=counts[text])


def sample(mutants: Iterable[Mutant], count: int, seed: int) -> list[Mutant]:
    """A random sample, the same for the same seed, in the order of the source; 0 for all of them."""
    everything = list(mutants)
    chosen = set(sorted(everything, key=lambda m: m.rank(seed))[:count] if count else everything)
    return [mutant for mutant in everything if mutant in chosen]


def mutated_code(mutant: Mutant, path: str) -> CodeType:
    """The module of a mutant, compiled with its change."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    counts = Counter[tuple[str, str]]()
    for node, kind, changed, where in _changes(tree):
        label = next((key for key in where if isinstance(key, str)), "")
        if (label, kind, counts[label, kind]) == (mutant.function, mutant.kind, mutant.ordinal):
            return compile(ast.fix_missing_locations(_Swap(node, changed).visit(tree)), path, "exec")
        counts[label, kind] += 1
    raise LookupError(f"{mutant} is not in {path}")


def vanishing_term(formula: Any, mutant: Mutant) -> Any:
    """The formula's value with the vanishing term of this mutant at the leaf with this ordinal."""
    leaves = iter(range(len(list(_leaves(formula)))))

    def change(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: change(part) for key, part in value.items()}
        if isinstance(value, (tuple, list)):
            return type(value)(map(change, value))
        if not _is_leaf(value):
            return value
        if next(leaves) != mutant.ordinal:
            return value
        (dimension,) = (s for s in _dimensions(formula) if s.name == mutant.function)
        return value + value * sp.prod(dimension - k for k in range(1, TRIED + 1))

    return change(formula)


class _Swap(ast.NodeTransformer):
    def __init__(self, node: ast.AST, changed: ast.AST) -> None:
        self.node = node
        self.changed = changed

    def visit(self, node: ast.AST) -> Any:
        return ast.copy_location(self.changed, node) if node is self.node else self.generic_visit(node)


@cache
def _tree(module: ModuleType) -> ast.Module:
    assert module.__file__ is not None  # a derivation has a file
    return ast.parse(Path(module.__file__).read_text(encoding="utf-8"))


@cache
def _assigned(module: ModuleType) -> frozenset[str]:
    """The names that a module assigns outside of functions."""
    return frozenset(name for statement in _tree(module).body for name in _names_assigned(statement))


def _names_assigned(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.Assign(targets):
            pass
        case ast.AnnAssign(target):
            targets = [target]
        case _:
            return []
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def _reached(start: Any, modules: dict[str, ModuleType]) -> set[tuple[str, int | str]]:
    """The functions (by their first line) and constants (by name) of these modules that a function computes with."""
    places: set[tuple[str, int | str]] = set()
    open_functions = [start]
    while open_functions:
        function = open_functions.pop()
        function = getattr(function, "func", function)  # of a partial
        while hasattr(function, "__wrapped__"):  # of a cached function
            function = function.__wrapped__
        if not isinstance(function, FunctionType) or function.__module__ not in modules:
            continue
        place = function.__module__, function.__code__.co_firstlineno
        if place in places:
            continue
        places.add(place)
        names = set(_names(function.__code__))
        spaces = [(function.__module__, vars(modules[function.__module__]))]
        spaces += [(v.__name__, vars(v)) for n in names if isinstance(v := spaces[0][1].get(n), ModuleType)]
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        for value in [*cells, *(function.__defaults__ or ())]:
            open_functions.append(value)
        for home, space in spaces:
            for name in names & space.keys():
                if callable(space[name]) and not isinstance(space[name], type):
                    open_functions.append(space[name])
                elif home in modules and not isinstance(space[name], Derivation):
                    places |= {(other, name) for other in _homes_of(name, home, modules)}
                    open_functions += _parts(space[name])
    return places


def _homes_of(name: str, importer: str, modules: dict[str, ModuleType]) -> list[str]:
    """Where a constant that a module uses is assigned: there, or in the module from which it imports it.

    To look for the same object is not enough: every `sp.Rational(1, 2)` is one.
    """
    home = importer
    while home in modules and name not in _assigned(modules[home]):
        imports = (s for s in _tree(modules[home]).body if isinstance(s, ast.ImportFrom))
        source = next((s.module or "" for s in imports if any((a.asname or a.name) == name for a in s.names)), "")
        home = source if source != home else ""  # a package that imports its own module `name`, which is no constant
    return [home] if home in modules else []


def _parts(value: Any) -> list[Any]:
    """What stands in a table of the module, functions among it; or the value itself."""
    if isinstance(value, dict):
        return [each for part in value.values() for each in _parts(part)]
    if isinstance(value, (tuple, list)):
        return [each for part in value for each in _parts(part)]
    return [value]


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


_Place = tuple[int | str, ...]
_Change = tuple[ast.expr, str, ast.expr, _Place]


def _changes(tree: ast.Module) -> Iterator[_Change]:
    """Every change: the node, its kind, the changed node, and the functions and constants that the node is in."""
    for statement in tree.body:
        yield from _changes_in(statement, tuple(_names_assigned(statement)))


def _changes_in(node: ast.AST, where: _Place) -> Iterator[_Change]:
    if isinstance(node, (ast.FunctionDef, ast.Lambda)):
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        where = (*([node.name] if isinstance(node, ast.FunctionDef) else []), first, *where)
    for kind, changed in _changed(node):
        assert isinstance(node, ast.expr)
        yield node, kind, changed, where
    for field, child in ast.iter_fields(node):
        for part in child if isinstance(child, list) else [child]:
            if isinstance(part, ast.AST) and field not in ("annotation", "returns", "slice") and not _aside(part):
                yield from _changes_in(part, where)


def _aside(node: ast.AST) -> bool:
    """Text, and sizes, names and seeds."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return name in NOT_COMPUTED
    return isinstance(node, (ast.JoinedStr, ast.Raise, ast.Assert))


def _changed(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The kinds of change that a node allows, and the changed nodes."""
    match node:
        case ast.BinOp(left, ast.Add() | ast.Sub() as operation, right):
            yield "term", left  # the right one is dropped
            yield "term", right if isinstance(operation, ast.Add) else ast.UnaryOp(ast.USub(), right)
            yield "sign", ast.BinOp(left, ast.Sub() if isinstance(operation, ast.Add) else ast.Add(), right)
        case ast.BinOp(left, ast.Mult() | ast.Div() as operation, right):
            yield "factor", left
            if isinstance(operation, ast.Mult):
                yield "factor", right
            else:
                yield "exponent", ast.BinOp(left, ast.Mult(), right)
            yield "factor", ast.BinOp(ast.Constant(2), ast.Mult(), node)
        case ast.BinOp(left, ast.Pow(), right):
            yield "exponent", left
            yield "exponent", ast.BinOp(left, ast.Pow(), ast.BinOp(right, ast.Add(), ast.Constant(1)))
        case ast.UnaryOp(ast.USub(), operand) if not isinstance(operand, ast.Constant):
            yield "sign", operand
        case ast.Call(ast.Attribute(_, "sqrt"), [argument]):
            yield "exponent", argument
        case ast.Call(ast.Attribute(_, "Rational" | "Integer"), [*_]) | ast.Call(ast.Name("scaled"), [*_]):
            yield from _number_changed(node)


def _number_changed(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """`sp.Rational(1, 2)` → `sp.Rational(2, 2)`, `sp.Integer(1)` → `sp.Integer(2)`, `scaled(x, …)` → `scaled(−x, …)`"""
    first, *others = call.args
    if isinstance(first, ast.UnaryOp) and isinstance(first.op, ast.USub):
        yield "sign", ast.Call(call.func, [first.operand, *others], call.keywords)
    elif isinstance(first, ast.Constant) and isinstance(first.value, int):
        yield "factor", ast.Call(call.func, [ast.Constant(first.value + 1), *others], call.keywords)
    elif not isinstance(first, ast.Constant):
        yield "sign", ast.Call(call.func, [ast.UnaryOp(ast.USub(), first), *others], call.keywords)


def _vanishing(derivation: Derivation) -> Iterator[Mutant]:
    """A term that is 0 on small shapes, for each dimension in the formula and each of its expressions."""
    formula = derivation.formula()
    for dimension in _dimensions(formula):
        for ordinal, (label, _) in enumerate(_leaves(formula)):
            after = f"{label} · (1 + ({dimension} − 1)…({dimension} − {TRIED}))"
            place = derivation.claim, "", dimension.name, 0, "vanishing", ordinal, label, after
            yield Mutant(*place, (CONCLUSION,))


def _dimensions(formula: Any) -> list[sp.Symbol]:
    symbols = {s for _, leaf in _leaves(formula) for s in leaf.free_symbols if s.is_integer}
    return sorted(symbols, key=str)


def _leaves(formula: Any, label: str = "formula") -> Iterator[tuple[str, sp.Expr]]:
    """The scalar expressions of a formula, with their keys."""
    if isinstance(formula, dict):
        for key, part in formula.items():
            yield from _leaves(part, f"{label}[{key!r}]")
    elif isinstance(formula, (tuple, list)):
        for n, part in enumerate(formula):
            yield from _leaves(part, f"{label}[{n}]")
    elif _is_leaf(formula):
        yield label, formula


def _is_leaf(value: Any) -> bool:
    return isinstance(value, sp.Expr) and not isinstance(value, sp.MatrixExpr) and value.free_symbols != set()
