"""A directive, {lessons}, that lists the lessons of `overtraining demo` with what each needs and where its file is."""

import re
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from overtraining.demos.lessons import LESSONS, Lesson

HEAD = ("lesson", "minutes", "claims", "start it", "file")


def row(lesson: Lesson) -> tuple[str, ...]:
    """The cells of a lesson, in Markdown."""
    return (
        f"{lesson.number}. {lesson.title}",
        f"{lesson.minutes}",
        re.sub(r"[A-Z]\d", lambda claim: f"{{claim}}`{claim[0]}`", lesson.claims),
        f"`overtraining demo {lesson.name}`",
        f"{{download}}`{lesson.path.name} </../demos/lessons/{lesson.path.name}>`",
    )


class Lessons(SphinxDirective):
    """The table of the lessons."""

    def run(self) -> list[nodes.Node]:
        lines = [HEAD, ["---"] * len(HEAD), *map(row, LESSONS)]
        text = StringList([f"| {' | '.join(cells)} |" for cells in lines], source=self.get_location())
        parent: Any = nodes.container(classes=["lessons"])
        self.state.nested_parse(text, self.content_offset, parent)
        return [*parent.children]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("lessons", Lessons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
