"""A: what gradient flow learns, and at which time.

`__all__` lists the formulas in the order of the claims. One mode has the same functions in three modules, one for each
kind of network: `balanced_mode`, `unbalanced_mode` and `deep_mode`.
"""

from overtraining.theory.learning import balanced_mode, deep_mode, unbalanced_mode
from overtraining.theory.learning.flow import imbalance, loss_gradient, mode_flow
from overtraining.theory.learning.incremental import feature, feature_limit, limit_error
from overtraining.theory.learning.matrix_modes import Modes, modes_of, start_modes, weights_of
from overtraining.theory.learning.matrix_rotation import distance_moved, matrix_weights
from overtraining.theory.learning.matrix_solution import (
    MatrixFlow,
    balanced_weights,
    matrix_flow,
    matrix_flow_from_modes,
)
from overtraining.theory.learning.random_start import MeanMode, RandomStarts, mean_mode, random_starts, start_variance
from overtraining.theory.learning.random_start_error import start_error

__all__ = [
    "loss_gradient",  # A1: gradient of the loss for every layer, at any depth
    "imbalance",  # A1: what gradient flow conserves between neighbouring layers
    "mode_flow",  # A2: velocities of the two weights of one aligned mode
    "balanced_mode",  # A3: singular value and unlearned part of a mode of two balanced layers
    "unbalanced_mode",  # A4: product, unlearned part and weights of a mode of two layers with an imbalance
    "matrix_flow",  # A5: the product of two layers from balanced weights to any teacher
    "matrix_flow_from_modes",  # A5: the same from the singular vectors and values of the start's product
    "MatrixFlow",  # A5: their result: product, Gram matrices, norms, unlearned part and loss at every time
    "matrix_weights",  # A5: the weights of the two layers, whose hidden rotation is integrated
    "distance_moved",  # A5: how far the weights are from their start
    "balanced_weights",  # A5: balanced weights with a given product
    "Modes",  # A5: the modes of balanced weights
    "modes_of",  # A5: … from the weights
    "weights_of",  # A5: … and back
    "start_modes",  # A5: … of the start of a Protocol
    "deep_mode",  # A6: singular value and unlearned part of a balanced mode at any depth, and the time to reach a value
    "feature_limit",  # A7: a singular value in the limit of a small start, a step in rescaled time
    "feature",  # A7: the same at a finite start
    "limit_error",  # A7: bound on the difference of the two
    "mean_mode",  # A8: means over small Gaussian starts of a mode's singular value, its square and its loss
    "MeanMode",  # A8: … the result
    "random_starts",  # A8: starts and weights with which any function of a mode has its mean
    "RandomStarts",  # A8: … the result
    "start_variance",  # A8: variance of what grows of a mode, per hidden unit
    "start_error",  # A8: estimate of what is missed at a finite size of the start
]
