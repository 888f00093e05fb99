"""D: fine-tuning on another task. Names below stand in the order of the claims; remedies (D7) are in `remedies`."""

from overtraining.theory.fine_tuning.fine_tuned_grid import fine_tune_grid
from overtraining.theory.fine_tuning.forgetting_map import ForgettingMap, map_forgetting, random_tasks, rotated_tasks
from overtraining.theory.fine_tuning.label_noise import label_noise_excess, label_noise_scale
from overtraining.theory.fine_tuning.mixed_target import interpolated
from overtraining.theory.fine_tuning.noisy_task import noisy_task_inflection, noisy_task_turn
from overtraining.theory.fine_tuning.plateau_depth import plateau_checkpoints
from overtraining.theory.fine_tuning.plateaus import (
    Plateaus,
    fine_tune_plateaus,
    hurting_ratio,
    plateau_growth,
    rise_on_plateaus,
    safe_budget,
)
from overtraining.theory.fine_tuning.shared_task import forgetting_cost, overshoot_length
from overtraining.theory.fine_tuning.stability import (
    path_sharpness,
    sharpness_bound,
    stable_learning_rate,
    tuned_budget,
    tuned_learning_rate,
    tuning_sharpness,
)
from overtraining.theory.fine_tuning.tuned_flow import FineTuned, fine_tune, fine_tune_mode, mode_distance

__all__ = [
    # D1: exact fine-tuning
    "fine_tune",  # both losses after fine-tuning on any task
    "FineTuned",  # its result
    "fine_tune_mode",  # one mode after fine-tuning on a task with the teacher's singular vectors
    "mode_distance",  # how far the weights of a mode move
    "fine_tune_grid",  # both losses for many checkpoints, budgets and tasks
    # D2, D3: a task with the teacher's singular vectors
    "overshoot_length",  # pretraining length from which the pretraining loss after fine-tuning rises
    "forgetting_cost",  # how much fine-tuning raises the pretraining loss
    # D4: any task, from plateau to plateau
    "fine_tune_plateaus",  # what fine-tuning costs after each learned feature, as the start goes to 0
    "Plateaus",  # its result, with a bound on its error at a finite start
    "rise_on_plateaus",  # the same at any start, exactly
    "plateau_checkpoints",  # the checkpoints that stand for plateaus at a finite start
    "plateau_growth",  # the same to second order in the budget
    "hurting_ratio",  # whether a further feature raises the loss after fine-tuning, in the mean over random tasks
    "safe_budget",  # budget up to which a further feature never lowers the cost
    "map_forgetting",  # how often it does, over many tasks
    "ForgettingMap",  # its result
    "rotated_tasks",  # tasks for it: the teacher rotated and rescaled
    "random_tasks",  # tasks for it: some features shared with the teacher, the rest random
    # D5: noisy labels in fine-tuning
    "label_noise_scale",  # the noise on the weights that noisy labels amount to
    "label_noise_excess",  # the stationary excess loss
    "noisy_task_turn",  # where fine-tuning of a mode should end at a finite budget
    "noisy_task_inflection",  # the pretrained value from which longer pretraining hurts
    # D6: learning rates and budgets of fine-tuning
    "sharpness_bound",  # upper bound on the largest curvature at any weights
    "path_sharpness",  # the largest curvature that one mode meets in fine-tuning
    "stable_learning_rate",  # the largest learning rate at which gradient descent ends at the task
    "tuning_sharpness",  # the largest curvature after a budget of fine-tuning
    "tuned_learning_rate",  # the best learning rate under label noise
    "tuned_budget",  # the best budget for a weighted sum of both losses
    # D7, E3: two tasks at once
    "interpolated",  # the one task that training on two tasks amounts to
]
