"""The recipe of a store: everything that decides its bits, as one canonical text, and how two of them differ."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from overtraining.simulations.sweeps.identity import software_identity
from overtraining.simulations.sweeps.spec import Axis, Sweep

FORMAT = 1
"""Of stores and results; another number is another version."""


def recipe_text(sweep: Sweep) -> str:
    """The recipe of this sweep, computed by the software that is running."""
    plain = {"format": FORMAT, "sweep": sweep.plain(), "threads": 1, "software": software_identity(sweep.measure)}
    return json.dumps(plain, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def sweep_in_recipe(recipe: str) -> Sweep:
    """The sweep that a recipe is of."""
    plain = json.loads(recipe)["sweep"]
    axes = tuple(Axis(path, tuple(values)) for path, values in plain["axes"].items())
    return Sweep(plain["protocol"], axes, plain["measure"], plain["chunk"])


def fingerprint(recipe: str) -> str:
    """SHA-256 of the text."""
    return hashlib.sha256(recipe.encode()).hexdigest()


def differences(kept: str, wanted: str) -> list[str]:
    """What differs between two recipes, one phrase each.

    >>> differences('{"sweep": {"chunk": 64}}', '{"sweep": {"chunk": 32}}')
    ['sweep.chunk: 64 there, 32 here']
    """
    return list(_differences(json.loads(kept), json.loads(wanted), ""))


def _differences(kept: Any, wanted: Any, path: str) -> Iterator[str]:
    if isinstance(kept, Mapping) and isinstance(wanted, Mapping):
        for name in sorted(kept.keys() | wanted.keys()):
            yield from _differences(kept.get(name), wanted.get(name), f"{path}.{name}" if path else name)
    elif kept != wanted:
        yield f"{path}: {_short(kept)} there, {_short(wanted)} here"


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}…"
