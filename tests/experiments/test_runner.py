"""Running experiments: the choice by name, the files that are written, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from overtraining.commands.app import main
from overtraining.experiments import EXPERIMENTS
from overtraining.experiments.runner import Result, as_json, choose, run_experiment, verdict_line
from overtraining.setting.errors import DomainError

RESULT = Result("some-name", ("A1", "B2"), "limits-mapped", 2.345, None, 1.25, "quick", 3, ())


def test_experiments_are_chosen_by_name_in_the_given_order_and_once() -> None:
    assert [e.name for e in choose(["stages", "growth", "stages"])] == ["stages", "growth"]
    assert choose([]) == list(EXPERIMENTS)


def test_unknown_names_are_refused_with_similar_ones() -> None:
    with pytest.raises(DomainError, match="noise-sensitivity"):
        choose(["noise-sensitivty"])


@pytest.mark.parametrize(
    ("preset", "key", "named"), [("slow", 0, "preset"), ("quick", -1, "key"), ("quick", 1.5, "key")]
)
def test_an_unknown_preset_and_a_key_that_is_none_are_refused(
    preset: Any, key: Any, named: str, untyped: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> None:
    with pytest.raises((DomainError, ValueError), match=named):
        untyped(run_experiment)("decoupling", preset, key)


def test_a_result_is_one_line_and_one_object_of_json() -> None:
    line = verdict_line(RESULT)
    assert line.split() == ["some-name", "A1,", "B2", "limits-mapped", "max", "|z|", "2.35", "1.2", "s"]
    (row,) = json.loads(as_json([RESULT]))
    assert row["key"] == 3
    assert row["ks_p"] is None


def test_every_experiment_is_a_module_with_a_docstring_that_names_it_and_its_claims() -> None:
    for experiment in EXPERIMENTS:
        text = (Path(__file__).parents[2] / f"experiments/{experiment.module_name.split('.')[-1]}.py").read_text()
        assert text.startswith(f'"""{experiment.name} ({", ".join(experiment.claims)}): ')


def test_a_verdict_and_what_was_measured_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two of the cheap ones by the command; all of them are run by `make simulate`."""
    report, names = tmp_path / "some.json", ["decoupling", "noise-sensitivity"]
    arguments = ["overtraining", "simulate", *names, "--out", str(tmp_path / "out"), "--json", str(report)]
    arguments += ["--processes", "1"]  # each imports JAX
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0, capsys.readouterr().out
    rows = json.loads(report.read_text())
    assert [row["experiment"] for row in rows] == names
    for row in rows:
        assert {"experiment", "claims", "verdict", "max_abs_z", "ks_p", "seconds", "key"} <= set(row)
        assert row["verdict"] in ("agrees", "limits-mapped")
        assert row["checks"]
        with xr.open_datatree(tmp_path / "out" / f"{row['experiment']}.nc", engine="h5netcdf") as tree:
            assert list(tree.children)
