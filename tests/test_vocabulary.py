"""One name per concept in the public API, as docs/vocabulary.toml says; one meaning per class name."""

import ast
import inspect
import pkgutil
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import overtraining
from tests import ROOT

CONCEPTS = tomllib.loads((ROOT / "docs/vocabulary.toml").read_text(encoding="utf-8"))["concept"]
PACKAGES = ("runtime", "setting", "theory", "simulations", "experiments", "figures")
NUMERIC = ("Numbers", "float", "int", "Float", "Real", "ndarray", "number", "Sequenced")
WITHOUT_PARAMETERS = (".derivations", ".precision", ".lessons", ".catalogue")  # not reached through a public name


def modules(package: str) -> Iterator[ModuleType]:
    """Every public module of a package."""
    parent = import_module(f"overtraining.{package}")
    yield parent
    for found in pkgutil.walk_packages(parent.__path__, f"{parent.__name__}."):
        if not any(part.startswith("_") for part in found.name.split(".")) and ".lessons." not in found.name:
            yield import_module(found.name)


def defined_in(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The public functions and classes that a module defines."""
    for name, thing in vars(module).items():
        if not name.startswith("_") and callable(thing) and getattr(thing, "__module__", "") == module.__name__:
            yield name, thing


def numeric(parameter: inspect.Parameter) -> bool:
    """Whether a parameter takes numbers, as far as its annotation tells."""
    annotation = str(parameter.annotation)
    return parameter.annotation is parameter.empty or any(kind in annotation for kind in NUMERIC)


def signatures(package: str) -> Iterator[tuple[str, inspect.Signature]]:
    for module in modules(package):
        if any(part in module.__name__ for part in WITHOUT_PARAMETERS):
            continue
        for name, thing in defined_in(module):
            try:
                yield f"{module.__name__}.{name}", inspect.signature(thing)
            except ValueError:  # an exception class
                continue


@pytest.mark.parametrize("package", PACKAGES)
def test_public_parameters_have_the_names_of_the_vocabulary(package: str) -> None:
    refused = defaultdict(set)
    for concept in CONCEPTS:
        if package in concept.get("packages", PACKAGES):
            for name in concept["refused"]:
                refused[name] |= set(concept["names"])
    wrong = [
        f"{where}({name}): call it {' or '.join(sorted(refused[name]))}"
        for where, signature in signatures(package)
        for name, parameter in signature.parameters.items()
        if name in refused and numeric(parameter)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_vocabulary_does_not_contradict_itself() -> None:
    wanted = {name for concept in CONCEPTS for name in concept["names"]}
    assert not wanted & {name for concept in CONCEPTS for name in concept["refused"]}


def test_a_type_name_has_one_meaning() -> None:
    """Of classes and of type aliases, which are assigned to names like those of classes."""
    homes = defaultdict(set)
    for package in (*PACKAGES, "demos", "overtraining/commands"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                names = [node.name] if isinstance(node, ast.ClassDef) else []
                if isinstance(node, ast.Assign):
                    names = [target.id for target in node.targets if isinstance(target, ast.Name)]
                for name in names:
                    if name[:1].isupper() and not name.isupper() and "_" not in name:
                        homes[name].add(str(path.relative_to(ROOT)))
    assert not {name: where for name, where in homes.items() if len(where) > 1}


def test_no_function_hides_a_module() -> None:
    """A package that exports a function under the name of one of its modules makes the module unreachable."""
    for package in PACKAGES:
        for module in modules(package):
            if hasattr(module, "__path__"):
                names = {found.name for found in pkgutil.iter_modules(module.__path__)}
                hidden = [name for name in names if callable(getattr(module, name, None))]
                assert not hidden, (module.__name__, hidden)


def test_the_front_end_shows_the_setting_plot_and_the_packages() -> None:
    packages = {"demos", "experiments", "figures", "setting", "simulations", "theory"}
    assert packages | {"plot", "show"} <= set(dir(overtraining))
    from_setting = set(dir(overtraining)) - packages - {"plot", "show"}
    assert from_setting <= set(import_module("overtraining.setting").__all__)
