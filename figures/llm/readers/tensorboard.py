"""Read the CSV that TensorBoard's page downloads: one curve, with the columns Wall time, Step and Value."""

import re
from collections.abc import Iterator

from overtraining.figures.llm.readers.files import File, Sheet
from overtraining.figures.llm.readers.wide import read_wide
from overtraining.figures.llm.tidy import Row

_HEADER = ["Wall time", "Step", "Value"]
_NAME = re.compile(r"(?:run-(?P<run>.+)-tag-|)(?P<tag>.+)", re.DOTALL)


def is_tensorboard(sheet: Sheet) -> bool:
    """Whether these are TensorBoard's columns."""
    return sheet.header == _HEADER


def read_tensorboard(file: File, sheet: Sheet) -> Iterator[Row]:
    """One row per line. The file's name, `run-NAME-tag-eval_loss.csv` as TensorBoard gives it, tells run and metric.

    A name that tells no known metric is the metric; `--orientation` then says whether higher or lower is better.
    """
    if not is_tensorboard(sheet):
        raise file.refuse("line 1", f"the columns are not {', '.join(_HEADER)}", "download the curve as CSV")
    match = _NAME.fullmatch(file.path.stem)
    run, tag = (match["run"] or "", match["tag"]) if match else ("", file.path.stem)
    file.say(f"the file's name gives the metric, {tag}")
    names = ["step", f"{run or file.path.stem} - eval/{tag}"]
    cells = ((line, row[1:]) for line, row in sheet.lines)
    yield from read_wide(file, Sheet(names, cells))
