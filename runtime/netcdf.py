"""Datasets as the bytes of a NetCDF file: HDF5 itself does not survive a full disk."""

import io
from collections.abc import Mapping

import xarray as xr


def as_netcdf(datasets: Mapping[str, xr.Dataset]) -> bytes:
    """The Datasets as the groups of one file, in their order, as `xarray.open_datatree` reads them.

    >>> as_netcdf({"losses": xr.Dataset({"before": ("pretraining", [1.0, 0.5])})})[1:4]
    b'HDF'
    """
    with io.BytesIO() as file:
        xr.DataTree.from_dict(dict(datasets)).to_netcdf(file, engine="h5netcdf")
        return file.getvalue()
