"""The measures of a sweep: the function that is run for its cells, and how a cell's numbers become a Dataset."""

import importlib
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from overtraining.setting.errors import DomainError, Refusal
from overtraining.setting.protocol import Protocol

if TYPE_CHECKING:  # a worker, which makes arrays only, starts in half the time without it
    import xarray as xr

MEASURES = {
    "response": "overtraining.simulations.sweeps.batches:RESPONSE",
    "trajectory": "overtraining.simulations.sweeps.batches:TRAJECTORY",
}

OWN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
"""A Measure of one's own: `module:NAME`."""


class BatchResult(NamedTuple):
    """The result of a batch: arrays with the cells along the first axis, and why some have no numbers, by place."""

    values: Mapping[str, np.ndarray]
    refused: Mapping[int, str]


@dataclass(frozen=True)
class Measure:
    """A way to measure cells.

    run: measures many cells, given their protocols and keys; the numbers of refused cells are not used.
    as_dataset: a cell's arrays as a Response or Trajectory, given its protocol and key.
    program: equal for cells that one compiled call can hold; raises a Refusal for a protocol that cannot be measured.
    batched: whether `run` compiles once for a number of cells; then it always gets as many, copies if need be.
    shape: names and sizes of a cell's numbers, or what follows from these; equal for all cells of a sweep.
    memory: bytes that a cell needs while it is computed.
    """

    run: Callable[[Sequence[Protocol], Sequence[int]], BatchResult]
    as_dataset: Callable[[Protocol, int, Mapping[str, np.ndarray]], "xr.Dataset"]
    program: Callable[[Protocol], Hashable] = lambda protocol: None
    batched: bool = False
    shape: Callable[[Protocol], Hashable] = lambda protocol: (len(protocol.lengths), len(protocol.strengths))
    memory: Callable[[Protocol], int] = lambda protocol: 0


def find_measure(name: str) -> Measure:
    """The measure of this name, or the user's own Measure at `module:NAME`, whose module is imported."""
    full = MEASURES.get(name, name)
    module, _, attribute = full.partition(":")
    try:
        named = getattr(importlib.import_module(module), attribute, None) if OWN.fullmatch(full) else None
    except Exception as error:  # a measure is anybody's code
        why = f"it cannot be imported ({type(error).__name__}: {error})"
        raise DomainError(f"measure {name!r}", why, _remedy()) from None
    if not isinstance(named, Measure):
        raise DomainError(f"measure {name!r}", "there is no such measure", _remedy())
    return named


def allow_measure(named: str, own: str | None) -> None:
    """Refuse the measure that a file names, unless it is of the table, or the reader names it too.

    named: by a file, which alone imports nothing.  own: by the reader, as an argument or option.
    """
    if named == own or (own is None and named in MEASURES):
        return
    if own is not None:
        raise DomainError(f"measure {named!r}", f"the file names it, and you name {own!r}", "name the same, or none")
    if not OWN.fullmatch(named):
        raise DomainError(f"measure {named!r}", "there is no such measure", _remedy())
    instead = f"if you trust this module, name it yourself: measure={named!r}, or --measure {named}"
    raise DomainError(f"measure {named!r}", "the file names it, and what a file names is not imported", instead)


def module_of(name: str) -> str:
    """The module in which a measure is defined."""
    return MEASURES.get(name, name).partition(":")[0]


def _remedy() -> str:
    return f"use {', '.join(MEASURES)}, or module:NAME of a Measure of your own"


def one_by_one(function: Callable[[Protocol, int], Mapping[str, np.ndarray]]) -> Callable[..., BatchResult]:
    """A `run` from a function of one protocol and key: no compiled batch, cells one after another."""

    def run(protocols: Sequence[Protocol], keys: Sequence[int]) -> BatchResult:
        rows: list[Mapping[str, np.ndarray]] = []
        refused: dict[int, str] = {}
        for place, (protocol, key) in enumerate(zip(protocols, keys, strict=True)):
            try:
                rows.append(function(protocol, key))
            except Refusal as refusal:
                refused[place] = str(refusal)
                rows.append({})
        return BatchResult(stacked(rows), refused)

    return run


def stacked(rows: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays of single cells along a new first axis; cells without numbers get NaN, which is not used."""
    example: Mapping[str, np.ndarray] = next((row for row in rows if row), {})
    return {
        name: np.stack([np.asarray(row[name], float) if row else np.full(np.shape(array), np.nan) for row in rows])
        for name, array in example.items()
    }
