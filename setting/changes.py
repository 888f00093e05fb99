"""Change fields of a Protocol and of its parts, named by dotted paths such as `teacher.alpha`."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from overtraining.setting.errors import DomainError
from overtraining.setting.near_names import no_field

Part = TypeVar("Part")


def changed(part: Part, changes: Mapping[str, Any]) -> Part:
    """A frozen dataclass with these fields changed, all at once: a single change might give what is refused.

    changes: new values by dotted path.  Raises DomainError for a field that does not exist.

    >>> from overtraining.setting.inputs import Inputs
    >>> changed(Inputs(), {"samples": 8}).samples
    8
    """
    return _changed(part, {tuple(path.split(".")): value for path, value in changes.items()})


def _changed(part: Any, changes: Mapping[tuple[str, ...], Any]) -> Any:
    known = {field.name for field in fields(part)} if is_dataclass(part) else set()
    inner: dict[str, dict[tuple[str, ...], Any]] = {}
    for (head, *rest), value in changes.items():
        if head not in known:
            if not known:
                why = f"{type(part).__name__} has no such field"
                raise DomainError(f"field {head!r}", why, "change the whole")
            raise no_field(type(part), head, known)
        inner.setdefault(head, {})[tuple(rest)] = value
    new = {head: each[()] if () in each else _changed(getattr(part, head), each) for head, each in inner.items()}
    values = {field.name: new.get(field.name, getattr(part, field.name)) for field in fields(part)}
    left_out = {field.name for field in fields(part) if field.default is None and values[field.name] is None}
    return type(part)(**{name: value for name, value in values.items() if name not in left_out})
