"""The laboratory's measures one cell at a time: the very numbers of `respond` and `follow`, to the last bit."""

from collections.abc import Callable

import numpy as np
import xarray as xr

from simulations.measured import Seed, as_response, as_trajectory, follow, respond
from simulations.sweeps.batches import response_memory, trajectory_memory
from simulations.sweeps.measures import Measure, one_by_one
from theory.protocol import Protocol


def _arrays(measured: Callable[[Protocol, Seed], xr.Dataset]) -> Callable[[Protocol, int], dict[str, np.ndarray]]:
    return lambda protocol, key: {str(name): v.values for name, v in measured(protocol, key).data_vars.items()}


RESPONSE = Measure(one_by_one(_arrays(respond)), as_response, memory=response_memory)
TRAJECTORY = Measure(one_by_one(_arrays(follow)), as_trajectory, memory=trajectory_memory)
