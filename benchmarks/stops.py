"""Stop every command by SIGINT, SIGTERM and SIGKILL at five moments: how soon it ends, how, and what still runs."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.kills import SWEEP
from benchmarks.measure import BenchmarkPreset
from benchmarks.report import BenchmarkReport

COMMANDS = {
    "figures": "figures --out {out}",
    "check": "check",
    "check alone": "check --processes 1",
    "check --mutate": "check --mutate",
    "simulate": "simulate --all --out {out}",
    "sweep": "sweep {spec} --out {out}",
    "sweep, 2 workers": "sweep {spec} --out {out} --workers 2",
    "llm": "llm {results} --errors scatter --out {out}",
    "demo": "demo --no-open",
    "page": "page --out {out}/page.html",
}
"""Commands that take long enough to be stopped."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
MOMENTS = (0.05, 0.2, 0.7, 2.0, 6.0)
"""Processor seconds that the command and its processes have used; the first ones pass while modules are imported."""

QUICK = {"page": (0.05, 0.2, 0.5, 0.7, 0.9)}
"""Moments of commands that take about a second in all."""

LONGEST = 20.0
"""Seconds after which the signal is sent in any case: the server of the lessons waits."""

ALLOWED = 2.0
"""Seconds in which a command has to end, and everything that it started."""

PATIENCE = 60.0
"""Seconds after which a command that has not ended is killed."""


@dataclass(frozen=True)
class Stopped:
    """What a command did after a signal.

    ended: whether it was done before the signal.
    seconds: until it ended.
    code: its exit code, as a shell tells it.
    left: processes that it started and that still ran ALLOWED seconds after its end.
    sentence: whether it told what is kept.
    traceback: whether it showed one.
    """

    command: str
    signal: str
    moment: float
    ended: bool
    seconds: float
    code: int
    left: int
    sentence: bool
    traceback: bool


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """Stop every command by every signal at every moment."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in what a shell starts in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    commands = list(COMMANDS) if preset == "full" else list(QUICK)
    stops = [
        stop(name, number, moment)
        for name in commands
        for number in SIGNALS
        for moment in QUICK.get(name, MOMENTS)[: None if preset == "full" else 1]
    ]
    rows = [
        _row(name, number.name, [s for s in stops if (s.command, s.signal) == (name, number.name)])
        for name in commands
        for number in SIGNALS
    ]
    moments = ", ".join(f"{moment:g}" for moment in MOMENTS)
    remarks = [
        f"Signals after {moments} seconds of processor time. stopped, ended: how many commands it found, and how "
        "many were done before. seconds: the longest that one of them took to end. left: the most processes that ran "
        f"{ALLOWED:g} s later."
    ]
    return [BenchmarkReport("stops", "Commands stopped by signals", rows, remarks, [asdict(s) for s in stops])]


def stop(name: str, number: signal.Signals, moment: float) -> Stopped:
    """Start the command, send it the signal at this moment (SIGINT to its group, as a terminal does), and watch."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "overtraining", *_arguments(name, Path(folder))]
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, text=True, start_new_session=True, **pipes) as process:  # type: ignore[call-overload]
            end = time.monotonic() + LONGEST
            while process.poll() is None and processor_seconds(process.pid) < moment and time.monotonic() < end:
                time.sleep(0.03)
            if not (ended := process.poll() is not None):
                (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
            began = time.monotonic()
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            seconds = time.monotonic() - began
            left = still_running(process.pid)
            for survivor in [process.pid, *left]:  # they hold the pipe
                with suppress(ProcessLookupError):
                    os.kill(survivor, signal.SIGKILL)
            said = process.stderr.read()
        code = process.returncode if process.returncode >= 0 else 128 - process.returncode
        told = sum(line.startswith("overtraining: stopped") for line in said.splitlines()) == 1
        traces = "Traceback" in said or "Exception ignored" in said
    return Stopped(name, number.name, moment, ended, round(seconds, 2), code, len(left), told, traces)


def _arguments(name: str, folder: Path) -> list[str]:
    spec, results, out = folder / "sweep.toml", folder / "results.csv", folder / "out"
    out.mkdir()
    spec.write_text(SWEEP.replace("LAST", "99"))
    lines = [f"m,{task},acc,{step},{0.5 + 0.001 * (step * task % 7)}" for task in range(9) for step in range(1, 100)]
    results.write_text("\n".join(["model,task,metric,step,value", *lines]) + "\n")
    return COMMANDS[name].format(spec=spec, results=results, out=out).split()


def still_running(session: int) -> list[int]:
    """The processes of a session that run after ALLOWED seconds (Linux); none as soon as all are gone."""
    end = time.monotonic() + ALLOWED
    while (alive := list(_session(session))) and time.monotonic() < end:
        time.sleep(0.02)
    return alive


def processor_seconds(session: int) -> float:
    """Processor time of all processes of a session (Linux)."""
    return sum(_session(session).values())


def _session(session: int) -> dict[int, float]:
    """The processes of a session that are not dead, and the seconds of processor time of each."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()  # from the third field of proc(5) on
            if int(fields[3]) == session and fields[0] != "Z":
                found[int(folder.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def _row(name: str, number: str, stops: list[Stopped]) -> dict[str, object]:
    stopped = [s for s in stops if not s.ended]
    return {
        "command": name,
        "signal": number,
        "stopped": len(stopped),
        "ended": len(stops) - len(stopped),
        "seconds": max((s.seconds for s in stopped), default=0.0),
        "codes": ", ".join(sorted({str(s.code) for s in stopped})),
        "left": max((s.left for s in stops), default=0),
        "sentences": sum(s.sentence for s in stopped),
        "tracebacks": sum(s.traceback for s in stopped),
    }
