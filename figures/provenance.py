"""Fingerprints of figures, so that a figure is rebuilt if and only if something it depends on has changed."""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grimp

DATA_SUFFIXES = {".csv", ".mplstyle", ".css"}  # data files in a module's folder count as part of the module


@cache
def _imports() -> grimp.ImportGraph:
    return grimp.build_graph("overtraining", cache_dir=None)


@cache
def sources(module: str) -> tuple[Path, ...]:
    """The project's files that a module depends on: its own, all direct and indirect imports, and their data files."""
    return _files({module} | set(_imports().find_upstream_modules(module)))


@cache
def function_sources(function: str) -> tuple[Path, ...]:
    """The project's files that a function depends on, given by its dotted name.

    They are the file that it is in, and the sources of what it names. So a measurement does not depend on a prediction
    in the same file, nor on the theory that only this one uses.
    """
    module, _, name = function.rpartition(".")
    needed = _needed_imports(module, name)
    return _files({module} | needed.union(*(_imports().find_upstream_modules(each) for each in needed)))


def _files(modules: Iterable[str]) -> tuple[Path, ...]:
    paths: set[Path] = set()
    for path in map(_path, modules):
        paths |= {path} | _data_files(path.parent)
    return tuple(sorted(paths))


@cache
def _data_files(folder: Path) -> frozenset[Path]:
    return frozenset(path for path in folder.iterdir() if path.suffix in DATA_SUFFIXES)


@cache
def _path(module: str) -> Path:
    """A module's file, found without importing its package, since importing `simulations` sets up JAX."""
    top, *rest = module.split(".")
    spec = find_spec(top)
    path = Path(str(spec and spec.origin)).parent.joinpath(*rest)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _needed_imports(module: str, function: str) -> set[str]:
    """The project's modules that a function needs: imported by it, or imported as a name that it uses.

    It uses the names in its body, and those in the definitions that these lead to. What a module does beside defining
    and importing (a loop, a call) counts as used.
    """
    definitions: dict[str, list[ast.stmt]] = {}
    waiting: list[ast.AST] = []
    for statement in ast.parse(_path(module).read_text(encoding="utf-8")).body:
        names = list(_defined_names(statement))
        for name in names:
            definitions.setdefault(name, []).append(statement)
        if not names:
            waiting.append(statement)
    waiting += definitions.get(function, [])
    seen: set[ast.AST] = set()
    needed: set[str] = set()
    while waiting:
        part = waiting.pop()
        if part in seen:
            continue
        seen.add(part)
        for node in ast.walk(part):
            needed |= _imported_modules(node)
            if isinstance(node, ast.Name):
                waiting += definitions.get(node.id, [])
    return needed


def _defined_names(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            for alias in aliases:
                yield alias.asname or alias.name.partition(".")[0]
        case ast.Assign() | ast.AnnAssign():
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for node in (node for target in targets for node in ast.walk(target)):
                if isinstance(node, ast.Name):
                    yield node.id


def _imported_modules(node: ast.AST) -> set[str]:
    """The project's modules that an import statement names, whole modules or by names in them."""
    known = _imports().modules
    match node:
        case ast.Import(names=aliases):
            return {alias.name for alias in aliases} & known
        case ast.ImportFrom(module=str(module), names=aliases):
            named = {f"{module}.{alias.name}" for alias in aliases}
            return (named & known) | ({module} & known if named - known else set())
    return set()


def versions(libraries: Iterable[str]) -> dict[str, str]:
    """The installed version of each library."""
    return {name: _version(name) for name in libraries}


@cache
def _version(library: str) -> str:
    return version(library)


def fingerprint(declaration: Any, files: Iterable[Path], libraries: Iterable[str]) -> str:
    """SHA-256 of the declaration, of the content of all files, and of the libraries' versions."""
    parts = [declaration, versions(libraries), [_content(path, path.stat().st_mtime_ns) for path in files]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@cache
def _content(path: Path, changed: int) -> str:
    """A file's hash; `changed` is when it was changed, for the cache."""
    return file_hash(path)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
