"""Read result files of evaluation tools into the tidy table; each format has a module of its own.

The contents of files are never executed or unpickled, and nothing is downloaded.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from overtraining.figures.llm.readers.consistency import changes_along_curves, joined_files
from overtraining.figures.llm.readers.files import File, NoResult, load, parse_csv, parse_json, parse_json_lines
from overtraining.figures.llm.readers.harness import is_harness, is_new, read_new, read_old
from overtraining.figures.llm.readers.json_log import is_json_log, read_json_log
from overtraining.figures.llm.readers.lighteval import is_lighteval, read_lighteval
from overtraining.figures.llm.readers.model_names import without_shared_folders
from overtraining.figures.llm.readers.olmes import is_olmes, is_olmes_lines, read_olmes, read_olmes_lines
from overtraining.figures.llm.readers.openlm import is_openlm, read_openlm
from overtraining.figures.llm.readers.openlm_eval import is_openlm_eval, read_openlm_eval
from overtraining.figures.llm.readers.plain import is_plain, read_long, read_plain
from overtraining.figures.llm.readers.tensorboard import is_tensorboard, read_tensorboard
from overtraining.figures.llm.readers.trainer_state import is_trainer_state, read_trainer_state
from overtraining.figures.llm.readers.training_log import is_training_log, read_training_log
from overtraining.figures.llm.readers.wide import is_wide, read_wide
from overtraining.figures.llm.tidy import Row, Unreadable, tidy_table_and_reruns
from overtraining.figures.plain_text import printable
from overtraining.setting import limits
from overtraining.setting.domain import one_nonnegative
from overtraining.setting.errors import DomainError


@dataclass(frozen=True)
class Format:
    """A kind of content, a test whether such content has this format, and its reader."""

    kind: Literal["json", "lines", "log", "csv"]
    has: Callable[[Any], bool]
    read: Callable[[File, Any], Iterator[Row]]


# tested in this order
FORMATS = {
    "lm-eval-0.4": Format("json", lambda data: is_harness(data) and is_new(data), read_new),
    "lm-eval-0.3": Format("json", is_harness, read_old),
    "lighteval": Format("json", is_lighteval, read_lighteval),
    "openlm": Format("json", is_openlm, read_openlm),
    "openlm-eval": Format("json", is_openlm_eval, read_openlm_eval),
    "trainer-state": Format("json", is_trainer_state, read_trainer_state),
    "olmes": Format("json", is_olmes, read_olmes),
    "olmes-lines": Format("lines", is_olmes_lines, read_olmes_lines),
    "json-log": Format("lines", is_json_log, read_json_log),
    "log": Format("log", is_training_log, read_training_log),
    "plain": Format("csv", is_plain, read_plain),
    "tensorboard": Format("csv", is_tensorboard, read_tensorboard),
    "wide": Format("csv", is_wide, read_wide),
}
_PARSERS: Mapping[str, Callable[[File], Any]] = {
    "json": parse_json,
    "lines": parse_json_lines,
    "log": lambda file: file.text,
    "csv": parse_csv,
}
_NAMES = (
    "*.json",
    "*.csv",
    "*.log",
    "*metrics*.jsonl",
    "*log.jsonl",
    "*history.jsonl",
)  # read in folders; samples_*.jsonl contain no results
_BESIDE = {  # what lies beside a checkpoint, some of it large; not opened
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
}


@dataclass(frozen=True)
class Reading:
    """The tidy table, sentences about what was chosen, left out or replaced, and the errors of skipped files."""

    table: pd.DataFrame
    notes: list[str]
    skipped: list[Unreadable]


def read_file(path: Path, format: str | None = None) -> list[Row]:
    """The rows of one file, whose format is detected or given.

    Raises Unreadable, which names the file, the place and a remedy; DomainError for an unknown format.
    """
    _check_format(format)
    return _rows(load(path), format)


def _check_format(format: str | None) -> None:
    if format is not None and format not in FORMATS:
        raise DomainError(f"format {format!r}", "there is no such format", f"use {', '.join(FORMATS)}")


def _rows(file: File, format: str | None) -> list[Row]:
    kind = FORMATS[format].kind if format else _kind(file)
    content = _PARSERS[kind](file)
    rows = list(islice(_reader(file, format, kind, content)(file, content), limits.MEASUREMENTS + 1))
    file.room(len(rows))
    if not rows:
        raise file.refuse("", "it contains no measurement", "evaluate at least one task")
    return rows


def _kind(file: File) -> str:
    if file.text.lstrip()[:1] in ("{", "["):
        return "lines" if file.path.suffix.lower() == ".jsonl" else "json"
    return "log" if is_training_log(file.text) else "csv"


def _reader(file: File, format: str | None, kind: str, content: Any) -> Callable[[File, Any], Iterator[Row]]:
    if kind == "csv" and file.columns:
        return read_long
    if format and kind == "csv":  # the reader of a given format says what is missing
        return FORMATS[format].read
    for name in [format] if format else FORMATS:
        if FORMATS[name].kind == kind and FORMATS[name].has(content):
            return FORMATS[name].read
    why = f"its format is not {format}" if format else "its format is not known"
    raise NoResult(str(file.path), why, f"pass one of {', '.join(FORMATS)}, or write the plain CSV")


def find_files(paths: Iterable[Path]) -> dict[Path, bool]:
    """The given files, and all result files below the given folders, in order of their names.

    The value tells whether a file was found in a folder, where it need not be a result.
    """
    files: dict[Path, bool] = {}
    for path in paths:
        if not path.is_dir():
            files[path] = False
            continue
        inside = [p for p in sorted(path.rglob("*")) if _may_be_result(p.name) and not p.is_dir()]
        if not inside:
            why = f"there is no {', '.join(_NAMES)} in this folder"
            raise Unreadable(str(path), why, "pass a folder of results")
        files |= {p: True for p in inside if p not in files}
    return files


def _may_be_result(name: str) -> bool:
    return any(fnmatchcase(name.lower(), pattern) for pattern in _NAMES)


def read(
    paths: Sequence[Path],
    format: str | None = None,
    *,
    step: float | None = None,
    checkpoint: str | None = None,
    columns: dict[str, str] | None = None,
    skip_bad: bool = False,
) -> Reading:
    """The tidy table of all the files and folders, and what was done to get it.

    format: one of FORMATS, detected by default.  step: the checkpoint of files without a step number.  checkpoint: a
    pattern whose first group is the checkpoint in the names.  columns: names of the columns of a long table.
    skip_bad: leave unreadable files out instead of refusing them; if none is left, they are refused anyway.
    Raises Unreadable, which names all unreadable files, up to five; SchemaError for contradictions between files.
    """
    from tqdm import tqdm

    _check_format(format)
    step = None if step is None else one_nonnegative("step", step)
    pattern = _pattern(checkpoint)
    rows, bad = list[Row](), list[Unreadable]()
    said, passed_over = dict[str, list[Path]](), dict[Path, NoResult]()
    files = find_files(paths)
    # disable=None: no bar if the output is not a terminal; delay: no bar for work that takes less than a second
    for path, in_folder in tqdm(files.items(), unit="file", disable=None, delay=1):
        try:
            if in_folder and path.name in _BESIDE:
                raise NoResult(str(path), "it is no result", "pass result files")
            file = load(path, pattern, columns)
            found = _rows(file, format)
            file.room(len(rows) + len(found))
            rows += [_with_step(row, step) for row in found]
            for note in file.notes:
                said.setdefault(note, []).append(path)
        except NoResult as error:
            if in_folder and not format:
                passed_over[path] = error
            else:
                bad.append(error)
        except Unreadable as error:
            bad.append(error)
        except OSError as error:
            bad.append(Unreadable(str(path), error.strerror or "it cannot be read", "check its permissions"))
    if not rows and not bad:
        bad += passed_over.values()
    if bad and not (skip_bad and rows):
        raise bad[0] if len(bad) == 1 else _together(bad, len(files))
    if not rows:
        raise Unreadable("no file", "there is nothing to read", "pass result files or folders")
    names = without_shared_folders(row.model for row in rows)
    table, reruns = tidy_table_and_reruns(replace(row, model=names.get(row.model, row.model)) for row in rows)
    notes = [f"{note} ({_where(paths)})" for note, paths in said.items()]
    notes += [*_counted(passed_over), *reruns, *joined_files(table), *changes_along_curves(table)]
    return Reading(table, sorted(notes, key=lambda note: not note.startswith("WARNING")), bad)


def _pattern(checkpoint: str | None) -> re.Pattern[str] | None:
    if checkpoint is None:
        return None
    try:
        pattern = re.compile(checkpoint)
    except re.error as error:
        raise DomainError(f"--checkpoint {checkpoint}", f"this is no pattern ({error})", "write step(\\d+)") from None
    if pattern.groups != 1:
        why = f"it has {pattern.groups} groups in brackets"
        raise DomainError(f"--checkpoint {checkpoint}", why, "put the number alone in brackets: step(\\d+)")
    return pattern


def _where(paths: Sequence[Path]) -> str:
    return printable(paths[0].name) if len(paths) == 1 else f"{len(paths)} files"


def _counted(passed_over: Iterable[Path]) -> list[str]:
    names = Counter(printable(path.name) for path in passed_over)
    if not names:
        return []
    shown = ", ".join(f"{name} ({n})" if n > 1 else name for name, n in names.most_common(5))
    return [f"passed over {names.total()} file(s) that are no results: {shown}" + ", …" * (len(names) > 5)]


def _with_step(row: Row, step: float | None) -> Row:
    if row.step == row.step or row.tokens == row.tokens:  # one of them is not NaN
        return row
    if step is None:
        instead = "pass --step, or give the step in the file's name, such as results_step3000.json"
        raise Unreadable(row.source, "it does not say which checkpoint was measured", instead)
    return replace(row, step=step)


def _together(bad: list[Unreadable], n: int) -> Unreadable:
    shown = "; ".join(f"{error.what}: {error.why}" for error in bad[:5]) + ("; …" if len(bad) > 5 else "")
    return Unreadable(f"{len(bad)} of {n} files", shown, "correct them, or leave them out with --skip-bad")
