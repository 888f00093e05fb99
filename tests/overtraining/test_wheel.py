"""The built package, in an empty environment and in a folder with files of the same names as ours."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

from tests import ROOT

SOMEBODY_ELSES = (
    "theory.py",
    "figures.py",
    "commands.py",
    "setting.py",
    "simulations/__init__.py",
    "experiments/__init__.py",
)


def test_the_wheel_works_beside_files_of_the_same_names(tmp_path: Path) -> None:
    uv = shutil.which("uv", path=sysconfig.get_path("scripts"))
    assert uv, "uv is part of the extra 'test'"
    # no variable of the test run may lend the new environment what it lacks
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "PYTEST"))}
    project = tmp_path / "project"

    def run(*command: str | Path) -> str:
        done = subprocess.run(command, capture_output=True, text=True, cwd=project, env=clean, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for name in SOMEBODY_ELSES:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("raise ImportError('this file belongs to somebody else')\n")
    run(uv, "build", "--quiet", "--out-dir", tmp_path / "dist", ROOT)  # the sdist, and from it the wheel
    (wheel,) = (tmp_path / "dist").glob("overtraining-*.whl")
    names = ZipFile(wheel).namelist()
    (metadata,) = {name.split("/")[0] for name in names} - {"overtraining"}
    assert re.fullmatch(r"overtraining-[\d.]+\.dist-info", metadata)
    assert {f"overtraining/{name}" for name in ("py.typed", "setting/__init__.pyi", "figures/llm/pythia.csv")} <= {
        *names
    }

    run(uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "env")
    python, command = tmp_path / "env/bin/python", tmp_path / "env/bin/overtraining"
    run(uv, "pip", "install", "--quiet", "--python", python, "-c", ROOT / "constraints.txt", f"{wheel}[demo,cluster]")
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert code
    (project / "readme.py").write_text(code[1].replace("u.pdf", "u.svg"))
    run(python, "readme.py")
    assert (project / "u.svg").exists()
    assert run(command, "--version").startswith("overtraining ")
    figures = ("progressive-sensitivity", "control")  # of theory and simulation, and of shipped data
    run(command, "figures", *figures, "--formats", "svg")
    assert all((project / f"build/figures/{name}.svg").exists() for name in figures)
    run(command, "check", "A1")
    run(command, "simulate", "invariants")
    run(command, "sweep", "noise-against-length", "--dry-run")
    run(command, "llm", "--plan", "0.02")
    run(command, "demo", "--list")
    run(command, "page")
    assert (project / "build/overtraining.html").exists()
