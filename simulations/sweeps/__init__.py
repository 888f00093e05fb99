"""Sweeps: grids of protocols, measured in chunks that survive being killed, on this machine or on a cluster."""

from overtraining.simulations.sweeps.cells import Cell as Cell, derived_key as derived_key
from overtraining.simulations.sweeps.cluster import Cluster as Cluster
from overtraining.simulations.sweeps.measures import Measure as Measure, one_by_one as one_by_one
from overtraining.simulations.sweeps.result import pool_repetitions as pool_repetitions, read_cells as read_cells
from overtraining.simulations.sweeps.run import FinishedSweep as FinishedSweep, run_sweep as run_sweep
from overtraining.simulations.sweeps.spec import (
    Axis as Axis,
    Sweep as Sweep,
    load_sweep as load_sweep,
    parse_sweep as parse_sweep,
)
from overtraining.simulations.sweeps.worker_processes import OneWorker as OneWorker
