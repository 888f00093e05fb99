"""`python -m benchmarks`: run benchmarks, print their tables, and write the tables and figures to files.

Each module named in BENCHMARKS has a `run(preset)`, which returns BenchmarkReports; some also have a `draw(report)`.
"""

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from time import perf_counter

from benchmarks.measure import machine
from benchmarks.report import write_report
from overtraining.figures.style import styled
from overtraining.simulations.double_precision import double_precision

BENCHMARKS = ("answered", "noise_grid", "matrix", "growth", "runs", "sweeps")
ONLY_BY_NAME = (
    "builds",
    "damage",
    "derivation_mutants",
    "evaluations",
    "imports",
    "kills",
    "memory",
    "stops",
    "page",
)  # a quarter of an hour each; the last one needs a browser


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    names = f"{', '.join(BENCHMARKS)} (the default: all of these); {', '.join(ONLY_BY_NAME)} (only by name)"
    parser.add_argument("names", nargs="*", metavar="NAME", help=names)
    preset = "tiny takes seconds and tests only that the benchmarks run"
    parser.add_argument("--preset", choices=("full", "tiny"), default="full", help=preset)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder to write to")
    options = parser.parse_args(arguments)
    known = (*BENCHMARKS, *ONLY_BY_NAME)
    if unknown := set(options.names) - set(known):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    here = machine()
    for name in options.names or BENCHMARKS:
        print(f"{name} …", flush=True)
        start, module = perf_counter(), import_module(f"benchmarks.{name}")
        with double_precision():
            reports = list(module.run(options.preset))
        for report in reports:
            write_report(report, here, options.out)
            if hasattr(module, "draw"):
                with styled():
                    module.draw(report).savefig(options.out / f"{report.name}.png", metadata={"Software": None})
            print(f"\n{report.text()}\n", flush=True)
        print(f"{name}: {perf_counter() - start:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
