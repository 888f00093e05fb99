"""Damage every kind of file that is read back, in many ways, and see whether the next run notices."""

import io
import random
import shutil
import tempfile
import tomllib
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jax
import numpy as np
import xarray as xr
from jax.experimental.compilation_cache import compilation_cache

from benchmarks.environment import environment
from benchmarks.measure import BenchmarkPreset
from benchmarks.report import BenchmarkReport
from overtraining.experiments import memoized
from overtraining.figures import build_orders
from overtraining.figures.build_catalogue import build
from overtraining.runtime.atomic_files import TEMPORARY, sha256
from overtraining.runtime.compilation_cache import remove_damaged
from overtraining.runtime.netcdf import as_netcdf
from overtraining.runtime.worker_process import WORKER_ENVIRONMENT
from overtraining.setting.errors import Refusal
from overtraining.setting.protocol import Protocol
from overtraining.setting.teachers import PowerLaw
from overtraining.simulations.sweeps.local_workers import ThisProcess
from overtraining.simulations.sweeps.memoized import memoized_call
from overtraining.simulations.sweeps.result_cells import read_cells
from overtraining.simulations.sweeps.run import run_sweep
from overtraining.simulations.sweeps.spec import parse_sweep
from overtraining.simulations.sweeps.status import status_lines
from overtraining.theory.solvers.exact import respond

FIGURE = "sum-rule-llm"
SWEEP = """
chunk = 2
[protocol]
lengths = [0.0, 1.0]
strengths = [0.5]
teacher = { kind = "PowerLaw", modes = 2 }
[axes]
"start.epsilon" = [0.1, 0.2]
repeat = { whole = [0, 1] }
"""
FLIPS = {"full": 20, "tiny": 2}
CUTS = {"full": (0.1, 0.3, 0.5, 0.9, 1.0), "tiny": (0.5,)}
"""Parts of a file that are left; of 1.0, all but the last byte."""

Report = Callable[[str], None]


@dataclass(frozen=True)
class Kind:
    """A kind of file: `prepare` makes a folder with it, `file` finds it there, `use` reads it back and gives what is
    then known, as text; it reports what it says.
    """

    name: str
    prepare: Callable[[Path], object]
    file: str
    use: Callable[[Path, Report], object]


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """Damage all kinds of files; RuntimeError if a result is wrong, an error is no refusal, or a name is not said."""
    rows: list[dict[str, Any]] = []
    bad: list[str] = []
    with environment(WORKER_ENVIRONMENT), tempfile.TemporaryDirectory() as folder:
        for number, kind in enumerate(KINDS):
            fates = Counter[str]()
            for fault, fate in trials(kind, Path(folder) / str(number), preset):
                fates[fate] += 1
                bad += [f"{kind.name}, {fault}: {fate}"] if fate not in GOOD else []
            rows.append({"file": kind.name, "trials": fates.total(), **{fate: fates[fate] for fate in (*GOOD, *BAD)}})
    if bad:
        raise RuntimeError("\n".join(bad))
    total = sum(row["trials"] for row in rows)
    return [BenchmarkReport("damage", f"{total} damaged files that are read back", rows, REMARKS)]


GOOD = ("right and said", "right", "refused by name")
BAD = ("wrong", "refused without a name", "traceback")
REMARKS = [
    "Per file: 20 flipped bits, 5 lengths to which it is cut, empty, a folder, empty with a folder in place of its",
    "temporary one, and 5 contents of other files.",
    "right and said: the result is that of whole files, and a line names the damaged one.",
    "right: the same without a line. A lock has nothing in it, a program is compiled again, and the last newline of a",
    "recipe and the name beside a checksum mean nothing.",
    "refused by name: nothing is computed, and one sentence names the file or its folder.",
]


def trials(kind: Kind, folder: Path, preset: BenchmarkPreset) -> Iterator[tuple[str, str]]:
    """Every fault with what came of it."""
    whole = folder / "whole"
    kind.prepare(whole)
    (name,) = [path.relative_to(whole) for path in whole.glob(kind.file)]
    expected = kind.use(shutil.copytree(whole, folder / "undamaged"), lambda line: None)
    for fault, damage in faults((whole / name).read_bytes(), preset):
        copy = shutil.copytree(whole, folder / "copy")
        damage(copy / name)
        yield fault, fate(kind, copy, name, expected)
        shutil.rmtree(copy)


def faults(content: bytes, preset: BenchmarkPreset) -> Iterator[tuple[str, Callable[[Path], object]]]:
    """The ways of damaging a file with this content."""
    chance = random.Random(0)
    for _ in range(FLIPS[preset] if content else 0):
        place, bit = chance.randrange(len(content)), chance.randrange(8)
        flipped = bytearray(content)
        flipped[place] ^= 1 << bit
        yield f"bit {bit} of byte {place}", partial(Path.write_bytes, data=bytes(flipped))
    for part in CUTS[preset] if content else ():
        size = min(int(part * len(content)), len(content) - 1)
        yield f"cut to {size} bytes", partial(Path.write_bytes, data=content[:size])
    yield "empty", partial(Path.write_bytes, data=b"")
    yield "a folder", _replace_by_folder
    yield "empty, and a folder where its next version is written", _block_temporary
    for name, other in OTHERS.items():
        yield name, partial(Path.write_bytes, data=other)


def fate(kind: Kind, folder: Path, name: Path, expected: object) -> str:
    """What comes of using a folder in which a file is damaged."""
    said: list[str] = []
    names = (name.name, str((folder / name).parent))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            found = kind.use(folder, said.append)
        except (Refusal, OSError) as error:
            refusal = " ".join([str(error), *said])  # a figure's reason is in its line
            return "refused by name" if any(one in refusal for one in names) else "refused without a name"
        except Exception:
            traceback.print_exc()
            return "traceback"
    if found != expected:
        return "wrong"
    told = [*said, *(str(one.message) for one in warned)]
    return "right and said" if any(name.name in line for line in told) else "right"


def _replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _block_temporary(path: Path) -> None:
    path.write_bytes(b"")
    path.with_name(f"{TEMPORARY}{path.name}").mkdir()


def _arrays() -> bytes:
    with io.BytesIO() as buffer:
        np.savez(buffer, about=np.array("{}"), done=np.arange(3))
        return buffer.getvalue()


OTHERS = {
    "an empty object": b"{}\n",
    "a list": b'{"figures": [1], "sha256": [], "sweep": [1]}\n',
    "nested lists": b"[" * 100_000,
    "arrays of something else": _arrays(),
    "another NetCDF file": as_netcdf({"other": xr.Dataset({"before": ("pretraining", [1.0, 2.0])})}),
}


class InThisProcess(nullcontext[Any]):
    """What WorkerProcesses do, without processes, which would take seconds to start for every trial."""

    def __init__(self, function: Callable[[Any], Any], *_: object) -> None:
        super().__init__(self)
        self.function = function

    def answers(self, next_job: Callable[[], Any]) -> Iterator[tuple[Any, Any]]:
        """Every job with its answer, as it comes."""
        while (job := next_job()) is not None:
            yield job, self.function(job)


def _build(folder: Path, report: Report = lambda line: None) -> Mapping[str, str]:
    with patch.object(build_orders, "WorkerProcesses", InThisProcess):
        build([FIGURE], folder, ["svg"], report=report)
    return {str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*.*") if path.name != ".lock"}


def _sweep(folder: Path, report: Report = lambda line: None) -> list[str]:
    """The cells of the sweep in the folder."""
    result = run_sweep(parse_sweep(tomllib.loads(SWEEP)), folder, ThisProcess, report).result
    return [str(sha256(result)), *(cell.to_dict().__repr__() for cell in read_cells(result))]


def _half_a_sweep(folder: Path) -> None:
    """Its first chunk is there; the second is not."""

    def stop(done: int, cells: int, left: float | None) -> None:
        if done == cells // 2:
            raise KeyboardInterrupt

    try:
        run_sweep(parse_sweep(tomllib.loads(SWEEP)), folder, ThisProcess, progress=stop)
    except KeyboardInterrupt:
        return


def answered(protocol: Protocol) -> xr.Dataset:
    """A measurement that takes no time."""
    return respond(protocol)


def _call(folder: Path, report: Report = lambda line: None) -> str:
    protocol = Protocol(PowerLaw(2), (0.0, 1.0), (0.5,))
    return repr(memoized_call(answered, folder, protocol).to_dict())


def _cells(folder: Path, report: Report = lambda line: None) -> str:
    with memoized.storing(folder):
        protocol = Protocol(PowerLaw(2), (0.0, 1.0), (0.5,))
        return repr([one.to_dict() for one in memoized.responses(protocol, (0, 1), "full")])


def _status(folder: Path, report: Report) -> list[str]:
    return [line.replace(str(folder), "") for line in status_lines(folder)]


def _read(folder: Path, report: Report) -> str:
    return repr([cell.to_dict() for cell in read_cells(folder / "result.nc")])


def _compiled(folder: Path, report: Report = lambda line: None) -> list[float]:
    """What a program gives that is compiled, or read if it is in the folder, as the next process would."""
    folder.mkdir(parents=True, exist_ok=True)
    remove_damaged(folder)
    chosen = {
        "jax_compilation_cache_dir": str(folder / "any"),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": 0,
    }
    before = {name: getattr(jax.config, name) for name in chosen}
    jax.clear_caches()
    compilation_cache.reset_cache()
    try:
        for name, value in chosen.items():
            jax.config.update(name, value)
        return [float(x) for x in jax.jit(sine)(np.arange(3.0))]
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()


def sine(x: jax.Array) -> jax.Array:
    """A function to be compiled."""
    return jax.numpy.sin(x) + 1


KINDS = (
    Kind("manifest of figures", _build, "manifest.json", _build),
    Kind("data of a figure", _build, f"data/{FIGURE}.nc", _build),
    Kind("picture", _build, f"{FIGURE}.svg", _build),
    Kind("caption", _build, f"captions/{FIGURE}.txt", _build),
    Kind("numbers drawn", _build, f"numbers/{FIGURE}.json", _build),
    Kind("lock of figures", _build, ".lock", _build),
    Kind("chunk of a sweep", _half_a_sweep, "chunks/0000000.*.npz", _sweep),
    Kind("recipe of a sweep", _half_a_sweep, "recipe.json", _sweep),
    Kind("lock of a sweep", _half_a_sweep, "lock", _sweep),
    Kind("result of a sweep", _sweep, "result.nc", _sweep),
    Kind("checksum of a result", _sweep, "result.nc.sha256", _sweep),
    Kind("result, read by read_cells", _sweep, "result.nc", _read),
    Kind("result, its status asked", _sweep, "result.nc", _status),
    Kind("recipe, its status asked", _sweep, "recipe.json", _status),
    Kind("recipe of half a sweep, its status asked", _half_a_sweep, "recipe.json", _status),
    Kind("compiled program", _compiled, "any/jit_sine-*-cache", _compiled),
    Kind("memoized call", _call, "*/chunks/*.npz", _call),
    Kind("recipe of a memoized call", _call, "*/recipe.json", _call),
    Kind("result of memoized cells", _cells, "*/result.nc", _cells),
    Kind("recipe of memoized cells", _cells, "*/recipe.json", _cells),
)
