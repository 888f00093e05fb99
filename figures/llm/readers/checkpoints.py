"""Find the checkpoint in a name: `step3000`, `checkpoint-3000`, `stage1-step1000-tokens4B`."""

import re
from dataclasses import dataclass

from overtraining.figures.llm.tidy import UNKNOWN

_CHECKPOINT = re.compile(
    r"(?<![a-z])(?:stage\d+[-_])?(?:global_?step|steps?|checkpoint|ckpt|iter)[-_=]?(\d{1,15})(?!\d)"
    r"(?:[-_]tokens[-_]?(\d{1,15}(?:\.\d{1,6})?)([KMBT]))?(?:[-_](?:unsharded|hf))*",
    re.IGNORECASE | re.ASCII,
)
_SCALE = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


@dataclass(frozen=True)
class Checkpoint:
    """A name without its checkpoint, and the checkpoint's step and tokens as far as the name contains them."""

    name: str
    step: float = UNKNOWN
    tokens: float = UNKNOWN

    @property
    def known(self) -> bool:
        """Whether the name contains a step."""
        return self.step == self.step  # not NaN


def checkpoint(name: str) -> Checkpoint:
    """The last checkpoint named in a path, revision or file name.

    >>> checkpoint("runs/my-1b/step1000-tokens4B")
    Checkpoint(name='runs/my-1b', step=1000.0, tokens=4000000000.0)
    >>> checkpoint("pythia-1.4b").known
    False
    """
    *_, last = (None, *_CHECKPOINT.finditer(name))
    if last is None:
        return Checkpoint(name)
    without = (name[: last.start()] + name[last.end() :]).strip("-_/. ")
    tokens = float(last[2]) * _SCALE[last[3].upper()] if last[2] else UNKNOWN
    return Checkpoint(without, float(last[1]), tokens)
