"""D7, E: what can be done against forgetting and noise. Names below stand in the order of the claims."""

from overtraining.theory.remedies.anchored import (
    anchored_inflection,
    anchored_weight,
    anchored_weight_after,
    effective_budget,
    stopped_inflection,
)
from overtraining.theory.remedies.annealing import accumulated_noise, layer_ratio, noisy_spectrum, stepped_spectrum
from overtraining.theory.remedies.mixing import best_task_share, mixed_value, tradeoff_task_share
from overtraining.theory.remedies.robust import RobustOptimum, excess_over_robust, layer_costs, robust_optimum
from overtraining.theory.remedies.tradeoff import least_forgetting, low_rank_floor, low_rank_update

__all__ = [
    # D7: anchors, early stopping, low-rank updates
    "anchored_weight",  # where fine-tuning with a pull to the pretrained weights ends
    "anchored_weight_after",  # where it is after a budget
    "anchored_inflection",  # the pretrained value from which longer pretraining then hurts
    "stopped_inflection",  # the same for fine-tuning that is stopped after a budget
    "effective_budget",  # the budget without an anchor that moves the weights as far
    "least_forgetting",  # the least pretraining loss at a given downstream loss
    "low_rank_floor",  # the least downstream loss under low-rank updates
    "low_rank_update",  # low-rank updates that reach it
    # E1: the noise-robust optimum
    "layer_costs",  # what noise costs per unit of each layer's squared norm
    "robust_optimum",  # the minimizer of the loss after noise
    "RobustOptimum",  # its result
    "excess_over_robust",  # how far other weights are above it
    # E2: noisy labels and annealing in pretraining
    "accumulated_noise",  # the noise that a schedule of learning rates has added up
    "layer_ratio",  # the ratio of the two layers' squared weights after it
    "noisy_spectrum",  # the singular values that remain under it, for small steps
    "stepped_spectrum",  # the same at any step size, and on fresh inputs in small batches
    # E3: downstream data mixed into pretraining
    "mixed_value",  # a mode after pretraining on a mixture and fine-tuning
    "best_task_share",  # the share of downstream data that is best for the downstream task
    "tradeoff_task_share",  # the share that is best for a weighted sum of both losses
]
