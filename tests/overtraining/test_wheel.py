"""The built package, in an empty environment and in a folder with files of the same names as ours."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.util import cache_from_source
from pathlib import Path
from zipfile import ZipFile

from tests import ROOT

SOMEBODY_ELSES = (
    "theory.py",
    "figures.py",
    "commands.py",
    "setting.py",
    "runtime.py",
    "simulations/__init__.py",
    "experiments/__init__.py",
)
COMMANDS = (
    "figures incremental-learning control --formats svg",  # of theory and simulation, and of shipped data
    "check A1",
    "simulate --list",
    "sweep noise-against-length --dry-run",
    "llm --plan 0.02",
    "demo --list",
    "page",
)
ONE_PROCESS = """
import sys
from overtraining.commands.app import main

if __name__ == "__main__":
    for command in sys.argv[1:]:
        sys.argv = ["overtraining", *command.split()]
        try:
            main()
        except SystemExit as end:
            assert not end.code, command
"""


def lend_bytecode(site: Path) -> None:
    """Compiling the dependencies once more would take half of the test; Python itself sees what is out of date."""
    for module in site.rglob("*.py"):
        compiled = Path(cache_from_source(str(module)))
        ours = sysconfig.get_path("purelib") / compiled.relative_to(site)
        if ours.exists():
            compiled.parent.mkdir(exist_ok=True)
            compiled.symlink_to(ours)


def test_the_wheel_works_beside_files_of_the_same_names(tmp_path: Path) -> None:
    uv = shutil.which("uv", path=sysconfig.get_path("scripts"))
    assert uv, "uv is part of the extra 'test'"
    # no variable of the test run may lend the new environment what it lacks
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "PYTEST", "JAX"))}
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
    (site,) = (tmp_path / "env/lib").glob("python3*/site-packages")
    lend_bytecode(site)
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert code  # the README's six lines run as they stand, without a warning
    assert len([line for line in code[1].splitlines() if line.strip()]) <= 8
    (project / "readme.py").write_text(code[1].replace("u.pdf", "u.svg"))
    run(python, "-W", "error", "readme.py")
    assert (project / "u.svg").exists()
    assert run(command, "--version").startswith("overtraining ")
    (project / "commands.py").write_text(ONE_PROCESS)
    run(python, "commands.py", *COMMANDS)
    assert all((project / f"build/figures/{name}.svg").exists() for name in ("incremental-learning", "control"))
    assert (project / "build/overtraining.html").exists()
