"""Signals stop every command with a sentence, and SIGKILL leaves no process (at five moments: `benchmarks stops`)."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.stops import ALLOWED, COMMANDS, Stopped, stop

SENTENCE = "overtraining: stopped; files that are complete are kept, and nothing else\n"

LONG = 1000.0
"""Seconds of patience with which a program ends by the exception or a second signal alone."""

BEGIN = """
import gc, os, signal, sys, time
from overtraining.commands import stopping
from overtraining.commands.stopping import goes_on, stoppable
with stoppable():
"""


def end_of(code: str, *signals: tuple[float, int], patience: float = LONG) -> tuple[int, str, float]:
    """Exit code, what is said, and seconds since the first signal, of a program that prints a line when it is ready.

    A signal with a delay comes that many seconds after the program's next line: a busy machine may start it late.
    """
    command = [sys.executable, "-W", "error", "-c", f"{BEGIN}    stopping.PATIENCE = {patience}\n{code}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        began = time.monotonic()
        for delay, number in signals:
            if delay:
                process.stdout.readline()
                time.sleep(delay)
            process.send_signal(number)
        try:
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, said, time.monotonic() - began


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_a_callback_discards_is_raised_again(number: int, code: int) -> None:
    """As in JAX's callback at a collection of garbage, whose exceptions Python prints and forgets."""
    program = f"""
    def callback(phase, info):
        gc.callbacks.clear()
        signal.raise_signal({number})
        time.sleep(0.01)
    gc.callbacks.append(callback)
    gc.collect()
    print("forgotten", flush=True)
    time.sleep(60)
"""
    ended, said, _ = end_of(program)
    assert (ended, said) == (code, SENTENCE)


def test_an_import_is_finished_first(tmp_path: Path) -> None:
    """Half of an import is turned into another error by NumPy, for instance, which prints a traceback besides."""
    (tmp_path / "slow.py").write_text(
        "import signal, time\nsignal.raise_signal(signal.SIGTERM)\n"
        "try:\n    time.sleep(0.1)\nexcept BaseException:\n    raise ImportError('half') from None\n"
    )
    program = f"""
    sys.path.insert(0, {str(tmp_path)!r})
    try:
        import slow
    except ImportError:
        print("half of an import", file=sys.stderr)
    time.sleep(60)
"""
    ended, said, _ = end_of(program)
    assert (ended, said) == (143, SENTENCE)


def test_what_is_unfinished_is_cleaned_up_and_what_is_kept_is_told(tmp_path: Path) -> None:
    program = f"""
    from pathlib import Path
    from overtraining.runtime.atomic_files import atomic_write
    with goes_on("there"), atomic_write(Path({str(tmp_path / "result")!r})) as temporary:
        temporary.write_text("half")
        print("ready", flush=True)
        time.sleep(60)
"""
    ended, said, _ = end_of(program, (0.0, signal.SIGTERM))
    assert (ended, said) == (
        143,
        "overtraining: stopped; there keeps what is finished, and the same command continues from it\n",
    )
    assert not list(tmp_path.iterdir())


DEAF = """
    while True:
        try:  # already when it says that it is ready: a signal may come at once
            print("ready", flush=True)
            time.sleep(60)
        except BaseException:
            print("told", flush=True)
"""


def test_what_does_not_listen_is_ended() -> None:
    together = [(0.0, number) for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT)]
    ended, said, seconds = end_of(DEAF, *together, patience=0.8)
    assert (ended, said) == (130, SENTENCE)
    assert seconds > 0.7  # and not at the second signal, which came with the first


def test_a_second_signal_ends_it_at_once() -> None:
    ended, said, _ = end_of(DEAF, (0.0, signal.SIGINT), (0.5, signal.SIGINT))
    assert (ended, said) == (130, SENTENCE)


def test_an_ignored_signal_stays_ignored() -> None:
    """As for what a shell starts in the background, or under `nohup`."""
    code = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + BEGIN
    code += "    signal.raise_signal(signal.SIGINT)\nassert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL"
    subprocess.run([sys.executable, "-c", code], check=True)


Stops = dict[tuple[str, signal.Signals], Future[Stopped]]
TESTED = tuple(name for name in COMMANDS if name not in ("check alone", "sweep"))  # with two processes it is the same
ALONE = ("llm", "demo", "page")
"""Commands that start no process."""


@pytest.fixture(scope="module")
def stops() -> Iterator[Stops]:
    """Every command, stopped while it imports and while it works; a few at a time, since they take turns in waiting."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("finds processes through /proc")
    with ThreadPoolExecutor(4) as pool:
        yield {
            (name, number): pool.submit(stop, name, number, 0.2 if number == signal.SIGINT else later)
            for name, later in (dict.fromkeys(TESTED, 1.2) | {"page": 0.7}).items()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
            if number != signal.SIGKILL or name not in ALONE
        }


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("name", TESTED)
def test_every_command_stops(stops: Stops, name: str, number: signal.Signals, code: int) -> None:
    stopped = stops[name, number].result()
    assert not stopped.ended
    assert (stopped.code, stopped.left, stopped.sentence, stopped.traceback) == (code, 0, True, False)


@pytest.mark.parametrize("name", [name for name in TESTED if name not in ALONE])
def test_no_process_outlives_a_killed_command(stops: Stops, name: str) -> None:
    stopped = stops[name, signal.SIGKILL].result()
    assert (stopped.ended, stopped.code) == (False, 137)
    assert stopped.left == 0, f"after {ALLOWED} s"
