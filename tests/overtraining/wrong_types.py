"""Calls of the front end with what is of no kind that they take; prints, as JSON, those that are not refused by name.

A program of its own, since the type checks of the tests would refuse before the package does.
"""

from collections.abc import Callable
from json import dumps
from typing import Any

import numpy as np
import xarray as xr

import overtraining as ot

WRONG: dict[str, Any] = {
    "a number": 1,
    "a fraction": 1.5,
    "a text": "x",
    "nothing": None,
    "bytes": b"x",
    "an empty list": [],
    "a mapping": {"a": 1},
    "texts": [1, "a"],
    "ragged": [[1], [2, 3]],
    "three axes": np.zeros((2, 2, 2)),
    "complex": np.array([1j]),
    "an object": object(),
    "a class": int,
    "a function": len,
    "an empty Dataset": xr.Dataset(),
    "a set": {1},
}
TEACHER, X = ot.PowerLaw(modes=3), np.eye(3)
PROTOCOL = ot.Protocol(TEACHER, (0, 1), (0.1,))
SAVED = {0: ot.Weights(X, X)}
CALLS: dict[str, Callable[[Any], Any]] = {
    "plot": ot.plot,
    "plot, second": lambda wrong: ot.plot(ot.theory.respond(PROTOCOL), wrong),
    "show": ot.show,
    "sensitivity": ot.sensitivity,
    "inflection_point": ot.inflection_point,
    "validate": ot.validate,
    "read": ot.read,
    "write": ot.write,
    "teacher": ot.teacher,
    "from_data": lambda wrong: ot.from_data(wrong, wrong),
    "from_data, X": lambda wrong: ot.from_data(wrong, X),
    "from_data, Y": lambda wrong: ot.from_data(X, wrong),
    "Protocol": lambda wrong: ot.Protocol(wrong, (0, 1)),
    "FineTuning": ot.FineTuning,
    "theory.respond": ot.theory.respond,
    "theory.follow": ot.theory.follow,
    "respond_at": lambda wrong: ot.theory.respond_at(wrong, TEACHER, (0.1,)),
    "respond_at, teacher": lambda wrong: ot.theory.respond_at(SAVED, wrong, (0.1,)),
    "simulations.respond": lambda wrong: ot.simulations.respond(wrong, key=0),
    "simulations.follow": lambda wrong: ot.simulations.follow(wrong, key=0),
    "pretrained": lambda wrong: ot.simulations.pretrained(wrong, key=0),
    "figures.make": ot.figures.make,
    "figures.make, changes": lambda wrong: ot.figures.make("rates", wrong),
    "figures.make, title": lambda wrong: ot.figures.make("rates", title=wrong, size=0),  # a title may be a text
    "figures.make, style": lambda wrong: ot.figures.make("rates", style=wrong),
    "figures.make, preset": lambda wrong: ot.figures.make("rates", preset=wrong),
    "pretrained, seed_index": lambda wrong: ot.simulations.pretrained(PROTOCOL, key=0, seed_index=wrong),
}
FITS = {
    ("pretrained, seed_index", "a number"),
    ("figures.make, changes", "nothing"),
    ("figures.make, changes", "an empty Dataset"),  # it is a mapping
}


def faults() -> list[str]:
    """What is answered, raises something else than a Refusal, or does not say what to pass instead."""
    found = []
    for call, function in CALLS.items():
        for kind, wrong in WRONG.items():
            if (call, kind) in FITS:
                continue
            try:
                function(wrong)
                found.append(f"{call} takes {kind}")
            except ot.Refusal as refusal:
                if not refusal.instead:
                    found.append(f"{call} of {kind}: {refusal}")
            except Exception as error:
                found.append(f"{call} of {kind}: {type(error).__name__}: {error}")
    return found


if __name__ == "__main__":
    print(dumps({"calls": len(CALLS) * len(WRONG), "faults": faults()}))
