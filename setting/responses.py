"""Response and Trajectory: the two kinds of data that the project exchanges, as `xarray.Dataset`s.

A Response says how good a model is before and after a perturbation, as a function of pretraining length and strength.
A Trajectory says what happens inside the network along pretraining. Theory computes them, simulations measure them,
readers of LLM files produce them, and figures draw them; `validate` checks that they have the common form.
"""

from collections.abc import Mapping
from math import prod
from typing import Any, Literal, cast, get_args

import numpy as np
import xarray as xr

from overtraining.setting.errors import SchemaError

OBJECTIVES: tuple["Objective", ...] = ("pretraining", "downstream")
METHODS = ("theory", "simulation", "measurement")
BLOCK = 2**17  # numbers that are compared at a time
DIMENSIONS = ("pretraining", "strength", "seed", "task", "angle", "learning_rate", "budget", "turn")
REPETITIONS = ("seed", "repeat", "key")
"""Dimensions along which independent repetitions of one protocol stand."""
AXES, FAILURE = "axes", "failure"
"""In the result of a sweep: the attribute that names its axes, and the coordinate that says why numbers are missing."""
REAL = "fiu"
"""Kinds of NumPy's types that are real numbers: no text, dates or truth values."""

Objective = Literal["pretraining", "downstream"]
Method = Literal["theory", "simulation", "measurement"]
Quantity = Literal["before", "after", "sensitivity"]
Variable = tuple[tuple[str, ...], Any]  # dimensions and values


def response(
    variables: Mapping[str, Variable],
    coordinates: Mapping[str, Any],
    *,
    method: Method,
    source: str,
    perturbation: str,
    model: str,
    units: str = "1",
    orientation: Literal["lower", "higher"] = "lower",
    length_units: str = "gradient-flow time",
    strength_units: str = "1",
    strength_name: str = "strength",
    extra: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """A valid Response from plain arrays.

    variables: `before` and `after`, and `sensitivity` if it is known more precisely than as their difference; each also
    with the prefix `downstream_` and with the suffix `_stderr`; as (dimensions, values).
    coordinates: values of every dimension; `pretraining` holds the lengths, `strength` the strengths.
    orientation: whether a lower or a higher value is better.  extra: further attributes (protocol, key, citation, …).
    Raises SchemaError if the result would not be a Response.

    >>> r = response({"before": (("pretraining",), [1.0, 0.5]), "after": (("pretraining", "strength"), [[1.1], [0.9]])},
    ...     {"pretraining": [0.0, 1.0], "strength": [0.1]}, method="measurement", source="an example",
    ...     perturbation="noise", model="toy")
    >>> sensitivity(r).value.values.ravel().round(3).tolist()
    [0.1, 0.4]
    """
    dataset = _dataset("Response", variables, coordinates, units, length_units, method, source, model, extra)
    dataset.attrs["perturbation"] = perturbation
    for variable in dataset.data_vars.values():
        variable.attrs["orientation"] = orientation
    if "strength" in dataset.coords:
        dataset["strength"].attrs |= {"units": strength_units, "long_name": strength_name}
    return validate(dataset)


def trajectory(
    variables: Mapping[str, Variable],
    coordinates: Mapping[str, Any],
    *,
    method: Method,
    source: str,
    model: str,
    units: str = "1",
    length_units: str = "gradient-flow time",
    extra: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """A valid Trajectory from plain arrays: any quantities along `pretraining`, such as `singular_value` over `mode` or
    `layer_norm` over `layer`.

    Raises SchemaError if the result would not be a Trajectory.
    """
    return validate(_dataset("Trajectory", variables, coordinates, units, length_units, method, source, model, extra))


def _dataset(
    kind: str,
    variables: Mapping[str, Variable],
    coordinates: Mapping[str, Any],
    units: str,
    length_units: str,
    method: str,
    source: str,
    model: str,
    extra: Mapping[str, Any] | None,
) -> xr.Dataset:
    try:
        dataset = xr.Dataset({k: (d, np.asarray(v, float)) for k, (d, v) in variables.items()}, dict(coordinates))
    except (AttributeError, TypeError, ValueError) as error:
        raise SchemaError(f"the variables of a {kind}", str(error), "pass (dimensions, values) per variable") from None
    dataset.attrs = {"kind": kind, "method": method, "source": source, "model": model, **(extra or {})}
    for variable in dataset.data_vars.values():
        variable.attrs["units"] = units
    if "pretraining" in dataset.coords:
        dataset["pretraining"].attrs |= {"units": length_units, "long_name": "pretraining length"}
    return dataset


def curve_name(quantity: str, objective: str) -> str:
    """The name of a variable of a Response: with the prefix `downstream_` for the other objective."""
    return quantity if objective == "pretraining" else f"{objective}_{quantity}"


def objectives(data: xr.Dataset) -> tuple[Objective, ...]:
    """The objectives that a Response reports: pretraining, downstream, or both."""
    return tuple(o for o in OBJECTIVES if curve_name("after", o) in data)


def curve(data: xr.Dataset, quantity: Quantity, objective: Objective = "pretraining") -> xr.Dataset:
    """One quantity of a Response as `value` and `stderr`, averaged over its repetitions: seeds, and those of a sweep.

    For n > 1 repetitions the standard error is that of their mean, which includes the scatter within each; for one it
    is the error within it. Exact values have the standard error 0. Raises SchemaError for numbers that are not finite.
    """
    _check_known("quantity", quantity, get_args(Quantity))
    if quantity == "sensitivity":
        return _average(sensitivity(data, objective))
    _check_objective(data, objective)
    return _average(_pair(data, curve_name(quantity, objective)))


def sensitivity(data: xr.Dataset, objective: Objective = "pretraining") -> xr.Dataset:
    """`Δ = loss after − loss before`, as `value` and `stderr`; for a score, where higher is better, before − after.

    Positive means worse. If the Response holds its sensitivity (theory: without cancellation, simulation: from paired
    draws), that is returned; else the errors of before and after are added as independent ones.
    """
    _check_objective(data, objective)
    direct = curve_name("sensitivity", objective)
    if direct in data:
        return _pair(data, direct)
    before, after = (_pair(data, curve_name(quantity, objective)) for quantity in ("before", "after"))
    value = _worsening(before.value, data[curve_name("after", objective)])
    value.attrs = after.value.attrs | {"orientation": "lower"}
    return xr.Dataset({"value": value, "stderr": np.hypot(after.stderr, before.stderr)})


def _worsening(before: xr.DataArray, after: xr.DataArray) -> xr.DataArray:
    return sign(after) * (after - before)


def sign(value: xr.DataArray) -> int:
    """1 if a lower value is better, −1 if a higher one is; SchemaError if its attributes do not say which.

    >>> sign(xr.DataArray(0.5, attrs={"orientation": "higher"}))
    -1
    """
    orientation = value.attrs.get("orientation")
    if not _is_text(orientation) or orientation not in ("lower", "higher"):
        why = "it does not say whether lower or higher is better"
        raise SchemaError(str(value.name), why, f"set data[{value.name!r}].attrs['orientation'] to 'lower' or 'higher'")
    return 1 if orientation == "lower" else -1


def unit_of(values: xr.DataArray) -> str:
    """The unit of a variable or coordinate; SchemaError if its attributes do not say it, as after `assign_coords`.

    >>> unit_of(xr.DataArray(0.5, attrs={"units": "nats"}))
    'nats'
    """
    unit = values.attrs.get("units")
    if not _is_text(unit):
        what = f"{'coordinate' if values.name in values.coords else 'variable'} {values.name!r}"
        raise SchemaError(what, "it has no units", f"set data[{values.name!r}].attrs['units'], '1' if it has none")
    return str(unit)


def method_of(data: xr.Dataset) -> Method:
    """Where the numbers come from: theory, a simulation or a measurement; SchemaError if the attributes do not say it.

    >>> method_of(xr.Dataset(attrs={"method": "theory"}))
    'theory'
    """
    known = data.attrs.get("method")
    _check_known("attribute method", known, METHODS)
    return cast(Method, known)


def _check_objective(data: Any, objective: Any) -> None:
    if not isinstance(data, xr.Dataset):
        raise SchemaError(repr(type(data)), "it is not an xarray.Dataset", "build it with response() or trajectory()")
    _check_known("objective", objective, OBJECTIVES)


def _check_known(name: str, value: Any, known: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in known:  # an array has no truth value
        raise SchemaError(f"{name} = {value!r}", f"unknown {name}", f"use one of {', '.join(known)}")


def _pair(data: xr.Dataset, name: str) -> xr.Dataset:
    if name not in data:
        known = ", ".join(map(str, data.data_vars))
        raise SchemaError(name, f"this Response has only {known}", "ask for one of these")
    value = data[name]
    _check_numbers(data, name, value)
    stderr = data.get(f"{name}_stderr", xr.zeros_like(value))
    _check_numbers(data, f"{name}_stderr", stderr)
    return xr.Dataset({"value": value, "stderr": stderr})


def _average(pair: xr.Dataset) -> xr.Dataset:
    repeated = [name for name in REPETITIONS if name in pair.dims]
    if not repeated:
        return pair
    n = prod(pair.sizes[name] for name in repeated)
    mean = pair.value.mean(repeated, keep_attrs=True)
    one = pair.stderr.isel(dict.fromkeys(repeated, 0), drop=True)
    error = one if n == 1 else pair.value.std(repeated, ddof=1) / np.sqrt(n)
    return xr.Dataset({"value": mean, "stderr": error})


def validate(data: xr.Dataset) -> xr.Dataset:
    """The same dataset; SchemaError names what a Response or Trajectory must not contain, or lacks."""
    _check_objective(data, "pretraining")
    kind = data.attrs.get("kind")
    if not _is_text(kind) or kind not in ("Response", "Trajectory"):
        raise SchemaError(f"kind = {kind!r}", "unknown kind of data", "build it with response() or trajectory()")
    needed = ["kind", "method", "source", "model"] + (["perturbation"] if kind == "Response" else [])
    if absent := [name for name in needed if not _is_text(data.attrs.get(name))]:
        raise SchemaError(
            f"a {kind} without {', '.join(absent)}", "its origin must be stated", f"set data.attrs[{absent[0]!r}]"
        )
    method_of(data)
    _validate_coordinates(data)
    for name, variable in data.data_vars.items():
        _validate_variable(data, str(name), variable)
    if kind == "Response":
        _validate_response(data)
    return data


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _validate_coordinates(data: xr.Dataset) -> None:
    for name in data.dims:
        if name not in data.coords or data.sizes[name] == 0:
            raise SchemaError(f"dimension {name!r}", "it has no values", "pass a coordinate of the same name")
    if "pretraining" not in data.dims:
        raise SchemaError(
            "dimensions",
            "there is no pretraining length",
            "name that dimension 'pretraining'; one length: sel(pretraining=[…])",
        )
    for name in {"pretraining", "strength"} & set(data.dims):
        values = data[name].values
        if values.dtype.kind not in REAL or not np.isfinite(values).all() or (np.diff(values) <= 0).any():
            raise SchemaError(f"coordinate {name!r}", "its values must be finite and increase", "sort and clean them")
        unit_of(data[name])


def _check_numbers(data: xr.Dataset, name: str, variable: xr.DataArray) -> None:
    if variable.dtype.kind not in REAL:
        raise SchemaError(name, f"it holds {variable.dtype}, not real numbers", "pass float64")
    if np.isfinite(variable.values).all():
        return
    if FAILURE in data.coords:
        why = f"cells of the sweep have no numbers; the coordinate {FAILURE!r} says why"
        raise SchemaError(name, why, f'select others, or data.where(data.{FAILURE} == "", drop=True)')
    raise SchemaError(name, "it contains NaN or infinity", "split ragged checkpoints into a list of Responses")


def _validate_variable(data: xr.Dataset, name: str, variable: xr.DataArray) -> None:
    _check_numbers(data, name, variable)
    unit_of(variable)
    if name.endswith("_stderr"):
        estimate = name.removesuffix("_stderr")
        if estimate not in data or data[estimate].dims != variable.dims:
            raise SchemaError(
                name, f"there is no {estimate} of the same dimensions", "give value and standard error alike"
            )
        if (variable.values < 0).any():
            raise SchemaError(name, "a standard error is not negative", "pass its absolute value")


def _validate_response(data: xr.Dataset) -> None:
    reported = objectives(data)
    if not reported:
        raise SchemaError("a Response", "it has neither 'after' nor 'downstream_after'", "say what was measured")
    stems = {curve_name(q, o) for o in OBJECTIVES for q in ("before", "after", "sensitivity")}
    if unknown := {str(v).removesuffix("_stderr") for v in data.data_vars} - stems:
        raise SchemaError(", ".join(sorted(unknown)), "not part of a Response", "put it into a Trajectory")
    if foreign := set(map(str, data.dims)) - set(DIMENSIONS) - set(str(data.attrs.get(AXES, "")).split()):
        raise SchemaError(", ".join(sorted(foreign)), "unknown dimension", f"use {', '.join(DIMENSIONS)}")
    for objective in reported:
        before, after = curve_name("before", objective), curve_name("after", objective)
        if before not in data or "pretraining" not in data[before].dims or "strength" in data[before].dims:
            raise SchemaError(before, "it must depend on pretraining and not on strength", "pass the unperturbed value")
        if not {"pretraining", "strength"} <= set(data[after].dims):
            raise SchemaError(after, "it must depend on pretraining and strength", "add both dimensions")
        for name in (before, after):
            sign(data[name])
        _validate_sensitivity(data, objective)


def _validate_sensitivity(data: xr.Dataset, objective: Objective) -> None:
    """A sensitivity given directly must agree with after − before up to the rounding of that difference."""
    name = curve_name("sensitivity", objective)
    if name not in data:
        return
    rows = max(1, BLOCK * data.sizes["pretraining"] // max(1, data[name].size))
    for first in range(0, data.sizes["pretraining"], rows):
        part = data.isel(pretraining=slice(first, first + rows))
        before, after = (part[curve_name(quantity, objective)] for quantity in ("before", "after"))
        difference = _worsening(before, after)
        scale = np.abs(after) + np.abs(before)
        if bool((np.abs(difference - part[name]) > 64 * np.finfo(float).eps * scale).any()):
            raise SchemaError(name, "it is not after − before", "pass the difference, or leave it out")
