"""Arguments for which each public function of `theory` has an answer."""

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np

PACKAGES = ("setting", *(f"theory.{topic}" for topic in ("learning", "sensitivity", "inflection", "fine_tuning",
                                                         "remedies")))  # fmt: skip


MODE = ("singular_value", "unlearned", "learned_and_unlearned")


def flat() -> SimpleNamespace:
    """Every public name of the setting and of the formulas, and what answers a Protocol, side by side."""
    packages = [import_module(f"overtraining.{name}") for name in PACKAGES]
    names = {name: getattr(package, name) for package in packages for name in package.__all__}
    theory = import_module("overtraining.theory")
    return SimpleNamespace(**names, respond=theory.respond, follow=theory.follow, respond_at=theory.respond_at)


def baselines(th: SimpleNamespace) -> dict[str, dict[str, Any]]:
    """Name of a public function or class: arguments that it answers. `th` is `flat()`, of whichever copy."""
    w1, w2, wide = np.array([[0.5, 0.1, 0.0], [0.2, -0.3, 1.0]]), np.array([[1.0, 0.3], [-0.2, 0.4]]), np.ones((2, 3))
    sx, eye = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 3.0]]), np.eye(2)
    spectrum, network = th.Spectrum((1.0, 0.5)), th.Network(2, 2, 2)
    protocol = th.Protocol(spectrum, (0.0, 3.0), (0.1, 0.2), network)
    answer, path, widths = th.respond(protocol), {"time": 1.0, "sigma": 1.0, "epsilon": 0.1}, {"d_in": 3, "d_out": 2}
    point = {"w1": w1, "w2": w2, "teacher": wide, "input_covariance": sx}
    noise, origin = {"gamma_1": 0.1, "gamma_2": 0.2}, {"method": "theory", "source": "test", "model": "toy"}
    both, length = (("pretraining", "strength"), np.ones((2, 1))), (("pretraining",), np.array([1.0, 0.5]))
    axes, frame = {"pretraining": np.array([0.0, 1.0]), "strength": np.array([0.1])}, {"d_out": 2, "d_in": 2}
    layers, spread = {"gammas": np.array([0.1, 0.1, 0.1]), "widths": [4, 4, 4, 4]}, lambda i: 1.0 / i
    return {
        # A
        **{f"balanced_mode.{name}": path | {"weight_decay": 0.1} for name in MODE},
        **{f"deep_mode.{name}": path | {"depth": 3, "weight_decay": 0.0} for name in MODE},
        "deep_mode.time_to_reach": {"s": 0.5, "sigma": 1.0, "epsilon": 0.1, "depth": 3},
        **{f"unbalanced_mode.{name}": {"time": 1.0, "sigma": 1.0, "initial_product": 0.1, "imbalance": -0.2}
           for name in ("product", *MODE[1:], "weights", "weights_moved")},
        "unbalanced_mode.split": {"product": 2.0, "imbalance": -0.3},
        "feature": {"tau": 2.0, "sigma": 1.0, "epsilon": 0.1}, "feature_limit": {"tau": 2.0, "sigma": 1.0},
        "limit_error": {"tau": 2.0, "sigma": 1.0, "epsilon": 0.1},
        "mean_mode": {"time": 1.0, "sigma": 1.0, "variance": 0.1, "freedom": 2.0, "weight_decay": 0.1},
        "random_starts": {"variance": 0.1, "freedom": np.array([2.0])},
        "start_variance": {"std_in": 0.1, "std_out": 0.2},
        "start_error": {"sigma": np.array([1.0, 0.5]), "h": 2, **widths, "std_in": 0.1, "std_out": 0.2,
                        "weight_decay": 0.0},
        "imbalance": {"weights": [w1, w2]}, "mode_flow": {"w1": 0.5, "w2": 1.0, "sigma": 2.0, "input_variance": 1.0,
                                                              "weight_decay": 0.1},
        "loss_gradient": {"weights": [w1, w2], "teacher": wide, "input_covariance": sx, "weight_decay": 0.1},
        "matrix_flow": {"time": np.array([0.0, 2.0]), "w1": 0.1 * eye, "w2": 0.1 * eye, "teacher": np.diag([1.0, 0.5]),
                        "imbalance": None},
        "matrix_flow_from_modes": {"time": np.array([0.0, 2.0]), "u": eye, "s": np.array([0.1, 0.2]), "v": eye,
                                   "teacher": np.diag([1.0, 0.5]), "imbalance": 0.0},
        **{name: {"time": 2.0, "w1": 0.1 * eye, "w2": 0.1 * eye, "teacher": np.diag([1.0, 0.5]),
                  "tolerance": 1e-6, "imbalance": None} for name in ("matrix_weights", "distance_moved")},
        "modes_of": {"w1": 0.1 * eye, "w2": 0.1 * eye, "imbalance": None},
        "weights_of": {"modes": th.Modes(eye, np.array([2.0, 1.0]), eye, 3.0), "h": 2},
        "start_modes": {"start": th.Balanced(), "teacher": spectrum, "network": network},
        "balanced_weights": {"product": wide, "h": 3, "imbalance": 0.0},
        # B
        "expected_increase": {"w1_norm": 1.0, "w2_norm": 2.0, **noise, **widths, "h": 2, "input_trace": 3.0},
        "expected_increase_at": {"w1": w1, "w2": w2, **noise, "input_covariance": sx}, "mode_cost": noise | widths,
        "deep_increase": {"norms": th.segment_norms([w1, w2]), "gammas": np.array([0.1, 0.2])},
        "deep_increase_at": {"weights": [w1, w2], "gammas": np.array([0.1, 0.2]), "input_covariance": sx},
        "segment_norms": {"weights": [w1, w2], "input_covariance": sx},
        "segment_norms_on_path": {"s": np.array([1.0, 0.5]), "widths": [2, 3, 2]},
        "segment_norms_of_modes": {"squares": [np.array([1.0, 0.5])] * 2, "widths": [2, 3, 2],
                                   "input_spectrum": np.array([1.0, 2.0])},
        "hessian_spectrum": {"s": np.array([1.0, 0.5]), "unlearned": np.array([0.1, 0.2]), **widths, "h": 2},
        "hessian_trace": {"weights": [w1, w2], "input_covariance": sx},
        "growth_at": point | noise, "curvature_growth_at": point,
        "curvature_growth": {"length": 1.0, "sigma": 1.0, "epsilon": 0.1} | widths,
        "norm_gained": {"sigma": 1.0, "imbalance": -0.5, "initial_product": 0.1}, "invariants_at": point,
        "invariants_on_path": {"s": np.array([1.0, 0.5]), "unlearned": np.array([0.1, 0.2]), "d_in": 3},
        "loss_variance": {"point": th.invariants_at(**point), **noise, "h": 2, "d_out": 2},
        "increase_in_convention": {"convention": "initialization", "w1": w1, "w2": w2, "level_1": 0.1, "level_2": 0.2,
                                   "input_covariance": sx, "initial_scales": (0.5, 0.3)},
        "noise_scales": {"convention": "initialization", "level_1": 0.1, "level_2": 0.2, "w1_norm": 1.0,
                         "w2_norm": 2.0, **widths, "h": 2, "initial_scales": (0.5, 0.3)},
        "multiplicative_increase": {"diagonal_overlap": 1.0, "unit_overlap": 2.0, "level_1": 0.1, "level_2": 0.2},
        "mean_unit_overlap": {"w1_norm": 1.0, "w2_norm": 2.0, "product_norm": 0.5, "h": 3},
        "unit_overlap_on_path": {"s": np.array([1.0, 0.5]), "frame": np.eye(3, 2)},
        "absmax_step": {"w": w1, "bits": 4}, "rounding_model_scale": {"step": 0.1}, "bits": {"number": 4},
        "mean_rounding_increase": {"w1": w1, "w2": w2, "teacher": wide, "step_1": 0.25, "step_2": 0.1},
        "rounding_increase_at": point | {"step_1": 0.25, "step_2": 0.1},
        "power_law_rates": {"alpha": 0.75}, "features_learned": {"tau": 9.0, "alpha": 0.75},
        "staircase_loss": {"tau": 9.0, "alpha": 0.75}, "staircase_norm": {"tau": 9.0, "alpha": 0.75},
        "norm_growth": {"lengths": np.array([1.0, 2.0, 4.0]), "loss": np.array([3.0, 2.0, 1.0]), "m": 1.0},
        "predicted_exponent": {"loss_exponent": 0.5, "depth": 3}, "local_factor": {"sigma": 1.0, "epsilon": 1e-9},
        # C
        "inflection_time": {"sigma": 1.0, "epsilon": 1e-3, "noise_cost": 0.2},
        "slope_after_noise": point | noise,
        "minima": {"sigma": np.array([1.0, 0.5]), "epsilon": 1e-6, "noise_cost": 0.1},
        "loss_after_noise": {"length": np.array([0.0, 9.0]), "sigma": np.array([1.0, 0.5]), "epsilon": 1e-3} | layers,
        "deep_minima": {"sigma": np.array([1.0, 0.5]), "epsilon": 1e-3} | layers, "threshold_singular_value": layers,
        "deep_inflection_time": layers | {"epsilon": 1e-9},
        "remaining_increase": {"length": np.array([[0.0], [5.0]]), "sigma": np.array([1.0, 0.5]), "epsilon": 1e-3,
                               "noise_cost": 0.1},
        "unbalanced_inflection_time": {"sigma": 1.0, "initial_product": 0.01, "imbalance": -0.2, "noise_cost": 0.1},
        "turning_product": {"sigma": 1.0, "imbalance": -0.2, "noise_cost": 0.1},
        "overtraining_bounds": {"sigma": np.array([1.0, 0.5]), "epsilon": 1e-3, "noise_cost": 0.1},
        "overtraining_in_stages": {"sigma": np.array([1.0, 0.5]), "noise_cost": np.array([0.1, 0.2, 0.3])},
        "dense_inflection_time": {"alpha": 0.75, "epsilon": 1e-9, "noise_cost": 0.01},
        "features_under_way": {"alpha": 0.75, "epsilon": 1e-9, "noise_cost": 0.01},
        "stage": {"sigma": 1.0, "noise_cost": 0.1},
        "stage_changes": {"sigma": np.array([1.0, 0.5]), "gammas": np.array([0.1, 0.2]), "widths": [3, 2, 3]},
        "power_law_path": {"lengths": np.array([1.0, 9.0]), "alpha": 0.75, "epsilon": 1e-9, "modes": 50, "scale": 1.0,
                           "relative": False, "depth": 2},
        "growth_stderr": {"lengths": np.array([1.0, 2.0, 4.0]), "stderr": np.array([0.1, 0.1, 0.1]), "m": 1.0,
                          "depth": 2},
        "spectrum_path": {"lengths": np.array([1.0, 9.0]), "sigma": spread, "epsilon": 1e-6, "modes": 50, "depth": 2},
        "fitted_line": {"growth": np.array([0.0, 1.0, 3.0]), "sensitivity": np.array([1.0, 3.0, 7.1]),
                        "stderr": np.array([0.1, 0.1, 0.2]), "growth_covariance": 0.01 * np.eye(3)},
        "turning_length": {"slope": 0.02, "depth": 3},
        "growth_covariance": {"lengths": np.array([1.0, 2.0, 4.0]), "stderr": np.array([0.1, 0.1, 0.1]), "m": 1.0},
        # D
        "fine_tune": {"budget": np.array([0.0, 2.0]), "pretrained": th.Modes(eye, np.array([0.9, 0.4]), eye),
                      "teacher": np.diag([1.0, 0.5]), "task": w2},
        **{name: {"budget": 1.0, "s": 0.9, "sigma_task": -0.5, "imbalance": 0.2}
           for name in ("fine_tune_mode", "mode_distance")},
        "forgetting_cost": {"budget": 0.1, "s": 0.7, "sigma": 1.0, "sigma_task": -0.2},
        "fine_tune_plateaus": {"budget": 1.0, "sigma": np.array([1.0, 0.5]), "task": w2},
        "rise_on_plateaus": {"budget": 1.0, "sigma": np.array([1.0, 0.5]), "task": w2, "epsilon": 1e-3},
        "plateau_checkpoints": {"sigma": np.array([1.0, 0.5]), "epsilon": 1e-3},
        "plateau_growth": {"sigma": np.array([1.0, 0.5]), "task": w2},
        "hurting_ratio": {"budget": 0.1, "sigma": np.array([1.0, 0.5]), "variance": 1.0, **widths},
        "safe_budget": {"sigma": np.array([1.0, 0.5]), "task_norm": 2.0},
        "fine_tune_grid": {"budgets": np.array([0.1, 1.0]), "s": np.array([[0.1, 0.01], [1.0, 0.5]]),
                           "sigma": np.array([1.0, 0.5]), "tasks": w2},
        "map_forgetting": {"budgets": np.array([0.1, 1.0]), "sigma": np.array([1.0, 0.5]), "tasks": np.ones((3, 2, 2))},
        "rotated_tasks": {"sigma": np.array([1.0, 0.5]), "strengths": np.array([1.0, 2.0]), "angles": np.array([0.3]),
                         "trials": 2, "key": 0, "d_out": 3, "d_in": 2},
        "random_tasks": {"sigma": np.array([1.0, 0.5]), "strengths": np.array([1.0, 2.0]), "shared": np.array([0.0]),
                         "trials": 2, "key": 0, "d_out": 3, "d_in": 2},
        "overshoot_length": {"budget": 0.2, "sigma": 1.0, "sigma_task": 2.0, "epsilon": 0.1},
        # D, E
        "anchored_weight": {"w": 0.5, "sigma_task": 1.0, "anchor": 0.3},
        "anchored_weight_after": {"budget": 0.3, "w": 0.5, "sigma_task": 1.0, "anchor": 0.3},
        "anchored_inflection": {"sigma": 1.0, "sigma_task": 1.5, "anchor": 2.0},
        "stopped_inflection": {"budget": 0.7, "sigma": 1.0, "sigma_task": 1.5},
        "effective_budget": {"budget": 2.0, "anchor": 0.5},
        "interpolated": {"teacher": 1.0, "task": 2.0, "replay_share": 0.5},
        "least_forgetting": {"distance": 2.0, "downstream_loss": 0.5},
        "low_rank_floor": {"difference": wide, "rank": 1},
        "low_rank_update": {"w1": np.eye(2, 3), "w2": eye, "task": wide, "rank": 1},
        "sharpness_bound": {"w1": w1, "w2": w2, "task": wide}, "path_sharpness": {"s": 1.0, "sigma_task": 0.5},
        "stable_learning_rate": {"s": np.array([1.0, 0.5]), "sigma_task": np.array([0.5, -0.3])},
        "tuning_sharpness": {"budget": np.array([0.0, 1.0]), "s": np.array([1.0, 0.5]),
                             "sigma_task": np.array([0.5, -0.3])} | widths | {"h": 2},
        "tuned_budget": {"s": 0.5, "sigma": 1.0, "sigma_task": 2.0, "replay_share": 0.5},
        "tuned_learning_rate": {"unlearned": 0.5, "sigma_task": 1.0, "steps": 100.0, "noise_excess": 0.01},
        "label_noise_scale": {"learning_rate": 0.1, "label_noise": 0.5, "batch": 4.0},
        "label_noise_excess": {"s": np.array([1.0, 0.5]), "learning_rate": 0.1, "label_noise": 0.5, "batch": 4.0,
                               **widths, "online": True},
        "noisy_task_turn": {"budget": 2.0, "sigma_task": np.array([1.0, 0.5]), **widths},
        "noisy_task_inflection": {"budget": 2.0, "sigma_task": np.array([1.0, 0.5]), "gamma": 0.1, **widths},
        "layer_costs": noise | widths, "robust_optimum": {"sigma": 1.0, "cost_1": 0.2, "cost_2": 0.1},
        "excess_over_robust": {"w1": 1.0, "w2": 0.5, "sigma": 1.0, "cost_1": 0.2, "cost_2": 0.1},
        "accumulated_noise": {"learning_rates": np.array([0.1, 0.2]), "label_noise": 0.5, "batch": 4.0},
        "layer_ratio": {"accumulated": 0.3} | widths,
        "stepped_spectrum": {"sigma": np.array([1.0, 0.5]), "learning_rate": 0.1, "label_noise": 0.1, "batch": 8.0,
                             "online": True} | widths,
        "noisy_spectrum": {"sigma": 1.0, "gamma_squared": 0.01, "accumulated": 0.3} | widths,
        "mixed_value": {"length": 3.0, "budget": 0.5, "sigma": 1.0, "sigma_task": 2.0, "epsilon": 0.01,
                        "task_share": 0.3},
        "best_task_share": {"length": 9.0, "sigma": 1.0, "sigma_task": 0.5, "epsilon": 0.01},
        "tradeoff_task_share": {"budget": 0.1, "sigma": 1.0, "sigma_task": 2.0, "replay_share": 0.4},
        # protocols and their parts
        "Aligned": {"epsilon": 0.1, "imbalance": 0.0}, "FanIn": {"gain": 1.0}, "SmallGaussian": {"std": 0.1},
        "Weights": {"layers": [wide], "tolerance": 1e-6},
        "Balanced": {"epsilon": 0.1, "angle": 0.5, "imbalance": 0.0, "frame_seed": 0},
        "PowerLaw": {"modes": 3, "alpha": 1.0, "scale": 1.0, "frame_seed": 0}, "Matrix": {"entries": wide},
        "Geometric": {"modes": 3, "ratio": 0.5, "scale": 1.0, "frame_seed": 0},
        "Spectrum": {"values": np.array([1.0, 0.5]), "frame_seed": 0}, "teacher": {"source": np.array([1.0, 0.5])},
        "from_data": {"X": np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 2.0]]), "Y": np.array([[3.0], [2.0], [5.0]])},
        "Network": {**frame, "h": 3, "depth": 3, "activation": "linear", "bias": False},
        "Inputs": {"spectrum": np.array([1.0, 2.0]), "shared": True, "samples": 9, "label_noise": 0.1, "frame_seed": 0},
        "GradientFlow": {"rtol": 1e-8, "weight_decay": 0.1},
        "GradientDescent": {"learning_rate": 0.1, "batch": 8, "optimizer": "adam", "momentum": 0.9, "weight_decay": 0.1,
                            "schedule": "cosine", "warmup_share": 0.1, "decay_share": 0.2, "horizon": "each"},
        "Noise": {"scales": np.array([1.0, 2.0]), "law": "uniform", "convention": "relative"},
        "Quantization": {"per": "row", "rounding": "dithered"}, "Pruning": {"per": "row"},
        "SharedVectors": {"values": np.array([1.0, -0.5])},
        "RotatedTeacher": {"angle": 0.3, "scale": 2.0, "frame_seed": 1},
        "FineTuning": {"task": th.RotatedTeacher(0.3), "training": th.GradientFlow(), "anchor": 0.1,
                       "replay_share": 0.2, "rank": 1, "label_noise": 0.1},
        "Sampling": {"draws": 4, "seeds": 2, "antithetic": True},
        "Protocol": {"teacher": spectrum, "lengths": np.array([0.0, 3.0]), "strengths": np.array([0.1]),
                     "network": network, "start": th.Aligned(), "pretraining": th.GradientFlow(),
                     "perturbation": th.Noise(), "sampling": th.Sampling(), "inputs": th.Inputs()},
        "respond_at": {"checkpoints": {0.0: th.Weights(wide.T, wide), 3.0: th.Weights(wide.T, wide)},
                       "teacher": eye, "strengths": np.array([0.1]), "perturbation": th.Noise(), "inputs": th.Inputs()},
        "respond": {"protocol": protocol}, "follow": {"protocol": protocol}, "write": {"protocol": protocol},
        "resolve": {"protocol": protocol}, "ResolvedProtocol": {"protocol": protocol},
        "read": {"text": th.write(protocol)}, "singular_values": {"teacher": spectrum},
        "singular_frames": {"teacher": spectrum, **frame}, "teacher_matrix": {"teacher": spectrum, **frame},
        "task_matrix": {"task": th.RotatedTeacher(0.3), "teacher": spectrum, **frame},
        "start_frames": {"start": th.Balanced(), "teacher": spectrum, **frame},
        "input_axes": {"inputs": th.Inputs((1.0, 2.0)), "teacher": spectrum, **frame},
        "input_covariance": {"inputs": th.Inputs((1.0, 2.0)), "teacher": spectrum, **frame},
        # data
        "response": {"variables": {"before": length, "after": both}, "coordinates": axes, **origin,
                     "perturbation": "noise", "orientation": "lower"},
        "trajectory": {"variables": {"loss": length}, "coordinates": {"pretraining": axes["pretraining"]}, **origin},
        "validate": {"data": answer}, "sensitivity": {"data": answer, "objective": "pretraining"},
        "curve": {"data": answer, "quantity": "after", "objective": "pretraining"},
        "inflection_point": {"data": answer, "objective": "pretraining", "which": "last", "confidence": 0.9},
    }  # fmt: skip


RESULTS = (
    "FineTuned",
    "ForgettingMap",
    "HessianSpectrum",
    "Invariants",
    "MeanRise",
    "OvertrainingBounds",
    "OwnData",
    "MatrixFlow",
    "MeanMode",
    "RandomStarts",
    "Minima",
    "Modes",
    "SensitivityLine",
    "SpectrumPath",
    "Plateaus",
    "Rates",
    "RobustOptimum",
    "Stage",
)
"""Classes that only hold what a function returns."""
