"""Where the numbers of one file come from: the model and its checkpoint, by the file's contents or else by its path."""

import re
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from overtraining.figures.llm.readers.checkpoints import Checkpoint, bare_checkpoint, checkpoint, marked_checkpoint
from overtraining.figures.llm.readers.files import File
from overtraining.figures.llm.tidy import UNKNOWN

_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d)-(\d\d)-(\d\d))?", re.ASCII)
_EVERYWHERE = {"trainer_state", "metrics", "results", "log", "train_log", "train", "main", "output", "history"}
_PATTERN = "pass --checkpoint with a pattern whose first group is the length, such as 'step(\\d+)'"


def origin(file: File, model: str = "", revision: str = "") -> dict[str, Any]:
    """What all rows of a file have in common: model, checkpoint, date and source.

    model, revision: as the contents of the file name them, or "". The checkpoint comes from the revision, otherwise
    from the model's name, otherwise from the name of the file or of the two folders around it.
    Raises Unreadable if the names give two checkpoints.
    """
    folders = [file.path.stem, *(parent.name for parent in list(file.path.parents)[:2])]
    if pattern := file.pattern:
        at, of_model = _marked(file, pattern, [revision, model, *folders])
    else:
        at, of_model = _named(file, revision, model, folders)
    name = of_model.name
    if not name:
        name = next(filter(None, map(_without_checkpoint, folders[1:])), "unnamed")
        file.say(f"the model is named after the folder, {name}")
    elif model.startswith("/"):
        name = f"/{name.lstrip('/')}"  # `model_names` leaves out the folders that models share
    if at.stage:
        file.say(f"{at.stage} counts its steps from 0 again and is a curve of its own")
    if at.epochs:
        file.say("the names count epochs, which are taken as steps")
    return {
        "model": f"{name}, {at.stage}" if at.stage else name,
        "step": at.step,
        "tokens": at.tokens,
        "date": _date(file.path),
        "source": str(file.path),
    }


def _marked(file: File, pattern: re.Pattern[str], names: list[str]) -> tuple[Checkpoint, Checkpoint]:
    """The checkpoint where the user's pattern finds it, and the model's name without it."""
    for i, name in enumerate(names):
        if at := marked_checkpoint(name, pattern):
            return at, at if i == 1 else Checkpoint(names[1])
    raise file.refuse("the checkpoint", f"{pattern.pattern} with a number is in none of its names", _PATTERN)


def _named(file: File, revision: str, model: str, folders: list[str]) -> tuple[Checkpoint, Checkpoint]:
    """The checkpoint of a file, and the model's name without it."""
    of_model = checkpoint(model)
    in_contents = next((c for c in (checkpoint(revision), of_model) if c.known), None)
    in_path = next((c for c in map(checkpoint, folders) if c.known), None)
    if in_contents and in_path and in_contents.step == in_contents.step != in_path.step == in_path.step:
        why = f"its name says step {in_path.step:g}, its contents say step {in_contents.step:g}"
        raise file.refuse("the checkpoint", why, "rename the file, or pass --checkpoint")
    at = in_contents or in_path or next((c for c in map(bare_checkpoint, folders[:2]) if c.known), None)
    if at is None:
        return Checkpoint(model), of_model
    if in_contents is in_path is None:
        file.say("names that are nothing but a number are taken as the step")
    together = checkpoint("/".join(reversed(folders))) if at is in_path else at
    if places := at.places or together.places:
        raise file.refuse("the checkpoint", f"it may be {' or '.join(places)}", _PATTERN)
    return at, of_model


def _without_checkpoint(folder: str) -> str:
    return "" if bare_checkpoint(folder).known else checkpoint(folder).name


def _date(path: PurePath) -> float:
    """The day and time in a file's name, in seconds since 1970; NaN if there is none."""
    match = _DAY.search(path.stem)
    try:
        parts = [int(part) for part in match.groups(default="0")] if match else []
        return datetime(*parts, tzinfo=UTC).timestamp() if parts else UNKNOWN  # type: ignore[misc, arg-type]
    except ValueError:  # no such day
        return UNKNOWN


def run_name(path: PurePath) -> str:
    """The name of a run whose log is this file: the file's, or that of a folder around it if every run's log has it.

    >>> run_name(PurePath("my-run/checkpoint-500/trainer_state.json")), run_name(PurePath("logs/my-run.csv"))
    ('my-run', 'my-run')
    """
    folders = (parent.name for parent in path.parents) if path.stem.lower() in _EVERYWHERE else ()
    return next(filter(None, map(_without_checkpoint, folders)), path.stem)
