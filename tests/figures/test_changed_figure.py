"""A changed figure: a Figure in Python; in a folder, files and a row of the manifest beside the catalogue's."""

import json
from pathlib import Path

import pytest

import overtraining as ot
from overtraining.figures.catalogue import CATALOGUE, Entry, catastrophic_overtraining
from overtraining.figures.changed_figure import build_changed, changed_entry, read_style
from overtraining.figures.presets import Look, parse_size
from overtraining.figures.recipe import Recipe
from overtraining.setting.errors import DomainError
from tests.conftest import Shell

NAME = "catastrophic-overtraining"
FEW = {"teacher.modes": 3, "lengths": (0.0, 4.0, 8.0), "strengths": (0.1, 0.2), "sampling.draws": 2}


def test_make_returns_the_figure(tmp_path: Path) -> None:
    style = tmp_path / "my.mplstyle"
    style.write_text('font.size: 14\naxes.facecolor: "#eeeeee"  # grey\n')
    changes = {path: value for path, value in FEW.items() if "." in path}
    figure = ot.figures.make(
        NAME, changes, lengths=FEW["lengths"], strengths=FEW["strengths"], title="Mine", size=(7.0, 3.0), style=style
    )
    (ax,) = figure.axes
    assert figure.get_suptitle() == "Mine"
    assert figure.get_size_inches().tolist() == [7, 3]
    assert ax.get_facecolor()[:3] == pytest.approx((0xEE / 255,) * 3)
    assert list(ax.lines[0].get_xdata()) == [0, 4, 8]


def test_its_files_are_its_own(tmp_path: Path) -> None:
    """Its row says what was changed, its data have their protocol, and equal changes are built once."""
    said: list[str] = []
    for _ in range(2):
        (png,) = build_changed([NAME], FEW, Look("Mine"), tmp_path, ("png",), report=said.append, workers=1)
    assert [line.rpartition(": ")[2] for line in said] == ["built", "unchanged"]
    (row,) = json.loads((tmp_path / "manifest.json").read_text())["figures"].values()
    assert row["changed"] == {"figure": NAME, "title": "Mine"}
    assert ot.read(row["recipes"]["theory"]["protocol"]).teacher == ot.PowerLaw(3)
    assert png.stem.startswith(f"{NAME}-")
    caption = (tmp_path / "captions" / f"{png.stem}.txt").read_text()
    assert "Changed from the catalogue: teacher.modes = 3; " in caption


def test_other_changes_have_another_name() -> None:
    names = [NAME]
    for changes, look in ((FEW, Look()), (FEW, Look("a")), (FEW, Look(size=(7.0, 3.0))), ({}, Look()), (FEW, Look())):
        names.append(changed_entry(NAME, changes, look).name)
    assert len(set(names)) == 5
    assert names[1] == names[-1]


def test_the_data_have_their_protocol() -> None:
    recipe = Recipe("overtraining.theory.solvers.exact.respond", ot.Protocol(ot.PowerLaw(2), (0, 1), (0.1,)))
    assert ot.read(recipe.make().attrs["protocol"]) == recipe.protocol


def test_what_is_wrong_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DomainError, match="name it"):
        build_changed([], FEW, Look(), tmp_path)
    with pytest.raises(DomainError, match="catastrophic"):
        ot.figures.make("catastrophic")
    for size in ("7", "7x", "axb"):
        with pytest.raises(DomainError):
            parse_size(size)
    for inches in ((0.0, 3.0), (7.0, 300.0), (1.0, 2.0, 3.0)):
        with pytest.raises(DomainError):
            Look(size=inches)
    style = tmp_path / "wrong.mplstyle"
    for text, named in (("font.sizes: 3", "font.size"), ("font.size: large-ish", "font.size"), ("hello", "line 1")):
        style.write_text(text)
        with pytest.raises(DomainError, match=named):
            read_style(style)
    with pytest.raises(DomainError, match="no such file"):
        read_style(tmp_path / "none.mplstyle")


def test_the_command(shell: Shell, tmp_path: Path) -> None:
    shown = shell("figures", "--show", NAME).stdout
    assert "strengths                       0.05, 0.07, 0.1  (standard deviation of the noise)\n" in shown
    assert "compares" in shell("figures", "--show", "forgetting").stdout
    assert "only title" in shell("figures", "--show", "control").stdout
    settings = [part for one in ("teacher.modes=3", "lengths=0:8:3", "sampling.draws=2") for part in ("--set", one)]
    done = shell("figures", NAME, *settings, "--size", "5x3", "--formats", "svg", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob(f"{NAME}-*.svg"))) == 1
    assert "teacher.alpha" in shell("figures", NAME, "--set", "teacher.alhpa=2", "--out", str(tmp_path)).stderr
    assert shell("figures", "--set", "teacher.alpha=2", "--out", str(tmp_path)).returncode == 2


def test_the_catalogue_is_unchanged() -> None:
    (entry,) = [one for one in CATALOGUE if one.name == NAME]
    assert type(entry) is Entry
    assert entry.recipes() == catastrophic_overtraining.recipes()
    assert not entry.changed
