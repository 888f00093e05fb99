"""Roles for what this project names: {claim}`B1`, {experiment}`depth`, {picture}`depth`, {derivation}`B1`.

A claim is a section of a chapter of the theory, labelled `claim-b1`. An experiment is labelled `experiment-NAME`, the
page of a figure `figure-NAME`. A derivation is a page of the book, which lies beside the site's pages.
"""

import re
from collections.abc import Callable
from typing import Any

from docutils import nodes
from docutils.parsers.rst.states import Inliner
from docutils.utils import unescape
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

Role = Callable[..., tuple[list[nodes.Node], list[nodes.system_message]]]


def labelled(kind: str) -> Role:
    """A role that links to the label `KIND-NAME`, and shows the name."""

    def role(_name: str, raw: str, text: str, *_: Any, **__: Any) -> Any:
        name = unescape(text).strip()
        target = f"{kind}-{name.lower().replace(' ', '-')}"
        link = pending_xref(raw, reftype="ref", refdomain="std", reftarget=target, refexplicit=True, refwarn=True)
        link += nodes.inline(raw, name, classes=["std", "std-ref"])
        return [link], []

    return role


def split_explicit(text: str) -> tuple[str, str]:
    """The words and the target of a role's text `words <target>`; without words, the target alone.

    >>> split_explicit("a file <B1>"), split_explicit("B1")
    (('a file', 'B1'), ('', 'B1'))
    """
    plain = unescape(text).strip()
    found = re.fullmatch(r"(.+?)\s*<([^<>]+)>", plain, re.DOTALL)
    return (found[1], found[2]) if found else ("", plain)


def derivation(_name: str, raw: str, text: str, _line: int, inliner: Inliner, *_: Any, **__: Any) -> Any:
    """A link to a claim's page in the book of derivations, with words of its own if it is written `words <B1>`."""
    words, claim = split_explicit(text)
    up = "../" * inliner.document.settings.env.docname.count("/")
    return [nodes.reference(raw, words or f"derivation of {claim}", refuri=f"{up}book/claim-{claim}.html")], []


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_role("claim", labelled("claim"))
    app.add_role("experiment", labelled("experiment"))
    app.add_role("picture", labelled("figure"))
    app.add_role("derivation", derivation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
