"""Write a page for each figure of the catalogue, and the cards of the gallery, before the site's pages are read.

The pages are made from the catalogue alone, so that a new figure has its page without any other change. Pictures,
captions and data come from build/figures, or, for a figure that is not built there, from the committed gallery/. What
is written goes to docs/gallery/figures, which Git ignores, and only if it has changed: Sphinx reads only what is new.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from overtraining.experiments import EXPERIMENTS
from overtraining.figures.catalogue import CATALOGUE, Entry
from overtraining.figures.recipe import Recipe
from overtraining.figures.settings import Setting, settings_of, short
from overtraining.runtime.atomic_files import write_bytes

ROOT = Path(__file__).parents[2]
PLACES = (ROOT / "build/figures", ROOT / "gallery")
OUT = ROOT / "docs/gallery/figures"

GROUPS = {
    "A": "How features are learned",
    "B": "Sensitivity",
    "C": "The inflection point",
    "D": "Fine-tuning and forgetting",
    "E": "Remedies",
    "F": "Language models",
}
"""By the letter of the claims, in the order of the argument."""

FURTHER, WHOLE = "Further claims", "The whole theory"
REMEDIES = ("D7",)
"""Claims about remedies that are stated with fine-tuning."""

LARGEST = 1_000_000
"""Bytes of a file beyond which the site does not carry it: the page says how to make it."""

CARD = (480, 320)
"""Largest width and height of a card's picture, in pixels."""

FILES = {
    "data/{}.nc": "all data of the figure with their protocols; `xarray.open_datatree` opens it",
    "{}.pdf": "for a paper",
    "{}.svg": "for a web page or slides",
}

CHANGES = {"teacher.alpha": "2", "start.epsilon": "0.005", "strengths": "0.05,0.1"}
"""What a page changes as an example: the first of these fields that its figure lets a user set."""


def page(entry: Entry) -> str:
    """The page of a figure, in Markdown."""
    return "\n\n".join(_parts(entry)) + "\n"


def _parts(entry: Entry) -> Iterator[str]:
    name, recipes = entry.name, entry.recipes()
    settings = [one for one in settings_of(recipes).values() if not one.has_parts]
    caption = text_of_caption(name)
    code = entry.module_name.removeprefix("overtraining.").replace(".", "/") + ".py"
    tests = [one.name for one in EXPERIMENTS if set(one.claims) & set(entry.claims)]

    yield f"(figure-{name})=\n# {escaped(entry.title)}"
    options = f":alt: {json.dumps(first_sentence(caption), ensure_ascii=False)}\n:figclass: of-gallery"
    yield f"```{{figure}} {from_page(found(f'{name}.png'))}\n{options}\n\n{escaped(caption)}\n```"
    yield f"**Claims**: {roles('claim', entry.claims)}"
    if tests:
        yield f"**Experiments that could refute them**: {roles('experiment', tests)}"
    yield "## Make it yourself"
    yield f"```sh\novertraining figures {name}\n```"
    yield "This draws it into `build/figures`, and writes its data, its caption and a row of the manifest."
    yield from _changing(name, settings)
    yield from _sources(recipes)
    yield "## Download"
    yield "\n".join(_files(name))
    yield "The picture above is a PNG of 300 dots per inch."
    yield "## Code"
    yield "`recipes` says where the data come from, `draw` draws them, and `caption` describes what is seen."
    yield f"````{{dropdown}} {code}\n```{{literalinclude}} {from_page(ROOT / code)}\n:language: python\n```\n````"


def _changing(name: str, settings: Sequence[Setting]) -> Iterator[str]:
    """How a parameter is changed, and a table of all of them."""
    if not settings:
        yield "Its data come from no protocol: only its title, size and style can be changed."
        yield f"```sh\novertraining figures {name} --size 7x4\n```"
        return
    command, call = example(name, settings)
    yield "With another value of a parameter, in the shell and in Python:"
    yield f"```sh\n{command}\n```"
    yield f"```{{code-block}} python\n{call}\n```"
    yield f"`overtraining figures --show {name}` lists what can be set:"
    rows = [(f"`{one.path}`", values(one), one.unit) for one in settings if not one.why_not]
    yield folded("Parameters and their values", table(("field", "value", "unit"), rows))
    if fixed := [(f"`{one.path}`", one.why_not) for one in settings if one.why_not]:
        yield folded("What cannot be set, and why", table(("field", "reason"), fixed))


def example(name: str, settings: Sequence[Setting]) -> tuple[str, str]:
    """A command and a call in Python that change the figure."""
    free = {one.path for one in settings if not one.why_not}
    for path, value in CHANGES.items():
        if path in free:
            plain = f"({value.replace(',', ', ')})" if "," in value else value
            return (
                f"overtraining figures {name} --set {path}={value}",
                f'ot.figures.make("{name}", {{"{path}": {plain}}})',
            )
    return f"overtraining figures {name} --size 7x4", f'ot.figures.make("{name}", size=(7, 4))'


def values(setting: Setting) -> str:
    """The values of a field, where the figure's protocols have several."""
    return "; ".join(dict.fromkeys(map(short, setting.values)))


def _sources(recipes: Mapping[str, Recipe]) -> Iterator[str]:
    """Which function makes which part of the data, and by which random key."""
    rows = [
        (label, made_by(recipe), "" if recipe.key is None else str(recipe.key)) for label, recipe in recipes.items()
    ]
    yield "The figure is drawn from these data. The same key gives the same random numbers."
    yield folded("Data, and what makes them", table(("data", "made by", "random key"), rows))


def made_by(recipe: Recipe) -> str:
    """The function of a recipe, by its public name if it has one."""
    module = import_module(recipe.module)
    name = recipe.source.rpartition(".")[2]
    parts = recipe.module.split(".")
    for length in range(2, len(parts)):
        package = ".".join(parts[:length])
        if getattr(import_module(package), name, None) is getattr(module, name):
            return f"{{py:obj}}`{package}.{name}`"
    return f"`{recipe.source}`"


def _files(name: str) -> Iterator[str]:
    """A list of the files that the site carries, and of those that it leaves to the reader."""
    yield f"* {{download}}`{name}.csv <data/{name}.csv>`: the numbers that are drawn, a column each"
    for pattern, purpose in FILES.items():
        path = next((p for place in PLACES if (p := place / pattern.format(name)).is_file()), None)
        if path is None:
            continue
        size = path.stat().st_size
        told = f"{purpose} ({size / 1000:,.0f} kB)"
        if size <= LARGEST:
            yield f"* {{download}}`{path.name} <{from_page(path)}>`: {told}"
        else:
            yield f"* `{path.name}`: {told}. It is too large for this site; the command above writes it."


def cards() -> str:
    """The gallery: a card for each figure, in groups, and the list of the pages for the site's navigation."""
    parts = []
    ordered = sorted(CATALOGUE, key=lambda entry: [*GROUPS.values(), FURTHER, WHOLE].index(group(entry)))
    for title, entries in groupby(ordered, group):
        grid = "\n\n".join(map(_card, entries))
        parts.append(f"## {title}\n\n`````{{grid}} 1 2 3 4\n:gutter: 3\n\n{grid}\n`````")
    listed = "\n".join(f"{entry.name} <figures/{entry.name}>" for entry in ordered)
    return "\n\n".join([*parts, f"```{{toctree}}\n:hidden:\n\n{listed}\n```"]) + "\n"


def _card(entry: Entry) -> str:
    return (
        f'````{{grid-item-card}} {escaped(entry.title)}\n:img-top: figures/cards/{entry.name}.png\n:img-alt: ""\n'
        f":link: figure-{entry.name}\n:link-type: ref\n:class-card: of-gallery\n\n"
        f"{entry.name} · {', '.join(entry.claims) if len(entry.claims) < 9 else f'{len(entry.claims)} claims'}\n````"
    )


def group(entry: Entry) -> str:
    """The title under which a figure stands: the furthest that its claims reach in the argument."""
    letters = {"E" if claim in REMEDIES else claim[0] for claim in entry.claims}
    return WHOLE if len(letters) > 3 else GROUPS.get(max(letters), FURTHER)


def small_picture(path: Path) -> bytes:
    """A picture as small as a card needs it."""
    from PIL import Image

    with Image.open(path) as picture:
        flat = Image.new("RGB", picture.size, "white")
        flat.paste(picture, mask=picture.getchannel("A") if picture.mode == "RGBA" else None)
    card = flat.crop(some_panels(np.asarray(flat)))
    card.thumbnail(CARD, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    card.quantize(64).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def some_panels(pixels: np.ndarray) -> tuple[int, int, int, int]:
    """The box of the upper left panels, so many that they have about the shape of a card; cut through white only."""
    height, width = pixels.shape[:2]
    white: np.ndarray = np.asarray((pixels >= 250).all(axis=2))
    wanted = CARD[0] / CARD[1]
    if width > 1.25 * wanted * height:
        width = _cut(np.asarray(white.all(axis=0)), round(wanted * height))
    elif height > 1.25 * width / wanted:
        height = _cut(np.asarray(white[:, :width].all(axis=1)), round(width / wanted))
    return 0, 0, width, height


def _cut(white: np.ndarray, wanted: int) -> int:
    """The middle of the widest white gap near to where a cut is wanted, or the end."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], white, [False])).astype(int)))
    gaps = [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
    near = [(last - first, (first + last) // 2) for first, last in gaps if abs((first + last) / 2 / wanted - 1) < 0.4]
    return max(near, default=(0, white.size))[1]


def columns(numbers: Mapping[str, Sequence[float]]) -> str:
    """Lists of numbers as a table with a column each; the shorter ones end earlier."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(numbers)
    writer.writerows(zip_longest(*numbers.values(), fillvalue=""))
    return text.getvalue()


def found(name: str) -> Path:
    """The file of a figure where it is built, or else among the committed ones."""
    for place in PLACES:
        if (place / name).is_file():
            return place / name
    raise ExtensionError(f"{name} is neither in build/figures nor in gallery: run `make figures`")


def text_of_caption(name: str) -> str:
    return found(f"captions/{name}.txt").read_text(encoding="utf-8").strip()


def first_sentence(text: str) -> str:
    """The first sentence of a text.

    >>> first_sentence("Loss after noise (claims A1, B2). One line per depth.")
    'Loss after noise (claims A1, B2).'
    """
    return re.split(r"(?<=[.?!])\s+(?=[A-Z])", text)[0]


def escaped(text: str) -> str:
    """Text as Markdown that shows exactly this text."""
    return re.sub(r"([\\`*_{}\[\]<>$|#~])", r"\\\1", text)


def roles(role: str, names: Iterable[str]) -> str:
    return ", ".join(f"{{{role}}}`{name}`" for name in names)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def folded(title: str, text: str) -> str:
    return f"````{{dropdown}} {title}\n{text}\n````"


def from_page(path: Path) -> str:
    """A file of the project by its path from the page of a figure."""
    return "../" * len(OUT.relative_to(ROOT).parts) + path.relative_to(ROOT).as_posix()


def keep(path: Path, content: bytes) -> None:
    """Write a file, unless it has this content already."""
    if not path.is_file() or path.read_bytes() != content:
        write_bytes(path, content)


def write_pages(*_: Any) -> None:
    """Write the pages of all figures and what they need; remove those of figures that are no more."""
    for entry in CATALOGUE:
        numbers = json.loads(found(f"numbers/{entry.name}.json").read_text(encoding="utf-8"))
        picture, card = found(f"{entry.name}.png"), OUT / f"cards/{entry.name}.png"
        if not card.is_file() or card.stat().st_mtime < picture.stat().st_mtime:
            write_bytes(card, small_picture(picture))
        keep(OUT / f"{entry.name}.md", page(entry).encode())
        keep(OUT / f"data/{entry.name}.csv", columns(numbers).encode())
    keep(OUT / "cards.txt", cards().encode())
    for path in OUT.rglob("*.*"):
        if path.stem not in {"cards", *(entry.name for entry in CATALOGUE)}:
            path.unlink()


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
