"""Sweeps: grids of protocols, measured in chunks that survive being killed, on this machine or on a cluster."""

from simulations.sweeps.cells import Cell as Cell, derived_key as derived_key
from simulations.sweeps.cluster import Cluster as Cluster
from simulations.sweeps.measures import Measure as Measure, one_by_one as one_by_one
from simulations.sweeps.pool import Pool as Pool
from simulations.sweeps.pooling import pooled as pooled
from simulations.sweeps.result import cells_of as cells_of
from simulations.sweeps.run import Finished as Finished, run as run
from simulations.sweeps.spec import Axis as Axis, Sweep as Sweep, load as load, parse as parse
