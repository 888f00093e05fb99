"""The benchmarks run from end to end and write what they measure. No timing is asserted."""

import json
import platform
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import BENCHMARKS, main

IN_THIS_PROCESS = [name for name in BENCHMARKS if name != "sweeps"]  # whose workers take half a minute to start


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results")
    main([*IN_THIS_PROCESS, "--preset", "tiny", "--out", str(out)])
    return out


def test_every_benchmark_writes_its_table_and_the_machine(results: Path) -> None:
    written = {path.stem: json.loads(path.read_text()) for path in results.glob("*.json")}
    assert set(written) == {"answered", "noise-grid", "matrix-flow", "growth", "runs"}
    assert len(written) == len(IN_THIS_PROCESS)
    for name, report in written.items():
        assert {"processor", "cores", "python", "numpy", "jax", "date"} <= set(report["machine"])
        numbers = [x for row in report["rows"] for x in row.values() if not isinstance(x, str)]
        assert np.isfinite(numbers).all()
        assert report["title"] in (results / f"{name}.txt").read_text()


def test_results_name_no_host(results: Path) -> None:
    host = platform.node()
    for path in (*results.glob("*.json"), *results.glob("*.txt")):
        assert not host or host not in path.read_text()


def test_figures_are_drawn(results: Path) -> None:
    assert {path.stem for path in results.glob("*.png")} == {"growth", "runs"}


def test_chosen_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["matrix", "--preset", "tiny", "--out", str(tmp_path)])
    assert {path.name for path in tmp_path.iterdir()} == {"matrix-flow.txt", "matrix-flow.json"}
    with pytest.raises(SystemExit):
        main(["matrices"])
    assert "no benchmark is called matrices" in capsys.readouterr().err
