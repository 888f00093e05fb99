"""What comes from outside and is too large, too deep or of the wrong kind is refused by name, at once.

A table of kind × entry. A row that is answered, that ends in another exception, or asks for
64 MB beyond its own text is a fault.
"""

import io
import json
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from overtraining.figures.llm.readers import read as read_all, read_file
from overtraining.figures.llm.statistics.sample_size import sample_size_plans
from overtraining.figures.response_figure import plot
from overtraining.setting import limits
from overtraining.setting.errors import Refusal
from overtraining.setting.inflection import inflection_point
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.responses import sensitivity, validate
from overtraining.setting.serialization import read
from overtraining.setting.teachers import PowerLaw, Spectrum, teacher
from overtraining.simulations.sweeps.result_cells import read_cells
from overtraining.simulations.sweeps.spec import Axis, Sweep, load_sweep
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from overtraining.theory.solvers.exact import respond

MEGABYTES = 64
QUICK = "tests.simulations.sweeps.measures:QUICK"  # which does not import JAX

PROTOCOL = '{"teacher": {"kind": "PowerLaw", "modes": 2}, "lengths": [0, 4], "strengths": [0.1]}'
SWEEP = """[protocol]
teacher = {kind = "PowerLaw", modes = 2}
lengths = [0, 4]
strengths = [0.1]
[axes]
"start.epsilon" = [0.1, 0.01]
"""
RECIPE = json.dumps(
    {"sweep": {"axes": {"repeat": [0, 1]}, "chunk": 1, "measure": QUICK, "protocol": json.loads(PROTOCOL)}}
)


def refused(question: Callable[[], Any], says: str = "") -> None:
    """The question must be refused, with these words, in little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(Refusal) as caught:
            question()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert says in str(caught.value)
    assert len(str(caught.value)) <= 3 * limits.MESSAGE + 20
    assert peak < MEGABYTES * 2**20, peak


LEVELS, TOO_MANY = "nested more than", "digits"
JSON = {
    "nested": ("[" * 100_000, LEVELS),
    "nested where Python still reads": (PROTOCOL.replace("[0, 4]", "[" * 900 + "]" * 900), LEVELS),
    "nested tables": (PROTOCOL.replace("[0, 4]", '{"a":' * 50 + "1" + "}" * 50), LEVELS),
    "5,000 digits": (PROTOCOL.replace("4", "9" * 5000), TOO_MANY),
    "400 digits": (PROTOCOL.replace("4", "9" * 400), TOO_MANY),
    "a key twice": (PROTOCOL.replace('"modes": 2', '"modes": 2, "modes": 3'), "'modes': it occurs twice"),
    "not finite": (PROTOCOL.replace("4", "Infinity"), "not a finite number"),
    "fields": (PROTOCOL[:-1] + "," + ",".join(f'"x{i}": 1' for i in range(10_000)) + "}", "is not one of its fields"),
    "longer than the limit": (" " * (limits.TEXT + 1), "longer than 32 MiB"),
    "modes": (PROTOCOL.replace('"modes": 2', f'"modes": {10**12}'), "pass at most 10,000,000"),
    "depth": (
        PROTOCOL[:-1] + ', "network": {"d_in": 2, "h": 2, "d_out": 2, "depth": 1000000000000}}',
        "at most 10,000",
    ),
}


@pytest.mark.parametrize("kind", JSON)
def test_json_of_a_protocol(kind: str) -> None:
    text, says = JSON[kind]
    refused(lambda: read(text), says)


@pytest.mark.parametrize("kind", [kind for kind in JSON if kind not in ("not finite", "fields", "modes", "depth")])
def test_json_of_results(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(JSON[kind][0])
    refused(lambda: read_file(path), JSON[kind][1].replace("longer", "larger"))


def _axis(written: str) -> str:
    return SWEEP.replace('"start.epsilon" = [0.1, 0.01]', written)


TOML = {
    "nested": (_axis("a = " + "[" * 100_000), LEVELS),
    "nested tables": (_axis("a = " + "{a = " * 100_000), LEVELS),
    "dotted key": (SWEEP + ".".join("a" * 300_000) + " = 1", LEVELS),
    "dotted key in quotes": (SWEEP + " . ".join(["'a'"] * 30_000) + " = 1", LEVELS),
    "dotted table": (SWEEP + f"[{'.'.join('a' * 300_000)}]\nb = 1", LEVELS),
    "dotted within dotted": (SWEEP + f"[{'.'.join('a' * 20)}]\n{'.'.join('b' * 20)} = 1", LEVELS),
    "text that is not closed": (SWEEP + r'x = """' + r"\"" * 100_000, "it is not TOML"),
    "5,000 digits": (SWEEP.replace("4", "9" * 5000), TOO_MANY),
    "400 digits": (SWEEP.replace("0.01", "9" * 400), TOO_MANY),
    "5,000 hexadecimal digits": (SWEEP.replace("0.01", "0x" + "f" * 5000), TOO_MANY),
    "count": (_axis('"start.epsilon" = {linear = [0.1, 0.2], count = 1000000000000}'), "at most 100,000"),
    "count of powers": (_axis('"start.epsilon" = {log = [0.1, 0.2], count = 9007199254740992}'), "at most 100,000"),
    "whole numbers": (_axis("repeat = {whole = [0, 1000000000000]}"), "at most 100,000"),
    "distance beyond float64": (
        _axis('"start.epsilon" = {linear = [-1e308, 1e308], count = 9}'),
        "not a finite number",
    ),
    "ends that are lists": (_axis('"start.epsilon" = {linear = [[1], [2]], count = 9}'), "no two numbers"),
    "product": (
        _axis("\n".join(f"{axis} = {{whole = [0, 255]}}" for axis in "abcdefgh")),
        "the number of cells = 18,446,744,073,709,551,616",  # 0 in 64 bits
    ),
    "date": (SWEEP.replace("[0, 4]", "1979-05-27"), "a date: it is no plain data"),
    "date that does not exist": (SWEEP.replace("[0, 4]", "1979-02-30"), "it is not TOML"),
    "larger than the limit": ("#" + "x" * limits.TOML, "larger than 1 MiB"),
}


@pytest.mark.parametrize("kind", TOML)
def test_toml_of_a_sweep(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text(TOML[kind][0])
    refused(lambda: load_sweep(path), TOML[kind][1])


def test_programs_of_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PROGRAMS", 3)
    base = json.loads(PROTOCOL) | {"network": {"d_in": 2, "h": 2, "d_out": 2}}
    axes = (Axis("network.d_in", (2, 3)), Axis("network.h", (2, 3)))
    refused(lambda: SweepPlan(Sweep(base, axes, QUICK)), "the number of compiled programs = 4")
    monkeypatch.setattr(limits, "CHECKS", 5)
    axes = (Axis("network.d_in", (2, 3)), Axis("repeat", (0, 1, 2)))
    refused(lambda: SweepPlan(Sweep(base, axes, QUICK)), "the number of protocols to check = 6")


def header(shape: str, kind: str = "'<f8'") -> bytes:
    text = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def npz() -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.npy", header("(5000000,)") + bytes(40_000_000))
        return file.getvalue()


NPY = {
    "shape of 10^12": (header("(1000000000000,)"), "at most 16,777,216"),
    "shape of 10^7": (header("(10000000,)"), "tells of 80,000,000 bytes"),
    "shape beyond 64 bits": (header(f"({10**30},)"), "at most 16,777,216"),
    "shape that overflows to 2": (header("(2, 9223372036854775809)"), "at most 16,777,216"),
    "shape that overflows to 0": (header("(4294967296, 4294967296)"), "at most 16,777,216"),
    "5,000 digits": (header(f"({'9' * 5000},)"), "not a plain .npy array"),
    "negative shape": (header("(-2,)"), "shape (-2,)"),
    "truth as shape": (header("(True,)"), "shape (True,)"),
    "nested header": (header("(" * 3000 + "1" + ")" * 3000), "not a plain .npy array"),
    "long header": (header(" " * 60_000 + "(2,)"), "not a plain .npy array"),
    "wide texts": (header("(2,)", "'<U100000000'"), "type <U100000000"),
    "records of a gigabyte": (header("(2,)", "'|V1000000000'"), "type |V1000000000"),
    "objects": (header("(2,)", "'|O'"), "type object"),
    "complex numbers": (header("(1,)", "'<c16'"), "type complex128"),
    "unknown version": (b"\x93NUMPY\x09\x00" + bytes(100), "not a plain .npy array"),
    "an archive that expands 1,000 times": (npz(), "write one array"),
    "nothing": (b"", "write one array"),
}


@pytest.mark.parametrize("kind", NPY)
def test_npy_of_a_teacher(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "teacher.npy"
    path.write_bytes(NPY[kind][0] + bytes(16))
    refused(lambda: teacher(path), NPY[kind][1])


def deep(levels: int) -> list[Any]:
    """A list in a list in a list …"""
    made: list[Any] = []
    for _ in range(levels):
        made = [made]
    return made


def own() -> list[Any]:
    """A list that is its own member."""
    made: list[Any] = []
    made.append(made)
    return made


ARRAYS: dict[str, Any] = {
    "a range of 10^12": range(10**12),
    "one number 10^12 times": np.broadcast_to(1.0, (10**6, 10**6)),
    "5,000 levels": deep(5000),
    "a list in itself": own(),
    "a huge number": [1 << 20_000],
    "ragged": [[1.0], [1.0, 2.0]],
    "ragged numbers and lists": [1.0, [1.0, 2.0]],
}


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("entry", [teacher, Spectrum, lambda x: Protocol(PowerLaw(2), x, (0.1,))])
def test_arrays(entry: Callable[[Any], Any], kind: str) -> None:
    refused(lambda: entry(ARRAYS[kind]))


def test_counts() -> None:
    refused(lambda: PowerLaw(10**12), "pass at most 10,000,000")
    refused(lambda: PowerLaw(1 << 20_000), "whole number")
    refused(lambda: Network(2, 2, 2, depth=10**12), "pass at most 10,000")


@pytest.fixture(scope="module")
def answer() -> xr.Dataset:
    return respond(Protocol(PowerLaw(2), (0, 4, 9), (0.1, 0.2)))


def _after(kind: type | str) -> Callable[[xr.Dataset], xr.Dataset]:
    return lambda data: data.assign(after=(data.after.dims, np.zeros(data.after.shape).astype(kind), data.after.attrs))


DATASETS: dict[str, Callable[[xr.Dataset], Any]] = {
    "text": _after(str),
    "objects": _after(object),
    "complex numbers": _after(complex),
    "dates": _after("M8[ns]"),
    "no lengths": lambda data: data.isel(pretraining=0, drop=True),
    "0 lengths": lambda data: data.isel(pretraining=[]),
    "0 strengths": lambda data: data.isel(strength=[]),
    "lengths without values": lambda data: data.drop_vars("pretraining"),
    "lengths of text": lambda data: data.assign_coords(pretraining=list("abc")),
    "an orientation that is an array": lambda data: data.assign(
        {name: one.assign_attrs(orientation=np.zeros(2)) for name, one in data.data_vars.items()}
    ),
    "no orientation": lambda data: data.drop_attrs(),
    "nothing": lambda data: xr.Dataset(),
}


@pytest.mark.parametrize("kind", DATASETS)
def test_datasets(answer: xr.Dataset, kind: str) -> None:
    data = DATASETS[kind](answer)
    for entry in (validate, plot, inflection_point, read_cells):
        refused(lambda entry=entry: entry(data))  # type: ignore[misc]
    with_own = DATASETS[kind](answer.drop_vars("sensitivity")) if kind in ("text", "dates", "no orientation") else None
    if with_own is not None:
        refused(lambda: sensitivity(with_own))


@pytest.mark.parametrize("name", ["kind", "units"])
def test_attributes_that_are_arrays(answer: xr.Dataset, name: str) -> None:
    data = answer.assign_attrs({name: np.zeros(2)}).assign(after=answer.after.assign_attrs({name: np.zeros(2)}))
    refused(lambda: validate(data))


RECIPES: dict[str, Any] = {
    "none": None,
    "a number": 5,
    "no JSON": "x",
    "nested": "[" * 100_000,
    "5,000 digits": f'{{"sweep": {"9" * 5000}}}',
    "a list": "[]",
    "no sweep": '{"sweep": null}',
    "axes in a list": RECIPE.replace('{"repeat": [0, 1]}', "[]"),
    "an axis that is a number": RECIPE.replace("[0, 1]", "5"),
    "a measure that is a number": RECIPE.replace(f'"{QUICK}"', "5"),
}
CELLS: dict[str, dict[str, Any]] = {
    "no number": {"x": ("cell", [1.0])},
    "beyond the sweep": {"number": ("cell", [0, 99])},
    "below 0": {"number": ("cell", [-1])},
    "text": {"number": ("cell", ["a"])},
    "without their numbers": {"number": ("cell", [0])},
    "of another shape": {"number": ("cell", [0]), "before": ("cell", [1.0]), "after": ("cell", [1.0])},
}


@pytest.mark.parametrize("kind", [*RECIPES, *CELLS])
def test_results_of_sweeps(kind: str) -> None:
    data = xr.Dataset(CELLS.get(kind, {"number": ("cell", [0])}), attrs={"kind": "Sweep"})
    recipe = RECIPES.get(kind, RECIPE)
    refused(lambda: read_cells(data if recipe is None else data.assign_attrs(recipe=recipe), QUICK))


def _declare(file: h5py.File) -> None:
    file.create_dataset("cell", shape=(10**12,), dtype="f8", chunks=(1000,)).make_scale("cell")


def _point_outside(file: h5py.File) -> None:
    file.create_dataset("x", shape=(8,), dtype="u1", external=[("/etc/hostname", 0, 8)])


def _chunked(file: h5py.File) -> None:
    for name in ("a", "b"):
        file.create_dataset(name, (1,), "f8", maxshape=(None,), chunks=(4 * 10**8,))


FILES: dict[str, tuple[Callable[[h5py.File], Any], str]] = {
    "10^12 numbers": (_declare, "it declares 8,000,000,000,000 bytes"),
    "chunks of 3 GB": (_chunked, "it declares 6,400,000,000 bytes"),
    "numbers in another file": (_point_outside, "in another file"),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_of_results(tmp_path: Path, kind: str) -> None:
    with h5py.File(tmp_path / "result.nc", "w") as file:
        FILES[kind][0](file)
    refused(lambda: read_cells(tmp_path / "result.nc"), FILES[kind][1])


PLAIN = "model,task,metric,value,step"
TABLES = {
    "columns": (PLAIN + "," + ",".join(f"c{i}" for i in range(100_000)) + "\n", "unknown column 'c0'"),
    "a column twice": (PLAIN + "," + ",".join(f"c{i}" for i in range(100_000)) + ",c99999\n", "'c99999' occurs twice"),
    "digits": (f"{PLAIN}\nm,t,loss,{'1' * 130_000}x,1\n", "is not a number"),
    "a square beyond float64": (f"{PLAIN}\nm,t,loss,1e200,1\n", "too large or too small to be squared"),
    "a square below float64": (f"{PLAIN},stderr\nm,t,loss,1,1,1e-200\n", "too large or too small to be squared"),
    "no items": (f"{PLAIN},items\nm,t,acc,0.5,1,0\n", "no value is a mean of 0 items"),
    "a number beyond float64": (f"{PLAIN}\nm,t,loss,{'1' * 130_000},1\n", "not a finite number"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_results(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "results.csv"
    path.write_text(TABLES[kind][0])
    refused(lambda: read_file(path), TABLES[kind][1])


LOGS = {
    "lines nested": ("log.jsonl", '{"step": 1, "eval": ' + "[" * 100_000, LEVELS),
    "lines of objects nested": ("log.jsonl", '{"a": ' * 50 + "1" + "}" * 50, LEVELS),
    "a line with 5,000 digits": ("log.jsonl", f'{{"step": 1, "loss": {"9" * 5000}}}\n', TOO_MANY),
    "a line without a step": ("log.jsonl", '{"step": 1, "loss": 2}\n{"loss": 2}\n', "line 2, step: it is empty"),
    "a square in a line": ("log.jsonl", '{"step": 1, "loss": 1e200}\n', "too large or too small to be squared"),
    "a history of numbers": ("trainer_state.json", '{"global_step": 1, "log_history": [1]}', "it is no object"),
    "tasks that are numbers": ("r.json", '{"config_general": {"model_name": "m"}, "results": {"t|0": 5}}', "no"),
    "scores of text": ("e.json", '{"name": "m", "eval_metrics": {"icl": {"t": "x"}}}', "not a number"),
    "a step beyond squares": ("run-a-tag-loss.csv", "Wall time,Step,Value\n1,1e300,2\n", "too large or too small"),
    "a loss beyond float64": ("train.log", "step 1: loss 1e999\nstep 2: loss 1\n", "not a finite number"),
    "a line of words": ("train.log", "step 1: " + "loss=" * 400_000, "this is not CSV"),
}


@pytest.mark.parametrize("kind", LOGS)
def test_logs_and_other_tools(tmp_path: Path, kind: str) -> None:
    name, text, says = LOGS[kind]
    (tmp_path / name).write_text(text)
    refused(lambda: read_file(tmp_path / name), says)


@pytest.mark.parametrize("header", ["model,task,metric,value,step", "step,a/loss,b/loss,c/loss,d/loss"])
def test_more_measurements_than_memory_is_planned_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    monkeypatch.setattr(limits, "MEASUREMENTS", 100)
    plain = header.startswith("model")
    lines = [f"m,t,loss,1,{i}" if plain else f"{i},1,2,3,4" for i in range(60 if plain else 15)]
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *lines, ""]))
    refused(lambda: read_all([tmp_path]), "more than 100 measurements")
    (tmp_path / "one.csv").write_text("\n".join([header, *lines, *lines, ""]))
    refused(lambda: read_file(tmp_path / "one.csv"), "more than 100 measurements")
    assert read_file(tmp_path / "a.csv")


@pytest.mark.parametrize("step", [np.nan, np.inf, -1.0])
def test_steps_of_results(tmp_path: Path, step: float) -> None:
    refused(lambda: read_all([tmp_path], step=step), "step = ")


def test_a_scatter_between_seeds_beyond_fractions() -> None:
    refused(lambda: sample_size_plans(0.02, seed_scatter=1e308), "seed_scatter = 1e+308")


@pytest.mark.parametrize("entry", [load_sweep, teacher, read_file, read_cells])
def test_what_is_no_file(tmp_path: Path, entry: Callable[[Path], Any]) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero"), Path("a\0b")):
        refused(lambda path=path: entry(path))  # type: ignore[misc]
