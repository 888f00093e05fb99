"""The rules of the project's structure that a machine can check."""

import ast
import json
import subprocess
import sys
import tomllib
from itertools import chain

from tests import ROOT

PACKAGES = ("runtime", "setting", "theory", "simulations", "experiments", "figures", "demos", "overtraining/commands")


def test_theory_runs_without_jax_and_matplotlib() -> None:
    code = (
        "import sys\n"
        "class Absent:\n"  # None in sys.modules would be taken for a module by SciPy
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('jax', 'jaxlib', 'matplotlib'): raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "import pkgutil, importlib, overtraining as ot\n"
        "for package in (ot.setting, ot.theory):\n"
        "    for m in pkgutil.walk_packages(package.__path__, f'{package.__name__}.'):\n"
        "        importlib.import_module(m.name)\n"
        "r = ot.theory.respond(ot.Protocol(ot.PowerLaw(2), (0, 1), (0.1,)))\n"
        "print(float(r.after[1, 0]) > 0)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"


def test_experiments_measure_by_what_survives_a_crash() -> None:
    """What `experiments.memoized` keeps is taken from there, never from where it is defined."""
    kept = {
        "distance_from_pretrained",
        "follow",
        "hessian_eigenvalues",
        "pretrain",
        "respond",
        "respond_at_learning_rates",
        "rise_and_spread",
        "rises",
        "slopes",
        "trace_rate",
        "tune_learning_rate",
    }
    own = {"overtraining.experiments.memoized"}
    for path in (ROOT / "experiments").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.ImportFrom)
                and str(node.module).startswith("overtraining.simulations.")
                and path.stem != "memoized"
            ):
                assert node.module in own or not kept & {name.name for name in node.names}, (path.name, node.module)


def test_a_build_begins_before_libraries_are_imported() -> None:
    """Worker processes import what computes and draws; the driver starts them first."""
    code = "import sys, overtraining.figures.build_orders, json; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert not {"jax", "matplotlib", "xarray", "scipy", "pandas"} & set(loaded)


def test_import_is_lazy() -> None:
    """`import overtraining`, and --help, must not pay for what they do not use."""
    code = "import sys, overtraining, json; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    heavy = {"numpy", "jax", "matplotlib", "xarray", "scipy", "sympy", "seaborn", "pandas", "rich"}
    assert not heavy & set(loaded)
    assert not [name for name in loaded if name.startswith("overtraining.")]


def test_a_protocol_needs_no_large_library() -> None:
    """What is written down first imports NumPy only; `benchmarks imports` tells what that takes."""
    code = (
        "import sys, overtraining as ot, json\n"
        "tuned = ot.FineTuning(ot.SharedVectors([1]))\n"
        "ot.Protocol(ot.PowerLaw(4), lengths=(0, 10), strengths=(0.1,), perturbation=tuned)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert not {"jax", "matplotlib", "xarray", "scipy", "sympy", "pandas", "rich"} & set(loaded)


def test_constraints_pin_everything_and_name_no_address() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all("==" in line and "://" not in line and "@" not in line for line in lines)
    pinned = {line.split("==")[0].lower() for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    assert {name.split(">=")[0].split("[")[0].lower() for name in wanted} <= pinned


def test_files_stay_small() -> None:
    """One idea per file."""
    for package in PACKAGES:
        for path in chain(*((ROOT / package).rglob(f"*.{kind}") for kind in ("py", "js"))):
            assert len(path.read_text().splitlines()) <= 450, path


def test_citation_names_the_source_paper() -> None:
    import yaml

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["license"] == "Apache-2.0"
    assert citation["references"][0]["identifiers"][0]["value"] == "arXiv:2503.19206"


WRITERS = {
    "write_text",
    "write_bytes",
    "savefig",
    "to_netcdf",
    "to_csv",
    "to_json",
    "savez",
    "save",
    "savetxt",
    "tofile",
}
"""Methods and functions that write to a path, or to a buffer if they are given one of `BUFFERS`."""

BUFFERS = {"file", "buffer"}


def writes_in_place(source: str) -> list[int]:
    """Lines that write to a path, and may leave half a file."""
    lines = []
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        modes = [*call.args[: 2 if isinstance(call.func, ast.Name) else 1], *(k.value for k in call.keywords)]
        match call.func:
            case ast.Attribute(attr=name) if name in WRITERS and call.args:
                in_place = not (isinstance(call.args[0], ast.Name) and call.args[0].id in BUFFERS)
            case ast.Name(id="open") | ast.Attribute(attr="open" | "fdopen"):
                texts = [mode.value for mode in modes if isinstance(mode, ast.Constant)]
                in_place = any(isinstance(text, str) and set(text) & set("wax+") and len(text) < 4 for text in texts)
            case _:
                in_place = False
        if in_place:
            lines.append(call.lineno)
    return lines


def test_files_are_written_whole_or_not_at_all() -> None:
    """Through `runtime.atomic_files`, so that a full disk leaves the old file or none, and its name is said."""
    calls = (
        'path.write_text("")',
        'open(path, "w")',
        "path.open(mode='ab')",
        "figure.savefig(path)",
        "np.save(path, x)",
    )
    assert all(writes_in_place(call) == [1] for call in calls)
    allowed = ('open(path, "rb")', "write_text(path, text)", "figure.savefig(file)", "table.to_csv(index=False)")
    assert not any(map(writes_in_place, allowed))
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if path != ROOT / "runtime" / "atomic_files.py":
                assert not writes_in_place(path.read_text(encoding="utf-8")), path
