from . import (
    derivations as derivations,  # every claim derived by machine
    fine_tuning as fine_tuning,  # D: what fine-tuning learns and forgets
    inflection as inflection,  # C: pretraining lengths beyond which the loss after noise rises
    learning as learning,  # A: what gradient flow learns, and when
    precision as precision,  # every closed form beside mpmath
    remedies as remedies,  # D7, E: anchors, low rank, weight decay, annealing, mixing
    sensitivity as sensitivity,  # B: how much a change of the weights raises the loss
    solvers as solvers,  # which family of solutions answers a Protocol
)
from .solvers.checkpoints import respond_at as respond_at  # from your own checkpoints
from .solvers.exact import follow as follow, respond as respond
