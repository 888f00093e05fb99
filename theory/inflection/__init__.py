"""C: the pretraining lengths beyond which the loss after noise rises."""

from overtraining.theory.inflection.deep_path import deep_minima, loss_after_noise
from overtraining.theory.inflection.deep_stages import deep_inflection_time, paying_singular_value, stage_changes
from overtraining.theory.inflection.noisy_flow import slope_after_noise
from overtraining.theory.inflection.noisy_mode import inflection_time, turning_product, unbalanced_inflection_time
from overtraining.theory.inflection.noisy_path import Lost, Minima, lost_bounds, minima, still_to_lose
from overtraining.theory.inflection.scaling import dense_inflection_time, features_under_way
from overtraining.theory.inflection.stages import Stage, lost_in_stages

__all__ = [
    "deep_minima",  # Every local minimum of the loss after noise along the path of depth L, and what is lost beyond e
    "loss_after_noise",  # Expected loss after noise on every layer, `P_L(t) = ½Σ(σ − s)² + D(s)`, on the path of dept
    "deep_inflection_time",  # Length at which a feature at σ* is learned, `t* = ε^{−(1−2/L)}/((L−2)σ*)`, from three l
    "paying_singular_value",  # The singular value beyond which a feature pays as a whole, few features being against
    "stage_changes",  # What learning the n strongest features does to the loss after noise, n = 0 … modes, as the sta
    "slope_after_noise",  # Slope of the expected loss after noise along gradient flow, at ANY weights (claim C2).
    "turning_product",  # x
    "unbalanced_inflection_time",  # x
    "inflection_time",  # Pretraining length at which one mode starts to hurt, `t = (1/2σ) ln[(σ/ε − 1)(σ − c)/c]` (cl
    "Lost",  # What is known without following the path: `lower <= P(∞) − min P <= upper`.
    "Minima",  # All local minima of the loss after noise; `lost` is `P(∞) − P` at each.
    "lost_bounds",  # Bounds on what overtraining loses, `ψ(max m) <= P(∞) − min P <= Σ ψ(m)`, `ψ(u) = u(c − u/2)` (cl
    "minima",  # Every local minimum of the loss after noise along the path, and what is lost beyond each (claim C4).
    "still_to_lose",  # How much the loss after noise will have risen in the end, `P(∞) − P(t) = Σ u_i (c − u_i/2)`, `
    "dense_inflection_time",  # Inflection point for a dense power law `σ_i = i^{−α}`, `t* = [ln(2c/ε) − (2 − 1/α)]/(4
    "features_under_way",  # How many features of `σ_i = i^{−α}` are learned at the same time as those at 2c: `(2c)^{−
    "Stage",  # What learning one feature does to the loss after noise, as the start goes to 0.
    "lost_in_stages",  # How much a whole spectrum loses by overtraining, `P(∞) − min P`, as the start goes to 0 (clai
]
