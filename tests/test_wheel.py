"""A wheel built from the tree, in an empty environment and another directory, makes figures."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_wheel_makes_the_figures(tmp_path: Path) -> None:
    uv = shutil.which("uv", path=sysconfig.get_path("scripts"))
    assert uv, "uv is part of the extra 'test'"
    # no variable of the test run may lend the new environment what it lacks
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "PYTEST"))}

    def run(*command: str | Path) -> str:
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=clean, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(uv, "build", "--quiet", "--wheel", "--out-dir", tmp_path / "dist", ROOT)
    (wheel,) = (tmp_path / "dist").glob("overtraining-*.whl")
    run(uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "env")
    python = tmp_path / "env/bin/python"
    run(uv, "pip", "install", "--quiet", "--python", python, "-c", ROOT / "constraints.txt", wheel)
    where = run(python, "-c", "import figures, theory, simulations, overtraining; print(figures.__file__)")
    assert str(tmp_path / "env") in where
    names = ("progressive-sensitivity", "control")  # of theory and simulation, and of shipped data
    run(tmp_path / "env/bin/overtraining", "figures", *names, "--formats", "svg")
    assert all((tmp_path / f"build/figures/{name}.svg").exists() for name in names)
    run(tmp_path / "env/bin/overtraining", "page")
    assert (tmp_path / "build/overtraining.html").exists()
