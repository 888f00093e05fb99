"""The table of every closed form of claims A to E with the same formula in mpmath, and why others have none."""

from overtraining.theory.precision import (
    features,
    matrices,
    random_starts,
    remedies,
    rounding,
    sensitivity,
    spectra,
    tuned,
)

FORMS = (
    *features.FORMS,
    *random_starts.FORMS,
    *matrices.FORMS,
    *sensitivity.FORMS,
    *rounding.FORMS,
    *spectra.FORMS,
    *tuned.FORMS,
    *remedies.FORMS,
)

_MANY = "accurate in absolute terms only, for thousands of tasks a second; `fine_tune`, one at a time, has a form"
_SUM = "a sum of one formula that has a form"
_ENTRIES = "sums and products of the entries of given matrices"
_DRAWN = "random or fitted data, no formula"
_ITERATED = "a search or an integration that checks its own error"
_OPEN = "not written yet"

WITHOUT_FORM = {
    "learned_and_unlearned": "both results have a form of their own",
    "weights_moved": "`mode_distance` has it as a part",
    "split": "`weights` has it as a part",
    "loss_gradient": _ENTRIES,
    "imbalance": _ENTRIES,
    "mode_flow": "the right side of an equation whose solution has a form",
    "matrix_flow": "`matrix_flow_from_modes` after `modes_of`",
    "matrix_weights": _OPEN,
    "distance_moved": _OPEN,
    "balanced_weights": "the roots of a decomposition by NumPy",
    "modes_of": "a decomposition by NumPy",
    "weights_of": "the roots of given numbers in given frames",
    "start_modes": "a decomposition by NumPy",
    "feature_limit": "0, σ/2 or σ",
    "start_error": "an estimate, on a grid of times; a test compares its first order with mpmath",
    "segment_norms": _ENTRIES,
    "segment_norms_of_modes": _SUM,
    "segment_norms_on_path": "`deep_increase` has it as a part",
    "curvature_growth_at": "twice `growth_at`",
    "invariants_at": "`loss_variance` has it as a part",
    "invariants_on_path": _SUM,
    "noise_scales": "`increase_in_convention` has it as a part",
    "absmax_step": "one division of the largest entry",
    "power_law_rates": "elementary functions of one exponent",
    "features_learned": "a whole number; the forms of B7 count by it",
    "spectrum_path": _SUM,
    "power_law_path": _SUM,
    "growth_stderr": _DRAWN,
    "growth_covariance": _DRAWN,
    "fitted_line": _DRAWN,
    "stage_changes": "a sum of `deep_increase`",
    "loss_after_noise": "a sum of `unlearned` and `deep_increase`",
    "deep_minima": _ITERATED,
    "fine_tune_grid": _MANY,
    "fine_tune_plateaus": _MANY,
    "rise_on_plateaus": _MANY,
    "map_forgetting": _MANY,
    "rotated_tasks": _DRAWN,
    "random_tasks": _DRAWN,
    "low_rank_update": "a decomposition by NumPy; `low_rank_floor`, which it reaches, has a form",
}
"""Public functions of the theory without a form, and why."""
