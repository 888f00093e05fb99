"""The sweeps that come with the project, as TOML files beside this module."""

from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from overtraining.setting.errors import DomainError
from overtraining.simulations.sweeps.spec import Sweep, load


def shipped() -> dict[str, Path]:
    """Their files by name.

    >>> "noise-against-length" in shipped()
    True
    """
    folder = Path(str(files("overtraining.simulations.sweeps") / "shipped"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def find(what: str) -> Sweep:
    """What a user names: a shipped sweep, or the path of a TOML file (anything that ends in .toml)."""
    if what.endswith(".toml"):
        return load(Path(what))
    known = shipped()
    if what not in known:
        near = get_close_matches(what, known, n=3, cutoff=0.3) or list(known)
        raise DomainError(f"sweep {what!r}", "there is none of this name", f"try {', '.join(near)}, or a .toml file")
    return load(known[what])
