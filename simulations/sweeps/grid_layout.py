"""The grid of a sweep's result: an axis is a dimension; where the cells of a chunk are in it; readable coordinates."""

import json
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from overtraining.simulations.sweeps.spec import Axis

Box = tuple[slice, ...]


def dimension(axis: Axis) -> str:
    """The name of an axis as a dimension: its first field whose values differ from each other; without one, its path.

    The field `pretraining` gets another name, since the dimension `pretraining` is the length.

    >>> dimension(Axis("teacher.modes, network.h", ([2, 8], [4, 8])))
    'teacher.modes'
    """
    for field, values in columns(axis).items():
        if len(set(map(label, values))) == len(values):
            return field
    return ",".join(axis.fields)


def columns(axis: Axis) -> dict[str, list[Any]]:
    """The values of each field of an axis, by the field's name in a result."""
    rows = [value if len(axis.fields) > 1 else [value] for value in axis.values]
    names = ["protocol.pretraining" if field == "pretraining" else field for field in axis.fields]
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def label(value: Any) -> str:
    """A value of an axis as a text to read and to select by.

    >>> label({"kind": "Aligned", "epsilon": 0.1}), label("tanh"), label([0, 1.5]), label(True)
    ('Aligned(epsilon=0.1)', 'tanh', '[0, 1.5]', 'true')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and isinstance(value.get("kind"), str):
        parts = ", ".join(f"{name}={label(part)}" for name, part in sorted(value.items()) if name != "kind")
        return f"{value['kind']}({parts})"
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def coordinate(values: Sequence[Any]) -> np.ndarray:
    """The values of a field as an array: of numbers if all are, else of texts."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return np.array(values)
    return np.array([label(value) for value in values], object)


def boxes(first: int, stop: int, shape: Sequence[int]) -> Iterator[Box]:
    """The cells from `first` up to `stop`, counted with the last axis fastest, as boxes of the grid, one by one.

    >>> list(boxes(1, 6, (3, 2)))
    [(slice(0, 1, None), slice(1, 2, None)), (slice(1, 3, None), slice(0, 2, None))]
    """
    if not shape:
        yield ()
        return
    inner = prod(shape[1:])
    while first < stop:
        row, within = divmod(first, inner)
        if rows := (stop - first) // inner if within == 0 else 0:
            yield (slice(row, row + rows), *(slice(0, size) for size in shape[1:]))
            first += rows * inner
        else:
            end = min(stop, (row + 1) * inner)
            for box in boxes(within, within + end - first, shape[1:]):
                yield (slice(row, row + 1), *box)
            first = end
