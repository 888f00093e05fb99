from . import sweeps as sweeps
from .batched import cached_chunk as cached_chunk, descend as descend
from .data import Task as Task, population_loss as population_loss
from .measurements import (
    follow as follow,
    initialize as initialize,
    moved as moved,
    pretrain as pretrain,
    respond as respond,
)
from .networks import Layer as Layer, Layers as Layers
from .training_plan import Numbers as Numbers, Plan as Plan, planned as planned
