"""What was put together to one curve: several files, and evaluations that differ so that it could look like a turn."""

from collections.abc import Iterator

import pandas as pd

_CURVE = ["model", "stage", "perturbation", "strength", "task", "metric"]


def changes_along_curves(table: pd.DataFrame) -> list[str]:
    """One sentence per model and setting (task version, limit, version of the harness, shots) that changes.

    >>> from overtraining.figures.llm.tidy import Row, tidy_table
    >>> rows = [Row("m", "t", "acc", 0.5, step=step, setup=f"limit {step * 10:g}") for step in (1.0, 2.0)]
    >>> print(*changes_along_curves(tidy_table(rows)))
    WARNING: m: limit is 10, then 20 along 1 curve(s), such as t (acc): that can look like a turn
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    curves = table.groupby(_CURVE, dropna=False)
    varied = (curves["setup"].transform("nunique") > 1) | (curves["shots"].transform("nunique") > 1)
    for key, rows in table[varied].groupby(_CURVE, dropna=False):
        model, task, metric = (str(key[i]) for i in (0, 4, 5))
        for setting, values in _settings(rows.sort_values(["step", "tokens"])):
            if len(values) > 1:
                found.setdefault((model, setting, ", then ".join(values)), []).append(f"{task} ({metric})")
    return [
        f"WARNING: {model}: {setting} is {values} along {len(names)} curve(s), such as {names[0]}: "
        "that can look like a turn"
        for (model, setting, values), names in found.items()
    ]


def joined_files(table: pd.DataFrame) -> list[str]:
    """One sentence per model whose curves come from several files that each hold a part of its training.

    >>> from overtraining.figures.llm.tidy import Row, tidy_table
    >>> rows = [Row("m", "t", "acc", 0.5, step=float(i), source="ab"[i > 2]) for i in range(5)]
    >>> joined_files(tidy_table(rows))
    ['m: joined from a and b']
    """
    lengths = table["step"].fillna(table["tokens"])
    parts = lengths.groupby([table["model"], table["source"]]).nunique()
    logs = parts[parts > 1].reset_index().groupby("model")["source"].agg(list)
    return [f"{model}: joined from {' and '.join(sources[:5])}" for model, sources in logs.items() if len(sources) > 1]


def _settings(rows: pd.DataFrame) -> Iterator[tuple[str, list[str]]]:
    """The values of every setting, in the order of length."""
    setups = [setup.split(", ") for setup in rows["setup"] if setup]
    values: dict[str, list[str]] = {}
    for setting, _, value in (part.rpartition(" ") for setup in setups for part in setup):
        values.setdefault(setting, []).append(value)
    lengths = [set(map(tuple, part[["step", "tokens"]].astype(str).values)) for _, part in rows.groupby("shots")]
    if len(lengths) > 1 and not set.intersection(*lengths):  # otherwise they are curves of their own
        values["the number of shots"] = [f"{shots:g}" for shots in rows["shots"].dropna()]
    yield from ((setting, list(dict.fromkeys(found))) for setting, found in values.items())
