"""The two measures of the laboratory, Responses and Trajectories."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from simulations.measured import follow, respond
from simulations.sweeps.measures import Measure, one_by_one
from theory.protocol import Protocol
from theory.responses import response, trajectory


def _values(data):
    return {str(name): v.values for name, v in data.data_vars.items()}

def _dress_r(protocol, key, values):
    one, both = ("seed", "pretraining"), ("seed", "pretraining", "strength")
    return response({n: (one if n.startswith("before") else both, v) for n, v in values.items()},
      {"seed": np.arange(protocol.sampling.seeds), "pretraining": list(protocol.lengths), "strength": list(protocol.strengths)}, method="simulation", source="x", perturbation="y", model="z")

RESPONSE = Measure(one_by_one(lambda p, k: _values(respond(p, k))), _dress_r, program=lambda p: (p.network,), batched=False)
TRAJECTORY = RESPONSE
