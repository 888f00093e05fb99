"""The directive ```{experiments}```: every experiment with its claims, what it measures, its verdict and its command.

Each is a section labelled `experiment-NAME`. What is measured is the docstring of the experiment's module; verdict and
answers are those of the last `make simulate`.
"""

import ast
from typing import Any

from built_parts import BUILD, ROOT, verdicts
from claims import badge, block, claim_link, folded, linked, paragraph, separated, words
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from overtraining.experiments import EXPERIMENTS, Experiment


def measured(experiment: Experiment) -> list[str]:
    """The paragraphs that say what is measured: the docstring of the module, without its first line."""
    path = ROOT / "experiments" / f"{experiment.name.replace('-', '_')}.py"
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return [" ".join(part.split()) for part in docstring.split("\n\n")[1:]]


def summary(result: dict[str, Any]) -> str:
    """How many checks there were, and their z-scores."""
    number = len(result["checks"])
    z = "" if result["max_abs_z"] is None else f", largest |z| {result['max_abs_z']:.2f}"
    return f" {number} check{'s' * (number != 1)}{z}; preset {result['preset']}, key {result['key']}."


class Experiments(SphinxDirective):
    """All experiments, in the order of their table."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(BUILD / "verdicts.json"))
        self.env.note_dependency(str(ROOT / "experiments/__init__.py"))
        results = {result["experiment"]: result for result in verdicts()}
        return [self._section(experiment, results[experiment.name]) for experiment in EXPERIMENTS]

    def _section(self, experiment: Experiment, result: dict[str, Any]) -> nodes.Node:
        label = f"experiment-{experiment.name}"
        section = nodes.section(ids=[label], names=[label])
        section += nodes.title("", experiment.name)
        self.state.document.note_explicit_target(section, section)
        section += paragraph(nodes.strong("", "", *words(experiment.title)), nodes.Text("."))
        section += [paragraph(*linked(text)) for text in measured(experiment)]
        claims = separated([claim_link(claim)] for claim in experiment.claims)
        verdict = [badge(result["verdict"]), nodes.Text(summary(result))]
        section += paragraph(nodes.Text("Claims "), *claims, nodes.Text(": "), *verdict)
        answers = nodes.bullet_list("", *(_answer(check) for check in result["checks"]))
        card = block("experiment-answers")
        card += folded("What each check found", answers)
        section += card
        section += nodes.literal_block("", f"overtraining simulate {experiment.name}", language="sh")
        return section


def _answer(check: dict[str, Any]) -> nodes.Node:
    outcome = {True: "agrees", False: "refuted", None: "limits-mapped"}[check["passed"]]
    head = [nodes.strong("", "", *words(check["name"])), nodes.Text(" "), badge(outcome), nodes.Text(": ")]
    return nodes.list_item("", paragraph(*head, *words(check["answer"])))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("experiments", Experiments)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
