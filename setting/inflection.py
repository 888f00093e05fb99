"""The inflection point: the length beyond which the result after perturbation only gets worse."""

from typing import Any, Literal

import numpy as np
import xarray as xr

from overtraining.setting.domain import one_finite, one_of
from overtraining.setting.errors import DomainError, SchemaError
from overtraining.setting.responses import REAL, Objective, curve, curve_name, sign, unit_of
from overtraining.setting.turns import corners, uncertainty

Which = Literal["last", "first", "best"]
GRID = "the grid of lengths"


def inflection_point(
    data: xr.Dataset, objective: Objective = "pretraining", which: Which = "last", confidence: float = 0.95
) -> xr.Dataset:
    """The length at which longer pretraining starts to hurt, for every strength, within the lengths of a Response.

    which: the loss after perturbation can have several local minima. `last` (the definition of the inflection point):
    the minimum beyond which the loss only gets worse.  `first`: the earliest local minimum; later ones may be deeper.
    `best`: the global minimum.
    confidence: a later gain, or the final rise, counts if it is larger than every difference that independent errors
    make between equal values at these lengths, with this probability (Tukey's range). Exact values have no standard
    error, and every change that exceeds rounding counts.

    Returns a Dataset over the remaining dimensions: `length` (in the unit of the pretraining length; inf if there is no
    such point within the range), `resolution`, `after` (the value there), `rise` (how much worse the last length is),
    `rise_stderr`, and `exists`. A point at the first length means that pretraining only hurts.

    A Response of theory carries its turns (`turns.with_turns`), and the length is theirs, whatever the grid. The curve
    itself has its point at most `resolution` away: 0 where a formula gives the length to rounding; what a search
    reached where the loss has a formula and its turns have none; else, as in a simulation or a measurement, the
    distance to the neighbouring lengths, without the effect of chance. Where there is no such point it is inf. The
    attribute `found_by` says how the turns were found: between its lengths a grid may hide some. From your own weights
    a gain or a rise counts if it exceeds twice the `imbalance_error`, and the resolution covers all lengths at which
    the loss may then be least.

    >>> from overtraining.setting.protocol import Protocol
    >>> from overtraining.theory.solvers.exact import respond
    >>> from overtraining.setting.teachers import Spectrum
    >>> r = respond(Protocol(Spectrum((1.0,)), lengths=range(0, 9), strengths=(0.0, 0.5)))
    >>> inflection_point(r).length.values.round(6).tolist(), inflection_point(r).resolution.values.tolist()
    ([inf, 4.002684], [inf, 0.0])
    >>> on_grid = inflection_point(r.drop_dims("turn"))
    >>> on_grid.length.values.tolist(), on_grid.resolution.values.tolist()
    ([inf, 4.0], [inf, 1.0])
    """
    one_of("which", which, Which)
    if not 0 < one_finite("confidence", confidence) < 1:
        raise DomainError(
            f"confidence = {confidence!r}", "it is a probability between 0 and 1", "pass a number such as 0.95"
        )
    pair = curve(data, "after", objective)
    named = data[curve_name("after", objective)]
    better = sign(named)
    value, lengths = pair.value, data["pretraining"] if "pretraining" in data.coords else None
    if not value.size or "pretraining" not in value.dims or lengths is None or lengths.dtype.kind not in REAL:
        shape = dict(value.sizes)
        raise SchemaError(f"'after' of shape {shape}", "it is no curve along lengths", "pass what validate() accepts")
    exact = not bool((pair.stderr > 0).any())
    points = corners(data, objective) if exact else None
    if points is None:
        points = _on_grid(pair, lengths.values)
    z = 0.0 if exact else _range_of_chance(lengths.size, confidence)
    rest = value.isel(pretraining=0, drop=True)
    along = [points[name].transpose(*rest.dims, "point") for name in ("value", "stderr", "length", "resolution")]
    loss, stderr, length, resolution = (array.values for array in along)
    loss = better * loss
    signature = "(n),(n),(n),(n),(),(),()->(),(),(),(),()"
    index, rise, rise_stderr, exists, reach = np.vectorize(_locate, signature=signature)(
        loss, stderr, length, resolution, which, z, uncertainty(data)
    )
    exists = exists.astype(bool)

    def at_point(values: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, index.astype(int)[..., None], axis=-1)[..., 0]

    variables = {
        "length": np.where(exists, at_point(length), np.inf),
        "resolution": np.where(exists, reach, np.inf),
        "after": better * at_point(loss),
        "rise": rise,
        "rise_stderr": rise_stderr,
        "exists": exists,
    }
    result = xr.Dataset({name: (rest.dims, values) for name, values in variables.items()}, rest.coords)
    result["length"].attrs = dict(lengths.attrs)
    for name, of in {"resolution": lengths, "after": named, "rise": named}.items():
        result[name].attrs = {"units": unit_of(of)}
    return result.assign_attrs(
        which=which, objective=objective, confidence=confidence, found_by=points.attrs["found_by"]
    )


def _on_grid(pair: xr.Dataset, lengths: np.ndarray) -> xr.Dataset:
    """Every length of the grid as a point of the curve, known up to the farther one of its neighbours."""
    gaps = np.diff(lengths)
    along = {"length": lengths, "resolution": np.maximum(np.append(gaps, 0.0), np.append(0.0, gaps))}
    points = pair.assign({name: ("pretraining", values) for name, values in along.items()})
    return (
        points.rename(pretraining="point")
        .broadcast_like(pair.value.rename(pretraining="point"))
        .assign_attrs(found_by=GRID)
    )


def _range_of_chance(n: int, confidence: float) -> float:
    """The standard errors that the largest difference among n equal values does not exceed, with this probability."""
    from scipy.stats import studentized_range  # a second to import, and exact Responses do not need it

    return float(studentized_range.ppf(confidence, max(n, 2), np.inf) / np.sqrt(2))


def _locate(
    loss: np.ndarray,
    stderr: np.ndarray,
    length: np.ndarray,
    resolution: np.ndarray,
    which: Which,
    z: float,
    uncertain: float,
) -> tuple[int, float, float, bool, float]:
    """Index, rise, its error, whether there is such a point, and how far from it the true one may be."""
    n = loss.size
    rounding = 8 * np.finfo(float).eps * np.abs(loss)  # of a loss that is a sum of a few terms
    least = np.maximum(rounding, uncertain)

    def noise(i: Any, j: Any) -> Any:
        """The difference between two losses that chance, rounding and the error of an approximation explain."""
        return np.maximum(z * np.hypot(stderr[i], stderr[j]), least[i])

    i, j = np.triu_indices(n, 1) if z or which == "first" else (np.arange(n - 1), np.arange(1, n))
    lowest, highest = loss[j], loss[j]
    if not z and which != "first":  # for exact values the lowest and the highest of all later ones suffice
        lowest, highest = (best.accumulate(loss[:0:-1])[::-1] for best in (np.minimum, np.maximum))
    gains = loss[i] - lowest > noise(i, j)  # the pairs i < j between which the loss really falls
    losses = highest - loss[i] > noise(i, j)  # … and really rises
    match which:
        case "best":
            start, stop = 0, n
        case "last":
            start, stop = (int(i[gains].max()) + 1 if gains.any() else 0), n
        case "first":  # up to the first real rise the loss has only fallen
            start, stop = 0, (int(j[losses].min()) if losses.any() else n)
    k = start + int(np.argmin(loss[start:stop]))
    rise = float(loss[-1] - loss[k])
    # a first minimum may be followed by deeper ones; that the loss rises after it is what makes it one
    exists = bool(losses.any()) if which == "first" else bool(rise > noise(k, n - 1))
    same = start + np.flatnonzero(loss[start:stop] <= loss[k] + uncertain) if uncertain else k
    reach = float(np.max(np.abs(length[same] - length[k]) + resolution[same]))
    return k, rise, float(np.hypot(stderr[-1], stderr[k])) if k < n - 1 else 0.0, exists, reach
