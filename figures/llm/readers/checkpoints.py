"""Find the checkpoint in a name: `step3000`, `checkpoint-3000`, `stage1-step1000-tokens4B`, `step-50k-104b`."""

import re
from dataclasses import dataclass

from overtraining.figures.llm.tidy import UNKNOWN

_NUMBER = r"\d{1,15}(?:,\d{3}){0,4}(?:\.\d{1,6})?"
_END = r"(?![a-z0-9])"
_STEP = re.compile(
    r"(?<![a-z])(?:stage(?P<stage>\d{1,3})[-_](?:ingredient(?P<ingredient>\d{1,3})[-_])?)?(?:ep\d{1,9}[-_])?"
    r"(?P<word>(?:global[-_]?)?steps?|checkpoint|ckpt|iter(?:ation)?s?|ba|batch|epochs?)[-_=]?"
    rf"(?P<step>{_NUMBER})(?P<scale>[km])?{_END}"
    rf"(?:[-_]tokens?[-_=]?(?P<tokens>{_NUMBER})(?P<tokens_scale>[kmbt])?t?{_END}"
    rf"|[-_](?P<bare>{_NUMBER})(?P<bare_scale>[bt])(?(scale)t?|t){_END})?"  # `-7b` alone is a size
    r"(?:[-_](?:unsharded|hf))*",
    re.IGNORECASE | re.ASCII,
)
_TOKENS = re.compile(
    rf"(?<![a-z])tokens?[-_=]?(?P<tokens>{_NUMBER})(?P<scale>[kmbt])?t?{_END}"
    rf"|(?<![a-z0-9.])(?<!sample[-_])(?P<bare>{_NUMBER})(?P<bare_scale>[bt])t{_END}",  # sample-10BT is a data set
    re.IGNORECASE | re.ASCII,
)
_SEPARATORS = ("-", "_", ".")
_SCALE = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_WHOLE = re.compile(rf"({_NUMBER})([kmbt])?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Checkpoint:
    """A name without its checkpoint, and the checkpoint's step and tokens as far as the name contains them.

    stage: a stage of training after the first, which counts its steps from 0 again.  epochs: whether the step counts
    epochs.  places: the parts of the name that may be the checkpoint, where they contradict each other.
    """

    name: str
    step: float = UNKNOWN
    tokens: float = UNKNOWN
    stage: str = ""
    epochs: bool = False
    places: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether the name contains a step or a number of tokens."""
        return self.step == self.step or self.tokens == self.tokens  # not NaN


def checkpoint(name: str) -> Checkpoint:
    """The checkpoint that is named in a path, revision or file name.

    >>> checkpoint("runs/my-1b/step1000-tokens4B")
    Checkpoint(name='runs/my-1b', step=1000.0, tokens=4000000000.0, stage='', epochs=False, places=())
    >>> checkpoint("m-intermediate-step-50k-104b").tokens, checkpoint("step8,000").step
    (104000000000.0, 8000.0)
    >>> checkpoint("sft-on-step8000/checkpoint-500").places
    ('step8000', 'checkpoint-500')
    >>> checkpoint("pythia-1.4b").known
    False
    """
    found = list(_STEP.finditer(name))
    counted = [match for match in found if not match["word"].lower().startswith("epoch")] or found
    if not found:
        return _tokens_alone(name)
    last = counted[-1]
    tokens = UNKNOWN
    if last["tokens"]:
        tokens = _number(last["tokens"], last["tokens_scale"])
    elif last["bare"]:
        tokens = _number(last["bare"], last["bare_scale"])
    places = dict.fromkeys(match[0].strip("-_") for match in counted)
    differ = len({_number(match["step"], match["scale"]) for match in counted}) > 1
    stage = int(last["stage"] or 1)
    return Checkpoint(
        _without(name, found),
        _number(last["step"], last["scale"]),
        tokens,
        "" if stage < 2 else f"stage{stage}" + (f"-ingredient{last['ingredient']}" if last["ingredient"] else ""),
        counted is found and last["word"].lower().startswith("epoch"),
        tuple(places) if differ else (),
    )


def marked_checkpoint(name: str, pattern: re.Pattern[str]) -> Checkpoint | None:
    """The number in the first group of a pattern of the user's, which in the name becomes `*`; None if it is not there.

    >>> marked_checkpoint("sft-on-step8k/checkpoint-500", re.compile(r"sft-on-step(\\w+)"))
    Checkpoint(name='sft-on-step*/checkpoint-500', step=8000.0, tokens=nan, stage='', epochs=False, places=())
    """
    match = pattern.search(name)
    number = _WHOLE.fullmatch(match[1] or "") if match else None
    if not match or not number:
        return None
    return Checkpoint(name[: match.start(1)] + "*" + name[match.end(1) :], _number(number[1], number[2]))


def bare_checkpoint(name: str) -> Checkpoint:
    """A name that is nothing but a number, such as a folder `1000`, as a step.

    >>> bare_checkpoint("16k").step, bare_checkpoint("v2").known
    (16000.0, False)
    """
    match = _WHOLE.fullmatch(name)
    return Checkpoint("", _number(match[1], match[2])) if match else Checkpoint(name)


def _tokens_alone(name: str) -> Checkpoint:
    *_, last = (None, *_TOKENS.finditer(name))
    if last is None:
        return Checkpoint(name)
    number = _number(last["tokens"] or last["bare"], last["scale"] or last["bare_scale"])
    return Checkpoint(_without(name, [last]), tokens=number)


def _number(digits: str, scale: str | None) -> float:
    return float(digits.replace(",", "")) * _SCALE[(scale or "").lower()]


def _without(name: str, found: list[re.Match[str]]) -> str:
    """The name without these parts; its folders that were nothing else disappear."""
    for match in reversed(found):
        before, after = name[: match.start()], name[match.end() :]
        name = (before[:-1] if before[-1:] in _SEPARATORS and after[:1] in _SEPARATORS else before) + after
    folders = [folder.strip("-_. ") for folder in name.split("/")]
    return "/".join(folder for folder in folders if folder)
