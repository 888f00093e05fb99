"""D7 and E: anchors, low-rank updates, weight decay, annealing, mixing."""

from overtraining.theory.remedies.anchored import (
    anchored_inflection,
    anchored_weight,
    effective_budget,
    stopped_inflection,
)
from overtraining.theory.remedies.annealing import accumulated_noise, noisy_spectrum, tilt
from overtraining.theory.remedies.mixing import best_share, best_trade_share, mixed_value
from overtraining.theory.remedies.robust import Robust, excess_over_robust, layer_prices, robust_optimum
from overtraining.theory.remedies.tradeoff import least_forgetting, low_rank_floor, low_rank_update

__all__ = [
    "anchored_inflection",  # The pretrained value beyond which pretraining hurts after anchored tuning, `σ(1 − (σ'−σ)
    "anchored_weight",  # Where anchored fine-tuning ends: the one positive root of `x³ + (λ − σ')x − λw = 0` (claim D
    "effective_budget",  # The budget without an anchor that moves the weights as far, `(1 − e^{−λT})/λ` (claim D7), t
    "stopped_inflection",  # The same for tuning stopped after T, `σ'/(1 + (σ'/σ − 1)e^{2σ'T})` (claim D7): where the
    "accumulated_noise",  # The clock of the tilt after each step of a schedule, `Γ = Σ η_k²ν²/2B` (claim E2).
    "noisy_spectrum",  # Learned singular values under SGD at this rate, `σ − γ²(d_in + d_out)√u/(1 + u)` (claim E2).
    "tilt",  # How far noise has tilted the layers of learned modes, `u = w2²/w1²` from balance, after Γ (claim E2).
    "low_rank_update",  # Updates of both layers, of rank r each, that reach `tradeoff.low_rank_floor` (claim D7).
    "best_share",  # The share of downstream data in pretraining that is best downstream, whatever fine-tuning follows
    "best_trade_share",  # The share of downstream data that is best for `ρL_pre + (1 − ρ)L_ft` after tuning, at conve
    "mixed_value",  # A mode after pretraining for t on a mixture and fine-tuning for T: A3 twice, first toward `(1 −
    "Robust",  # Each mode of the noise-robust optimum: its singular value `s = w1 w2`, its two weights, and its part
    "excess_over_robust",  # How much one aligned mode's loss after noise is above the optimum's (claim E1), a sum of
    "layer_prices",  # What noise charges for `½‖W1‖²` and `½‖W2‖²`: `a = γ₂² d_out`, `b = γ₁² d_in` (claims B1, E1).
    "robust_optimum",  # The minimizer of the loss after noise, `s = (σ − κ)₊`, `κ = √(ab)`, `w2²/w1² = a/b` (claim E1
    "least_forgetting",  # The least pretraining loss that a network of this downstream loss can have, `½(‖A − B‖ − √(
    "low_rank_floor",  # The least downstream loss under a low-rank update of every layer, `½Σ_{i>2r} σ_i(B − f)²` (cl
]
