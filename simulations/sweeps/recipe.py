"""The recipe of a store: everything that decides its bits, as one canonical text; the differences of two recipes."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from overtraining.setting.errors import DomainError
from overtraining.setting.plain_data import parse_json
from overtraining.simulations.sweeps.identity import software_identity
from overtraining.simulations.sweeps.spec import Sweep, parse_sweep

FORMAT = 2
"""The version of the format of stores and results."""


def recipe_text(sweep: Sweep) -> str:
    """The recipe of this sweep with the software that is running."""
    plain = {"format": FORMAT, "sweep": sweep.plain(), "threads": 1, "software": software_identity(sweep.measure)}
    return json.dumps(plain, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def sweep_in_recipe(recipe: str) -> Sweep:
    """The sweep in the text of a recipe; of a file's, `allow_measure` comes before its measure is imported.

    Raises DomainError for another text.
    """
    plain = parse_json("the recipe", recipe)
    sweep = plain.get("sweep") if isinstance(plain, dict) else None
    if not isinstance(sweep, dict) or not {"axes", "chunk", "measure", "protocol"} <= sweep.keys():
        raise DomainError("the recipe", "it describes no sweep", "pass what a sweep has written")
    return parse_sweep(sweep)


def fingerprint(recipe: str) -> str:
    """The SHA-256 of a recipe's text."""
    return hashlib.sha256(recipe.encode()).hexdigest()


def differences(stored: str, wanted: str) -> list[str]:
    """The differences between a stored recipe and the wanted one, one phrase each.

    >>> differences('{"sweep": {"chunk": 64}}', '{"sweep": {"chunk": 32}}')
    ['sweep.chunk: 64 there, 32 here']
    """
    return list(_differences(parse_json("the stored recipe", stored), parse_json("the recipe", wanted), ""))


def _differences(stored: Any, wanted: Any, path: str) -> Iterator[str]:
    if isinstance(stored, Mapping) and isinstance(wanted, Mapping):
        for name in sorted(stored.keys() | wanted.keys()):
            yield from _differences(stored.get(name), wanted.get(name), f"{path}.{name}" if path else name)
    elif stored != wanted:
        yield f"{path}: {_short(stored)} there, {_short(wanted)} here"


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}…"
