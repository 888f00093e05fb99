"""What tests say of a changed formula, in a copy of the repository.

Each run of tests is a fork of this process, which has imported their libraries, but nothing of ours: that saves two
thirds of a short run. Only on systems that can fork.
"""

import io
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import grimp
import pytest

from benchmarks.mutation_sites import Site, mutated

HOME = Path(__file__).parents[1]
CLAIM_CHECK = "benchmarks/claim_checks.py::test_claim"
LINK_TEST = "tests/theory/derivations/test_derivations.py::test_the_link_notices_an_engine_that_is_off"
LIBRARIES = """
scipy.stats scipy.optimize scipy.integrate sympy mpmath xarray h5netcdf pandas cattrs
hypothesis beartype jaxtyping
"""
"""What a fork need not import; not JAX and what uses it, whose threads a fork does not have."""
OUTCOMES = ("killed", "hanging", "equivalent", "survived", "invalid", "gone")
ELSEWHERE, MEMORY, NEAREST = 99, 4 * 2**30, 12
TEST_SECONDS, STAGE_SECONDS = 120, 150
"""CPU time after which a test counts as hanging, and after which no further test of a stage is begun."""


@dataclass(frozen=True)
class Trial:
    """What came of a mutant, by which test, and the seconds of CPU time.

    outcome: killed, hanging (killed by the time limit), equivalent (recorded, with a reason), survived, invalid (the
    tests cannot decide) or gone (no longer in the file).
    """

    outcome: str
    test: str = ""
    seconds: float = 0.0


class Watch:
    """A pytest plugin: note the test that is running or has failed, stop one that hangs, and all after some time.

    Tests that name the changed function come first.
    """

    def __init__(self, note: Path, seconds: float, function: str = "") -> None:
        self.note = note
        self.seconds = seconds
        self.function = function.strip("_")
        self.failed = False

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self.function not in item.nodeid)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.note.write_text(nodeid)
        limit_time()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.note.write_text(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed = self.failed or report.failed

    def pytest_runtest_logfinish(self) -> None:
        if not self.failed and time.process_time() > self.seconds:
            pytest.exit("enough", 0)


def limit_time() -> None:
    """End this process by a signal when the time of a test is over, whether it computes or waits."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + TEST_SECONDS, resource.RLIM_INFINITY))
    signal.alarm(10 * TEST_SECONDS)


def run_tests(tests: Sequence[str], seconds: float = math.inf, module: str = "", function: str = "") -> Trial:
    """Run tests in a fork until the first one fails. RuntimeError if they import the module from another copy."""
    note = Path("note").resolve()
    note.write_text("")
    child = os.fork()
    if not child:
        code = ELSEWHERE
        try:
            code = _in_child(tests, Watch(note, seconds, function), module)
        finally:
            os._exit(code)
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == ELSEWHERE:
        raise RuntimeError(f"{tests} import {module} from a folder that is not {Path.cwd()}")
    spent = round(used.ru_utime + used.ru_stime, 1)
    if code in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
        return Trial("survived", "", spent)
    hanging = code in (-signal.SIGXCPU, -signal.SIGALRM)
    killed = code < 0 or code in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    return Trial("hanging" if hanging else "killed" if killed else "invalid", note.read_text(), spent)


def _in_child(tests: Sequence[str], watch: Watch, module: str) -> int:
    """Pytest in the current folder, as if in a new process. Returns the exit code."""
    limit_time()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    for name in [name for name in sys.modules if name.partition(".")[0] in ("benchmarks", "tests", "overtraining")]:
        del sys.modules[name]
    sys.modules["__main__"] = types.ModuleType("__main__")  # workers that a test starts would import the true one
    sys.dont_write_bytecode = True
    here, nowhere = os.getcwd(), os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    options = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    untyped = ["-o", "addopts="] * all(test.startswith(CLAIM_CHECK) for test in tests)  # as in `make check`
    code = int(pytest.main([*options, *untyped, *tests], plugins=[watch]))
    imported_from = str(getattr(sys.modules.get(module), "__file__", here))
    return code if imported_from.startswith(here) else ELSEWHERE


def stages_of(file: str, graph: grimp.ImportGraph, claims: Mapping[str, str]) -> list[list[str]]:
    """The checks of the claims that a file makes or is part of, its test file and doctests, and other tests near it.

    Near is a test in the same group that needs the file, one in the same package that imports it or what imports it,
    and any that imports it itself; those in its package come first, and of these the nearest.
    """
    module = module_of(file)
    users = {module, *graph.find_modules_that_directly_import(module)} if "/derivations/" in file else set()
    concerned = [claim for claim, home in claims.items() if home in users]
    mirror = Path("tests", file).with_name(f"test_{Path(file).name}")
    doctests = ">>>" in Path(file).read_text(encoding="utf-8")
    own = [*[str(mirror)] * mirror.exists(), *[f"overtraining/{file}"] * doctests]
    distances: dict[tuple[bool, int, str], str] = {}
    for test in graph.find_downstream_modules(module):
        where = Path(test.replace(".", "/") + ".py")
        if where.stem.startswith("test_") and where != mirror and where.parts[1] != "browser":
            distance = len(graph.find_shortest_chain(test, module) or ())
            at_home = where.parts[1] in (mirror.parts[1], "benchmarks")
            if distance <= (3 if at_home else 2) or where.parent == mirror.parent:
                distances[not at_home, distance, str(where)] = str(where)
    links = [f"{LINK_TEST}[{claim}]" for claim in concerned if "/claims/" in file]
    near = [*links, *(distances[key] for key in sorted(distances)[:NEAREST])]
    return [stage for stage in ([f"{CLAIM_CHECK}[{claim}]" for claim in concerned], own, near) if stage]


def module_of(file: str) -> str:
    """The module of a file of a package.

    >>> module_of("theory/learning/__init__.py")
    'overtraining.theory.learning'
    """
    return f"overtraining.{file.removesuffix('.py').replace('/', '.')}".removesuffix(".__init__")


def judge(site: Site, stages: Sequence[Sequence[str]], known: str = "") -> Trial:
    """Change the file, and run the test that is known to notice; if it does not, all stages until a test does."""
    file, module = Path(site.file), module_of(site.file)
    source, stat = file.read_text(encoding="utf-8"), file.stat()
    file.write_text(mutated(source, site), encoding="utf-8")  # its new date makes its compiled form invalid
    trials = [Trial("survived")]
    try:
        for stage in ([known], *stages) if known else stages:
            trials.append(run_tests(stage, STAGE_SECONDS, module, site.function.rpartition(".")[2]))
            if trials[-1].outcome in ("killed", "hanging"):
                break
        return replace(trials[-1], seconds=round(sum(trial.seconds for trial in trials), 1))
    finally:
        file.write_text(source, encoding="utf-8")
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@contextmanager
def copy_of(revision: str, packages: Sequence[str]) -> Iterator[None]:
    """Work in a copy of a revision: it is the current folder, and what tests import is there, compiled, or loaded."""
    archive = subprocess.run(["git", "archive", revision], cwd=HOME, check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as folder, _working_in(folder):
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="tar")
        shutil.copy(HOME / CLAIM_CHECK.partition("::")[0], Path(folder, "benchmarks"))
        pytest_ = [sys.executable, "-m", "pytest", "-q", "--collect-only"]
        everything = [*(f"{root}/{package}" for package in packages for root in ("tests", "overtraining")), CLAIM_CHECK]
        subprocess.run([*pytest_, *everything], stdout=subprocess.DEVNULL, check=True)
        for library in LIBRARIES.split():
            import_module(library)
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        try:
            yield
        finally:
            del os.environ["PYTHONDONTWRITEBYTECODE"]


@contextmanager
def copy_of_the_copy() -> Iterator[None]:
    """Work in a copy of the current folder, compiled files included."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(Path.cwd(), folder, symlinks=True, dirs_exist_ok=True)
        with _working_in(folder):
            yield


@contextmanager
def _working_in(folder: str) -> Iterator[None]:
    before, path = Path.cwd(), os.environ.get("PYTHONPATH")
    here = os.path.realpath(folder)
    os.chdir(here)
    sys.path.insert(0, here)
    os.environ["PYTHONPATH"] = here
    try:
        yield
    finally:
        os.chdir(before)
        sys.path.remove(here)
        del os.environ["PYTHONPATH"]
        if path is not None:
            os.environ["PYTHONPATH"] = path
