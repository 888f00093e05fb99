"""The public names: which package lists what, with the words beside it in its list, and where each name is documented.

A package lists its names in `__all__`, or in the stub file beside `__init__.py`, one name a line, each with a comment
(`# B1: cost of weight noise`). A comment on a line of its own is the heading of the names below it (`# C1: one mode`).
Of a module without a list, every name that it defines and that has no underscore is public.

An object that several packages list is documented under the first of them in PACKAGES.
"""

import inspect
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGES = (
    "overtraining",
    "overtraining.theory",
    "overtraining.theory.learning",
    "overtraining.theory.sensitivity",
    "overtraining.theory.inflection",
    "overtraining.theory.fine_tuning",
    "overtraining.theory.remedies",
    "overtraining.theory.solvers",
    "overtraining.setting",
    "overtraining.simulations",
    "overtraining.simulations.sweeps",
    "overtraining.figures",
)
"""The packages that list their names."""

MODULES = (
    "overtraining.theory.learning.balanced_mode",
    "overtraining.theory.learning.unbalanced_mode",
    "overtraining.theory.learning.deep_mode",
    "overtraining.theory.derivations",
    "overtraining.theory.derivations.checker.core",
    "overtraining.theory.derivations.checker.evidence",
    "overtraining.theory.derivations.checker.equality",
    "overtraining.theory.derivations.checker.run",
    "overtraining.theory.derivations.checker.report",
    "overtraining.theory.derivations.checker.tex",
    "overtraining.theory.precision.form",
    "overtraining.theory.precision.forms",
    "overtraining.theory.precision.judge",
    "overtraining.experiments",
    "overtraining.experiments.verdict",
    "overtraining.experiments.memoized",
    "overtraining.experiments.runner",
    "overtraining.experiments.own_experiment",
    "overtraining.figures.drawing",
    "overtraining.figures.style",
    "overtraining.figures.recipe",
    "overtraining.figures.presets",
    "overtraining.figures.llm.readers",
    "overtraining.figures.llm.tidy",
    "overtraining.figures.llm.model_curves",
    "overtraining.figures.llm.answers",
    "overtraining.figures.llm.report",
    "overtraining.figures.llm.statistics.series",
    "overtraining.figures.llm.statistics.turning_point",
    "overtraining.figures.llm.statistics.decline",
    "overtraining.figures.llm.statistics.prediction",
    "overtraining.figures.llm.statistics.power_laws",
    "overtraining.figures.llm.statistics.scaling_law",
    "overtraining.figures.llm.statistics.sample_size",
    "overtraining.demos.lessons",
    "overtraining.demos.page",
    "overtraining.runtime.atomic_files",
    "overtraining.runtime.netcdf",
    "overtraining.runtime.worker_process",
    "overtraining.runtime.worker_processes",
)
"""The modules without a list that are documented: what a derivation, an experiment or a figure is written with."""

ALIASES = ("Numbers", "Values", "Sequenced", "Teacher", "Start", "Pretraining", "Perturbation", "Task")
"""Types with a name of their own, explained on the page of types; they are not importable from a package."""

CLAIM = re.compile(r"[A-G]\d[a-z]?")
CLAIMS = re.compile(rf"({CLAIM.pattern}(?:, {CLAIM.pattern})*): (.*)")


@dataclass(frozen=True)
class PublicName:
    """A name in the list of a package: the words beside it, the claims named there, and the heading above it."""

    package: str
    name: str
    words: str
    claims: tuple[str, ...]
    heading: str

    @property
    def path(self) -> str:
        return f"{self.package}.{self.name}"

    @property
    def object(self) -> Any:
        return getattr(import_module(self.package), self.name)

    @property
    def home(self) -> str:
        """The full name under which the object is documented."""
        return documented().get(id(self.object), self.path) if _has_identity(self.object) else self.path


def _has_identity(thing: Any) -> bool:
    """Whether two names of it are the same thing: not so of numbers, texts and tuples."""
    return inspect.isroutine(thing) or inspect.isclass(thing) or inspect.ismodule(thing)


@cache
def listed(package: str) -> tuple[PublicName, ...]:
    """The public names of a package or module, in the order in which it lists or defines them."""
    module = import_module(package)
    if package in MODULES:
        return tuple(_of(package, name, "", "") for name in _defined(module))
    stub = Path(str(module.__file__)).with_suffix(".pyi")
    names = set(module.__all__)
    found = []
    heading = ""
    for line in _list_of(stub if stub.exists() else Path(str(module.__file__))):
        code, _, comment = (part.strip() for part in line.partition("#"))
        name = re.fullmatch(r'"(\w+)",|(?:from \S+ import )?\w+ as (\w+)(?:, \w+ as (\w+))*,?', code)
        if name is None:
            several = re.findall(r"\w+ as (\w+)", code)
            heading = comment if not code and comment else heading
        else:
            several = [name.group(1)] if name.group(1) else re.findall(r"\w+ as (\w+)", code)
        found += [_of(package, each, comment, heading) for each in several if each in names]
    return tuple(found)


def _list_of(path: Path) -> list[str]:
    """The lines of a list of names."""
    text = path.read_text(encoding="utf-8")
    return text.splitlines() if path.suffix == ".pyi" else text.split("__all__ = [")[1].split("]")[0].splitlines()


def _of(package: str, name: str, comment: str, heading: str) -> PublicName:
    own, above = CLAIMS.fullmatch(comment), CLAIMS.fullmatch(heading)
    of = own or above
    words = own.group(2) if own else comment
    return PublicName(package, name, words or _first_sentence(package, name), _claims(of), heading)


def _claims(found: "re.Match[str] | None") -> tuple[str, ...]:
    return tuple(CLAIM.findall(found.group(1))) if found else ()


def _first_sentence(package: str, name: str) -> str:
    """The first line of what is written below a function, class or constant."""
    thing = getattr(import_module(package), name)
    text = inspect.getdoc(thing) if callable(thing) or inspect.ismodule(thing) else _below(package, name)
    return (text or "").split("\n\n")[0].replace("\n", " ")


def _below(package: str, name: str) -> str:
    """The text that stands below a constant in the source."""
    source = inspect.getsource(import_module(package))
    found = re.search(rf'^{name}\b.*?^"""(.*?)"""', source, re.DOTALL | re.MULTILINE)
    return found.group(1) if found and "\n\n\n" not in found.group(0) else ""


def _defined(module: ModuleType) -> list[str]:
    """The functions and classes that a module defines, and the constants that it explains, in their order."""
    source = inspect.getsource(module)
    named = re.findall(r"^(?:def|class) ([A-Za-z]\w*)|^([A-Z]\w*)\b(?=[^\n]*=)", source, re.MULTILINE)
    names = [function or constant for function, constant in named]
    return [name for name in names if _has_identity(getattr(module, name, None)) or _below(module.__name__, name)]


@cache
def documented() -> dict[int, str]:
    """Where each public object is documented, by its identity."""
    found: dict[int, str] = {}
    for package in (*PACKAGES, *MODULES):
        for public in listed(package):
            if _has_identity(public.object):
                found.setdefault(id(public.object), public.path)
    return found


@cache
def _by_short_name() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for package in (*PACKAGES, *MODULES):
        for public in listed(package):
            found.setdefault(public.name, set()).add(public.home)
    return found


def home_of(written: str, module: str) -> str | None:
    """The documented name that a quotation in a docstring of this module means; None if it means none.

    A name is looked up in the module, as Python would; then below `overtraining`; then among all public names.
    """
    written = written.removesuffix("()")
    if not re.fullmatch(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*", written):
        return None
    first, *rest = written.split(".")
    near = sys.modules.get(module)
    roots = [getattr(near, first, None), *(getattr(import_module(p), first, None) for p in _ROOTS)]
    for root in roots:
        thing, owner = root, None
        for part in rest:
            thing, owner = getattr(thing, part, None), thing
        if thing is None:
            continue
        if _has_identity(thing) and id(thing) in documented():
            return documented()[id(thing)]
        if inspect.isclass(owner) and id(owner) in documented():  # a method or property
            return f"{documented()[id(owner)]}.{rest[-1]}"
    homes = _by_short_name().get(written.rpartition(".")[2], set())
    if rest:  # `noise.mode_cost`: the module in which it is defined, without the way to it
        homes = {home for home in homes if _defined_in(home).endswith(f".{'.'.join([first, *rest[:-1]])}")}
    return next(iter(homes)) if len(homes) == 1 else None


def _defined_in(home: str) -> str:
    package, _, name = home.rpartition(".")
    return getattr(getattr(import_module(package), name), "__module__", "") or ""


_ROOTS = ("overtraining", *(f"overtraining.{name}" for name in ("theory", "setting", "simulations", "figures")))
