"""Fingerprints: a figure is rebuilt when something that it depends on has changed, and only then."""

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grimp

DATA_SUFFIXES = {".csv", ".mplstyle", ".css"}  # files that lie beside a module and belong to it


@cache
def _imports() -> grimp.ImportGraph:
    return grimp.build_graph("overtraining", cache_dir=None)


@cache
def sources(module: str) -> tuple[Path, ...]:
    """The project's files that a module depends on: its own, those it imports, theirs, and the data beside them."""
    modules = {module} | set(_imports().find_upstream_modules(module))
    found = set()
    for path in map(_path, modules):
        found |= {path} | {p for p in path.parent.iterdir() if p.suffix in DATA_SUFFIXES}
    return tuple(sorted(found))


def _path(module: str) -> Path:
    """A module's file, found without importing its package (importing `simulations` sets up JAX)."""
    top, *rest = module.split(".")
    spec = find_spec(top)
    path = Path(str(spec and spec.origin)).parent.joinpath(*rest)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def versions(libraries: Iterable[str]) -> dict[str, str]:
    """The installed version of each."""
    return {name: version(name) for name in libraries}


def fingerprint(declaration: Any, module: str, libraries: Iterable[str]) -> str:
    """SHA-256 of what is declared, of every source file behind `module`, and of the libraries' versions."""
    digest = hashlib.sha256()
    digest.update(json.dumps([declaration, versions(libraries)], sort_keys=True).encode())
    for path in sources(module):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
