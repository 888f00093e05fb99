"""The format of a finished chunk: its outcome as bytes and back. `store.Store.write` writes the file."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np

from overtraining.setting.errors import Refusal
from overtraining.simulations.sweeps.worker import ChunkOutcome

SUFFIX = ".npz"


class Damaged(Refusal):
    """A file of a store that is not what was written."""


def encode(outcome: ChunkOutcome, recipe: str, chunk: int) -> bytes:
    """The bytes of a chunk's outcome; `recipe` is the fingerprint of the sweep's recipe."""
    about = {
        "recipe": recipe,
        "chunk": chunk,
        "refused": {str(lane): why for lane, why in sorted(outcome.refused.items())},
        "crashed": {str(lane): why for lane, why in sorted(outcome.crashed.items())},
        "processor": outcome.processor,
    }
    arrays = {f"value {name}": array for name, array in outcome.values.items()}
    arrays |= {"done": np.array(outcome.done, np.int64), "keys": np.array(outcome.keys, np.int64)}
    buffer = io.BytesIO()
    np.savez(buffer, about=np.array(json.dumps(about, ensure_ascii=False)), **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def file_name(chunk: int, content: bytes) -> str:
    """The name of a chunk's file, number and checksum: one rename makes both true at once.

    >>> file_name(12, b"")
    '0000012.e3b0c44298fc1c149afbf4c8996fb924.npz'
    """
    return f"{chunk:07d}.{hashlib.sha256(content).hexdigest()[:32]}{SUFFIX}"


def chunk_number(path: Path) -> int | None:
    """The number of the chunk in a file, from its name; None for other files."""
    head = path.name.partition(".")[0]
    return int(head) if head.isdecimal() else None


def decode(path: Path, recipe: str) -> ChunkOutcome:
    """The outcome in a file; Damaged where the bytes are not those that were written, or belong to another sweep."""
    content, chunk = path.read_bytes(), chunk_number(path)
    if chunk is None or path.name != file_name(chunk, content):
        raise Damaged(f"chunk {path}", "its checksum is not that of its name, it is damaged", "compute it again")
    try:
        mark, outcome = _parse(content)
    except Exception as error:  # a name with the right checksum can be given to any bytes, and NumPy raises anything
        raise Damaged(f"chunk {path}", f"it is no chunk ({type(error).__name__})", "compute it again") from error
    if mark != (recipe, chunk):
        raise Damaged(f"chunk {path}", "it is another chunk or another sweep's", "compute it again")
    return outcome


def _parse(content: bytes) -> tuple[tuple[str, int], ChunkOutcome]:
    """The recipe and the number of a chunk, and its outcome."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        about = json.loads(str(arrays["about"]))
        return (about["recipe"], about["chunk"]), ChunkOutcome(
            done=tuple(arrays["done"].tolist()),
            keys=tuple(arrays["keys"].tolist()),
            values={n.removeprefix("value "): arrays[n] for n in arrays.files if n.startswith("value ")},
            refused={int(lane): why for lane, why in about["refused"].items()},
            crashed={int(lane): why for lane, why in about["crashed"].items()},
            processor=about["processor"],
        )
