"""Shared by all tests: strict JAX, the command line, and the figures built once."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("project", deadline=None, derandomize=True, max_examples=60)
hypothesis.settings.load_profile("project")


@pytest.fixture(scope="session", autouse=True)
def strict_jax() -> Iterator[None]:
    """Ranks and dtypes must agree without promotion; importing `simulations` turns on float64 by itself."""
    import jax

    import simulations

    assert simulations.__name__
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        yield


Shell = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """`overtraining` with these arguments, in this process: its exit code and what it says."""
    from overtraining import main

    def run(*arguments: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        with monkeypatch.context() as there, pytest.raises(SystemExit) as end:
            there.setattr(sys, "argv", ["overtraining", *arguments])
            there.chdir(cwd or Path.cwd())
            capsys.readouterr()
            main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(end.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every figure of the catalogue; those of `make figures` that are still what the sources make are taken over."""
    from tests.figures import strict

    building = import_module("figures.build")

    out = tmp_path_factory.mktemp("figures")
    if (made := Path(__file__).parents[1] / "build/figures").exists():
        shutil.copytree(made, out, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "make", strict.make)
        building.build(out=out)
    return out
