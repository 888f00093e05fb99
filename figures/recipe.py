"""Recipes: the source of a figure's data, as a value that can be written down and hashed."""

from dataclasses import dataclass, fields
from importlib import import_module

import xarray as xr

from overtraining.setting.protocol import Protocol
from overtraining.setting.serialization import write


@dataclass(frozen=True)
class Recipe:
    """A call that makes a Response or Trajectory: `source(protocol, key)`, without arguments that are None.

    source: dotted name of the function, so that the declaration of a figure need not import it.
    In a changed figure (`figures.settings`), by dotted path:
    ignores: fields of the protocol that a change leaves as they are here, since the function does not read them, or
    since the figure's module computes them from other recipes.
    fixed: fields that nobody can change, since the function takes their values from its own experiment.
    """

    source: str
    protocol: Protocol | None = None
    key: int | None = None
    ignores: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The module of the source."""
        return self.source.rpartition(".")[0]

    def make(self) -> xr.Dataset:
        """Make the data."""
        module, _, name = self.source.rpartition(".")
        arguments = [x for x in (self.protocol, self.key) if x is not None]
        return self.labelled(getattr(import_module(module), name)(*arguments))

    def labelled(self, data: xr.Dataset) -> xr.Dataset:
        """The data with their protocol, so that a caption can tell its numbers: the recipe's, if they name none."""
        return data if self.protocol is None else data.assign_attrs({"protocol": write(self.protocol)} | data.attrs)

    def declaration(self) -> dict[str, object]:
        """The recipe as plain data, for the manifest and the fingerprint."""
        plain: dict[str, object] = {"source": self.source}
        if self.protocol is not None:
            plain["protocol"] = write(self.protocol)
        if self.key is not None:
            plain["key"] = self.key
        return plain


NO_PERTURBATION = ("strengths", "perturbation")
"""What a Trajectory does not depend on."""


def all_but(*paths: str) -> tuple[str, ...]:
    """The fields of a protocol without these and without those that these are parts of.

    >>> "lengths" in all_but("lengths", "sampling.draws"), "sampling" in all_but("sampling.draws")
    (False, False)
    """
    kept = {path.split(".")[0] for path in paths}
    return tuple(field.name for field in fields(Protocol) if field.name not in kept)


def theory_response(protocol: Protocol) -> Recipe:
    """A recipe for the exact Response to a protocol."""
    return Recipe("overtraining.theory.solvers.exact.respond", protocol)


def theory_trajectory(protocol: Protocol) -> Recipe:
    """A recipe for the exact Trajectory under a protocol."""
    return Recipe("overtraining.theory.solvers.exact.follow", protocol, ignores=NO_PERTURBATION)


def simulated_response(protocol: Protocol, key: int) -> Recipe:
    """A recipe for the simulated Response to a protocol."""
    return Recipe("overtraining.simulations.measurements.respond", protocol, key)


def simulated_trajectory(protocol: Protocol, key: int) -> Recipe:
    """A recipe for the simulated Trajectory under a protocol."""
    return Recipe("overtraining.simulations.measurements.follow", protocol, key, NO_PERTURBATION)
