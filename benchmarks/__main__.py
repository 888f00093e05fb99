"""`python -m benchmarks`: run benchmarks, print their tables, write them with their figures.

The modules named in BENCHMARKS each have `run(preset)`, which returns BenchmarkReports, and some a `draw(report)`.
"""

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from time import perf_counter

from benchmarks.measure import machine
from benchmarks.report import write_report
from overtraining.figures.style import styled

BENCHMARKS = ("noise_grid", "matrix", "growth", "runs", "sweeps")
BY_NAME = ("kills", "page")  # a quarter of an hour, and one that needs a browser: only where they are asked for


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    names = f"{', '.join(BENCHMARKS)}; all of these without any; and {', '.join(BY_NAME)}"
    parser.add_argument("names", nargs="*", metavar="NAME", help=names)
    parser.add_argument("--preset", choices=("full", "tiny"), default="full", help="tiny takes seconds, to no purpose")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder to write to")
    given = parser.parse_args(arguments)
    known = (*BENCHMARKS, *BY_NAME)
    if unknown := set(given.names) - set(known):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    where = machine()
    for name in given.names or BENCHMARKS:
        print(f"{name} …", flush=True)
        start, module = perf_counter(), import_module(f"benchmarks.{name}")
        for report in module.run(given.preset):
            write_report(report, where, given.out)
            if hasattr(module, "draw"):
                with styled():
                    module.draw(report).savefig(given.out / f"{report.name}.png", metadata={"Software": None})
            print(f"\n{report.text()}\n", flush=True)
        print(f"{name}: {perf_counter() - start:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
