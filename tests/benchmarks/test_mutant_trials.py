"""A mutant dies by its module's tests, by those near it, or by a time limit; or it survives."""

import json
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from benchmarks.mutant_trials import Watch, module_of, stages_of
from tests import ROOT

FILES = {
    "overtraining/__init__.py": "",
    "theory/__init__.py": "",
    "theory/powers.py": '''
def square(x):
    """
    >>> square(3)
    9
    """
    return x**2

def root(n):
    k = n
    while k * k > n:
        k -= 1
    return k

def cube(x):
    return x * x * x
''',
    "tests/theory/test_powers.py": """
from overtraining.theory.powers import root

def test_root():
    assert root(9) == 3
""",
    "tests/theory/test_near.py": """
from overtraining.theory.powers import cube

def test_cube():
    assert cube(2) == 8
""",
}
SCRIPT = """
import json, sys
from pathlib import Path
from benchmarks import mutant_trials
from benchmarks.mutation_sites import sites_below

mutant_trials.TEST_SECONDS = 1
sys.path.insert(0, "")
own = ["tests/theory/test_powers.py", "overtraining/theory/powers.py", "--doctest-modules"]
near = ["tests/theory/test_near.py"]
sites = {f"{site.before} → {site.after}": site for site in sites_below(Path("theory"), Path())}
trials = [mutant_trials.judge(sites[change], [own, near], known) for change, known in json.loads(sys.argv[1])]
print(json.dumps([(trial.outcome, trial.test) for trial in trials]))
"""
ROOT_TEST, CUBE_TEST = "tests/theory/test_powers.py::test_root", "tests/theory/test_near.py::test_cube"
DOCTEST = "overtraining/theory/powers.py::overtraining.theory.powers.square"
TRIALS = {
    "by the test file of its module": ("k * k > n → k * k >= n", "", "killed", ROOT_TEST),
    "by a doctest": ("x ** 2 → x * 2", "", "killed", DOCTEST),
    "by a test near it": ("x * x → x / x", "", "killed", CUBE_TEST),
    "by the known test, which is run alone": ("x * x * x → x * x / x", CUBE_TEST, "killed", CUBE_TEST),
    "by another, as the known one is gone": ("2 → 3", ROOT_TEST.replace("root", "gone"), "killed", DOCTEST),
    "by a time limit": ("k -= 1 → k += 1", "", "hanging", ROOT_TEST),
    "not, as no test notices": ("1 → 2", CUBE_TEST, "survived", ""),
}


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    root = tmp_path_factory.mktemp("copy")
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "overtraining/theory").symlink_to("../theory")
    environment = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-c", SCRIPT, json.dumps([trial[:2] for trial in TRIALS.values()])]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {name: (root / name).read_text() for name in FILES} == FILES
    return dict(zip(TRIALS, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("how", TRIALS)
def test_a_mutant_dies(how: str, trials: dict[str, list[str]]) -> None:
    assert trials[how] == list(TRIALS[how][2:])


def test_a_failure_counts_although_the_time_is_over(tmp_path: Path) -> None:
    watch = Watch(tmp_path / "note", seconds=0)
    with pytest.raises(pytest.exit.Exception):
        watch.pytest_runtest_logfinish()
    item = ("test_x", ("test_x.py", 1, "test_x"), {}, "failed", None, "call")
    watch.pytest_runtest_logreport(pytest.TestReport(*item))  # type: ignore[arg-type]
    watch.pytest_runtest_logfinish()


def test_the_own_tests_are_run_first_and_then_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    graph = grimp.ImportGraph()
    flow = "overtraining.theory.learning.flow"
    for importer, imported in (
        ("tests.theory.learning.test_flow", flow),
        ("overtraining.theory.solvers.paths", flow),
        ("tests.theory.solvers.test_paths", "overtraining.theory.solvers.paths"),
        ("tests.theory.sensitivity.test_far", "tests.theory.solvers.test_paths"),
        ("tests.theory.learning.test_far", "tests.theory.solvers.test_paths"),
        ("tests.demos.test_page", "overtraining.theory.solvers.paths"),
        ("tests.demos.test_direct", flow),
    ):
        graph.add_import(importer=importer, imported=imported)
    own, near = stages_of("theory/learning/flow.py", graph, {})
    assert own == ["tests/theory/learning/test_flow.py", "overtraining/theory/learning/flow.py"]
    far = ["tests/theory/learning/test_far.py", "tests/demos/test_direct.py"]
    assert near == ["tests/theory/solvers/test_paths.py", *far]


def test_a_claim_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As are the claims that import a part."""
    monkeypatch.chdir(ROOT)
    graph = grimp.ImportGraph()
    part, claim = (f"overtraining.theory.derivations.claims.{name}" for name in ("shared.uniqueness", "b1_noise"))
    graph.add_import(importer=claim, imported=part)
    for file in ("shared/uniqueness", "b1_noise"):
        checks, *_, near = stages_of(f"theory/derivations/claims/{file}.py", graph, {"B1": claim})
        assert checks == ["benchmarks/claim_checks.py::test_claim[B1]"]
        assert near[0].endswith("test_the_link_notices_an_engine_that_is_off[B1]")
    assert module_of("theory/derivations/claims/b1_noise.py") == claim
