"""The seconds until Python has imported the package and made its first objects, in units of NumPy's import."""

import subprocess
import sys

import numpy as np

from benchmarks.measure import BenchmarkPreset
from benchmarks.report import BenchmarkReport

PROTOCOL = "ot.Protocol(ot.PowerLaw(4), lengths=(0, 10), strengths=(0.1,))"
PROGRAMS = {
    "import numpy": "import numpy",
    "import overtraining as ot": "import overtraining as ot",
    "the first Protocol": f"import overtraining as ot; {PROTOCOL}",
    "the first ot.theory.respond": f"import overtraining as ot; ot.theory.respond({PROTOCOL})",
    "import matplotlib.pyplot": "import matplotlib.pyplot",
    "the first ot.plot": f"import overtraining as ot; ot.plot(ot.theory.respond({PROTOCOL}))",
    "import jax": "import jax",
}
NUMPY = next(iter(PROGRAMS))
ROUNDS = 15


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """Time every program in a process of its own, all of them once in every round."""
    rounds = ROUNDS if preset == "full" else 1
    seconds = np.array([[processor_seconds(program) for program in PROGRAMS.values()] for _ in range(rounds)])
    ratios = np.median(seconds / seconds[:, :1], axis=0)
    rows = [
        {"what": name, "seconds": float(least), f"times {NUMPY}": float(ratio)}
        for name, least, ratio in zip(PROGRAMS, seconds.min(axis=0), ratios, strict=True)
    ]
    remark = (
        "Processor seconds without the start of Python; the least of all rounds, and the median of the ratios within "
        "each round. Compiled modules are kept from the first start."
    )
    return [BenchmarkReport("imports", f"From a fresh Python, {rounds} rounds", rows, [remark])]


def processor_seconds(program: str) -> float:
    """Processor seconds that a program takes in a fresh Python, whose own start is not counted."""
    timed = f"import time; begun = time.process_time(); {program}; print(time.process_time() - begun)"
    ran = subprocess.run([sys.executable, "-c", timed], stdout=subprocess.PIPE, text=True, check=True)
    return float(ran.stdout)
