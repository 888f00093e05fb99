"""Fingerprints of figures, so that a figure is rebuilt if and only if something it depends on has changed."""

import hashlib
import json
from collections.abc import Iterable
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
    modules = {module} | set(_imports().find_upstream_modules(module))
    paths: set[Path] = set()
    for path in map(_path, modules):
        paths |= {path} | {p for p in path.parent.iterdir() if p.suffix in DATA_SUFFIXES}
    return tuple(sorted(paths))


def _path(module: str) -> Path:
    """A module's file, found without importing its package, since importing `simulations` sets up JAX."""
    top, *rest = module.split(".")
    spec = find_spec(top)
    path = Path(str(spec and spec.origin)).parent.joinpath(*rest)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def versions(libraries: Iterable[str]) -> dict[str, str]:
    """The installed version of each library."""
    return {name: version(name) for name in libraries}


def fingerprint(declaration: Any, module: str, libraries: Iterable[str]) -> str:
    """SHA-256 of the declaration, of all source files that `module` depends on, and of the libraries' versions."""
    digest = hashlib.sha256()
    digest.update(json.dumps([declaration, versions(libraries)], sort_keys=True).encode())
    for path in sources(module):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
