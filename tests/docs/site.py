"""The built site as a value: its pages, what they link to and load, and what is wrong with them."""

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LOADING = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src",),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
"""By element, the attributes whose addresses a browser loads without being asked."""

IN_STYLES = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")
HEADINGS = re.compile(r"h[1-6]")


@dataclass(frozen=True)
class Page:
    """What a page consists of, as far as the tests ask."""

    language: str
    title: str
    headings: tuple[str, ...]
    ids: frozenset[str]
    links: tuple[str, ...]
    loads: tuple[str, ...]
    images_without_text: tuple[str, ...]
    frames_without_title: tuple[str, ...]


class _Reader(HTMLParser):
    """Collects the parts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.language = self.title = ""
        self.headings: list[str] = []
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.silent: list[str] = []
        self.unnamed: list[str] = []
        self.within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids.add(given["id"])
        match tag:
            case "html":
                self.language = given.get("lang", "")
            case "a" if "href" in given:
                self.links.append(given["href"])
            case "img" if "alt" not in given:
                self.silent.append(given.get("src", ""))
            case "iframe" if not given.get("title"):
                self.unnamed.append(given.get("src", ""))
            case "style" | "svg" | "title":
                self.within.append(tag)
        if HEADINGS.fullmatch(tag):
            self.headings.append(tag)
        for name in LOADING.get(tag, ()):
            if name in given:
                several = [part.split()[0] for part in given[name].split(",")] if name == "srcset" else [given[name]]
                self.loads += several
        self.loads += addresses(given.get("style", ""))

    def handle_endtag(self, tag: str) -> None:
        if self.within[-1:] == [tag]:
            self.within.pop()

    def handle_data(self, data: str) -> None:
        match self.within:
            case ["title"]:  # of the page, not of a picture
                self.title += data.strip()
            case [*_, "style"]:
                self.loads += addresses(data)


def addresses(style: str) -> list[str]:
    """The addresses that a style sheet loads."""
    return [a or b for a, b in IN_STYLES.findall(style)]


def parse(text: str) -> Page:
    """The parts of a page."""
    reader = _Reader()
    reader.feed(text)
    return Page(
        reader.language,
        reader.title,
        tuple(reader.headings),
        frozenset(reader.ids),
        tuple(reader.links),
        tuple(reader.loads),
        tuple(reader.silent),
        tuple(reader.unnamed),
    )


@dataclass(frozen=True)
class Site:
    """A folder of pages: the pages and style sheets by path, and the sizes of all files in bytes."""

    pages: Mapping[str, Page]
    styles: Mapping[str, tuple[str, ...]]
    files: Mapping[str, int]
    search_index: str = field(repr=False)

    def with_page(self, name: str, text: str) -> "Site":
        """The same site with another page at a path."""
        return replace(self, pages={**self.pages, name: parse(text)}, files={**self.files, name: len(text.encode())})

    def broken(self) -> list[str]:
        """Addresses within the site to which there is no file, or no such anchor in it."""
        wrong = []
        for source, address in self._addresses():
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = resolved(source, parts.path)
            if target not in self.files:
                wrong.append(f"{source}: {address} is missing")
            elif parts.fragment and target in self.pages and not self._has(target, unquote(parts.fragment)):
                wrong.append(f"{source}: {address} has no such anchor")
        return wrong

    def _has(self, target: str, anchor: str) -> bool:
        return anchor in self.pages[target].ids or "=" in anchor  # settings that a script reads from the address

    def _addresses(self) -> Iterator[tuple[str, str]]:
        for name, page in self.pages.items():
            yield from ((name, address) for address in dict.fromkeys((*page.links, *page.loads)))
        for name, loads in self.styles.items():
            yield from ((name, address) for address in loads)

    def loaded_from_elsewhere(self) -> list[str]:
        """What a browser would load from another machine, and links that are neither to a page nor to an address."""
        loads = [(name, one) for name, page in self.pages.items() for one in page.loads]
        loads += [(name, one) for name, found in self.styles.items() for one in found]
        wrong = [f"{name} loads {one}" for name, one in loads if not _is_here(one)]
        links = [(name, one) for name, page in self.pages.items() for one in page.links]
        wrong += [f"{name} links to {one}" for name, one in links if urlsplit(one).scheme not in LINKED]
        return wrong

    def reached(self, clicks: int, start: str = "index.html") -> set[str]:
        """The pages that so many clicks reach."""
        found, newest = {start}, {start}
        for _ in range(clicks):
            targets = {resolved(name, urlsplit(link).path) for name in newest for link in self._inner_links(name)}
            newest = (targets & self.pages.keys()) - found
            found |= newest
        return found

    def _inner_links(self, name: str) -> Iterable[str]:
        return (link for link in self.pages[name].links if not urlsplit(link).scheme and not urlsplit(link).netloc)

    def anchors(self, clicks: int) -> set[str]:
        """The anchors of the pages that so many clicks reach."""
        return set().union(*(self.pages[name].ids for name in self.reached(clicks)))

    def unreadable(self) -> list[str]:
        """Pages without title, language or exactly one heading of the first level; pictures and frames without text."""
        wrong = []
        for name, page in self.pages.items():
            if not page.title:
                wrong.append(f"{name} has no title")
            if not page.language:
                wrong.append(f"{name} does not say its language")
            if page.headings.count("h1") != 1:
                wrong.append(f"{name} has {page.headings.count('h1')} headings of the first level")
            wrong += [f"{name} shows {one} without an alternative text" for one in page.images_without_text]
            wrong += [f"{name} has a frame without a title, {one}" for one in page.frames_without_title]
        return wrong

    def terms(self) -> dict[str, Any]:
        """The words that the search knows, by their stems, and the pages that have them."""
        found = json.loads(self.search_index.removeprefix("Search.setIndex(").removesuffix(")"))
        return {**found["terms"], **found["titleterms"]}

    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.files.values())


LINKED = ("", "http", "https", "mailto")
TEMPLATES = ("_static/webpack-macros.html",)
"""Of the theme: no pages."""


def _is_here(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "data" or (not parts.scheme and not parts.netloc)


def resolved(source: str, path: str) -> str:
    """The path within the site to which a link on a page leads; one without a path leads to the page itself."""
    if not path:
        return source
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), unquote(path)))


def read(folder: Path) -> Site:
    """The site in a folder."""
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    pages = {name: path for name, path in paths.items() if name.endswith(".html") and name not in TEMPLATES}
    return Site(
        {name: parse(path.read_text(encoding="utf-8")) for name, path in pages.items()},
        {n: tuple(addresses(path.read_text(encoding="utf-8"))) for n, path in paths.items() if n.endswith(".css")},
        {name: path.stat().st_size for name, path in paths.items()},
        (folder / "searchindex.js").read_text(encoding="utf-8"),
    )
