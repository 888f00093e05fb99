"""A protocol is resolved once: few calls go from one of our modules into another, and none computes a frame twice."""

import json
import subprocess
import sys

import pytest

COUNTER = """
import json, sys
import overtraining as ot
from overtraining.theory.solvers.exact import respond

def owner(frame):
    while frame is not None and not frame.f_globals.get("__name__", "").startswith("overtraining"):
        frame = frame.f_back  # libraries call our functions too: the nearest module of ours is the caller
    return "" if frame is None else frame.f_globals["__name__"]

TURNS = {"overtraining.theory.solvers.turns", "overtraining.setting.turns"}

def for_turns(frame):
    while frame is not None:
        if frame.f_globals.get("__name__") in TURNS:
            return True
        frame = frame.f_back
    return False

def crossings(answer):
    answer()  # imports
    calls = []
    def note(frame, event, _):
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("overtraining"):
            caller = owner(frame.f_back)
            if caller and caller != module and not for_turns(frame):
                calls.append((caller, module, frame.f_code.co_name))
    sys.setprofile(note)
    try:
        answer()
    finally:
        sys.setprofile(None)
    return calls

def noise():
    respond(ot.Protocol(ot.PowerLaw(4), (0, 1, 10), (0.1, 0.2), perturbation=ot.Noise()))

def fine_tuning():
    perturbation = ot.FineTuning(ot.RotatedTeacher(0.5))
    respond(ot.Protocol(ot.PowerLaw(4), (0, 10), (0.1,), start=ot.Aligned(), perturbation=perturbation))

print(json.dumps({answer.__name__: crossings(answer) for answer in (noise, fine_tuning)}))
"""


@pytest.fixture(scope="module")
def calls() -> dict[str, list[list[str]]]:
    """The calls between modules, counted in a process of its own without the run-time type checks of the tests."""
    done = subprocess.run([sys.executable, "-c", COUNTER], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(("protocol", "before"), [("noise", 170), ("fine_tuning", 251)])
def test_calls_between_modules_are_at_most_half_of_what_they_were(
    calls: dict[str, list[list[str]]], protocol: str, before: int
) -> None:
    """Before protocols were resolved once, the noise took 170 calls and the rotated task 251.

    The turns, for which the path is computed at further lengths, came later, and do not count.
    """
    assert len(calls[protocol]) <= before / 2


@pytest.mark.parametrize("protocol", ["noise", "fine_tuning"])
def test_nothing_is_resolved_twice(calls: dict[str, list[list[str]]], protocol: str) -> None:
    once = {
        "singular_values", "singular_frames", "completed_frames", "matrix_in_frames", "rotated_matrix",
        "covariance_in_axes", "own_axes", "variances",
    }  # fmt: skip
    resolved = "overtraining.setting.resolved"
    computed = [(caller, name) for caller, module, name in calls[protocol] if name in once and module != resolved]
    assert len(computed) == len(set(computed)) > 0
    assert {caller for caller, _ in computed} == {resolved}
