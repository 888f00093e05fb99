"""The cells of a sweep: protocols, each with a key that follows from its text and its repetition."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any, NamedTuple

import numpy as np

from overtraining.setting.changes import changed
from overtraining.setting.errors import DomainError
from overtraining.setting.protocol import Protocol
from overtraining.setting.serialization import read, write
from overtraining.simulations.sweeps.spec import KEY, REPEAT, Axis, Sweep


@dataclass(frozen=True)
class Cell:
    """One protocol to run once.

    place: the value of every axis, by field.  key: of all its randomness: `derived_key`, or the value of the key axis.
    """

    protocol: Protocol
    place: Mapping[str, Any]
    key: int


def derived_key(protocol: Protocol, repeat: int) -> int:
    """A whole number from 0 to 2⁶³ − 1: the first bits of the SHA-256 of the protocol's text and the repetition.

    A cell so has the same random numbers in every sweep, at every place in it.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> derived_key(Protocol(PowerLaw(2), (0, 1), (0.1,)), 0)
    6304317033759010476
    """
    text = f"{write(protocol)}\n{repeat}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def axis_indices(axes: Sequence[Axis], number: int) -> tuple[int, ...]:
    """Which value each axis has in the combination of this number, where the last axis varies fastest.

    >>> axis_indices([Axis("start.epsilon", (0.1, 0.2)), Axis("repeat", (0, 1, 2))], 4)
    (1, 1)
    """
    return tuple(int(at) for at in np.unravel_index(number, (1, *(len(axis.values) for axis in axes)))[1:])


class AxisValue(NamedTuple):
    """A value of an axis, by field: as it is written in the sweep, and as it is in a protocol."""

    written: Mapping[str, Any]
    built: Mapping[str, Any]


def cell_name(*axis_values: AxisValue) -> str:
    """The name of a cell in messages.

    >>> cell_name(AxisValue({"start.epsilon": 0.1}, {}), AxisValue({"repeat": 3}, {}))
    'start.epsilon = 0.1, repeat = 3'
    """
    written = {field: value for one in axis_values for field, value in one.written.items()}
    return ", ".join(f"{field} = {_short(value)}" for field, value in written.items()) or "the only cell"


class Grid:
    """The values of every axis of a sweep, each checked by itself over the base protocol.

    Raises DomainError or ShapeError, naming the axis, for a value that the base protocol cannot take.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.axes = sweep.axes
        self._plain = json.loads(json.dumps(sweep.base))  # plain lists and dictionaries, our own copy
        self.base = _protocol(self._plain, "the base protocol")
        self._network_by_default = self._plain.get("network") is None and not any(
            field.split(".")[0] == "network" for axis in sweep.axes for field in axis.fields
        )
        self.axis_values = {
            axis.path: tuple(self._axis_value(axis, value) for value in axis.values) for axis in sweep.axes
        }

    def cell_at(self, number: int) -> Cell:
        """The cell of this number, counted with the last axis fastest."""
        return self.cell(self.values_of(number))

    def cell(self, values: tuple[AxisValue, ...]) -> Cell:
        """The cell with one value per axis."""
        built = {field: value for axis_value in values for field, value in axis_value.built.items()}
        protocol = self.protocol(built)
        place = {field: value for axis_value in values for field, value in axis_value.written.items()}
        key = built[KEY] if KEY in built else derived_key(protocol, built.get(REPEAT, 0))
        return Cell(protocol, place, key)

    def protocol(self, built: Mapping[str, Any]) -> Protocol:
        """The base protocol with these fields changed, all at once."""
        changes = {field: value for field, value in built.items() if field not in (REPEAT, KEY)}
        return changed(self.base, changes | ({"network": None} if self._network_by_default else {}))

    def values_of(self, number: int) -> tuple[AxisValue, ...]:
        """One value per axis: those of the cell of this number, counted with the last axis fastest."""
        indices = axis_indices(self.axes, number)
        return tuple(self.axis_values[axis.path][index] for axis, index in zip(self.axes, indices, strict=True))

    def _axis_value(self, axis: Axis, value: Any) -> AxisValue:
        if axis.path in (REPEAT, KEY):
            return AxisValue({axis.path: value}, {axis.path: value})
        values = list(value) if len(axis.fields) > 1 else [value]
        plain = deepcopy(self._plain)
        for field, one in zip(axis.fields, values, strict=True):
            _set(plain, self.base, field.split("."), one)
        protocol = _protocol(plain, f"axis {axis.path!r} = {_short(value)}")
        built = {field: _get(protocol, field.split(".")) for field in axis.fields}
        return AxisValue(dict(zip(axis.fields, values, strict=True)), built)


def _protocol(plain: Mapping[str, Any], source: str) -> Protocol:
    try:
        return read(json.dumps(plain))
    except DomainError as error:
        raise DomainError(source, error.why, "correct the sweep") from None
    except (TypeError, ValueError) as error:
        raise DomainError(source, f"it cannot be read ({error})", "correct the sweep") from None


def _set(plain: Any, part: Any, path: list[str], value: Any) -> None:
    """Set a field in plain data; a part that it leaves to its default is written out first."""
    head, *rest = path
    if not is_dataclass(part) or head not in {field.name for field in fields(part)}:
        known = ", ".join(field.name for field in fields(part)) if is_dataclass(part) else "no fields"
        raise DomainError(f"field {head!r}", f"{type(part).__name__} has {known}", "correct the path of the axis")
    if not rest:
        plain[head] = value
        return
    inner = getattr(part, head)
    if plain.get(head) is None and is_dataclass(inner) and not isinstance(inner, type):
        named = {"kind": type(inner).__name__} if head in {"teacher", "start", "pretraining", "perturbation"} else {}
        plain[head] = named or asdict(inner)
    _set(plain.get(head), inner, rest, value)


def _get(part: Any, path: list[str]) -> Any:
    return _get(getattr(part, path[0]), path[1:]) if path else part


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
