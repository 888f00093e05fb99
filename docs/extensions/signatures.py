"""Signatures that can be read: types by short names, arrays by their axes (`Float[h, d_in]`), defaults as written.

Python expands `Numbers` to the five types of which it is the union, and jaxtyping writes out the array library. Here a
union is shown by its name if it has one, and the name links to the page of types.
"""

import inspect
import re
import types
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from importlib import import_module
from keyword import iskeyword
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

from public_names import ALIASES, documented
from sphinx.application import Sphinx

HOMES = ("overtraining.setting.arrays", "overtraining.setting.protocol", "overtraining.setting.tasks")
ARRAYS = ("Float", "Real", "Int", "Bool", "Shaped")


@cache
def _aliases() -> tuple[tuple[str, Any], ...]:
    """The unions that have a name, the largest first, so that a task is not shown as a teacher and the rest."""
    found = {name: thing for home in HOMES for name in ALIASES if (thing := getattr(import_module(home), name, None))}
    return tuple(sorted(found.items(), key=lambda pair: -len(get_args(pair[1]))))


NAMED = {None: "None", type(None): "None", Any: "Any", Ellipsis: "..."}


def shown_type(annotation: Any) -> str:
    """An annotation as Python that Sphinx reads: full names where there is a link, short ones elsewhere."""
    if isinstance(annotation, list):
        return f"[{', '.join(map(shown_type, annotation))}]"
    if annotation in NAMED:
        return NAMED[annotation]
    if isinstance(annotation, str | ForwardRef):
        return _quoted(annotation if isinstance(annotation, str) else annotation.__forward_arg__)
    if dims := getattr(annotation, "dim_str", None):
        return _array(annotation, str(dims))
    return _composed(annotation)


def _composed(annotation: Any) -> str:
    """A class, a union, or a class of others, such as `tuple[int, ...]`."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _union(list(args))
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    name = _name(origin or annotation)
    says_nothing = name == "ndarray" or all(arg is Any for arg in args)
    return name if says_nothing else f"{name}[{', '.join(map(shown_type, args))}]"


def _quoted(text: str) -> str:
    """A type that is written as a text since it is not imported: without the names of modules."""
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", text)


def _array(annotation: Any, dims: str) -> str:
    kind = type(annotation).__name__ if not isinstance(annotation, type) else annotation.__name__
    kind = next((known for known in ARRAYS if kind.startswith(known)), "Shaped")
    axes = [f"{axis}_" if iskeyword(axis) else axis for axis in dims.split()]
    if not axes or not all(re.fullmatch(r"\*?[A-Za-z_]\w*|\d+|\.\.\.", axis) for axis in axes):
        axes = ["..."] * bool(axes)
    return f"{kind}[{', '.join(axes)}]" if axes else kind


def _union(parts: list[Any]) -> str:
    shown = []
    for name, alias in _aliases():
        of = get_args(alias)
        if all(part in parts for part in of):
            parts = [part for part in parts if part not in of]
            shown.append(_alias(name))
    shown += [shown_type(part) for part in parts if part not in (None, type(None))]
    if type(None) in parts:
        shown.append("None")
    return " | ".join(dict.fromkeys(shown))


def _alias(name: str) -> str:
    return f"overtraining.types.{name}"


def _name(thing: Any) -> str:
    if home := documented().get(id(thing)):
        return home
    return str(getattr(thing, "__name__", None) or re.sub(r"^\w+\.", "", str(thing)))


class _Written:
    """A default value, as it is written in the signature."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def shown_default(value: Any) -> str:
    """A default in few words: of a part of a protocol only the fields that are not at their defaults."""
    if is_dataclass(value) and not isinstance(value, type):
        own = (f for f in fields(value) if f.default is MISSING or getattr(value, f.name) != f.default)
        return f"{type(value).__name__}({', '.join(f'{f.name}={shown_default(getattr(value, f.name))}' for f in own)})"
    if inspect.isroutine(value):
        return value.__name__ if value.__name__.isidentifier() else "..."
    text = repr(value)
    return text if "<" not in text and "\n" not in text else "..."


def signature_of(thing: Any) -> tuple[str, str] | None:
    """`(arguments)` and the result of a function or class; None for what has no signature."""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return None
    made = {field.name: field.default_factory for field in fields(thing)} if _is_data(thing) else {}
    shown = []
    for parameter in signature.parameters.values():
        kept = parameter.replace(annotation=parameter.empty, default=parameter.empty)
        if parameter.annotation is not parameter.empty:
            kept = kept.replace(annotation=_Written(shown_type(parameter.annotation)))
        factory = made.get(parameter.name, MISSING)
        if factory is not MISSING:
            kept = kept.replace(default=_Written(f"{factory.__name__}()" if factory in (dict, list, set) else "..."))
        elif parameter.default is not parameter.empty:
            kept = kept.replace(default=_Written(shown_default(parameter.default)))
        shown.append(kept)
    arguments = str(inspect.Signature(shown))
    result = signature.return_annotation
    of_class = inspect.isclass(thing) or result is signature.empty
    return arguments, "" if of_class else shown_type(result)


def _is_data(thing: Any) -> bool:
    return inspect.isclass(thing) and is_dataclass(thing)


def _process(app: Sphinx, what: str, name: str, thing: Any, options: Any, signature: Any, result: Any) -> Any:
    if what == "class" and issubclass(thing, Exception):
        return "", None
    if what not in ("function", "method", "class"):
        return None
    own = signature_of(_without_self(thing) if what == "method" else thing)
    return own and (own[0], own[1] or None)


def _without_self(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method as it is called, without its first argument."""
    try:
        parameters = list(inspect.signature(method).parameters)
    except (TypeError, ValueError):
        return method
    return types.MethodType(method, object()) if parameters[:1] == ["self"] else method


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-signature", _process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
