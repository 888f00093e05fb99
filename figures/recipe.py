"""Recipes: the source of a figure's data, as a value that can be written down and hashed."""

from dataclasses import dataclass
from importlib import import_module

import xarray as xr

from overtraining.setting.protocol import Protocol
from overtraining.setting.serialization import write


@dataclass(frozen=True)
class Recipe:
    """A call that makes a Response or Trajectory: `source(protocol, key)`, without arguments that are None.

    source: dotted name of the function, so that the declaration of a figure need not import it.
    """

    source: str
    protocol: Protocol | None = None
    key: int | None = None

    @property
    def module(self) -> str:
        """The module of the source."""
        return self.source.rpartition(".")[0]

    def make(self) -> xr.Dataset:
        """Make the data."""
        module, _, name = self.source.rpartition(".")
        arguments = [x for x in (self.protocol, self.key) if x is not None]
        data: xr.Dataset = getattr(import_module(module), name)(*arguments)
        return data

    def declaration(self) -> dict[str, object]:
        """The recipe as plain data, for the manifest and the fingerprint."""
        plain: dict[str, object] = {"source": self.source}
        if self.protocol is not None:
            plain["protocol"] = write(self.protocol)
        if self.key is not None:
            plain["key"] = self.key
        return plain


def theory_response(protocol: Protocol) -> Recipe:
    """A recipe for the exact Response to a protocol."""
    return Recipe("overtraining.theory.solvers.exact.respond", protocol)


def theory_trajectory(protocol: Protocol) -> Recipe:
    """A recipe for the exact Trajectory under a protocol."""
    return Recipe("overtraining.theory.solvers.exact.follow", protocol)


def simulated_response(protocol: Protocol, key: int) -> Recipe:
    """A recipe for the simulated Response to a protocol."""
    return Recipe("overtraining.simulations.measurements.respond", protocol, key)


def simulated_trajectory(protocol: Protocol, key: int) -> Recipe:
    """A recipe for the simulated Trajectory under a protocol."""
    return Recipe("overtraining.simulations.measurements.follow", protocol, key)
