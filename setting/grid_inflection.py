"""The inflection point on a grid: the length beyond which the result after perturbation only gets worse."""

from typing import Any, Literal

import numpy as np
import xarray as xr

from overtraining.setting.domain import one_finite, one_of
from overtraining.setting.errors import DomainError, SchemaError
from overtraining.setting.responses import REAL, Objective, curve, sign

Which = Literal["last", "first", "best"]


def inflection_point(
    data: xr.Dataset, objective: Objective = "pretraining", which: Which = "last", confidence: float = 0.95
) -> xr.Dataset:
    """The length at which longer pretraining starts to hurt, for every strength, on the grid of lengths of a Response.

    which: the loss after perturbation can have several local minima. `last` (the definition of the inflection point):
    the minimum beyond which the loss only gets worse.  `first`: the earliest local minimum; later ones may be deeper.
    `best`: the global minimum.
    confidence: a later gain, or the final rise, counts if it is larger than every difference that independent errors
    make between equal values at these lengths, with this probability (Tukey's range). Exact values have no standard
    error, and every change that exceeds rounding counts.

    Returns a Dataset over the remaining dimensions: `length` (in the unit of the pretraining length; inf if there is no
    such point within the range), `rise` (how much worse the last length is), `rise_stderr`, and `exists`.
    A point at the first length means that pretraining only hurts. The exact times are in `theory.inflection`.

    >>> from overtraining.setting.protocol import Protocol
    >>> from overtraining.theory.solvers.exact import respond
    >>> from overtraining.setting.teachers import Spectrum
    >>> r = respond(Protocol(Spectrum((1.0,)), lengths=range(0, 9), strengths=(0.0, 0.5)))
    >>> inflection_point(r).length.values.tolist()
    [inf, 4.0]
    """
    one_of("which", which, Which)
    if not 0 < one_finite("confidence", confidence) < 1:
        raise DomainError(
            f"confidence = {confidence!r}", "it is a probability between 0 and 1", "pass a number such as 0.95"
        )
    pair = curve(data, "after", objective)
    value, lengths = pair.value, data["pretraining"] if "pretraining" in data.coords else None
    if not value.size or "pretraining" not in value.dims or lengths is None or lengths.dtype.kind not in REAL:
        shape = dict(value.sizes)
        raise SchemaError(f"'after' of shape {shape}", "it is no curve along lengths", "pass what validate() accepts")
    loss, stderr = (pair[name].transpose(..., "pretraining") for name in ("value", "stderr"))
    z = _range_of_chance(lengths.size, confidence) if bool((stderr > 0).any()) else 0.0
    index, rise, rise_stderr, exists = np.vectorize(_locate, signature="(n),(n),(),()->(),(),(),()")(
        sign(value) * loss.values, stderr.values, which, z
    )
    rest = loss.isel(pretraining=0, drop=True)
    variables = {
        "length": np.where(exists, lengths.values[index.astype(int)], np.inf),
        "rise": rise,
        "rise_stderr": rise_stderr,
        "exists": exists.astype(bool),
    }
    result = xr.Dataset({name: (rest.dims, values) for name, values in variables.items()}, rest.coords)
    result["length"].attrs = dict(lengths.attrs)
    result["rise"].attrs = {"units": value.attrs["units"]}
    return result.assign_attrs(which=which, objective=objective, confidence=confidence)


def _range_of_chance(n: int, confidence: float) -> float:
    """The standard errors that the largest difference among n equal values does not exceed, with this probability."""
    from scipy.stats import studentized_range  # a second to import, and exact Responses do not need it

    return float(studentized_range.ppf(confidence, max(n, 2), np.inf) / np.sqrt(2))


def _locate(loss: np.ndarray, stderr: np.ndarray, which: Which, z: float) -> tuple[int, float, float, bool]:
    n = loss.size
    rounding = 8 * np.finfo(float).eps * np.abs(loss)  # of a loss that is a sum of a few terms

    def noise(i: Any, j: Any) -> Any:
        """The difference between two losses that chance and rounding explain."""
        return np.maximum(z * np.hypot(stderr[i], stderr[j]), rounding[i])

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
    return k, rise, float(np.hypot(stderr[-1], stderr[k])) if k < n - 1 else 0.0, exists
