"""What a misspelt name was meant to be, and packages and dataclasses that say so."""

from collections.abc import Callable, Iterable
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

import lazy_loader

from overtraining.setting.errors import DomainError


def near_names(name: str, known: Iterable[str]) -> str:
    """The known names that look like this one, for a message: "try a, b"; all of them if none does.

    >>> near_names("Powerlaw", ["PowerLaw", "Pruning", "Noise"])
    'try PowerLaw'
    >>> near_names("x", ["PowerLaw", "Noise"])
    'try PowerLaw, Noise'
    """
    spelt = {each.lower(): each for each in known}
    near = get_close_matches(name.lower(), spelt, n=3, cutoff=0.5)
    return f"try {', '.join(spelt[each] for each in near or spelt)}"


def lazy_names(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package whose names, in its stub file, are imported when first used.

    >>> import overtraining.setting as setting
    >>> setting.Powerlaw
    Traceback (most recent call last):
    AttributeError: module 'overtraining.setting' has no attribute 'Powerlaw': try PowerLaw
    """
    imported, listed, names = lazy_loader.attach_stub(package, file)

    def get(name: str) -> Any:
        if name in names or name.startswith("_"):  # Python itself looks for some with an underscore
            return imported(name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}: {near_names(name, sorted(names))}")

    return get, listed, names


class NamedFields:
    """A base of dataclasses that refuse a misspelt field by near names; Python itself names none."""

    def __new__(cls, *_values: Any, **given: Any) -> Any:
        known = [field.name for field in fields(cls)]  # type: ignore[arg-type]  # its subclasses are dataclasses
        for name in given:
            if name not in known:
                raise no_field(cls, name, known)
        return super().__new__(cls)


def no_field(part: type, name: str, known: Iterable[str]) -> DomainError:
    """The refusal of a field that a dataclass has not.

    >>> str(no_field(complex, "reel", ["real", "imag"]))
    "field 'reel': complex has no such field. Instead: try real."
    """
    return DomainError(f"field {name!r}", f"{part.__name__} has no such field", near_names(name, sorted(known)))
