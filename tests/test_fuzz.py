"""Mutants of what comes from outside: a protocol, a sweep, an array; each is read or refused, and nothing else happens.

300 mutants of each by default; as many as the variable OVERTRAINING_MUTANTS says under `make fuzz`. Those of result
files are in `tests/figures/llm/readers/test_fuzz.py`.
"""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from overtraining.setting.errors import Refusal
from overtraining.setting.serialization import read
from overtraining.setting.teachers import teacher
from overtraining.simulations.sweeps.cells import Grid
from overtraining.simulations.sweeps.spec import load_sweep, shipped_sweeps

MUTANTS = int(os.environ.get("OVERTRAINING_MUTANTS", "300"))
TOKENS = (
    *(b"nan", b"NaN", b"-1", b"1e999", b"0x7f", b"null", b"true", b"1979-05-27", b"10000000000000", b"9" * 400),
    *(b"{", b"}", b"[", b"]", b"(", b",)", b'"', b"'", b",", b":", b".", b"=", b"\n", b"\x00", b"\xff"),
    *(b'{"a":' * 40, b"[" * 40, b"a." * 40, b'"kind"', b"Matrix", b"<U9", b"|O"),
)
PROTOCOL = b"""{"teacher": {"kind": "PowerLaw", "modes": 2}, "lengths": [0, 4], "strengths": [0.1],
"network": {"d_in": 3, "h": 2, "d_out": 2, "depth": 2, "bias": false}, "start": {"kind": "Balanced", "angle": 0.2},
"perturbation": {"kind": "FineTuning", "task": {"kind": "Matrix", "entries": [[1, 0, 0], [0, 2, 0]]}, "rank": 1}}"""


def array() -> bytes:
    """The bytes of a `.npy` file."""
    with io.BytesIO() as file:
        np.save(file, np.arange(6.0).reshape(2, 3))
        return file.getvalue()


def read_sweep(path: Path) -> None:
    """The sweep with the values of its axes, each checked by itself."""
    Grid(load_sweep(path))


FORMS: dict[str, tuple[Callable[[], bytes], Callable[[Path], Any]]] = {
    "protocol.json": (lambda: PROTOCOL, lambda path: read(path.read_text(encoding="utf-8", errors="surrogateescape"))),
    "sweep.toml": (shipped_sweeps()["noise-against-length"].read_bytes, read_sweep),
    "teacher.npy": (array, teacher),
}


def mutant(draw: np.random.Generator, data: bytes) -> bytes:
    """The bytes after one to three small changes."""
    for _ in range(draw.integers(1, 4)):
        i, j = sorted(int(x) for x in draw.integers(0, len(data) + 1, 2))
        j = min(j, i + 40)
        token = TOKENS[draw.integers(len(TOKENS))]
        data = (
            data[:i] + bytes([draw.integers(256)]) + data[i + 1 :],
            data[:i] + data[j:],
            data[:j] + data[i:],
            data[:i] + token + data[i:],
            data[:i] + token + data[j:],
            data[:i],
        )[draw.choice(6, p=(0.2, 0.2, 0.15, 0.2, 0.2, 0.05))]
    return data


@pytest.mark.parametrize("form", FORMS)
def test_mutants(tmp_path: Path, form: str) -> None:
    original, entry = FORMS[form]
    draw, path, refused = np.random.default_rng(0), tmp_path / form, 0
    path.write_bytes(original())
    entry(path)
    for _ in range(MUTANTS):
        data = mutant(draw, original())
        path.write_bytes(data)
        try:
            entry(path)
        except Refusal:
            refused += 1
        except Exception as error:
            error.add_note(f"mutant of {form}: {data[:3000]!r}")
            raise
    assert 0 < refused < MUTANTS  # some are read, some are not
