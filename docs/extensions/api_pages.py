"""The directive `api`: the public names of a package, first as a table, then each with its signature and docstring.

    .. api:: overtraining.theory.sensitivity

    .. api:: overtraining.setting
       :only: PowerLaw Geometric

What another page documents is in the table, with a link, and not shown again. In a Markdown page the directive stands
in a block of reStructuredText (`{eval-rst}`).
"""

import inspect
from collections.abc import Iterable, Iterator

from docstrings import marked_up
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from public_names import PublicName, home_of, listed
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective


def kind_of(public: PublicName) -> str:
    """Which directive of autodoc shows it."""
    thing = public.object
    if inspect.ismodule(thing):
        return "module"
    if inspect.isclass(thing):
        return "exception" if issubclass(thing, Exception) else "class"
    return "function" if inspect.isroutine(thing) or callable(thing) else "data"


def table(names: Iterable[PublicName]) -> Iterator[str]:
    """A table of names, what they are, and the claims that they compute."""
    names = list(names)
    claims = any(public.claims for public in names)
    yield ".. list-table::"
    yield "   :class: reference-table api-names"
    yield f"   :widths: {'30 60 10' if claims else '35 65'}"
    yield "   :header-rows: 1"
    yield ""
    yield "   * - name"
    yield "     - what it is"
    if claims:
        yield "     - claim"
    for public in names:
        yield f"   * - {_link(public)}"
        yield f"     - {marked_up(public.words, public.package, set())}"
        if claims:
            yield "     - " + ", ".join(f":ref:`{claim} <claim-{claim[:2].lower()}>`" for claim in public.claims)
    yield ""


def _link(public: PublicName) -> str:
    if inspect.ismodule(public.object):
        page = public.object.__name__.removeprefix("overtraining.")
        page = page.removesuffix(".solvers").removesuffix(f".{public.name}" if public.name.endswith("_mode") else "")
        return f":doc:`{public.name} </reference/{page}>`"
    return f":py:obj:`{public.name} <{public.home}>`"


def entries(names: Iterable[PublicName]) -> Iterator[str]:
    """What autodoc is asked for: each object that is documented here."""
    for public in names:
        kind = kind_of(public)
        if public.home != public.path or kind == "module":
            continue
        yield f".. auto{kind}:: {public.path}"
        if kind == "data":
            yield "   :no-value:"
            yield ""
            yield f"   {marked_up(public.words, public.package, set())}"
        yield ""


class Api(SphinxDirective):
    """The directive."""

    required_arguments = 1
    option_spec = {"only": directives.unchanged, "table-only": directives.flag}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        package = self.arguments[0]
        names = {public.name: public for public in listed(package)}
        chosen = self.options.get("only", "").split() or [*names]
        if unknown := [name for name in chosen if name not in names]:
            raise ExtensionError(f"{self.env.docname}: {package} does not list {', '.join(unknown)}")
        shown = [names[name] for name in chosen]
        self.env.note_dependency(inspect.getsourcefile(__import__(package, fromlist=["_"])) or "")
        directive = "currentmodule" if "only" in self.options else "module"  # a module is declared on one page
        lines = [f".. py:{directive}:: {package}", "", *table(shown)]
        if "table-only" not in self.options:
            lines += entries(shown)
        return self.parse_text_to_nodes(StringList(lines, source=f"{package} (listed)"))


def resolved(app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.TextElement) -> nodes.Element | None:
    """A link to an object by another of its names, such as that of the module in which it is defined."""
    if node.get("refdomain") != "py":
        return None
    written = str(node["reftarget"]).removeprefix("ot.")
    home = home_of(written.removeprefix("overtraining."), "overtraining")
    if home in (None, written):
        return None
    python = env.domains.python_domain
    found: nodes.Element | None = python.resolve_xref(env, node["refdoc"], app.builder, "obj", home, node, shown)
    return found


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("api", Api)
    app.connect("missing-reference", resolved)
    app.add_css_file("reference.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
