"""Recipes: where the data of a figure come from, as a value that can be hashed."""

from dataclasses import dataclass
from importlib import import_module

import xarray as xr

from overtraining.setting.protocol import Protocol
from overtraining.setting.serialization import write


@dataclass(frozen=True)
class Recipe:
    """A call that makes a Response or Trajectory: `source(protocol, key)` with what is given of the two.

    source: dotted name of the function, so that declaring a figure imports nothing heavy.
    """

    source: str
    protocol: Protocol | None = None
    key: int | None = None

    @property
    def module(self) -> str:
        return self.source.rpartition(".")[0]

    def make(self) -> xr.Dataset:
        """Run it."""
        module, _, name = self.source.rpartition(".")
        given = [x for x in (self.protocol, self.key) if x is not None]
        data: xr.Dataset = getattr(import_module(module), name)(*given)
        return data

    def declaration(self) -> dict[str, object]:
        """The recipe as plain data, for manifest and fingerprint."""
        plain: dict[str, object] = {"source": self.source}
        if self.protocol is not None:
            plain["protocol"] = write(self.protocol)
        if self.key is not None:
            plain["key"] = self.key
        return plain


def theory_response(protocol: Protocol) -> Recipe:
    """The exact Response to a protocol."""
    return Recipe("overtraining.theory.solvers.exact.respond", protocol)


def theory_trajectory(protocol: Protocol) -> Recipe:
    """The exact Trajectory under a protocol."""
    return Recipe("overtraining.theory.solvers.exact.follow", protocol)


def simulated_response(protocol: Protocol, key: int) -> Recipe:
    """The measured Response to a protocol."""
    return Recipe("overtraining.simulations.measurements.respond", protocol, key)


def simulated_trajectory(protocol: Protocol, key: int) -> Recipe:
    """The measured Trajectory under a protocol."""
    return Recipe("overtraining.simulations.measurements.follow", protocol, key)
