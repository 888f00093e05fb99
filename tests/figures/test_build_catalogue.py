"""Building: reproducible to the byte, only what changed, after failures, kills, a full disk and Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from filelock import FileLock

from overtraining.experiments import memoized
from overtraining.figures import build_orders, figure_worker, provenance
from overtraining.figures.build_catalogue import build, choose
from overtraining.figures.build_orders import LOCK, NotBuilt
from overtraining.setting.errors import DomainError
from tests import ROOT
from tests.figures import breaking, makers
from tests.simulations.sweeps.processes import until
from tests.simulations.sweeps.test_trouble import mounted, small_disk

CHEAP = "sum-rule-llm"
PUBLISHED = "olmo1b-fine-tuning"


def test_bytes_repeat(built: Path, tmp_path: Path) -> None:
    """Two builds from nothing give the same bytes, with a simulation and with published numbers, by any workers."""
    names = ["incremental-learning", PUBLISHED]
    build(names, tmp_path, workers=1)
    for name in names:
        assert_same_files(built, tmp_path, name)


def assert_same_files(one: Path, other: Path, name: str) -> None:
    files = [path.relative_to(one) for path in one.rglob(f"{name}.*")]
    assert len(files) == 6  # three pictures, data, caption, numbers
    for file in files:
        assert (one / file).read_bytes() == (other / file).read_bytes(), file


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., object]], None]:
    """Replaces the function by which worker processes build figures."""
    return lambda make: monkeypatch.setattr(build_orders, "make_figure", make)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build figures without simulations in this process, for tests that are not about worker processes."""
    monkeypatch.setattr(build_orders, "WorkerProcesses", breaking.Alone)
    monkeypatch.setattr(memoized, "storing", nullcontext)  # only a worker may measure


def watched(*arguments, **options) -> list[str]:
    lines: list[str] = []
    build(*arguments, report=lines.append, **options)
    return lines


@pytest.mark.usefixtures("alone")
def test_rebuilds_only_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"names": [CHEAP], "out": tmp_path, "formats": ["svg"]}
    assert watched(**one) == [f"{CHEAP}: built"]
    assert watched(**one) == [f"{CHEAP}: unchanged"]
    data = (tmp_path / "data" / f"{CHEAP}.nc").stat().st_mtime_ns

    assert watched(**one | {"preset": "slides"}) == [f"{CHEAP}: built"]  # the style changed: drawn again …
    assert (tmp_path / "data" / f"{CHEAP}.nc").stat().st_mtime_ns == data  # … from the same data

    monkeypatch.setattr(provenance, "_version", lambda name: "another")
    assert watched(**one | {"preset": "slides"}) == [f"{CHEAP}: built"]


@pytest.mark.usefixtures("alone")
def test_what_is_damaged_is_named_and_made_again(tmp_path: Path) -> None:
    """Whether pictures are there or not: no wrong figure is built, and none is called unchanged."""
    one = {"names": [CHEAP], "out": tmp_path, "formats": ["svg"]}
    watched(**one)
    data, picture = tmp_path / "data" / f"{CHEAP}.nc", tmp_path / f"{CHEAP}.svg"
    files = [data, picture, *tmp_path.glob("captions/*"), *tmp_path.glob("numbers/*"), tmp_path / "manifest.json"]
    whole = {path: path.read_bytes() for path in files}
    flipped = bytearray(whole[data])
    flipped[len(flipped) // 2] ^= 1
    for damaged, content, missing in (
        (data, bytes(flipped), picture),
        (data, whole[data][:-100], None),
        (data, whole[data][:-100], picture),
        (picture, b"spoiled", None),
        (files[2], b"", data),
        (files[3], b"{}", None),
        (files[4], b"{", None),
        (files[4], b'{"figures": [1], "sha256": "0"}', picture),
        (files[4], b"[" * 100_000, None),
        (files[4], whole[files[4]].replace(b"F1", b"F2").replace(b"B8", b"B7"), None),
    ):
        damaged.write_bytes(content)
        if missing is not None:
            missing.unlink()
        said, built = watched(**one)
        assert said.startswith(f"{damaged}: it")
        assert "damaged" in said
        assert built == f"{CHEAP}: built"
        assert {path: path.read_bytes() for path in files} == whole
    assert watched(**one) == [f"{CHEAP}: unchanged"]


@pytest.mark.usefixtures("alone")
def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data" / f"{CHEAP}.nc").mkdir(parents=True)
    lines: list[str] = []
    with pytest.raises(NotBuilt):
        build([CHEAP], tmp_path, ["svg"], report=lines.append)
    assert f"data/{CHEAP}.nc: the folder" in lines[0]


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(DomainError, match="progressive-sensitivity"):
        choose(["progressive"])
    with pytest.raises(DomainError, match="use pdf, svg, png"):
        build([CHEAP], tmp_path, ["gif"])
    assert not list(tmp_path.iterdir())


def test_a_failing_figure_is_named_and_the_others_are_built(
    tmp_path: Path, patched: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One figure has an error in it, and one always kills its process."""
    patched(breaking.failing)
    lines: list[str] = []
    with pytest.raises(NotBuilt, match=r"2 of 3 figures \((olmo1b-fine-tuning, control|control, olmo1b-fine-tuning)\)"):
        build([PUBLISHED, "control", CHEAP], tmp_path, ["svg"], report=lines.append)
    assert sorted(line.split(" (")[0] for line in lines) == [
        "control: failed: its worker died",
        f"{PUBLISHED}: failed: ZeroDivisionError: division by zero",
        f"{CHEAP}: built",
    ]
    rows = json.loads((tmp_path / "manifest.json").read_text())["figures"]
    assert len(rows[CHEAP]["files"]) == 4
    assert list(rows[PUBLISHED]["files"]) == [f"data/{PUBLISHED}.nc"]  # what is whole is not computed again
    assert {p.name for p in tmp_path.rglob("*") if p.is_file() and CHEAP not in p.name} == {
        ".lock",
        "manifest.json",
        f"{PUBLISHED}.nc",  # the data are kept, whole
    }
    patched(figure_worker.make_figure)
    monkeypatch.setattr(build_orders, "WorkerProcesses", breaking.Alone)
    assert watched([PUBLISHED, CHEAP], tmp_path, ["svg"]) == [f"{CHEAP}: unchanged", f"{PUBLISHED}: built"]


def test_a_killed_build_goes_on_to_the_same_bytes(built: Path, tmp_path: Path, patched) -> None:  # type: ignore[no-untyped-def]
    """Driver and worker are killed at the third of four measurements, and the first one's store is damaged."""
    code = (
        "from pathlib import Path\nfrom overtraining.figures import build_orders\n"
        "from overtraining.figures.build_catalogue import build\nfrom tests.figures import breaking\n"
        f"build_orders.make_figure = breaking.killing\nbuild(['forgetting'], Path({str(tmp_path)!r}))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "manifest.json").exists()
    first, _ = sorted((tmp_path / "sweeps/forgetting").glob("*/chunks/*.npz"), key=lambda path: path.stat().st_mtime_ns)
    first.write_bytes(first.read_bytes()[:-1])
    (tmp_path / ".temporary-forgetting.gif").write_text("half of a picture")
    patched(makers.telling)
    assert watched(["forgetting"], tmp_path) == ["forgetting: built"]
    one, two, *then = (tmp_path / "measured").read_text().splitlines()
    assert len(then) == len({one, two, *then} - {two}) == 3
    assert then[0] == one
    assert_same_files(built, tmp_path, "forgetting")
    assert not (tmp_path / "sweeps").exists()
    assert not list(tmp_path.rglob(".temporary-*"))


def test_ctrl_c_is_a_sentence(tmp_path: Path) -> None:
    """As from a terminal, where Ctrl-C also reaches the workers."""
    command = [sys.executable, "-W", "error", "-m", "overtraining", "figures", "the-trap", "--out", str(tmp_path)]
    driver = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True)
    until(lambda: list(tmp_path.glob("sweeps/the-trap/*/recipe.json")), "a store", driver)
    os.killpg(driver.pid, signal.SIGINT)
    _, problems = driver.communicate(timeout=60)
    assert driver.returncode == 130, problems
    assert problems.strip() == (
        f"overtraining: stopped; {tmp_path} keeps what is finished, and the same command continues from it"
    )


@pytest.mark.usefixtures("alone")
def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    lines: list[str] = []
    with small_disk(tmp_path / "disk", "140k") as disk:
        with pytest.raises(NotBuilt):
            build([CHEAP], disk / "out", report=lines.append)
        assert lines[0].startswith(f"{CHEAP}: failed: {disk / 'out'}/")
        assert lines[0].endswith(": No space left on device")
        assert not list(disk.rglob(".temporary-*"))
        mounted("-o", "remount,size=8m", str(disk))
        assert watched([CHEAP], disk / "out") == [f"{CHEAP}: built"]


def test_two_builds_in_one_folder_are_refused(tmp_path: Path) -> None:
    with FileLock(tmp_path / LOCK), pytest.raises(NotBuilt, match="another process is building in it"):
        build([CHEAP], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]
