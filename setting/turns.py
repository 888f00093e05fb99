"""The turns of a Response of theory: where between its lengths the result after the perturbation turns.

They are coordinates over `strength` and `turn`, so that files and selections of strengths keep them, and what averages
over strengths drops them. Between neighbours among its first length, its turns and its last length a curve is monotone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from overtraining.setting.errors import SchemaError
from overtraining.setting.responses import REAL, Objective, curve, curve_name, unit_of

FoundBy = Literal["formula", "grid"]
FOUND_BY: dict[FoundBy, str] = {
    "formula": "the formula, which gives every turn",
    "grid": "the grid of lengths, refined by the formula",
}
PARTS = {"length": "turn_length", "value": "turn_after", "resolution": "turn_resolution"}
INSTEAD = "drop them: data.drop_dims('turn')"
SAME = 1e-9  # of the largest value: how much values at turns and at lengths may contradict each other


@dataclass(frozen=True)
class Turns:
    """One entry for each turn, by strength and then by length: index of the strength, length, value, resolution.

    resolution: the true turn is at most as far away; 0 if a formula gives the length, to rounding.
    """

    strength: np.ndarray
    length: np.ndarray
    value: np.ndarray
    resolution: np.ndarray


def with_turns(data: xr.Dataset, found: Mapping[Objective, Turns], found_by: FoundBy) -> xr.Dataset:
    """The Response with coordinates `turn_length`, `turn_after` and `turn_resolution` for every objective.

    Rows are filled up with the last length, which is no turn. The attribute `found_by` of `turn_length` says whether
    these are all turns of the formula, or those that the grid of lengths shows.
    """
    strengths = data.sizes["strength"]
    counts = {objective: np.bincount(turns.strength, minlength=strengths) for objective, turns in found.items()}
    most = max(1, *(int(count.max()) for count in counts.values()))
    for objective, turns in found.items():
        last = curve(data, "after", objective).value.isel(pretraining=-1).values
        column = np.arange(turns.strength.size) - np.repeat(np.cumsum(counts[objective]), counts[objective])
        column += np.repeat(counts[objective], counts[objective])
        padding = {"length": float(data["pretraining"][-1]), "value": last[:, None], "resolution": 0.0}
        for part, name in PARTS.items():
            rows = np.broadcast_to(padding[part], (strengths, most)).copy()
            rows[turns.strength, column] = getattr(turns, part)
            of = data[curve_name("after", objective)] if part == "value" else data["pretraining"]
            attributes = {"units": unit_of(of)} | ({"found_by": FOUND_BY[found_by]} if part == "length" else {})
            data = data.assign_coords({curve_name(name, objective): (("strength", "turn"), rows, attributes)})
    return data.assign_coords(turn=np.arange(most))


def uncertainty(data: xr.Dataset) -> float:
    """By how much values of a Response must differ to be known to differ: twice its `imbalance_error`, which few have.

    Raises SchemaError for an error that is no number >= 0.
    """
    error = np.asarray(data.attrs.get("imbalance_error", 0.0))
    if error.ndim or error.dtype.kind not in REAL or not 0 <= error < np.inf:
        raise SchemaError("imbalance_error", "it is no number >= 0", "remove it from the attributes")
    return 2 * float(error)


def _to_the_next(values: xr.DataArray, end: xr.Dataset, uncertain: float) -> xr.DataArray:
    distance = abs(values["pretraining"] - end.length)
    differs = abs(values - end.value) > uncertain if uncertain else distance > 0
    return distance.where(differs, distance.max()).min("pretraining")


def corners(data: xr.Dataset, objective: Objective) -> xr.Dataset | None:
    """The first length, the turns in between and the last length of a Response, over `point`; None if it has no turns.

    `length`, `value`, `resolution`, and the attribute `found_by`. Where a grid shows the turns, one at an end of it is
    known only to the next length whose value differs by more than the uncertainty.
    Raises SchemaError for turns that are no numbers, and if a value at a length lies beyond those of all these points.
    """
    names = {part: curve_name(name, objective) for part, name in PARTS.items()}
    if not set(names.values()) <= set(data.coords):
        return None
    found_by = data[names["length"]].attrs.get("found_by")
    if found_by not in FOUND_BY.values() or any(data[name].dtype.kind not in REAL for name in names.values()):
        raise SchemaError(", ".join(names.values()), "they are not as with_turns() writes them", INSTEAD)
    if (unit := unit_of(data[names["length"]])) != unit_of(data["pretraining"]):
        raise SchemaError(names["length"], f"its unit is {unit}, and that of the lengths is another", INSTEAD)
    turns = xr.Dataset({part: data[name].variable for part, name in names.items()}).assign(stderr=0.0)
    if "turn" not in turns.dims:  # squeezed
        turns = turns.expand_dims("turn")
    values, lengths = curve(data, "after", objective).value, data["pretraining"].values
    ends = [turns.isel(turn=0).assign(length=lengths[i], value=values.isel(pretraining=i).variable) for i in (0, -1)]
    known = found_by != FOUND_BY["grid"] or lengths.size == 1
    ends = [
        end.assign(resolution=0.0 if known else _to_the_next(values, end, uncertainty(data)).variable) for end in ends
    ]
    # what lies outside, or only fills a row, is moved to the end that it is beyond
    within = turns.where(turns.length > lengths[0], ends[0]).where(turns.length < lengths[-1], ends[1])
    points = xr.concat([ends[0], within, ends[1]], "turn")
    tolerance = SAME * abs(values).max() + uncertainty(data)
    low, high = points.value.min("turn") - tolerance, points.value.max("turn") + tolerance
    if bool(((values < low) | (values > high)).any()):
        what = f"{names['value']} and {curve_name('after', objective)}"
        raise SchemaError(what, "these turns are of other values", INSTEAD)
    return points.rename(turn="point").assign_attrs(found_by=found_by)
