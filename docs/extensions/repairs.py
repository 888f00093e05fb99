"""Repair, page by page, what Sphinx writes and our tests refuse.

The parameters of a long signature are a list of definitions without terms, which a screen reader cannot read. A page of
code links back to a name under its module, also if the reference has it under its package.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sphinx.application import Sphinx

PARAMETERS = re.compile(r"<dl>\n((?:<dd>.*</dd>\n)*)</dl>")
BACK = re.compile(
    r'(?P<start><div class="viewcode-block" id="(?P<name>[^"]+)">\n)<a [^>]*href="(?P<page>[^"#]*)#[^>]*>.*?</a>\n'
)


def readable(body: str) -> str:
    """A page whose lists of parameters are plain blocks.

    >>> readable("<dl>\\n<dd>a</dd>\\n</dl>")
    '<div class="sig-parameters">\\n<div>a</div>\\n</div>'
    """
    return PARAMETERS.sub(lambda found: f'<div class="sig-parameters">\n{_blocks(found[1])}</div>', body)


def _blocks(items: str) -> str:
    return items.replace("<dd>", "<div>").replace("</dd>\n", "</div>\n")


def linked_back(body: str, anchors: Mapping[str, Mapping[str, str]]) -> str:
    """A page of code whose links lead to anchors that exist. `anchors`: by page and short name.

    >>> code = '<div class="viewcode-block" id="f">\\n<a href="../api.html#wrong.f">[docs]</a>\\ndef f()'
    >>> linked_back(code, {"api": {"f": "right.f"}}).splitlines()[1]
    '<a class="viewcode-back" href="../api.html#right.f">[docs]</a>'
    >>> linked_back(code, {}).splitlines()[1]
    'def f()'
    """

    def link(found: re.Match[str]) -> str:
        page = re.sub(r"^(\.\./)*|\.html$", "", found["page"])
        anchor = anchors.get(page, {}).get(found["name"])
        back = f'<a class="viewcode-back" href="{found["page"]}#{anchor}">[docs]</a>\n' if anchor else ""
        return found["start"] + back

    return BACK.sub(link, body)


def anchors_of(app: Sphinx) -> dict[str, dict[str, str]]:
    """By page, the anchors of the objects that it describes, by every end of their names."""
    anchors: dict[str, dict[str, str]] = {}
    for name, entry in app.env.domains.python_domain.objects.items():
        parts = name.split(".")
        for i in range(len(parts)):
            anchors.setdefault(entry.docname, {}).setdefault(".".join(parts[i:]), entry.node_id)
    return anchors


def _repair(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if "body" in context:
        context["body"] = readable(context["body"])
        if page.startswith("_modules/"):
            context["body"] = linked_back(context["body"], anchors_of(app))


def _forget_without_code(app: Sphinx) -> Iterator[Any]:
    """Modules such as builtins, which have no code to show, are left out of the list of those that have."""
    modules: dict[str, Any] = getattr(app.env, "_viewcode_modules", {})
    for name in [name for name, entry in modules.items() if not entry]:
        del modules[name]
    yield from ()


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-collect-pages", _forget_without_code, priority=100)  # before viewcode's
    app.connect("html-page-context", _repair)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
