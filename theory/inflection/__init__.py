"""C: the pretraining lengths beyond which the loss after noise rises. Names below stand in the order of the claims."""

from overtraining.theory.inflection.deep_path import deep_minima, loss_after_noise
from overtraining.theory.inflection.deep_stages import deep_inflection_time, stage_changes, threshold_singular_value
from overtraining.theory.inflection.noisy_flow import slope_after_noise
from overtraining.theory.inflection.noisy_mode import inflection_time, turning_product, unbalanced_inflection_time
from overtraining.theory.inflection.noisy_path import (
    Minima,
    OvertrainingBounds,
    minima,
    overtraining_bounds,
    remaining_increase,
)
from overtraining.theory.inflection.scaling import dense_inflection_time, features_under_way
from overtraining.theory.inflection.stages import Stage, overtraining_in_stages, stage

__all__ = [
    # C1: one mode
    "inflection_time",  # length from which a balanced mode raises the loss after noise
    "unbalanced_inflection_time",  # the same for a mode of any imbalance between its layers
    "turning_product",  # the value of the mode at that length
    # C2: any weights
    "slope_after_noise",  # slope of the loss after noise along gradient flow
    # C3: the limit of a small start, feature by feature
    "stage",  # what learning one feature does to the loss after noise
    "Stage",  # its result
    "stage_changes",  # the same for the n strongest features of a deep network
    "threshold_singular_value",  # singular value above which learning a feature lowers the loss after noise, any depth
    # C4: many modes
    "minima",  # every local minimum of the loss after noise along the path
    "Minima",  # its result
    "remaining_increase",  # how much the loss after noise will still rise
    "overtraining_bounds",  # bounds on the increase from the best length to the end
    "OvertrainingBounds",  # its result
    "overtraining_in_stages",  # that increase in the limit of a small start
    "loss_after_noise",  # the loss after noise along the path of any depth
    "deep_minima",  # its local minima
    # C5: many features
    "dense_inflection_time",  # inflection length for a dense power-law spectrum
    "features_under_way",  # how many features of it are learned at the same time
    "deep_inflection_time",  # inflection length from three layers on
]
