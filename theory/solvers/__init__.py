"""From a Protocol to a Response or a Trajectory: which family of exact solutions answers it, or the refusal.

A protocol is resolved, `solve` finds its family, the family gives the path of the network along pretraining, and the
Response or Trajectory is computed from the path.
"""

from overtraining.theory.solvers.exact import describe, follow, respond
from overtraining.theory.solvers.paths import Path, Solution, decoupled_modes, matrix_riccati, single_layer
from overtraining.theory.solvers.random_path import small_random
from overtraining.theory.solvers.solutions import solve

__all__ = [
    "respond",  # the exact Response: loss before and after noise (A–C) or fine-tuning (D1)
    "follow",  # the exact Trajectory: singular values, losses, norms and curvature (A, B3)
    "describe",  # the network and its teacher in a few words
    "solve",  # the Solution of a resolved protocol, or NoFormula
    "Solution",  # the path at any lengths, and the claims that it uses
    "Path",  # a network at some pretraining lengths
    "decoupled_modes",  # A2, A3, A4, A6: every mode by itself
    "matrix_riccati",  # A5: two layers in rotated frames
    "single_layer",  # A6: one layer, any inputs
    "small_random",  # A8: means over small Gaussian starts of two layers
]
