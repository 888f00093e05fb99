"""Turns as coordinates of a Response: selected, kept in files, and refused where they are of other values."""

import numpy as np
import pytest
import xarray as xr

from overtraining.setting.errors import SchemaError
from overtraining.setting.inflection import inflection_point
from overtraining.setting.responses import validate
from overtraining.setting.turns import FOUND_BY, FoundBy, Turns, with_turns
from tests.setting.samples import make


def broken_lines(found_by: FoundBy = "formula") -> xr.Dataset:
    """Losses `|t − 2.5|`, with the turn 2.5, `−t`, without one, and a zigzag with turns at 1.5, 2.5 and 3.5."""
    t = np.arange(6.0)
    zigzag = np.interp(t, [0, 1.5, 2.5, 3.5, 5], [3, 0, 2, 1, 4])
    turns = Turns(
        np.array([0, 2, 2, 2]), np.array([2.5, 1.5, 2.5, 3.5]), np.array([0.0, 0.0, 2.0, 1.0]), np.full(4, 1e-7)
    )
    return with_turns(make(np.stack([abs(t - 2.5), -t, zigzag], axis=1)), {"pretraining": turns}, found_by)


def test_which_turn_counts_and_how_far_it_is_known() -> None:
    data = broken_lines()
    found = {which: inflection_point(data, which=which) for which in ("first", "last", "best")}
    assert {which: point.length.values.tolist() for which, point in found.items()} == {
        "first": [2.5, np.inf, 1.5],
        "last": [2.5, np.inf, 3.5],
        "best": [2.5, np.inf, 1.5],
    }
    assert found["last"].after.values.tolist() == [0, -5, 1]
    assert found["last"].rise.values.tolist() == [2.5, 0, 3]
    assert found["last"].resolution.values.tolist() == [1e-7, np.inf, 1e-7]
    assert found["last"].attrs["found_by"] == FOUND_BY["formula"]
    assert inflection_point(data.drop_dims("turn")).resolution.values.tolist() == [1, np.inf, 1]


@pytest.mark.parametrize(
    ("lengths", "first", "last"),
    [
        (slice(None), 1.5, 3.5),
        (slice(2, None), 2.0, 3.5),  # the loss rises from 2 to 2.5
        (slice(2, 4), 2.0, np.inf),  # and still falls at 3
        (slice(0, 3), 1.5, 1.5),
        (slice(4, None), 4.0, 4.0),  # pretraining only hurts from there on
        (slice(0, 2), np.inf, np.inf),
        ([0, 5], 1.5, 3.5),
    ],
)
def test_turns_outside_of_the_range_do_not_count(lengths, first: float, last: float) -> None:
    one = broken_lines().isel(strength=2, pretraining=lengths)
    assert inflection_point(one, which="first").length.item() == first
    assert inflection_point(one, which="last").length.item() == last


def test_an_end_of_the_range_is_known_to_the_next_length_where_a_grid_shows_the_turns() -> None:
    at_end = {by: inflection_point(broken_lines(by).isel(strength=2, pretraining=slice(4, None))) for by in FOUND_BY}
    assert {by: point.resolution.item() for by, point in at_end.items()} == {"formula": 0.0, "grid": 1.0}


def test_selections_files_and_averages(tmp_path) -> None:
    """A strength keeps its turns, also alone; what is averaged over strengths has none."""
    data = broken_lines()
    assert inflection_point(data.isel(strength=[2, 0])).length.values.tolist() == [3.5, 2.5]
    assert inflection_point(data.isel(strength=0).squeeze()).length.item() == 2.5
    assert inflection_point(data.isel(strength=0, turn=[0]).squeeze()).length.item() == 2.5
    assert not {"turn_length", "turn_after"} & set(data.mean("strength").coords)
    data.to_netcdf(tmp_path / "data.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "data.nc", engine="h5netcdf") as again:
        xr.testing.assert_identical(validate(again.load()), data)
    both = xr.concat([data, data.isel(turn=[0, 1])], "task", coords="different", compat="equals", join="outer")
    assert inflection_point(both, which="first").length.values[:, 2].tolist() == [1.5, 1.5]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: r.assign(after=(r.after - 1).assign_attrs(r.after.attrs)),
        lambda r: r.assign_coords(turn_after=r.turn_after + 1),
        lambda r: r.assign_coords(turn_length=r.turn_length.assign_attrs(found_by=3)),
        lambda r: r.assign_coords(turn_length=r.turn_length.astype(str)),
        lambda r: r.assign_coords(pretraining=("pretraining", 1e3 * r.pretraining.values, {"units": "tokens"})),
    ],
)
def test_turns_of_other_values_are_refused(spoil) -> None:
    with pytest.raises(SchemaError, match="drop_dims"):
        inflection_point(spoil(broken_lines()))
