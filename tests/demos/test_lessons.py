"""Every lesson without a browser: at its defaults and in the corners of its sliders, without a warning."""

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import marimo as mo
import numpy as np
import pytest
from marimo._ast.cell import Cell

from overtraining.demos.lessons import LESSONS, Lesson, find, stage
from tests.figures.test_plain_text import HOSTILE as SIGNS

HOSTILE = SIGNS.replace('"', "")  # in a CSV
by_name = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)


def app_of(lesson: Lesson) -> mo.App:
    app: mo.App = importlib.import_module(f"overtraining.demos.lessons.{lesson.path.stem}").app
    return app


def run(lesson: Lesson, **moved: Any) -> tuple[str, Mapping[str, Any]]:
    """All that the lesson shows, as text, and what its cells define."""
    outputs, defined = app_of(lesson).run(defs=moved)
    shown = "\n".join(one.text for one in map(mo.as_html, outputs) if one is not None)
    return shown, defined


@cache
def as_it_stands(lesson: Lesson) -> tuple[str, Mapping[str, Any]]:
    """The same with every control at its default, for tests that move none."""
    return run(lesson)


def ends(control: Any) -> list[Any]:
    """What a browser can send at most: the ends of a slider, by place where it has steps, every choice."""
    match control:
        case mo.ui.slider():
            return [0, len(control.steps) - 1] if control.steps else [control.start, control.stop]
        case mo.ui.radio():
            return list(control.options)
        case mo.ui.dropdown():
            return [[name] for name in control.options]
        case mo.ui.run_button():
            return [1]
        case _:
            return []


def cells(lesson: Lesson) -> list[Cell]:
    """All but the first, which imports."""
    return [cell for cell in app_of(lesson)._cell_manager.cells() if cell is not None][1:]


def only_controls(made: Mapping[str, Any]) -> bool:
    return bool(made) and all(hasattr(x, "_update") for x in made.values())


def cells_with_controls(lesson: Lesson) -> list[dict[str, Any]]:
    """New controls, by the cell that makes them: a cell is replaced as a whole. Such cells need only marimo."""
    others = {name for cell in cells(lesson) for name in cell.defs}
    made = [dict(alone(cell)) for cell in cells(lesson) if "mo" in cell.refs and not cell.refs & others]
    return [group for group in made if only_controls(group)]


def alone(cell: Cell, **moved: Any) -> Mapping[str, Any]:
    """What a cell defines, run with the cells that it needs and no others."""
    ran = cell.run(**moved)
    assert isinstance(ran, tuple)  # none of ours waits for anything
    return ran[1]


def that_defines(name: str, lesson: Lesson) -> Cell:
    (found,) = (cell for cell in cells(lesson) if name in cell.defs)
    return found


def needed_by(cell: Cell, lesson: Lesson) -> set[str]:
    """The names that a cell uses, and those that the cells which define them use, and so on."""
    needed: set[str] = set()
    while more := {n for c in cells(lesson) if c.defs & needed or c is cell for n in c.refs} - needed:
        needed |= more
    return needed


@by_name
def test_corners(lesson: Lesson) -> None:
    """All controls at their lowest, at their highest, and twice each at a random one of the two or as it was.

    What a cell defines is kept for the next corner that agrees in all controls that it depends on.
    """
    draw = np.random.default_rng(lesson.number)
    upstream = {frozenset(cell.defs): needed_by(cell, lesson) for cell in cells(lesson) if cell.defs}
    found: dict[str, Mapping[str, Any]] = {}
    moved = {name: control for group in cells_with_controls(lesson) for name, control in group.items()}
    for corner in ("low", "high", "one", "another"):
        for control in moved.values():
            if isinstance(control, mo.ui.run_button):  # has a test of its own
                continue
            if at := ends(control):
                place = {"low": 0, "high": len(at) - 1}.get(corner, draw.integers(len(at) + 1))
                if place < len(at):
                    control._update(at[place])
        places = {
            names: repr((sorted(names), [moved[n].value for n in sorted(needed & moved.keys())]))
            for names, needed in upstream.items()
            if not names & moved.keys()
        }
        kept = {name: value for at in places.values() for name, value in found.get(at, {}).items()}
        shown, defined = run(lesson, **moved, **kept)
        found |= {at: {name: defined[name] for name in names} for names, at in places.items()}
        assert not re.search(
            r"\bnan\b|(?<!gradient-)\binf\b(?!l)", re.sub("data:image[^\"']*", "", shown), re.IGNORECASE
        )


@by_name
def test_a_lesson_has_what_a_lesson_needs(lesson: Lesson) -> None:
    shown, defined = as_it_stands(lesson)
    assert shown.count("<h2") >= 4
    assert "Your prediction" in shown
    assert "Exercise" in shown
    assert "Where the theory stops" in shown
    assert "?teacher" in shown
    for claim in re.findall(r"[A-F]\d", lesson.claims):
        assert claim == "F1" or f"overtraining check {claim}" in shown
    groups = [{name: defined[name] for name in cell.defs if name in defined} for cell in cells(lesson)]
    moved = [set(group) for group in cells_with_controls(lesson)]  # by the other tests
    assert moved == [set(group) for group in groups if only_controls(group)]


def test_predictions_and_teachers_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the choices is right, and every choice is told what it is worth; the teacher has a page."""
    answered: list[tuple[Any, ...]] = []
    with monkeypatch.context() as changed:
        changed.setattr(stage, "answered", lambda *given: answered.append(given))
        changed.setattr(mo, "query_params", lambda: {"teacher": ""})
        for lesson in LESSONS:
            before = as_it_stands(lesson)[1]
            other = {n: before[n] for cell in cells(lesson) if "prediction" not in cell.refs for n in cell.defs}
            shown, defined = run(lesson, **other)
            assert answered[-1][1] in defined["PREDICTIONS"]
            assert f"{lesson.minutes} minutes" in shown
            assert "What students get wrong" in shown
    choices = {choice: mo.ui.radio(["a", "b"], value=choice) for choice in (None, "a", "b")}
    heard = {choice: stage.answered(radio, "b", "Why.").text for choice, radio in choices.items()}
    assert "Choose first" in heard[None]
    assert "Not quite" in heard["a"]
    assert "Right" in heard["b"]


def test_computed_answers() -> None:
    """By hand, with the sliders as they stand."""
    first, fragile, remedies = (as_it_stands(find(name))[1] for name in ("features", "fragile", "remedies"))
    assert first["reached"] == pytest.approx(np.log(0.5 / 1e-3 - 1))
    assert fragile["bill_24"] == pytest.approx(24 * 0.1**2)
    assert fragile["worthwhile"] == 2  # 1 and ½ are above 0.48, ⅓ is not
    assert remedies["kappa"] == pytest.approx(0.5 * 0.1 * np.sqrt(15))
    assert remedies["c"] == pytest.approx((0.1**2 * 3 + 0.5**2 * 5) / 2)
    assert fragile["last_turn"] == pytest.approx(8.643, abs=1e-3)  # found by an independent search
    forgetting = find("forgetting")
    (group,) = (g for g in cells_with_controls(forgetting) if "long" in g)
    group["long"]._update(len(group["long"].steps) - 1)  # T = 5
    far = alone(that_defines("found", forgetting), **group)
    np.testing.assert_allclose(far["found"].rise, [0, 1.478, 1.135], atol=5e-4)  # theory.md's counterexample, D4
    _, forgot = as_it_stands(forgetting)
    assert forgot["remains"] == pytest.approx(1 / 1.2)
    assert forgot["forgot"] == pytest.approx((1 - 1 / 1.2) ** 2 / 2)


@pytest.mark.parametrize("name", ["features", "fragile", "forgetting"])
def test_a_network_is_trained_on_request(name: str) -> None:
    """The points of a live run lie on the closed form's lines."""
    lesson = find(name)
    (group,) = (g for g in cells_with_controls(lesson) if any(isinstance(c, mo.ui.run_button) for c in g.values()))
    for control in group.values():
        if isinstance(control, mo.ui.run_button):
            control._update(1)
    trains = that_defines("measured", lesson)
    measured = alone(trains, **{name: group[name] for name in group.keys() & trains.refs})["measured"]
    _, defined = as_it_stands(lesson)
    if name == "features":
        exact = defined["path"].singular_value.interp(pretraining=measured.pretraining)
        np.testing.assert_allclose(measured.singular_value.squeeze("seed"), exact, atol=2e-3)
    else:
        exact = defined["u_shape" if name == "fragile" else "both"].after.interp(pretraining=measured.pretraining)
        np.testing.assert_allclose(measured.after.squeeze("seed"), exact, rtol=0.05 if name == "fragile" else 1e-3)


def test_own_results_are_read(tmp_path: Path) -> None:
    """A file of one's own, a damaged one, and a checkpoint that is no number."""
    lesson = find("models")
    rows = "\n".join(f"mine,{10**9 * k},t,accuracy,{0.5 + 0.1 * k - 0.02 * k**2},0.001" for k in range(1, 8))
    mine = f"model,tokens,task,metric,value,stderr\n{rows}\n".encode()
    (controls,) = (g for g in cells_with_controls(lesson) if "upload" in g)
    for contents, step, expected in (
        (mine, "", "Inflection between"),
        (b"{", "", "Correct it"),
        (mine, "three", "Correct it"),
    ):
        upload = type("Upload", (), {"value": [type("File", (), {"name": "../r.csv", "contents": contents})]})()
        shown, _ = run(lesson, **(controls | {"upload": upload, "checkpoint": mo.ui.text(value=step)}))
        assert expected in shown


class Fetched(HTMLParser):
    """What a browser would load or run on a page, and in the callouts on it, whose HTML is JSON in an attribute."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.found += [tag] if tag in ("script", "iframe") else []
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "style") or name[:2] == "on"]
        if inner := said.get("data-html"):
            self.found += Fetched(json.loads(inner)).found


def test_what_a_file_says_is_shown_as_text() -> None:
    """A header, names, and a step that are Markdown or HTML; names that no file can have."""
    lesson = find("models")
    rows = [
        f"{HOSTILE},{k}e9,{HOSTILE},acc,{0.5 - 0.01 * k},0.001,{change}"
        for k in range(1, 8)
        for change in ("base,", f"perturbed,{HOSTILE}")
    ]
    header = "model,tokens,task,metric,value,stderr,stage,perturbation"
    table = "\n".join([header, *rows])
    (controls,) = (g for g in cells_with_controls(lesson) if "upload" in g)
    for name, contents, step, seen in (
        ("r.csv", f"{header},{HOSTILE}\n1,2", "", "unknown column"),
        ("r.csv", table, HOSTILE, "could not convert"),
        (f"{HOSTILE}.csv".replace("/", ":"), "{", "", "is not JSON"),
        ("..", "{", "", "is in its place"),
        (f"{'x' * 300}.csv", "{", "", "File name too long"),
        ("r.csv", table, "", "a fall from the start, not a turning point"),
    ):
        file = type("File", (), {"name": name, "contents": contents.encode()})
        upload = type("Upload", (), {"value": [file()]})()
        shown, _ = run(lesson, **(controls | {"upload": upload, "checkpoint": mo.ui.text(value=step)}))
        assert seen in shown
        assert not [one for one in Fetched(shown).found if "evil" in one or one in ("script", "iframe")]
    as_markdown = Fetched(mo.as_html(mo.callout(mo.md(HOSTILE))).text).found
    assert "http://evil.example/x.png" in as_markdown


def test_lessons_hold_no_formula_and_import_no_more_than_they_need() -> None:
    packages = ("runtime", "setting", "theory", "simulations", "figures", "demos")
    ours = tuple(f"overtraining.{package}" for package in packages)
    allowed = (*ours, "marimo", "numpy", "pandas", "dataclasses", "importlib.resources", "pathlib", "tempfile")
    for lesson in LESSONS:
        tree = ast.parse(lesson.path.read_text(encoding="utf-8"))
        used = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        used += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        assert all(name.startswith(allowed) for name in used), lesson.name
        called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not called & {f"np.{f}" for f in ("exp", "expm1", "log", "log1p", "sinh", "cosh", "tanh", "linalg.svd")}


def test_a_lesson_as_a_notebook(tmp_path: Path) -> None:
    import nbformat

    out = tmp_path / "features.ipynb"
    command = [sys.executable, "-m", "marimo", "--quiet", "export", "ipynb", str(find("1").path), "--include-outputs"]
    subprocess.run([*command, "-o", str(out)], check=True, capture_output=True)
    book = nbformat.read(out, as_version=4)
    nbformat.validate(book)
    told = str([cell.get("outputs") for cell in book.cells])
    assert told.count("data:image/png") + told.count("image/png") >= 3
    assert "error" not in {output.output_type for cell in book.cells for output in cell.get("outputs", [])}
