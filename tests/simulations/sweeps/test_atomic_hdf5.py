"""HDF5 files: whole or not at all, and a full disk is an error of Python."""

import errno
from pathlib import Path

import h5netcdf
import numpy as np
import pytest
import xarray as xr

from overtraining.simulations.sweeps.atomic_hdf5 import DeferredErrorFile, atomic_hdf5_file


def fill(file: h5netcdf.File, numbers: np.ndarray) -> None:
    file.dimensions["x"] = numbers.size
    file.create_variable("numbers", ("x",), np.float64)[...] = numbers


def test_a_complete_file_is_read_by_xarray(tmp_path: Path) -> None:
    path = tmp_path / "file.nc"
    with atomic_hdf5_file(path) as (file, check_disk):
        fill(file, np.arange(1000.0))
        check_disk()
        assert not path.exists()
    with xr.open_dataset(path, engine="h5netcdf") as data:
        assert data["numbers"].values.tolist() == list(range(1000))


def test_after_an_error_nothing_is_there(tmp_path: Path) -> None:
    def half_way() -> None:
        with atomic_hdf5_file(tmp_path / "file.nc") as (file, _):
            fill(file, np.arange(1000.0))
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        half_way()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_when_asked_and_at_the_end() -> None:
    """Writes pass in silence, as HDF5 needs it."""

    def write() -> None:
        with DeferredErrorFile(Path("/dev/full")) as file:
            file.check()
            assert file.write(b"numbers") == 7
            with pytest.raises(OSError, match="/dev/full"):
                file.check()

    with pytest.raises(OSError, match="/dev/full") as refused:
        write()
    assert refused.value.errno == errno.ENOSPC


def test_another_error_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="own"), DeferredErrorFile(tmp_path / "file"):
        raise RuntimeError("its own")
