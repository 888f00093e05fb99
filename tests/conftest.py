"""Fixtures for all tests: the command line, and built figures."""

import ctypes
import gc
import inspect
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import hypothesis
import jaxtyping
import pytest

hypothesis.settings.register_profile("project", deadline=None, derandomize=True, max_examples=60)
hypothesis.settings.load_profile("project")

# JAX reads these when it is imported, so that tests of the theory need not wait for it: ranks and dtypes must agree
# without promotion, and a program that runs once, at a small size, is compiled without much optimization.
os.environ |= {
    "JAX_ENABLE_X64": "1",  # for what the tests compute with JAX themselves
    "JAX_PLATFORMS": "cpu",
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "XLA_FLAGS": "--xla_backend_optimization_level=1 --xla_cpu_use_fusion_emitters=false",
    # for what the tests start, and the workers of `make test`: threads that wait for a processor that the other worker
    # has would take several times as long, for small matrices
    "OPENBLAS_NUM_THREADS": "1",
    "EQX_ON_ERROR": "nan",  # as in worker processes, so that the cache keeps programs with an integrator
}
# jaxtyping would import JAX only to hide its own lines in JAX's tracebacks.
jaxtyping._decorator._tb_flag = False


M_ARENA_MAX = -8  # as in malloc.h
LONGEST = (
    "figures/test_build_catalogue.py",
    "overtraining/test_wheel.py",
    "demos/test_lessons.py",
    "simulations/sweeps/test_kills.py",
    "simulations/sweeps/test_batches.py",
)


def pytest_sessionstart() -> None:
    """Programs are read from the cache that worker processes fill; before any module imports JAX."""
    from overtraining.runtime.compilation_cache import cache_variables

    os.environ |= cache_variables()
    with suppress(AttributeError):  # glibc would keep memory for each of the threads that compile
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files begin, so that the workers of `make test`, which take file after file, end together."""
    place = {Path(__file__).parent / name: -len(LONGEST) + i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, 0))


def pytest_collection_finish() -> None:
    """What is imported stays until the end: whoever looks for garbage need not look at it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """What a shell starts in the background ignores Ctrl-C, as would all that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


MOST_MEMORY = 600 * 2**20
"""Bytes of a process beyond which it frees what it compiled."""


@pytest.fixture(scope="module", autouse=True)
def forgetful() -> Iterator[None]:
    """Frees what was traced and compiled once it takes much memory, and gives that back to the system. Until then the
    next module finds the programs that it shares.
    """
    yield
    if "jax" in sys.modules and resident_memory() > MOST_MEMORY:
        sys.modules["jax"].clear_caches()
        gc.collect()
        with suppress(AttributeError):  # glibc keeps what is freed
            ctypes.CDLL(None).malloc_trim(0)


def resident_memory() -> int:
    """Bytes that this process holds now; more than any limit where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # no /proc: not Linux
        return sys.maxsize


@pytest.fixture(autouse=True)
def types_checked_once(request: pytest.FixtureRequest) -> Iterator[None]:
    """Types are checked at run time in the first case of every test: they take half of the time, and what other cases
    differ in is numbers.
    """
    case = getattr(request.node, "callspec", None)
    jaxtyping.config.update("jaxtyping_disable", case is not None and any(case.indices.values()))
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def untyped() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A function as users get it: without the run-time type checks that are on in the tests, and would refuse first."""
    return inspect.unwrap


Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """`overtraining` with these arguments, in this process: its exit code and what it says."""
    from overtraining.commands.app import main

    def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        with monkeypatch.context() as there:
            there.setattr(sys, "argv", ["overtraining", *arguments])
            there.chdir(cwd or Path.cwd())
            with pytest.raises(SystemExit) as end:
                main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(end.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="session")
def built() -> Path:
    """Every figure of the catalogue, as `make figures` left it. Where it has not, or what it made is not what the
    sources make now, the tests of the figures are skipped; continuous integration, which runs it first, fails.
    """
    building, out = import_module("overtraining.figures.build_catalogue"), Path(__file__).parents[1] / "build/figures"
    unchanged: list[str] = []

    def stop(*_: object) -> None:
        end = pytest.fail if "CI" in os.environ else pytest.skip
        end(f"`make figures` first: of all figures, {len(unchanged)} are in build/figures as the sources make them now")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "_build_again", stop)
        building.build(out=out, report=unchanged.append)
    return out
