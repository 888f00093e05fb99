"""A user's own experiment: run by its path, with what is beside it; what is no experiment is refused by name."""

import json
import re
import sys
from pathlib import Path

import pytest

from overtraining.experiments.own_experiment import load_experiment
from overtraining.experiments.runner import choose, run_experiment
from overtraining.setting.errors import NotSolved, Refusal
from tests import ROOT
from tests.conftest import Shell

EXAMPLES = ROOT / "docs/examples"
OWN = """from overtraining.experiments import Experiment
from overtraining.experiments.verdict import Check, Outcome
EXPERIMENT = Experiment("mine", ("Mine",), "A title")
def run(preset, key):
    from beside import PASSED
    return Outcome((Check("a", PASSED, "said"),), {})
"""


def test_the_example_is_run_by_the_command(shell: Shell, tmp_path: Path) -> None:
    before = list(sys.path)
    done = shell("simulate", str(EXAMPLES / "my_experiment.py"), "--out", "out", "--json", "v.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "v.json").read_text())
    assert (row["experiment"], row["claims"], row["verdict"]) == ("one-feature", ["Mine"], "agrees")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"one-feature.json", "one-feature.nc"}
    assert sys.path == before


def test_the_help_says_that_the_file_is_executed(shell: Shell) -> None:
    for command in ("simulate", "check"):
        assert "executed with all that you may do" in re.sub(r"\s+", " ", shell(command, "--help").stdout)


@pytest.mark.parametrize(("passed", "verdict"), [("True", "agrees"), ("False", "refuted")])
def test_what_is_beside_the_file_is_found_late_too(tmp_path: Path, passed: str, verdict: str) -> None:
    (tmp_path / "beside.py").write_text(f"PASSED = {passed}")
    (tmp_path / "own.py").write_text(OWN)
    assert run_experiment(str(tmp_path / "own.py")).verdict == verdict
    assert "beside" not in sys.modules


NO_EXPERIMENTS = {
    "x = 1": "defines no EXPERIMENT",
    "EXPERIMENT = 1": "has a int as its EXPERIMENT",
    "1 / 0": "raises ZeroDivisionError: division by zero (line 1)",
    OWN.replace("def run", "def go"): "defines no run",
    OWN.replace("mine", "rates"): "rates is an experiment of the project. Instead: call yours something else",
    OWN.replace("mine", "Rates"): "is an experiment of the project",
    OWN.replace("mine", "../mine"): "cannot be in files named '../mine'",
}


@pytest.mark.parametrize("text", NO_EXPERIMENTS)
def test_what_is_no_experiment_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "own.py").write_text(text)
    with pytest.raises(Refusal, match=re.escape(NO_EXPERIMENTS[text])) as refusal:
        load_experiment(tmp_path / "own.py")
    assert "own.py" in str(refusal.value)


FAULTS = {
    "return 1 / 0": "raises ZeroDivisionError: division by zero (line 5)",
    "raise SystemExit(0)": "raises SystemExit: 0 (line 5)",
    "return 'agrees'": "its run returns str",
    "return Outcome((), {})": "returns no Checks",
    "return Outcome((Check('a', True, ''),), {'x': 1})": "Dataset",
}


@pytest.mark.parametrize("body", FAULTS)
def test_a_fault_of_the_file_is_no_traceback(tmp_path: Path, body: str) -> None:
    (tmp_path / "own.py").write_text(OWN.partition("    from")[0] + f"    {body}\n")
    with pytest.raises(NotSolved, match=re.escape(FAULTS[body])):
        run_experiment(str(tmp_path / "own.py"))


def test_missing_files_and_names_that_are_there_twice_are_refused(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(OWN)
    with pytest.raises(Refusal, match="'mine': two files"):
        choose([str(tmp_path / "a.py"), str(tmp_path / "b.py")])
    with pytest.raises(Refusal, match="there is no such file"):
        choose([str(tmp_path / "none.py")])
