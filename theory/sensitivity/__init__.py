"""B: how much a change of the weights raises the loss, and how that grows with pretraining length.

`__all__` lists the formulas in the order of the claims. Names with `_at` take weight matrices, names with `_on_path`
take the singular values of a network on the balanced aligned path.
"""

from overtraining.theory.sensitivity.conventions import (
    absmax_step,
    increase_in_convention,
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
from overtraining.theory.sensitivity.large_spectra import SpectrumPath, power_law_path, spectrum_path
from overtraining.theory.sensitivity.mean_rounding import MeanRise, mean_rounding_increase
from overtraining.theory.sensitivity.noise import expected_increase, expected_increase_at, mode_cost
from overtraining.theory.sensitivity.noise_variance import Invariants, invariants_at, invariants_on_path, loss_variance
from overtraining.theory.sensitivity.rates import (
    Rates,
    features_learned,
    power_law_rates,
    staircase_loss,
    staircase_norm,
)
from overtraining.theory.sensitivity.sum_rule import (
    SensitivityLine,
    fitted_line,
    growth_covariance,
    growth_stderr,
    local_factor,
    norm_growth,
    predicted_exponent,
    turning_length,
)

__all__ = [
    "expected_increase",  # B1: cost of weight noise from the norms of two layers
    "expected_increase_at",  # B1: … from the weight matrices
    "mode_cost",  # B1: cost of one unit of balanced singular value, the `noise_cost` of other functions
    "deep_increase",  # B2: cost of weight noise at any depth from the norms of segments
    "deep_increase_at",  # B2: … from the weight matrices
    "segment_norms",  # B2: norms of all products of neighbouring layers, from the weight matrices
    "segment_norms_of_modes",  # B2: … of an aligned network
    "segment_norms_on_path",  # B2: … on the balanced aligned path
    "hessian_trace",  # B3: trace of the Hessian at any depth and any weights
    "hessian_spectrum",  # B3: all its eigenvalues on the balanced aligned path of two layers
    "HessianSpectrum",  # B3: their values and multiplicities, and the sharpness
    "growth_at",  # B4: growth of the cost of noise per unit of time, at any weights
    "curvature_growth_at",  # B4: … of the trace of the Hessian
    "curvature_growth",  # B4: … for one balanced mode along pretraining
    "norm_gained",  # B4: growth of a mode's squared weights over the whole of training, at any imbalance
    "loss_variance",  # B5: variance of the loss under Gaussian weight noise
    "invariants_at",  # B5: the numbers on which it depends, from the weight matrices
    "invariants_on_path",  # B5: … on the balanced aligned path
    "Invariants",  # B5: these numbers
    "increase_in_convention",  # B6: cost of noise in absolute, initial, relative or per-weight units
    "noise_scales",  # B6: standard deviations of the noise in these units
    "multiplicative_increase",  # B6: cost of noise in proportion to every weight
    "mean_unit_overlap",  # B6: what it needs, averaged over random hidden frames
    "unit_overlap_on_path",  # B6: … on the balanced aligned path for a given hidden frame
    "rounding_increase_at",  # B6: exact change of the loss when weights are rounded
    "rounding_model_scale",  # B6: noise scale of the usual model of rounding
    "mean_rounding_increase",  # B6r: its mean over hidden frames
    "MeanRise",  # B6r: this mean, and a bound on its error
    "absmax_step",  # B6: step of symmetric rounding with a number of bits
    "power_law_rates",  # B7: exponents of loss and norm for a power-law spectrum, small start
    "Rates",  # B7: these exponents and their factors
    "features_learned",  # B7: number of features learned by a rescaled time
    "staircase_loss",  # B7: the loss by then
    "staircase_norm",  # B7: the sum of the singular values by then
    "spectrum_path",  # B7, B8: loss and norm along pretraining of any spectrum of very many modes, finite start
    "power_law_path",  # B7, B8: … of a power-law spectrum, also of infinitely many modes
    "SpectrumPath",  # B7, B8: loss, norm, their growth and local exponent at every length
    "norm_growth",  # B8: growth of the norm that a measured loss curve predicts
    "growth_stderr",  # B8: its standard errors
    "growth_covariance",  # B8: its covariance between lengths
    "fitted_line",  # B8: fit of the sensitivity as a linear function of this growth
    "SensitivityLine",  # B8: slope and offset, with errors
    "turning_length",  # B8, C5: inflection length at this slope
    "predicted_exponent",  # B8: exponent of the sensitivity from that of the loss
    "local_factor",  # B8: correction of both exponents for a finite start
]
