"""JSON and TOML from outside as plain data: read within limits, and refused by name where they exceed one."""

import json
import re
import stat
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from overtraining.setting import limits
from overtraining.setting.errors import DomainError

_STRINGS_AND_COMMENTS = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+(?:"""|\Z)'  # what is never closed ends with the text, so that time is linear in it
    r"|'''(?:[^']|'(?!''))*+(?:'''|\Z)"
    r'|"(?:[^"\\\n]|\\.)*+"?'
    r"|'[^'\n]*+'?"
    r"|\#[^\n]*+",
    re.DOTALL,
)
_DOTTED = re.compile(r"[\w-]++(?:[ \t]*+\.[ \t]*+[\w-]++)*+")
_GROUPS = (dict, list)
_DIGITS = re.compile(r"[0-9_]++")


def read_text(path: Path, most: int) -> str:
    """The text of a regular file of at most `most` bytes, in UTF-8 with or without its mark.

    DomainError for another content, or for what is no regular file; OSError where it cannot be read.
    """
    check_regular(path)
    with path.open("rb") as stream:
        raw = stream.read(most + 1)
    if len(raw) > most:
        raise DomainError(str(path), f"it is larger than {most >> 20} MiB", "keep only what you need")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = f"{path}, byte {error.start}"
        raise DomainError(place, "this is not UTF-8 text", "unpack it, or save it as UTF-8") from None


def check_regular(path: Path) -> None:
    """Refuse, with a DomainError, a folder, pipe or device, which may never end; OSError where there is nothing."""
    try:
        mode = path.stat().st_mode
    except ValueError:
        raise DomainError(repr(str(path)), "no file can have this name", "check the name") from None
    if not stat.S_ISREG(mode):
        raise DomainError(str(path), "it is not a regular file", "pass the name of a file")


def parse_json(name: str, text: str) -> Any:
    """The plain data of a JSON text; a DomainError names the place in `name`.

    >>> parse_json("my file", '{"lengths": [0, 1.5]}')
    {'lengths': [0, 1.5]}
    """
    if len(text) > limits.TEXT:
        raise DomainError(name, f"it is longer than {limits.TEXT >> 20} MiB", "keep only what you need")

    def whole(digits: str) -> int:
        if len(digits) > limits.DIGITS:
            raise _too_many_digits(name, digits)
        return int(digits)

    def without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            raise DomainError(
                f"{name}, key {_short(first_repeated(key for key, _ in pairs))}", "it occurs twice", "keep one of them"
            )
        return content

    try:
        plain = json.loads(text, parse_int=whole, object_pairs_hook=without_repeated_keys)
    except json.JSONDecodeError as error:
        place = f"{name}, line {error.lineno}, column {error.colno}"
        raise DomainError(
            place, f"this is not JSON ({error.msg})", "check that it is complete, or write it again"
        ) from None
    except RecursionError:
        raise _nested(name) from None
    level = [plain] if isinstance(plain, _GROUPS) else []
    for _ in range(limits.NESTING):
        members = (one.values() if isinstance(one, dict) else one for one in level)
        level = [inner for group in members for inner in group if isinstance(inner, _GROUPS)]
    if level:
        raise _nested(name)
    return plain


def parse_toml(name: str, text: str) -> dict[str, Any]:
    """The tables of a TOML text, without dates; a DomainError begins with `name`.

    >>> parse_toml("my file", "[protocol]\\nlengths = [0, 1]")
    {'protocol': {'lengths': [0, 1]}}
    """
    if len(text) > limits.TOML:
        raise DomainError(name, f"it is longer than {limits.TOML >> 20} MiB", "use the forms that give many values")
    bare = _STRINGS_AND_COMMENTS.sub("s", text)  # the parser takes a time that grows with the square of a dotted key
    if max((key[0].count(".") for key in _DOTTED.finditer(bare)), default=0) > limits.NESTING or _brackets(bare):
        raise _nested(name)
    if len(digits := max(_DIGITS.findall(bare), key=len, default="")) > limits.DIGITS:
        raise _too_many_digits(name, digits)
    try:
        plain = tomllib.loads(text)
    except ValueError as error:  # a TOMLDecodeError, or a date that does not exist
        raise DomainError(name, f"it is not TOML ({error})", "correct it") from None
    check_plain(name, plain)
    return plain


def check_plain(name: str, plain: Any) -> None:
    """Refuse, with a DomainError, what JSON cannot say, and what is nested too deeply or has too many digits.

    >>> check_plain("axis 'repeat'", [1, 2.5, "a", None, {"b": True}])
    """
    level = [plain]
    for _ in range(limits.NESTING + 1):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, Mapping):
                _check_keys(name, one)
                inner += one.values()
            elif isinstance(one, list | tuple):
                inner += one
            elif isinstance(one, int) and abs(one) > sys.float_info.max:  # in TOML, one in hexadecimal digits
                raise _too_many_digits(name, f"{one:#x}")
            elif not (one is None or isinstance(one, int | float | str)):
                raise DomainError(
                    f"{name}: a {type(one).__name__}", "it is no plain data", "use numbers, texts, lists and tables"
                )
        if not inner:
            return
        level = inner
    raise _nested(name)


def first_repeated(names: Iterable[str]) -> str:
    """The first name that is there for the second time; "" if there is none."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""


def _check_keys(name: str, table: Mapping[Any, Any]) -> None:
    for key in table:
        if not isinstance(key, str):
            raise DomainError(f"{name}: a field {_short(key)}", "its name is no text", "write it in quotes")


def _brackets(bare: str) -> bool:
    """Whether brackets are open within each other beyond the limit."""
    depth = 0
    for bracket in re.finditer(r"[\[\]{}]", bare):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > limits.NESTING:
            return True
    return False


def _nested(name: str) -> DomainError:
    return DomainError(name, f"it is nested more than {limits.NESTING} levels deep", "write fewer levels")


def _too_many_digits(name: str, digits: str) -> DomainError:
    why = f"it has the whole number {digits[:10]}…, which has {len(digits):,} digits, more than {limits.DIGITS}"
    return DomainError(name, why, "write fewer digits, or leave it out")


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"
