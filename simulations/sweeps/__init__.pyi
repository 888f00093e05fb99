from .cells import Cell as Cell, derived_key as derived_key
from .cluster import Cluster as Cluster
from .local_workers import LocalWorkers as LocalWorkers
from .measures import Measure as Measure, one_by_one as one_by_one
from .result_cells import pool_repetitions as pool_repetitions, read_cells as read_cells
from .run import FinishedSweep as FinishedSweep, run_sweep as run_sweep
from .spec import Axis as Axis, Sweep as Sweep, load_sweep as load_sweep, parse_sweep as parse_sweep
