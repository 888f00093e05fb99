"""The specification of a sweep, and how it is read from TOML: base protocol, axes, measure, chunk; shipped sweeps."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from overtraining.setting import limits
from overtraining.setting.domain import at_most, finite, freeze, positive, whole
from overtraining.setting.errors import DomainError
from overtraining.setting.near_names import near_names
from overtraining.setting.plain_data import check_plain, parse_toml, read_text
from overtraining.simulations.sweeps.measures import allow_measure

REPEAT, KEY = "repeat", "key"
"""The axes that are no field of a protocol: numbered repetitions of all of it, each with a key of its own that follows
from protocol and number; or the keys themselves, as `simulations.respond` takes them."""

MANY = "each is checked by a protocol of its own"

KNOWN = {"title", "measure", "chunk", "protocol", "axes"}


@dataclass(frozen=True)
class Axis:
    """A field of the protocol by its dotted path, such as `start.epsilon`, and the values that it takes.

    path: several fields that change together are joined by commas, `teacher.modes,network.h`; every value is then a
    list of one value per field.
    values: numbers, texts, or whole parts as tables (`{"kind": "FanIn"}`); their order has no meaning.
    """

    path: str
    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        for value in self.values:
            if len(self.fields) > 1 and (not isinstance(value, list | tuple) or len(value) != len(self.fields)):
                raise DomainError(f"axis {self.path!r}", f"{value!r} is not one value per field", "pass lists of them")
        at_most(f"the number of values of axis {self.path!r}", len(self.values), limits.AXIS, MANY)
        check_plain(f"axis {self.path!r}", self.values)
        freeze(self, values=tuple(sorted(self.values, key=_in_order)))
        if not self.values:
            raise DomainError(f"axis {self.path!r}", "it has no values", "pass at least one, or leave the axis out")
        if self.path in (REPEAT, KEY):
            freeze(self, values=tuple(whole(self.path, value, least=0) for value in self.values))
        if again := [one for one, other in pairwise(self.values) if _in_order(one) == _in_order(other)]:
            raise DomainError(f"axis {self.path!r}", f"{again[0]!r} is there twice", f"repeat with the axis {REPEAT!r}")

    @property
    def fields(self) -> tuple[str, ...]:
        """The dotted paths.

        >>> Axis("teacher.modes, network.h", ([2, 2], [4, 3])).fields
        ('teacher.modes', 'network.h')
        """
        return tuple(field.strip() for field in self.path.split(","))


@dataclass(frozen=True)
class Sweep:
    """The grid of all combinations of the axes' values over a base protocol.

    base: the protocol as plain data (`setting.serialization`); where it names no network, each cell gets its default.
    measure: what is done with a cell, a name of `sweeps.measures.MEASURES` or `module:name` of a Measure.
    chunk: how many cells go through one compiled call. It belongs to the recipe: bits differ between batch sizes.

    >>> base = {"teacher": {"kind": "PowerLaw", "modes": 2}, "lengths": [0, 4], "strengths": [0.1]}
    >>> Sweep(base, (Axis("start.epsilon", (1e-2, 1e-4)), Axis("repeat", (0, 1, 2)))).cells
    6
    """

    base: Mapping[str, Any]
    axes: tuple[Axis, ...] = ()
    measure: str = "response"
    chunk: int = 64
    title: str = ""

    def __post_init__(self) -> None:
        freeze(self, chunk=whole("chunk", self.chunk), axes=tuple(sorted(self.axes, key=lambda axis: axis.path)))
        fields = sorted(field for axis in self.axes for field in axis.fields)
        for one, other in pairwise(fields):
            if other == one or other.startswith(f"{one}."):
                raise DomainError(f"axes {one!r} and {other!r}", "they set the same field", "leave one of them out")
        at_most("the number of cells", self.cells, limits.CELLS, "they end in one file")
        check_plain("the base protocol", self.base)
        if {REPEAT, KEY} <= set(fields):
            raise DomainError(f"axes {REPEAT!r} and {KEY!r}", "both decide a cell's key", "leave one of them out")

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return prod(len(axis.values) for axis in self.axes)

    def plain(self) -> dict[str, Any]:
        """The sweep as plain data, without its title, which changes no number."""
        axes = {axis.path: list(axis.values) for axis in self.axes}
        return {"axes": axes, "chunk": self.chunk, "measure": self.measure, "protocol": dict(self.base)}


def load_sweep(path: Path, measure: str | None = None) -> Sweep:
    """The sweep in a TOML file. Raises DomainError for a wrong one, or if there is none, OSError if it cannot be read.

    measure: a Measure of your own, `module:NAME`, if the file names one.
    """
    try:
        text = read_text(path, limits.TOML)
    except FileNotFoundError:
        instead = f"correct the path, or name a shipped sweep: {near_names(path.stem, shipped_sweeps())}"
        raise DomainError(str(path), "there is no such file", instead) from None
    sweep = parse_sweep(parse_toml(str(path), text))
    allow_measure(sweep.measure, measure)
    return sweep


def parse_sweep(plain: Mapping[str, Any]) -> Sweep:
    """A sweep from the tables of its file: `title`, `measure`, `chunk`, `[protocol]`, `[axes]`.

    An axis is a list of values, or one of `{linear = [a, b], count = n}`, `{log = [a, b], count = n}`,
    `{whole = [first, last]}`.

    >>> parse_sweep({"protocol": {}, "axes": {"start.epsilon": {"log": [1e-4, 1e-2], "count": 3}}}).axes[0].values
    (0.0001, 0.001, 0.01)
    """
    if unknown := sorted(set(plain) - KNOWN):
        raise DomainError(f"{unknown[0]!r}", "a sweep has no such entry", f"use {', '.join(sorted(KNOWN))}")
    protocol, axes = (_table(name, {"axes": {}} | dict(plain)) for name in ("protocol", "axes"))
    for name in ("measure", "title"):
        if not isinstance(plain.get(name, ""), str):
            raise DomainError(f"{name} = {plain[name]!r}", "it is not a text", "write it in quotes")
    options = {name: plain[name] for name in ("measure", "title") if name in plain}
    if "chunk" in plain:
        options["chunk"] = whole("chunk", plain["chunk"])
    return Sweep(protocol, tuple(Axis(path, _values(path, given)) for path, given in axes.items()), **options)


def shipped_sweeps() -> dict[str, Path]:
    """The sweeps that come with the project: their TOML files by name.

    >>> "noise-against-length" in shipped_sweeps()
    True
    """
    folder = Path(str(files("overtraining.simulations.sweeps") / "shipped"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def shipped_sweep(name: str) -> Path:
    """The TOML file of a shipped sweep. Raises DomainError if there is none of this name.

    >>> shipped_sweep("noise-against-length").name
    'noise-against-length.toml'
    """
    known = shipped_sweeps()
    if name not in known:
        instead = f"{near_names(name, known)}, or a .toml file of your own"
        raise DomainError(f"sweep {name!r}", "there is none of this name", instead)
    return known[name]


def find_sweep(name: str, measure: str | None = None) -> Sweep:
    """The shipped sweep of this name, or the sweep in a TOML file (a name that ends in .toml).

    measure: as of `load_sweep`.
    """
    if name.endswith(".toml"):
        return load_sweep(Path(name), measure)
    return load_sweep(shipped_sweep(name), measure)


def _table(name: str, plain: Mapping[str, Any]) -> Mapping[str, Any]:
    table = plain.get(name)
    if not isinstance(table, Mapping):
        raise DomainError(f"[{name}]", "there is no such table", "write it, as the shipped sweeps do")
    return table


def _values(path: str, written: Any) -> tuple[Any, ...]:
    match written:
        case list():
            return tuple(written)
        case {"whole": [first, last], **rest} if not rest:
            least, most = (whole(path, end, least=0) for end in (first, last))
            at_most(f"the number of values of axis {path!r}", most - least + 1, limits.AXIS, MANY)
            return tuple(range(least, most + 1))
        case {"linear": [a, b], "count": n, **rest} if not rest:
            return _grid(path, np.linspace, finite(path, [a, b]), n)
        case {"log": [a, b], "count": n, **rest} if not rest:
            # through text, so that powers of ten come out as they are written: 0.001 and not 0.0010000000000000002
            return tuple(float(f"{x:.15g}") for x in _grid(path, np.geomspace, positive(path, [a, b]), n))
    known = "[values], {linear = [a, b], count = n}, {log = [a, b], count = n} or {whole = [first, last]}"
    raise DomainError(f"axis {path!r} = {written!r}", "this is not the form of an axis", f"write {known}")


def _grid(path: str, spaced: Callable[..., np.ndarray], ends: np.ndarray, n: Any) -> tuple[float, ...]:
    if ends.shape != (2,):
        raise DomainError(f"axis {path!r} = {ends.tolist()!r}", "its ends are no two numbers", "write [a, b]")
    count = at_most(f"the number of values of axis {path!r}", whole(f"count of {path}", n), limits.AXIS, MANY)
    with np.errstate(all="ignore"):  # ends so far apart that their distance overflows
        values = spaced(*ends, count)
    return tuple(finite(f"values of axis {path!r}", values).tolist())


def _in_order(value: Any) -> tuple[int, float, str]:
    """Numbers by size, then everything else by its text: an order that does not depend on how a file was written."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 0, float(value), ""
    return 1, 0.0, json.dumps(value, sort_keys=True)
