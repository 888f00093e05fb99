"""Memoized calls: what they return the first time and the second, and what makes them run again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from overtraining.setting.errors import DomainError
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.teachers import PowerLaw
from overtraining.simulations.sweeps.memoized import arguments, memoized_call
from overtraining.simulations.sweeps.store import CHUNKS, StoreRefused

ASKED = Protocol(PowerLaw(2), (1.0, 2.0), (0.1, 0.3), sampling=Sampling(draws=16))
DATA = xr.Dataset(
    {"x": (("a", "b"), np.array([[1.0, 2.0]]), {"units": "1"})}, {"b": [3.0, 4.0]}, {"kind": "test", "size": 2}
)
NAMED = xr.Dataset(
    {"x": ("a", [1, 2]), "y": ((), 0.5)}, {"a": np.array(["é", "long"], object), "b": ("a", [True, False])}
)
called: list[Any] = []


RETURNED = {
    "array": np.arange(3.0),
    "number": 0.1,
    "dataset": DATA,
    "named": NAMED,
    "objects": xr.Dataset({"x": ("a", np.array([1, "b"], object))}),
    "tuple": (np.eye(2), 0.5, DATA),
    "dictionary": {"item 0": np.ones(1), "whole": 2.0},
    "none": None,
    "nested": {"a": {"b": 1.0}},
    "scalar array": np.array(3.0),
}


def returned(what: str, protocol: Protocol, sizes: tuple[float, ...] = (1.0,)) -> Any:
    called.append((what, protocol, sizes))
    if what == "file":
        return Path("/nonexistent").read_bytes()
    if what not in RETURNED:
        raise DomainError(what, "there is none", "ask for another")
    return RETURNED[what]


def stored(folder: Path, what: str, *given: Any, **named: Any) -> Any:
    return memoized_call(returned, folder, what, *given, **named)


@pytest.fixture(autouse=True)
def nothing_called() -> None:
    called.clear()


@pytest.mark.parametrize("what", ["array", "number", "dataset", "named", "tuple", "dictionary"])
def test_a_result_is_found_again_as_it_was(tmp_path: Path, what: str) -> None:
    fresh = returned(what, ASKED)
    first, second = stored(tmp_path, what, ASKED), stored(tmp_path, what, protocol=ASKED, sizes=(1.0,))
    assert len(called) == 2  # the one that was not stored, and the first
    for found in (first, second):
        assert type(found) is type(fresh)
        _equal(found, fresh)


def _equal(found: Any, wanted: Any) -> None:
    match wanted:
        case xr.Dataset():
            xr.testing.assert_identical(found, wanted)
        case tuple() | list():
            assert len(found) == len(wanted)
            for one, other in zip(found, wanted, strict=True):
                _equal(one, other)
        case dict():
            assert found.keys() == wanted.keys()
            _equal(list(found.values()), list(wanted.values()))
        case _:
            np.testing.assert_array_equal(found, wanted)


def test_other_arguments_are_other_calls(tmp_path: Path) -> None:
    other = Protocol(PowerLaw(3), ASKED.lengths, ASKED.strengths)
    for given in ((ASKED,), (other,), (ASKED, (1.0, 2.0)), (ASKED, np.array([1.0, 2.0]))):
        stored(tmp_path, "number", *given)
    assert len(called) == 3  # a tuple and an array of the same numbers are the same argument


@pytest.mark.parametrize("given", [object(), {1: 2}, np.nan, (1.0, np.inf), np.array(["a"]), 1j])
def test_what_cannot_be_told_apart_is_no_argument(tmp_path: Path, given: Any) -> None:
    with pytest.raises(TypeError, match="no argument of a memoized call"):
        stored(tmp_path, "number", ASKED, given)
    assert not called


def test_numbers_of_another_kind_are_other_arguments() -> None:
    given = [np.ones(2), np.ones(2, np.float32), np.ones((0, 2)), np.ones((0, 3)), np.float32(1)]
    assert len({arguments(returned, "number", ASKED, one) for one in given}) == len(given)
    assert arguments(returned, "number", ASKED, given[0]) == arguments(returned, "number", ASKED, [1.0, 1.0])


def test_a_call_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="no name of its own"):
        memoized_call(lambda: 1, tmp_path)


@pytest.mark.parametrize("what", ["none", "nested", "scalar array", "objects"])
def test_what_cannot_be_kept_is_no_result(tmp_path: Path, what: str) -> None:
    with pytest.raises(TypeError, match="no result of a memoized call"):
        stored(tmp_path, what, ASKED)


def test_trouble_of_the_call_is_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        stored(tmp_path, "file", ASKED)


def test_a_crash_costs_one_call(tmp_path: Path) -> None:
    """What raises is not kept; what came before it is."""
    for _ in range(2):
        stored(tmp_path, "array", ASKED)
        with pytest.raises(DomainError):
            stored(tmp_path, "unknown", ASKED)
    assert [what for what, *_ in called] == ["array", "unknown", "unknown"]


def test_a_damaged_result_is_named_and_made_again(tmp_path: Path) -> None:
    whole = stored(tmp_path, "array", ASKED)
    (file,) = tmp_path.glob(f"*/{CHUNKS}/*")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.warns(UserWarning, match=f"{file.name}.*damaged"):
        again = stored(tmp_path, "array", ASKED)
    np.testing.assert_array_equal(again, whole)
    assert len(called) == 2


def test_a_folder_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreRefused, match=r"Not a directory.*same command again"):
        stored(tmp_path / "file", "array", ASKED)
