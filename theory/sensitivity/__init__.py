"""B: how much a change of the weights raises the loss, and how that grows with pretraining length."""

from overtraining.theory.sensitivity.conventions import (
    absmax_step,
    increase_at,
    mean_unit_overlap,
    multiplicative_increase,
    noise_scales,
    rounding_increase_at,
    rounding_model_scale,
    unit_overlap_on_path,
)
from overtraining.theory.sensitivity.curvature import HessianSpectrum, hessian_spectrum, hessian_trace
from overtraining.theory.sensitivity.deep_noise import (
    deep_increase,
    deep_increase_at,
    segment_norms,
    segment_norms_of_modes,
    segment_norms_on_path,
)
from overtraining.theory.sensitivity.growth import curvature_growth, curvature_growth_at, growth_at, norm_gained
from overtraining.theory.sensitivity.noise import expected_increase, expected_increase_at, mode_cost
from overtraining.theory.sensitivity.noise_variance import Invariants, invariants_at, invariants_on_path, loss_variance
from overtraining.theory.sensitivity.predicted_sensitivity import Line, fitted_line, turning_length
from overtraining.theory.sensitivity.rates import (
    Rates,
    features_learned,
    power_law_rates,
    staircase_loss,
    staircase_norm,
)
from overtraining.theory.sensitivity.spectral_path import PathSums, path_sums, power_law_path
from overtraining.theory.sensitivity.sum_rule import (
    growth_covariance,
    growth_stderr,
    local_factor,
    norm_growth,
    predicted_exponent,
)

__all__ = [
    "absmax_step",  # Step of symmetric b-bit rounding, `max|w| / (2^{b−1} − 1)`, b = 2 … 64; 0 where all weights are
    "increase_at",  # Expected rise of the loss under noise of a given strength per layer, in any convention (claims B
    "mean_unit_overlap",  # B6 in the mean over hidden frames: `E Σ_k ‖W2_:k‖² W1_k: M W1_k:ᵀ = (q₁q₂ + 2 tr(f M fᵀ))/
    "multiplicative_increase",  # Cost of noise in proportion to every weight, `½[ρ₂² joint + ρ₁²(1 + ρ₂²) own]` (clai
    "noise_scales",  # Standard deviations γ₁, γ₂ of the entries' noise in a convention that has them; relative: `ρ‖W‖
    "rounding_increase_at",  # Exact change of the loss when every weight is rounded to a multiple of its layer's step
    "rounding_model_scale",  # Noise scale `γ = step/√12` of the uniform-noise model of rounding, to be put into B1.
    "unit_overlap_on_path",  # `Σ_k ‖W2_:k‖²‖W1_k:‖² = Σ_k (Σ_i R_ki² s_i)²` on the balanced aligned path, for the hid
    "HessianSpectrum",  # The Hessian's eigenvalues in closed form, each with how often it occurs; `all` writes them o
    "hessian_spectrum",  # The whole spectrum of the Hessian of a two-layer network where weights are balanced and ali
    "hessian_trace",  # Trace of the Hessian, `Σ_l ‖W_L…W_{l+1}‖² tr(W_{l−1}…W_1 Σx (W_{l−1}…W_1)ᵀ)` (claim B3), at ev
    "deep_increase",  # Cost of weight noise at depth L, `½ Σ_b K_0b γ_b² y_b`, `y_b = K_b,L+1 + Σ_{c>b} K_bc γ_c² y_c
    "deep_increase_at",  # The same (claim B2) from the weight matrices W1, …, WL themselves; errors as in both.
    "segment_norms",  # Squared norms of every product of neighbouring layers, `K[a, b−1] = ‖W_{b−1} … W_{a+1}‖²`, 0 <
    "segment_norms_of_modes",  # The same for any aligned network, balanced or not, `K[a, b−1] = Σ_i ξ_i^{[a = 0]} Π_{
    "segment_norms_on_path",  # The same on the balanced aligned path, `K[a, b−1] = Σ_i s_i^{2(b−a−1)/L}`, for whitene
    "curvature_growth",  # What one balanced aligned mode adds to `d/dt tr H`: `2(d_in + d_out) s(σ − s)` (claims A3,
    "curvature_growth_at",  # Rate of the Hessian's trace, `d/dt tr H = 2 d_out x₂ + 2 τ x₁` (claim B4); whitened `2(d
    "growth_at",  # Rate of the cost of noise, `dΔ/dt = γ₂² d_out x₂ + γ₁² τ x₁` (claim B4), under gradient flow from
    "norm_gained",  # What a mode adds to `w1² + w2²` while its product goes from p₀ to σ: `√(λ² + 4σ²) − √(λ² + 4p₀²)
    "expected_increase",  # Cost of weight noise, `½(γ₂² d_out q₁ + γ₁² τ q₂ + γ₁² γ₂² d_out h τ)` (claim B1), from th
    "expected_increase_at",  # The same (claim B1) from the weight matrices themselves, with the inputs' covariance Σx
    "mode_cost",  # The price `c = ½(γ₂² d_out + γ₁² d_in)` of one unit of balanced singular value: `Δ = c Σ s_i + con
    "Invariants",  # The twelve numbers through which weights, teacher and inputs enter the variance (claim B5); array
    "invariants_at",  # The invariants of any point of weight space. Raises ShapeError, DomainError where the matrices
    "invariants_on_path",  # The invariants on the balanced aligned path, whitened inputs, from `s_i` and `σ_i − s_i`
    "loss_variance",  # Variance of `L(θ + noise)` for independent Gaussian noise of scales γ₁, γ₂ on the entries of W
    "Line",  # `Δ = offset + price · G`: the sensitivity against the growth G that the base-loss curve predicts with m
    "fitted_line",  # The constant of the sum rule by least squares of a measured sensitivity on the predicted growth
    "turning_length",  # The inflection length, `1/(2·price)`, at depth L `(2·price)^{−L/2}`, whatever the loss curve
    "Rates",  # `L → loss_factor · τ^{−loss_exponent}`, and `Σs` grows as `norm_factor · τ^{norm_exponent}`.
    "features_learned",  # Number of features of `i^{−α}` learned by `τ = t/m` in the limit of a small start: those wi
    "power_law_rates",  # Exponents for `σ_i = i^{−α}`: `β = 2 − 1/α` of the loss and `1/α − 1` of `Σs`, with their fa
    "staircase_loss",  # Loss in the limit of a small start, `½ Σ_{i>n} i^{−2α} = ½ζ(2α, n+1)` with n features learned
    "staircase_norm",  # `Σs = ‖W1‖² = ‖W2‖²` in the limit of a small start, `Σ_{i<=n} i^{−α}` with n features learned
    "PathSums",  # Sums over a spectrum along the balanced aligned path, all in the shape of the lengths; `q = 2 − 2/L
    "path_sums",  # Loss and norm of any large spectrum `σ(i)`, i = 1 … modes, at finite ε (claims B7, B8), without a
    "power_law_path",  # Loss and norm for `σ_i = scale · i^{−α}`, i = 1 … modes, or infinitely many, at finite ε (cla
    "growth_covariance",  # Covariance of `norm_growth` between lengths, `Σ_j ν_j² A_ja A_jb`, A the growth of a unit
    "growth_stderr",  # Standard error of `norm_growth` from those of the losses, independent between lengths (claim B
    "local_factor",  # By how much a start that is not infinitely small raises both exponents, `1/(1 − 1/ℓ)`, `ℓ = ln(
    "norm_growth",  # Growth of `Σs` since the first length, `−(2/m) ∫ t dL` along a measured loss curve (claim B8).
    "predicted_exponent",  # Exponent with which sensitivity grows, `2/L − β`, from the loss's `L ∝ t^{−β}` (claim B8)
]
