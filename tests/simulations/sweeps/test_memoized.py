"""Calls whose results are kept: what they return the first time and the second, and what makes them run again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from overtraining.experiments import memoized
from overtraining.setting.errors import DomainError
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.tasks import RotatedTeacher
from overtraining.setting.teachers import PowerLaw
from overtraining.setting.training import GradientDescent
from overtraining.simulations.sweeps.memoized import arguments
from overtraining.simulations.sweeps.store import CHUNKS, StoreRefused
from overtraining.simulations.sweeps.worker import WorkerDiffers
from overtraining.simulations.sweeps.worker_processes import environment

ASKED = Protocol(PowerLaw(2), (1.0, 2.0), (0.1, 0.3), sampling=Sampling(draws=16))
DATA = xr.Dataset({"x": (("a", "b"), np.array([[1.0, 2.0]]), {"units": "1"})}, {"b": [3.0, 4.0]}, {"kind": "test"})
called: list[Any] = []


RETURNED = {
    "array": np.arange(3.0),
    "number": 0.1,
    "dataset": DATA,
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


kept = memoized.memoize(returned)


@pytest.fixture(autouse=True)
def nothing_called() -> None:
    called.clear()


@pytest.mark.parametrize("what", ["array", "number", "dataset", "tuple", "dictionary"])
def test_a_result_is_found_again_as_it_was(tmp_path: Path, what: str) -> None:
    fresh = kept(what, ASKED)
    with memoized.storing(tmp_path):
        first, second = kept(what, ASKED), kept(what, protocol=ASKED, sizes=(1.0,))
    assert len(called) == 2  # the one that was not kept, and the first
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
    with memoized.storing(tmp_path):
        for given in ((ASKED,), (other,), (ASKED, (1.0, 2.0)), (ASKED, np.array([1.0, 2.0]))):
            kept("number", *given)
    assert len(called) == 3  # a tuple and an array of the same numbers are the same argument


@pytest.mark.parametrize("given", [object(), {1: 2}, np.nan, (1.0, np.inf), np.array(["a"]), 1j])
def test_what_cannot_be_told_apart_is_no_argument(given: Any) -> None:
    """Wherever it is called."""
    with pytest.raises(TypeError, match="no argument of a memoized call"):
        kept("number", ASKED, given)
    assert not called


def test_numbers_of_another_kind_are_other_arguments() -> None:
    given = [np.ones(2), np.ones(2, np.float32), np.ones((0, 2)), np.ones((0, 3)), np.float32(1)]
    assert len({arguments(returned, "number", ASKED, one) for one in given}) == len(given)
    assert arguments(returned, "number", ASKED, given[0]) == arguments(returned, "number", ASKED, [1.0, 1.0])


def test_a_call_needs_a_name() -> None:
    with pytest.raises(TypeError, match="no name of its own"):
        memoized.memoize(lambda: 1)()


@pytest.mark.parametrize("what", ["none", "nested", "scalar array"])
def test_what_cannot_be_kept_is_no_result(tmp_path: Path, what: str) -> None:
    with pytest.raises(TypeError, match="no result of a memoized call"), memoized.storing(tmp_path):
        kept(what, ASKED)


def test_trouble_of_the_call_is_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), memoized.storing(tmp_path):
        kept("file", ASKED)


def test_a_crash_costs_one_call(tmp_path: Path) -> None:
    """What raises is not kept; what came before it is."""
    for _ in range(2):
        with memoized.storing(tmp_path):
            kept("array", ASKED)
            with pytest.raises(DomainError):
                kept("unknown", ASKED)
    assert [what for what, *_ in called] == ["array", "unknown", "unknown"]


def test_a_damaged_result_is_named_and_made_again(tmp_path: Path) -> None:
    with memoized.storing(tmp_path):
        whole = kept("array", ASKED)
        (file,) = tmp_path.glob(f"*/{CHUNKS}/*")
        file.write_bytes(file.read_bytes()[:-1] + b"x")
        with pytest.warns(UserWarning, match=f"{file.name}.*damaged"):
            again = kept("array", ASKED)
    np.testing.assert_array_equal(again, whole)
    assert len(called) == 2


def test_a_folder_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreRefused, match=r"Not a directory.*same command again"), memoized.storing(tmp_path / "file"):
        kept("array", ASKED)


def test_several_threads_are_refused(tmp_path: Path) -> None:
    with (
        environment({"OMP_NUM_THREADS": "2"}),
        pytest.raises(WorkerDiffers, match="several threads"),
        memoized.storing(tmp_path),
    ):
        pass


def test_weights_are_kept_as_layers(tmp_path: Path) -> None:
    fresh = memoized.pretrain(ASKED, 0)
    with memoized.storing(tmp_path):
        for found in (memoized.pretrain(ASKED, 0), memoized.pretrain(ASKED, 0)):
            for one, other in zip(found, fresh, strict=True):
                assert one.bias is other.bias is None
                np.testing.assert_allclose(one.weight, other.weight, rtol=1e-12)


def test_the_laboratory_s_own_come_back_as_they_were(tmp_path: Path) -> None:
    """With all their attributes; of rates at which fine-tuning diverges too."""
    how = FineTuning(RotatedTeacher(1.0), GradientDescent(0.1))
    asked = Protocol(PowerLaw(2), (8.0,), (1.0,), perturbation=how)
    fresh = memoized.respond_at_learning_rates(asked, (0.125, 40.0), 0, steps=(20,))
    with memoized.storing(tmp_path):
        found = memoized.respond_at_learning_rates(asked, (0.125, 40.0), 0, steps=(20,))
    assert found.attrs == fresh.attrs
    xr.testing.assert_allclose(found, fresh, rtol=1e-12)
