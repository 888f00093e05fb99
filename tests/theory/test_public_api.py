"""Every function that `theory` exports gives, for any arguments, a finite answer of the right shape or a Refusal."""

import dataclasses
import inspect
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings, strategies as st

from overtraining.theory.learning import balanced_mode, deep_mode, unbalanced_mode
from tests.theory.public_api import RESULTS, baselines, flat

PUBLIC = flat()
NAMES = list(baselines(PUBLIC))
INFINITE = {
    "inflection_time",
    "deep_mode.time_to_reach",
    "stable_learning_rate",
    "power_law_rates",
    "inflection_point",
    "turning_length",
    "minima",
    "noisy_task_inflection",
    "overshoot_length",
    "unbalanced_inflection_time",
    "safe_budget",
    "tuned_budget",
    "plateau_checkpoints",
}  # as they say

WILD = [
    None, "text", b"bytes", True, 0.0, -0.0, -1.0, 1.5, 1e-320, 1e-300, 1e300, np.nan, np.inf, -np.inf, 1j, 10**400, [],
    [[]], [1.0, np.nan], [[1.0], [1.0, 2.0]], ["a"], {}, object(), np.ones((2, 0)), np.ones((1, 2, 1)), np.array(["a"]),
    np.array([1, 2]), np.array([None, 1.0]), np.ma.masked_array([1.0, 2.0], [True, False]), np.float32(0.5),
    np.datetime64("2020-01-01"), range(3), np.array(2.0), -np.eye(2), np.eye(3)[::-1],
]  # fmt: skip
ANYWHERE = st.floats() | st.floats(1e-6, 1e6) | st.integers(-3, 9)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)


def public(module: SimpleNamespace, name: str) -> Any:
    """A function by its name in the table, which may begin with a module's."""
    for part in name.split("."):
        module = getattr(module, part)
    return module


def varied(given: Any) -> st.SearchStrategy[Any]:
    """What was given; numbers of the same kind and shape, or of another shape; or anything at all."""
    choices = [st.just(given), st.sampled_from(WILD)]
    if isinstance(given, float | np.ndarray):
        choices += [ANYWHERE, hnp.arrays(float, SHAPES, elements=st.floats(1e-3, 1e3) | st.floats())]
        choices += [st.floats(1e-12, 1e12).map(lambda x: given * x), st.just([given, given])]
    if isinstance(given, int):
        choices += [st.integers(-2, 20), st.just([given, given])]
    if isinstance(given, np.ndarray):
        choices.append(hnp.arrays(float, given.shape, elements=st.floats(-1e3, 1e3) | st.floats()))
    if isinstance(given, str):
        choices.append(st.text(max_size=6) | st.just(given[:-1]))
    if isinstance(given, list | tuple):
        choices.append(st.lists(st.sampled_from(given) | st.sampled_from(WILD), max_size=3))
    return st.one_of(*choices)


def finite(result: Any, infinite: bool = False) -> bool:
    """No number in it, at any depth, is NaN, or infinite where that is no answer."""
    if isinstance(result, xr.Dataset):
        return all(finite(v.values, infinite) for v in result.variables.values())
    if dataclasses.is_dataclass(result):
        return all(finite(getattr(result, f.name), infinite) for f in dataclasses.fields(result))
    if isinstance(result, tuple | list):
        return all(finite(x, infinite) for x in result)
    if isinstance(result, float | np.ndarray | np.floating) and np.asarray(result).dtype.kind == "f":
        return not np.isnan(result).any() and (infinite or bool(np.isfinite(result).all()))
    return result is None or isinstance(result, str | int | np.ndarray | np.integer)


def shapes(result: Any) -> set[tuple[int, ...]]:
    """Of the numbers in a result."""
    if dataclasses.is_dataclass(result):
        return set().union(*(shapes(getattr(result, f.name)) for f in dataclasses.fields(result)))
    return set().union(*map(shapes, result)) if isinstance(result, tuple) else {np.shape(result)}


@cache
def broadcasts(function: Any) -> list[str]:
    """The arguments of any shape of a function that has no others but whole numbers; else nothing."""
    kinds = {name: str(p.annotation) for name, p in inspect.signature(function).parameters.items()}
    free = [name for name, kind in kinds.items() if "number[" in kind]
    return free if all(name in free or kind == "<class 'int'>" for name, kind in kinds.items()) else []


OWN_SHAPE = {
    "remaining_increase",
    "overtraining_bounds",
    "overtraining_in_stages",
    "hessian_spectrum",
    "minima",
    "fitted_line",
    "stable_learning_rate",
    "stepped_spectrum",
    "tuning_sharpness",
    "label_noise_excess",
    "noisy_task_turn",
    "noisy_task_inflection",
    "accumulated_noise",
}  # over modes


def test_the_table_is_complete() -> None:
    exported = {name for name, thing in vars(PUBLIC).items() if not name.startswith("_") and callable(thing)}
    refusals = {name for name in exported if isinstance(t := getattr(PUBLIC, name), type) and issubclass(t, Exception)}
    assert exported - refusals - set(RESULTS) == {name for name in NAMES if "." not in name}
    for module in (balanced_mode, deep_mode, unbalanced_mode):
        own = {n for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__}
        short = module.__name__.rpartition(".")[2]
        assert {n for n in own if n[0] != "_"} == {n.split(".")[1] for n in NAMES if n.startswith(f"{short}.")}


Named = Callable[[str], tuple[Any, dict[str, Any], dict[str, st.SearchStrategy[Any]]]]


@pytest.fixture(scope="module")
def named(plain: SimpleNamespace) -> Named:
    """A function of the plain copy, arguments that it answers, and what else to pass for each."""
    table = baselines(plain)
    return cache(lambda name: (public(plain, name), table[name], {k: varied(x) for k, x in table[name].items()}))


@pytest.mark.parametrize("name", NAMES)
def test_the_table_is_answered(named: Named, name: str) -> None:
    function, arguments, _ = named(name)
    assert finite(function(**arguments), name in INFINITE)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_an_answer_or_a_refusal(plain: SimpleNamespace, named: Named, name: str, data: st.DataObject) -> None:
    function, arguments, other = named(name)
    changed = data.draw(st.sets(st.sampled_from(list(arguments)), max_size=3))
    arguments = arguments | {key: data.draw(other[key], label=key) for key in sorted(changed)}
    try:
        result = function(**arguments)
    except plain.Refusal as refusal:
        result = refusal
    if isinstance(result, plain.Refusal):
        assert all(isinstance(part, str) and part for part in (result.what, result.why, result.instead))
        return
    assert finite(result, name in INFINITE)
    if (free := broadcasts(function)) and name not in OWN_SHAPE:
        assert shapes(result) == {np.broadcast_shapes(*(np.shape(arguments[key]) for key in free if key in arguments))}
