"""What is true: definitions, closed forms and their domains, in NumPy and SciPy, float64. Knows nothing of JAX."""

from theory import (
    deep_mode as deep_mode,
    noisy_unbalanced_mode as noisy_unbalanced_mode,
    unbalanced_mode as unbalanced_mode,
)
from theory.anchored import (
    anchored_inflection as anchored_inflection,
    anchored_weight as anchored_weight,
    effective_budget as effective_budget,
    stopped_inflection as stopped_inflection,
)
from theory.annealing import accumulated_noise as accumulated_noise, noisy_spectrum as noisy_spectrum, tilt as tilt
from theory.balanced_mode import singular_value as singular_value, unlearned as unlearned
from theory.conventions import (
    absmax_step as absmax_step,
    increase_at as increase_at,
    mean_unit_overlap as mean_unit_overlap,
    multiplicative_increase as multiplicative_increase,
    noise_scales as noise_scales,
    rounding_increase_at as rounding_increase_at,
    rounding_model_scale as rounding_model_scale,
    unit_overlap_on_path as unit_overlap_on_path,
)
from theory.curvature import (
    HessianSpectrum as HessianSpectrum,
    hessian_spectrum as hessian_spectrum,
    hessian_trace as hessian_trace,
)
from theory.deep_noise import (
    deep_increase as deep_increase,
    deep_increase_at as deep_increase_at,
    segment_norms as segment_norms,
    segment_norms_of_modes as segment_norms_of_modes,
    segment_norms_on_path as segment_norms_on_path,
)
from theory.deep_path import deep_minima as deep_minima, loss_after_noise as loss_after_noise
from theory.deep_stages import (
    deep_inflection_time as deep_inflection_time,
    paying_singular_value as paying_singular_value,
    stage_changes as stage_changes,
)
from theory.errors import (
    DomainError as DomainError,
    NoFormula as NoFormula,
    NotSolved as NotSolved,
    Refusal as Refusal,
    SchemaError as SchemaError,
    ShapeError as ShapeError,
)
from theory.exact import follow as follow, respond as respond
from theory.fine_tuned_grid import fine_tune_grid as fine_tune_grid
from theory.fine_tuning import (
    FineTuned as FineTuned,
    fine_tune as fine_tune,
    fine_tune_mode as fine_tune_mode,
    mode_distance as mode_distance,
)
from theory.flow import imbalance as imbalance, loss_gradient as loss_gradient, mode_flow as mode_flow
from theory.forgetting_map import (
    ForgettingMap as ForgettingMap,
    map_forgetting as map_forgetting,
    random_tasks as random_tasks,
    turned_tasks as turned_tasks,
)
from theory.growth import (
    curvature_growth as curvature_growth,
    curvature_growth_at as curvature_growth_at,
    growth_at as growth_at,
    norm_gained as norm_gained,
)
from theory.incremental import feature as feature, feature_limit as feature_limit, limit_error as limit_error
from theory.inflection import inflection_point as inflection_point
from theory.inputs import Inputs as Inputs, input_axes as input_axes, input_covariance as input_covariance
from theory.label_noise import label_noise_excess as label_noise_excess, label_noise_scale as label_noise_scale
from theory.low_rank import low_rank_update as low_rank_update
from theory.matrix_flow import (
    MatrixFlow as MatrixFlow,
    balanced_weights as balanced_weights,
    matrix_flow_from_modes as matrix_flow_from_modes,
)
from theory.matrix_modes import (
    Modes as Modes,
    modes_of as modes_of,
    start_modes as start_modes,
    weights_of as weights_of,
)
from theory.matrix_weights import distance_moved as distance_moved
from theory.mixing import best_share as best_share, best_trade_share as best_trade_share, mixed_value as mixed_value
from theory.noise import (
    expected_increase as expected_increase,
    expected_increase_at as expected_increase_at,
    mode_cost as mode_cost,
)
from theory.noise_variance import (
    Invariants as Invariants,
    invariants_at as invariants_at,
    invariants_on_path as invariants_on_path,
    loss_variance as loss_variance,
)
from theory.noisy_flow import slope_after_noise as slope_after_noise
from theory.noisy_mode import inflection_time as inflection_time
from theory.noisy_path import (
    Lost as Lost,
    Minima as Minima,
    lost_bounds as lost_bounds,
    minima as minima,
    still_to_lose as still_to_lose,
)
from theory.noisy_task import noisy_task_inflection as noisy_task_inflection, noisy_task_turn as noisy_task_turn
from theory.perturbations import (
    FineTuning as FineTuning,
    Noise as Noise,
    Pruning as Pruning,
    Quantization as Quantization,
    bits as bits,
)
from theory.plateaus import (
    Plateaus as Plateaus,
    fine_tune_plateaus as fine_tune_plateaus,
    hurting_ratio as hurting_ratio,
    plateau_growth as plateau_growth,
)
from theory.predicted_sensitivity import Line as Line, fitted_line as fitted_line, turning_length as turning_length
from theory.protocol import Network as Network, Protocol as Protocol, Sampling as Sampling
from theory.rates import (
    Rates as Rates,
    features_learned as features_learned,
    power_law_rates as power_law_rates,
    staircase_loss as staircase_loss,
    staircase_norm as staircase_norm,
)
from theory.responses import (
    curve as curve,
    response as response,
    sensitivity as sensitivity,
    trajectory as trajectory,
    validate as validate,
)
from theory.robust import (
    Robust as Robust,
    excess_over_robust as excess_over_robust,
    layer_prices as layer_prices,
    robust_optimum as robust_optimum,
)
from theory.safe_budget import safe_budget as safe_budget
from theory.scaling import dense_inflection_time as dense_inflection_time, features_under_way as features_under_way
from theory.shared_task import overshoot_length as overshoot_length
from theory.spectral_path import PathSums as PathSums, path_sums as path_sums, power_law_path as power_law_path
from theory.stability import (
    path_sharpness as path_sharpness,
    sharpness_bound as sharpness_bound,
    tuned_budget as tuned_budget,
    tuned_rate as tuned_rate,
    tuning_sharpness as tuning_sharpness,
)
from theory.stages import Stage as Stage, lost_in_stages as lost_in_stages
from theory.starts import (
    Aligned as Aligned,
    Balanced as Balanced,
    FanIn as FanIn,
    SmallGaussian as SmallGaussian,
    turned_frames as turned_frames,
)
from theory.sum_rule import (
    growth_covariance as growth_covariance,
    growth_stderr as growth_stderr,
    local_factor as local_factor,
    norm_growth as norm_growth,
    predicted_exponent as predicted_exponent,
)
from theory.tasks import Shared as Shared, Turned as Turned, task_matrix as task_matrix
from theory.teachers import (
    Geometric as Geometric,
    Matrix as Matrix,
    PowerLaw as PowerLaw,
    Spectrum as Spectrum,
    singular_frames as singular_frames,
    singular_values as singular_values,
    teacher as teacher,
    teacher_matrix as teacher_matrix,
)
from theory.tradeoff import (
    interpolated as interpolated,
    least_forgetting as least_forgetting,
    low_rank_floor as low_rank_floor,
)
from theory.training import GradientDescent as GradientDescent, GradientFlow as GradientFlow
from theory.trap import rise_in_stage as rise_in_stage
from theory.written import read as read, write as write
