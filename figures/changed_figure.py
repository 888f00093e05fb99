"""A figure of the catalogue with a user's own parameters, title, size and style: as a Figure, or as files."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from overtraining.figures.build_catalogue import FORMATS, build_entries, choose
from overtraining.figures.catalogue import Entry
from overtraining.figures.presets import Look, StylePreset
from overtraining.figures.settings import changed_recipes, short
from overtraining.setting import limits
from overtraining.setting.domain import one_of, text
from overtraining.setting.errors import DomainError
from overtraining.setting.plain_data import read_text

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from overtraining.figures.recipe import Recipe

OWN = Path("build/own-figures")


@dataclass(frozen=True)
class ChangedEntry(Entry):
    """A figure of the catalogue with changes, by dotted path, and a look. Its name is made of both.

    of: the name of the figure in the catalogue.
    """

    of: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    own_look: Look = field(default_factory=Look)

    @property
    def module_name(self) -> str:
        (entry,) = choose([self.of])
        return entry.module_name

    def recipes(self) -> "dict[str, Recipe]":
        """The sources of the figure's data, by label, with the changes."""
        return changed_recipes(self.module(), self.of, self.changes, super().recipes())

    @property
    def look(self) -> Look:
        """The user's title, size and style."""
        return self.own_look

    @property
    def changed(self) -> Mapping[str, Any]:
        """The figure that was changed, and its look; the recipes say the rest."""
        return {"changed": {"figure": self.of, **self.own_look.plain()}}

    def caption(self, data: "Mapping[str, xr.Dataset]") -> str:
        """The figure's caption, and what was changed."""
        listed = "; ".join(f"{path} = {short(value)}" for path, value in self.changes.items())
        note = f" Changed from the catalogue: {listed}. What is said without numbers was written for its values."
        return super().caption(data) + (note if listed else "")


def changed_entry(name: str, changes: Mapping[str, Any], look: Look) -> ChangedEntry:
    """The figure `name` of the catalogue with these changes, as an entry with a name of its own.

    Its name ends in a hash of protocols and look, so that it is the same for equal figures and never a catalogue's.
    Raises DomainError for what cannot be set.
    """
    (entry,) = choose([name])
    recipes = changed_recipes(entry.module(), name, changes, entry.recipes())
    plain = {label: recipe.declaration() for label, recipe in recipes.items()}
    digest = hashlib.sha256(json.dumps([plain, look.plain()], sort_keys=True).encode()).hexdigest()[:8]
    return ChangedEntry(f"{name}-{digest}", entry.claims, entry.title, name, dict(changes), look)


def make(
    name: str,
    changes: Mapping[str, Any] | None = None,
    /,
    *,
    title: str = "",
    size: tuple[float, float] | None = None,
    style: str | Path = "",
    preset: StylePreset = "paper",
    **fields: Any,
) -> "Figure":
    """A figure of the catalogue with other parameters, computed and drawn now; nothing is written.

    changes, fields: new values of fields of the figure's protocols, by dotted path in a mapping, or by name; they apply
    to every protocol of the figure that has the field, as `overtraining figures --show NAME` lists them.
    size: width and height in inches.  style: a Matplotlib style file, whose settings go before the project's.
    Raises DomainError for an unknown figure and for what cannot be set, and what theory and simulation refuse.

    >>> figure = make("rates", size=(9, 3), lengths=(6, 20), **{"sampling.draws": 2})  # doctest: +SKIP
    """
    from overtraining.figures.style import styled  # Matplotlib is imported only to draw

    if not isinstance(changes, Mapping | None):
        instead = "pass for instance {'teacher.alpha': 2}, or fields by name"
        raise DomainError(f"changes = {short(changes)}", "they are not a mapping", instead)
    one_of("preset", preset, StylePreset)
    entry = changed_entry(name, {**(changes or {}), **fields}, Look(title, size, read_style(style)))
    data = {label: recipe.make() for label, recipe in entry.recipes().items()}
    with styled(preset, entry.look.style):
        return entry.look.applied(entry.module().draw(data))


def build_changed(
    names: Sequence[str],
    changes: Mapping[str, Any],
    look: Look,
    out: Path = OWN,
    formats: Sequence[str] = FORMATS,
    preset: StylePreset = "paper",
    report: Callable[[str], None] = lambda line: None,
    workers: int = 2,
) -> list[Path]:
    """Build the named figures with these changes into `out`, as `build_catalogue.build` does; the pictures' paths.

    Every changed figure has files and a row of the manifest of its own. Raises DomainError if no figure is named.
    """
    if not names:
        raise DomainError("no figure", "what is set belongs to a figure", "name it, as in `overtraining figures depth`")
    entries = [changed_entry(name, changes, look) for name in dict.fromkeys(names)]
    return build_entries(entries, out, formats, preset, report, workers)


def read_style(style: str | Path) -> str:
    """The text of a Matplotlib style file; "" for none. Raises DomainError for a line that is not a setting."""
    if not isinstance(style, Path):
        text("style", style, "pass the path of a Matplotlib style file")
    if not str(style):
        return ""
    try:
        settings = read_text(Path(style), limits.TOML)
    except FileNotFoundError:
        raise DomainError(f"style {str(style)!r}", "there is no such file", "pass a Matplotlib style file") from None
    from overtraining.figures.style import own_settings

    own_settings(settings)
    return settings
