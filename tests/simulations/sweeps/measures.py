"""Measures for the tests of sweeps: quick, without JAX, and misbehaving where a teacher's exponent asks for it."""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from overtraining.setting.errors import DomainError
from overtraining.setting.protocol import Protocol
from overtraining.setting.serialization import write
from overtraining.simulations.sweeps.measures import Measure, one_by_one

RAISES, DIES, NAN, REFUSES, HANGS = 13.0, 14.0, 15.0, 16.0, 17.0


def measured(protocol: Protocol, key: int) -> dict[str, np.ndarray]:
    """Numbers that depend on every part of the protocol that the tests vary, and on the key."""
    time.sleep(float(os.environ.get("PAUSE_PER_CELL", "0")))
    match getattr(protocol.teacher, "alpha", 1.0):
        case 13.0:
            raise RuntimeError("this cell always raises")
        case 14.0:
            os.kill(os.getpid(), signal.SIGKILL)
        case 15.0:
            return {"before": np.array([np.nan] * 2), "after": np.zeros((2, 1))}
        case 16.0:
            raise DomainError("alpha = 16", "this cell is refused", "pass another")
        case 17.0 if "HANGS_AT" in os.environ:
            Path(os.environ["HANGS_AT"]).touch()
            signal.pause()
    before = np.random.default_rng(key).standard_normal(len(protocol.lengths)) ** 2 + protocol.start.epsilon
    return {"before": before, "after": before[:, None] + np.array(protocol.strengths)}


def as_dataset(protocol: Protocol, key: int, values: Mapping[str, np.ndarray]):  # type: ignore[no-untyped-def]
    """The Response of a cell. Xarray is imported here, since workers need none."""
    from overtraining.setting.responses import response

    dims = {"before": ("pretraining",), "after": ("pretraining", "strength")}
    return response(
        {name: (dims[name], array) for name, array in values.items()},
        {"pretraining": list(protocol.lengths), "strength": list(protocol.strengths)},
        method="simulation",
        source="a test",
        perturbation="none",
        model="none",
        extra={"key": str(key), "protocol": write(protocol)},
    )


QUICK = Measure(one_by_one(measured), as_dataset, program=lambda protocol: protocol.network)
