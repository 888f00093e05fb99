"""D: fine-tuning on another task: what is learned, what is forgotten, which learning rates are stable."""

from overtraining.theory.fine_tuning.fine_tuned_grid import fine_tune_grid
from overtraining.theory.fine_tuning.forgetting_map import ForgettingMap, map_forgetting, random_tasks, rotated_tasks
from overtraining.theory.fine_tuning.label_noise import label_noise_excess, label_noise_scale
from overtraining.theory.fine_tuning.mixed_target import interpolated
from overtraining.theory.fine_tuning.noisy_task import noisy_task_inflection, noisy_task_turn
from overtraining.theory.fine_tuning.plateaus import (
    Plateaus,
    fine_tune_plateaus,
    hurting_ratio,
    plateau_growth,
    safe_budget,
)
from overtraining.theory.fine_tuning.shared_task import forgetting_cost, overshoot_length
from overtraining.theory.fine_tuning.stability import (
    path_sharpness,
    sharpness_bound,
    tuned_budget,
    tuned_rate,
    tuning_sharpness,
)
from overtraining.theory.fine_tuning.tuned_flow import FineTuned, fine_tune, fine_tune_mode, mode_distance

__all__ = [
    "interpolated",  # The one target of two mixed losses, `(1 − ρ)B + ρA` (claims D7, E3).
    "fine_tune_grid",  # Pretraining and downstream loss, `(…, length, budget)`, after fine-tuning a balanced aligned
    "FineTuned",  # A network after fine-tuning, at every budget.
    "fine_tune",  # Both losses after fine-tuning λ-balanced weights for a time T, `A − f(T) = (A − B) + (B − f(T))` (
    "fine_tune_mode",  # A mode's product after fine-tuning on a task that shares its singular vectors, and what is le
    "mode_distance",  # How far one mode's two weights move, `√(Δw₁² + Δw₂²)`: `√2|√x − √s|` at λ = 0 (claim D1).
    "ForgettingMap",  # Shares of the trials in every cell; the tasks' axes but the trials, then the budget, then for
    "map_forgetting",  # Monotonicity and inflection over tasks `(…, trial, d_out, d_in)`, at every budget (claim D4).
    "random_tasks",  # `strength · diag(σ₁ … σ_k, G)`: k features shared with the teacher, the rest Gaussian of larges
    "rotated_tasks",  # The teacher turned and rescaled, `strength · R diag(σ) R'ᵀ`, with rotations of largest plane an
    "label_noise_excess",  # Stationary excess loss of SGD on noisy labels where a task is fitted, `½ν²Σ_i G_i/(1 − G_
    "label_noise_scale",  # The noise on the weights that noisy labels amount to, `γ = ν√(η/2B)` (claim D5), to first
    "noisy_task_inflection",  # The pretrained value from which a longer pretraining hurts a noisy task, `σ'pq/(pq − γ
    "noisy_task_turn",  # Where fine-tuning of every mode should end, beyond the task, in units of γ²: ψ of `p = σ' +
    "Plateaus",  # Fine-tuning from each plateau; the last axis of `rise` is n = 0 … r, of the others feature n + 1 =
    "fine_tune_plateaus",  # Exact cost of fine-tuning from every plateau, `Δ_{n+1} − Δ_n = ½(m² + σ_{n+1}²) − ma` (cl
    "hurting_ratio",  # `T²[v(4Σ_{k<=n}σ_k/σ_{n+1} + d_in + d_out + 2) + 4σ_{n+1}²]`: above 1, feature n + 1 hurts (cl
    "plateau_growth",  # `(Δ_{n+1} − Δ_n)/T²` as T → 0, what feature n + 1 = 1 … r adds to the cost of small budgets:
    "safe_budget",  # The budget T up to which feature n + 1 = 1 … r cannot lower the cost, `Δ_{n+1} >= Δ_n` for every
    "overshoot_length",  # Pretraining length from which the pretraining loss after fine-tuning of a mode gets worse (
    "path_sharpness",  # The largest curvature that one aligned balanced mode meets in fine-tuning, `max(2σ', 3s − σ')
    "sharpness_bound",  # What the largest curvature cannot exceed at ANY weights, `‖W1‖² + ‖W2‖² + ‖B − f‖`, operator
    "tuned_budget",  # The budget that is best for the trade `ρL_pre + (1 − ρ)L_ft`, `ln[1 + σ'(v − s)/(s(σ' − v))]/2σ
    "tuned_rate",  # The learning rate that ends lowest downstream, `[ln(4σ'Ne²/v)]₊/(4σ'N)` (claim D6), near the task
    "tuning_sharpness",  # The largest curvature of the downstream loss after a time of fine-tuning on an aligned task
    "forgetting_cost",  # What fine-tuning adds to a balanced mode's pretraining loss, `Δ = (s − x)(σ − (s + x)/2)` (cla
]
