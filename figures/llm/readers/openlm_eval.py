"""Read evaluations of OpenLM and DCLM: one file per model, with an accuracy per in-context task."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from overtraining.figures.llm.readers.files import File, nested
from overtraining.figures.llm.readers.metrics import metric
from overtraining.figures.llm.readers.origin import origin
from overtraining.figures.llm.tidy import Row

_AROUND = re.compile(r"^evaluation_|_(heavy|medium|light|mmlu_and_lowvar)$")


def is_openlm_eval(data: Mapping[str, Any]) -> bool:
    """Whether this is an evaluation of OpenLM."""
    return isinstance(nested(data, "eval_metrics", "icl"), dict)


def read_openlm_eval(file: File, data: Mapping[str, Any]) -> Iterator[Row]:
    """One row per task. The model is named by the file, since the contents name its architecture only.

    Means over tasks are left out; so is `perplexity`, under which files of different versions hold different things.
    """
    entries = nested(data, "eval_metrics", "icl")
    if not isinstance(entries, dict):
        raise file.refuse("eval_metrics.icl", "there is no object of tasks", "pass an evaluation of OpenLM")
    common = origin(file, _AROUND.sub("", file.path.stem))
    file.say("only the tasks of `icl` are read, not means over tasks and perplexities")
    known = metric("icl")
    for task, value in entries.items():
        number = file.number(value, f"eval_metrics.icl.{task}")
        yield Row(task=task, metric="icl", value=number, unit=known.unit, orientation=known.orientation, **common)
