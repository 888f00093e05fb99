"""The rules of the house that a machine can check."""

import ast
import json
import subprocess
import sys
import tomllib
from itertools import chain, combinations
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ("theory", "simulations", "figures", "demos")


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph(*FLOORS, cache_dir=None, include_external_packages=True)


def test_imports_point_down(imports: grimp.ImportGraph) -> None:
    for lower, higher in combinations(FLOORS, 2):
        assert not imports.find_shortest_chains(importer=lower, imported=higher, as_packages=True)


def test_theory_runs_without_jax_and_matplotlib() -> None:
    code = (
        "import sys\n"
        "for name in ('jax', 'jaxlib', 'matplotlib', 'simulations', 'figures'): sys.modules[name] = None\n"
        "import pkgutil, importlib, theory\n"
        "for m in pkgutil.walk_packages(theory.__path__, 'theory.'): importlib.import_module(m.name)\n"
        "r = theory.respond(theory.Protocol(theory.PowerLaw(2), (0, 1), (0.1,)))\n"
        "print(float(r.after[1, 0]) > 0)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"


def test_simulations_import_no_formula(imports: grimp.ImportGraph) -> None:
    """Definitions only: a formula shared with what it is tested against would agree with itself."""
    allowed = {"theory", "theory.arrays", "theory.domain", "theory.errors", "theory.inputs", "theory.perturbations",
               "theory.protocol", "theory.responses", "theory.starts", "theory.tasks", "theory.teachers",
               "theory.training", "theory.written"}  # fmt: skip
    laboratory = [m for m in imports.modules if m.split(".")[0] == "simulations" and "experiments" not in m]
    for module in laboratory:
        used = imports.find_modules_directly_imported_by(module)
        assert {m for m in used if m.startswith("theory")} <= allowed, module
        assert not [m for m in used if m.startswith("simulations.experiments")], module  # only there the two meet


def test_experiments_measure_by_what_survives_a_crash() -> None:
    """What `swept` keeps is taken from there, never from where it is defined."""
    kept = {"respond", "follow", "pretrain", "moved", "slopes", "rises", "sample", "tuned", "hessian_eigenvalues",
            "trace_rate"}  # fmt: skip
    own = {"simulations.experiments.swept", "simulations.pretraining"}  # the integrator has a `pretrain` too
    for path in (ROOT / "simulations/experiments").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.ImportFrom)
                and str(node.module).startswith("simulations.")
                and path.stem != "swept"
            ):
                assert node.module in own or not kept & {name.name for name in node.names}, (path.name, node.module)


@pytest.mark.parametrize("drawing", ["figures.draw", "figures.style"])
def test_drawing_knows_no_source(imports: grimp.ImportGraph, drawing: str) -> None:
    allowed = {"theory.arrays", "theory.domain", "theory.errors", "theory.inflection", "theory.responses",
               "figures.style"}  # fmt: skip
    used = {m for m in imports.find_upstream_modules(drawing) if m.startswith(("theory", "simulations", "figures"))}
    assert used <= allowed


def test_catalogue_modules_import_no_formula_simulation_or_reader(imports: grimp.ImportGraph) -> None:
    from figures.catalogue import CATALOGUE

    forbidden = ("simulations", "figures.llm", "theory.exact", "theory.noise", "theory.balanced_mode",
                 "theory.noisy_mode", "jax", "numpy.random")  # fmt: skip
    for entry in CATALOGUE:
        used = imports.find_modules_directly_imported_by(entry.module_name)
        assert not [m for m in used if m.startswith(forbidden)], entry.name


def test_import_is_lazy() -> None:
    """`import overtraining`, and --help, must not pay for what they do not use."""
    code = "import sys, overtraining, json; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    heavy = {"numpy", "jax", "matplotlib", "xarray", "scipy", "sympy", "seaborn", "pandas", "theory", "rich"}
    assert not heavy & set(loaded)


def test_constraints_pin_everything_and_name_no_address() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all("==" in line and "://" not in line and "@" not in line for line in lines)
    pinned = {line.split("==")[0].lower() for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    assert {name.split(">=")[0].split("[")[0].lower() for name in wanted} <= pinned


def test_files_stay_small() -> None:
    """One idea per file."""
    for package in (*FLOORS, "commands"):
        for path in chain(*((ROOT / package).rglob(f"*.{kind}") for kind in ("py", "js"))):
            most = 400 if path.name.startswith("lesson_") else 300  # half of a lesson is prose
            assert len(path.read_text().splitlines()) <= most, path


def test_citation_names_the_source_paper() -> None:
    import yaml

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["license"] == "Apache-2.0"
    assert citation["references"][0]["identifiers"][0]["value"] == "arXiv:2503.19206"
