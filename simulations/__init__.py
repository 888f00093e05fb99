"""What happens: networks in JAX that know nothing of the formulas. Importing it turns on float64, here only."""

import os

import jax

# The one piece of work at import in the project: in float32, JAX's default, every number below would be wrong in
# silence. The processor is the default device, so that numbers are the same everywhere and no missing GPU is reported.
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", os.environ.get("JAX_PLATFORMS") or "cpu")

from simulations.agreement import Agreement as Agreement, compare as compare  # noqa: E402
from simulations.batched import cached_chunk as cached_chunk, descend as descend  # noqa: E402
from simulations.data import Task as Task, population_loss as population_loss  # noqa: E402
from simulations.measured import follow as follow, initialize as initialize, pretrain as pretrain, respond as respond  # noqa: E402
from simulations.networks import Layer as Layer, Layers as Layers  # noqa: E402
from simulations.plan import Numbers as Numbers, Plan as Plan, planned as planned  # noqa: E402
