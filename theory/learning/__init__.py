"""A: what gradient flow learns, and when: modes, depth, matrices, the limit of small starts."""

from overtraining.theory.learning import deep_mode, unbalanced_mode
from overtraining.theory.learning.balanced_mode import singular_value, unlearned
from overtraining.theory.learning.flow import imbalance, loss_gradient, mode_flow
from overtraining.theory.learning.incremental import feature, feature_limit, limit_error
from overtraining.theory.learning.matrix_modes import Modes, modes_of, start_modes, weights_of
from overtraining.theory.learning.matrix_solution import (
    MatrixFlow,
    balanced_weights,
    matrix_flow,
    matrix_flow_from_modes,
)
from overtraining.theory.learning.matrix_weights import distance_moved

__all__ = [
    "deep_mode",
    "unbalanced_mode",
    "singular_value",  # Student singular value `s(t) = κ / (1 + (κ/ε − 1) e^{−2κt})`, `κ = σ − μ`, of a balanced mode
    "unlearned",  # What is left to learn, `σ − s(t) = μ + s (κ − ε) e^{−2κt}/ε`, `κ = σ − μ` (claim A3), accurate whe
    "imbalance",  # What gradient flow conserves between neighbours, `W_{l+1}ᵀ W_{l+1} − W_l W_lᵀ` for l = 1 … L−1 (cl
    "loss_gradient",  # Gradient of the loss by every layer, `∇W_l = (W_L…W_{l+1})ᵀ (f − A) Σx (W_{l−1}…W_1)ᵀ + μ W_l`
    "mode_flow",  # Velocities of one aligned mode, `ẇ1 = ξ w2 (σ − w1w2) − μw1`, `ẇ2 = ξ w1 (σ − w1w2) − μw2` (claim
    "feature",  # The same at finite ε, exactly: `s = σ / (1 + (σ − ε) ε^{στ−1})` (claim A7, which is A3 in the new cl
    "feature_limit",  # The student's singular value as ε → 0, `σ·1{στ > 1}`, and `σ/(1 + σ)` exactly at `στ = 1` (cla
    "limit_error",  # Upper bound on `|feature − feature_limit|` where `στ ≠ 1` and ε < σ (claim A7), of order `ε^{|στ
    "matrix_flow",  # A5: the product of two layers from any λ-balanced start to any teacher
    "MatrixFlow",  # The solution at every time, the times' axes first: everything that does not need the hidden rotat
    "balanced_weights",  # Weights `W1 (h × d_in), W2 (d_out × h)` with this product and `W2ᵀW2 − W1W1ᵀ = λI` (claim A
    "matrix_flow_from_modes",  # The same (claim A5) from the start's product `f₀ = U₀ diag(s) V₀ᵀ`, whose values s ma
    "Modes",  # A λ-balanced start's product `U₀ diag(s) V₀ᵀ` with orthonormal columns, and λ.
    "modes_of",  # The modes of λ-balanced weights; what of the product is below the rounding of its largest is absent
    "start_modes",  # The modes of a protocol's balanced start: `f(0) = ε U₀V₀ᵀ` on as many modes as fit, in frames tu
    "weights_of",  # Weights with these modes, mode i on hidden unit i.
    "distance_moved",  # `√(‖W1(t) − W1(0)‖² + ‖W2(t) − W2(0)‖²)`, how far the weights are from their start (claim A5)
]
