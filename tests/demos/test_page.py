"""The one-file page: it is self-contained, small and complete, and has the same protocols as the package."""

import contextlib
import io
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from overtraining.demos.page import page, write_page
from overtraining.figures.style import BASE, COLOURS
from overtraining.theory.fine_tuning.shared_task import overshoot_length
from overtraining.theory.learning.deep_mode import time_to_reach
from tests.conftest import Shell
from tests.demos.engine import Run, engine
from tests.test_ledger import CLAIMS


@pytest.fixture(scope="module")
def run() -> Run:
    return engine()


@pytest.fixture(scope="module")
def text() -> str:
    return page()


def test_is_small_and_alone(text: str) -> None:
    assert len(text.encode()) < 300_000
    assert not re.search(r"https?://(?!www\.w3\.org/)|\bsrc=|@import|url\(|\bfetch\(|XMLHttpRequest|import\(", text)
    assert "default-src 'none'" in text  # the browser is told to refuse whatever is missed here


def test_is_whole_and_the_same_each_time(text: str) -> None:
    assert not re.search(r"\{\{|\[\[\\|unreadable|/\* colours", text)
    assert text.count("<math") >= 5
    assert all(colour in text for colour in (BASE, *COLOURS[:3]))
    assert text == page()


def test_formulas_stay_few() -> None:
    source = files("overtraining.demos.page").joinpath("formulas.js").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 150


def test_claims_named_are_the_ledger_s(text: str) -> None:
    cited = re.findall(r'class="claims">([^<]+)<', text)
    assert len(cited) >= 5
    assert set(", ".join(cited).split(", ")) <= set(CLAIMS)


def test_addresses_hold_every_protocol(run: Run) -> None:
    """What is written is read again, to the last digit, at every stop of every slider and in every situation."""
    for name, stops in run("STOPS").items():
        for stop in stops:
            task = "aligned" if name == "n" else "turned"
            p = run("settled(p)", p=run("DEFAULT") | {"task": task, name: stop, "t": 1.2345678901234567})
            assert run("read(written(p)).protocol", p=p) == p
    for one in run("SITUATIONS"):
        p = run("DEFAULT") | one["sets"]
        assert run("settled(p)", p=p) == p  # nothing that the page would change
        assert run("read(written(p)).protocol", p=p) == p
    assert run("read('')") == {"protocol": run("DEFAULT")}
    short = run("read('#alpha=0&eps=0.01').protocol")  # shorter than the default's t
    assert short["t"] == run("horizon(p)", p=short) < run("DEFAULT.t")


@pytest.mark.parametrize("part", ["constructor=1", "__proto__=1", "toString", "hasOwnProperty=", "n=" + "9" * 5000])
def test_an_address_of_strange_parts_is_refused_with_a_sentence(run: Run, part: str) -> None:
    """Also what every JavaScript object has without being asked, and what is long."""
    assert len(run("read(hash).refused", hash=f"#k=1&{part}")) < 250


@pytest.mark.parametrize("axis", ["linear", "log"])
@pytest.mark.parametrize("k", [0.0, 0.3, 0.9, 1.0, 1.4, 2.0])
def test_inflections_after_fine_tuning_are_where_they_are(run: Run, axis: str, k: float) -> None:
    """D2, for one feature: the pretraining loss turns if the task asks for more, the downstream loss where s = σ′."""
    p = run("DEFAULT") | {"n": 1, "task": "aligned", "k": k, "T": 0.3, "axis": axis}
    pre, down = run("[survey(p).pre, survey(p).down]", p=p)
    pre_true = float(overshoot_length(p["T"], 1.0, k, p["eps"]))
    down_true = 0.0 if k == 0 else float(time_to_reach(k, 1.0, p["eps"], 2)) if k < 1 else np.inf
    assert [np.inf if x is None else x for x in (pre, down)] == pytest.approx([pre_true, down_true], rel=1e-6)


@pytest.mark.parametrize(
    "sets",
    [
        {"k": 1.5, "angle": 0, "T": 50},
        {"k": 1.5, "angle": 60, "T": 50},
        {"k": 1.5, "angle": 60, "T": 100},
        {"k": 1.0, "angle": 60, "T": 15},
        {"k": 1.0, "angle": 60, "T": 50},
    ],
)
def test_rounding_is_no_turn(run: Run, sets: dict[str, Any]) -> None:
    """With a budget that ends at the task the downstream loss is 0 to rounding; that turns nowhere, told or marked."""
    p = run("DEFAULT") | sets
    assert run("survey(p).down", p=p) is None
    assert run("survey(p).courses.down", p=p) in ("stays the same", "only falls")


@pytest.mark.parametrize(("gamma", "turns"), [(1e-7, False), (1e-3, True)])
def test_a_minimum_after_which_nothing_rises_is_none(run: Run, gamma: float, turns: bool) -> None:
    """C4: past the last minimum the loss after noise rises by about c²/2 in all."""
    found = run("survey(p)", p=run("DEFAULT") | {"gamma": gamma})
    assert ([one["kind"] for one in found["marks"]], found["noise"] is not None) == (["last"] * turns, turns)


def test_a_deeper_earlier_minimum_is_marked_as_such(run: Run) -> None:
    p = run("DEFAULT") | next(one["sets"] for one in run("SITUATIONS") if one["name"] == "Many minima")
    marks = run("survey(p).marks", p=p)
    assert [one["kind"] for one in marks] == ["earlier", "deeper", "last"]
    first, deepest, last = run("ts.map((t) => lossAfterNoise(t, p))", p=p, ts=[one["t"] for one in marks])
    assert deepest < last < first


SHOWN: list[dict[str, Any]] = [
    {},
    {"angle": 17.5, "k": 0.3, "T": 4.0},
    {"n": 1, "task": "aligned", "k": 0.0, "T": 0.1, "t": 3.9},
    {"n": 5, "task": "aligned", "k": 2.0, "alpha": 0.7, "eps": 1e-9, "t": 13.25, "gamma": 0.05},
]


@pytest.mark.parametrize("sets", SHOWN)
def test_the_package_gives_the_same_for_the_page_s_python(run: Run, sets: dict[str, Any]) -> None:
    p, said = run("DEFAULT") | sets, io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(run("python(p)", p=p), {})  # what a reader copies, and nothing else
    shown = run("[lossAfterNoise(p.t, p), afterTuning(p.t, p).pretraining]", p=p)
    assert [float(x) for x in said.getvalue().split()] == pytest.approx(shown, rel=1e-10)


def test_command_writes_it(tmp_path: Path, text: str, shell: Shell) -> None:
    command = [sys.executable, "-W", "error", "-m", "overtraining", "page"]
    by_default = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert by_default.returncode == 0, by_default.stderr
    assert "build/overtraining.html" in by_default.stdout
    assert (tmp_path / "build/overtraining.html").read_text(encoding="utf-8") == text
    named = shell("page", "--out", "new/folder/lesson.html", cwd=tmp_path)
    assert named.returncode == 0, named.stderr
    assert (tmp_path / "new/folder/lesson.html").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("out", ["file/page.html", "."])
def test_no_place_to_write_is_a_sentence(tmp_path: Path, out: str, shell: Shell) -> None:
    (tmp_path / "file").write_text("")
    wrong = shell("page", "--out", out, cwd=tmp_path)
    assert wrong.returncode == 2
    assert out.split("/", maxsplit=1)[0] in wrong.stderr
    assert "Traceback" not in wrong.stderr
    with pytest.raises(OSError, match=r"."):
        write_page(tmp_path / out)
