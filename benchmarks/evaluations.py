"""The processor seconds until a folder of evaluations is answered, in units of the time that it takes to read it."""

import json
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.imports import processor_seconds
from benchmarks.measure import BenchmarkPreset
from benchmarks.report import BenchmarkReport

FILES, MEASURES = 27, 150
ONE_THREAD = "import os; os.environ['OPENBLAS_NUM_THREADS'] = '1'; "


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """Read a folder, and analyse it with as many threads of linear algebra as there are cores, and with one."""
    rounds, measures = (5, MEASURES) if preset == "full" else (1, 2)
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder), measures)
        imports = "from pathlib import Path; from overtraining.figures.llm.readers import read"
        read = f"{imports}; t = read([Path({folder!r})]).table"
        report = f"{read}; from overtraining.figures.llm.report import checkpoint_report; checkpoint_report(t)"
        programs = {"read": read, "read and answer": report, "the same, one thread": ONE_THREAD + report}
        seconds = np.array([[processor_seconds(program) for program in programs.values()] for _ in range(rounds)])
    ratios = np.median(seconds / seconds[:, :1], axis=0)
    rows = [
        {"what": name, "seconds": float(least), "times reading": float(ratio)}
        for name, least, ratio in zip(programs, seconds.min(axis=0), ratios, strict=True)
    ]
    remark = "Processor seconds of new processes, imports included; the least, and the median of ratios within a round."
    title = f"{FILES} files of lm-evaluation-harness with {measures} measures, {rounds} round(s)"
    return [BenchmarkReport("evaluations", title, rows, [remark])]


def write_folder(folder: Path, measures: int) -> None:
    """Results of one model at 27 checkpoints, with accuracies that rise and scatter by their standard errors."""
    rng = np.random.default_rng(0)
    for i, step in enumerate(np.geomspace(512, 143_000, FILES).astype(int)):
        accuracy = 0.3 + 0.3 * i / FILES + 0.01 * rng.standard_normal(measures)
        results = {f"task{k}": {"acc,none": a, "acc_stderr,none": 0.01} for k, a in enumerate(accuracy.tolist())}
        config = {"model": "hf", "model_args": f"pretrained=m,revision=step{step}"}
        (folder / f"results_{step}.json").write_text(json.dumps({"results": results, "config": config}))
