"""The sections of a claim's page, each made only from its derivation and report."""

import re
from collections.abc import Callable
from html import escape
from itertools import zip_longest

from overtraining.figures.book.formulas import display, inline, prose
from overtraining.figures.book.plots import identified, small_plot, swatch
from overtraining.theory.derivations.checker.core import (
    Assumption,
    CheckReport,
    Counterexample,
    Curves,
    Derivation,
    Evidence,
    Step,
    Verdict,
)

LONG = 240
"""Longest result of a check, in characters, that is shown unfolded; factored polynomials can be longer."""

NOT_RUN = Evidence(False, Verdict.FAILED, "not run")


def badge(verdict: Verdict) -> str:
    """A verdict, as a coloured word."""
    return f'<span class="verdict {verdict}">{verdict}</span>'


def engine_error(report: CheckReport) -> str:
    """The largest error of the public function, or a dash if none was compared."""
    return "–" if report.engine_error is None else f"{report.engine_error:.1e}"


def problems(report: CheckReport) -> str:
    """What is wrong with the claim, or nothing."""
    items = "".join(f"<li>{prose(problem)}</li>\n" for problem in report.problems)
    return f'<div class="problems"><h2>Problems</h2>\n<ul>\n{items}</ul></div>\n' if items else ""


def symbol_table(derivation: Derivation) -> str:
    """The symbols of the statement and what they mean."""
    rows = "".join(
        f'<tr><th scope="row">{inline(symbol)}</th><td>{prose(text)}</td></tr>\n'
        for symbol, text in derivation.symbols.items()
    )
    return f'<table class="symbols">\n{rows}</table>\n' if rows else ""


def assumption_section(assumption: Assumption, checked: Evidence | None, figure: str, elsewhere: str) -> str:
    """An assumption with its counterexample and the figure of it.

    checked: the result of checking the counterexample.  elsewhere: links to claims that have one, if this has none.
    """
    counterexample = assumption.counterexample
    name_in_index = f'<a href="assumptions.html#{anchor(assumption.name)}">{escape(assumption.name)}</a>'
    text = f"<h3>{name_in_index}</h3>\n<p>{prose(assumption.text)}</p>\n"
    if counterexample is None:
        without = f"see {elsewhere}." if elsewhere else "no counterexample is known."
        result = ""
    else:
        without = prose(counterexample.text)
        result = _result(checked or NOT_RUN)
    return (
        f'<section class="assumption">\n<div>{text}<p><em>Without it:</em> {without}</p>\n{result}</div>\n'
        f"{figure}</section>\n"
    )


def drawn(compute: Callable[[], Curves]) -> tuple[Curves, str]:
    """The curves of a counterexample, and their plot."""
    curves = compute()
    return curves, small_plot(curves)


def figure(
    counterexample: Counterexample | None, name: str, draw: Callable[[Callable[[], Curves]], tuple[Curves, str]] = drawn
) -> str:
    """The plot of a counterexample with its legend, or nothing where it has no curves.

    name: of the plot on its page.  draw: `drawn`, or the same with what was drawn before.
    """
    if counterexample is None or counterexample.curves is None:
        return ""
    try:
        curves, svg = draw(counterexample.curves)
    except Exception as fault:  # the page is written anyway, and says what is missing
        return f'<p class="detail">The plot could not be drawn: {escape(f"{type(fault).__name__}: {fault}")}</p>\n'
    keys = ""
    for i, label in enumerate(curves.y):
        colour, dash = swatch(i)
        line = f'<line x1="0" y1="4" x2="28" y2="4" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
        keys += f'<span><svg width="28" height="8" aria-hidden="true">{line}</svg> {escape(label)}</span>\n'
    spoken = escape(f"{curves.y_label} against {curves.x_label}: {', '.join(curves.y)}")
    plot = identified(svg, name).replace("<svg ", f'<svg role="img" aria-label="{spoken}" ', 1)
    return f"<figure>\n{plot}\n<figcaption>{keys}</figcaption>\n</figure>\n"


def _result(evidence: Evidence) -> str:
    verdict, detail = badge(evidence.outcome), str(evidence.detail)
    if len(detail) <= LONG:
        return f'<p class="detail">{verdict} {prose(detail)}</p>\n'
    head = f"<summary>{verdict} {prose(detail[: LONG // 2])} …</summary>"
    return f'<details class="detail">{head}\n<p>{prose(detail)}</p></details>\n'


def steps(derivation: Derivation, report: CheckReport) -> str:
    """The derivation: each step with its reason, formula and verdict; the last step is the claim itself."""
    last = Step(derivation.statement, "Hence the claim.", lambda: Evidence(False, Verdict.FAILED, ""))
    items = ""
    for step, checked in zip_longest((*derivation.steps, last), report.steps):
        if step is None:
            break
        evidence = checked[1] if checked else NOT_RUN
        repeats = "Cross-check. " if step.cross_check else ""
        items += f"""<li><p>{repeats}{prose(step.because)}</p>
{display(step.statement)}
{_result(evidence)}</li>
"""
    return f'<h2>Derivation</h2>\n<ol class="steps">\n{items}</ol>\n'


def variants(derivation: Derivation, report: CheckReport) -> str:
    """The wrong versions of the formula that were tried, and any that the check did not reject."""
    items = "".join(f"<li>{prose(text)}</li>\n" for text in report.rejected)
    survivors = "".join(f'<li class="survivor">{prose(text)} — not rejected</li>\n' for text in report.survivors)
    special = prose(derivation.special_case.text)
    return f"""<h2>Wrong versions that the check rejects</h2>
<p>{len(report.rejected)} of {report.variants} rejected. In the special case “{special}”, some of them agree with the
true formula; therefore a check must not use this case alone.</p>
<ul class="variants">
{items}{survivors}</ul>
"""


def engine(derivation: Derivation, report: CheckReport) -> str:
    """The public function that computes the formula, where it was compared with the derivation, and its error."""
    link = derivation.link
    if link is None:
        return "<h2>Numerical implementation</h2>\n<p>No public function computes this formula.</p>\n"
    error = "larger than the tolerance" if report.engine_error is None else engine_error(report)
    return f"""<h2>Numerical implementation</h2>
<dl class="facts">
<dt>Function</dt><dd><code>{escape(link.function)}</code></dd>
<dt>Compared on</dt><dd>{prose(link.domain)}</dd>
<dt>Largest error</dt><dd>{error}, tolerance {link.tolerance:.0e}</dd>
</dl>
"""


def anchor(name: str) -> str:
    """The address of a name within a page."""
    return "assumption-" + (re.sub(r"\W+", "-", name.casefold()).strip("-") or "unnamed")
