"""Repetitions that only a model's name tells apart: runs with seeds in their names are pooled into one model."""

import re

import pandas as pd

_SEED = re.compile(r"[-_./ ]?(?<![a-z])seed[-_=: ]?(\d+)(?!\d)", re.IGNORECASE)


def pool_replicates(table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """The table with seeds moved from names of models into the column seed, and the old names of each pooled model.

    A model `m` beside `m-seed1` and `m-seed2` is a repetition, too. A single name with a seed stays as it is.

    >>> table = pd.DataFrame({"model": ["m-seed1", "m_seed=2", "other-seed1"], "seed": [float("nan")] * 3})
    >>> pooled, names = pool_replicates(table)
    >>> pooled.values.tolist(), names
    ([['m', 1.0], ['m', 2.0], ['other-seed1', nan]], {'m': ['m-seed1', 'm_seed=2']})
    """
    bare = {name: _SEED.sub("", name, count=1) for name in table["model"].unique()}
    members: dict[str, list[str]] = {}
    for name, model in sorted(bare.items()):
        members.setdefault(model, []).append(name)
    pooled = {model: names for model, names in members.items() if model and len(names) > 1}
    inside = table["model"].map(bare).isin(pooled)
    seed = table["model"].str.extract(_SEED, expand=False).astype(float)
    return table.assign(
        model=table["model"].map(bare).where(inside, table["model"]), seed=table["seed"].fillna(seed.where(inside))
    ), pooled
