"""The error of the closed forms along pretraining, as a Trajectory."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from overtraining.setting.responses import trajectory
from overtraining.theory.learning.balanced_mode import singular_value, unlearned
from overtraining.theory.precision.forms import FORMS

LENGTHS = np.geomspace(1e-2, 200, 25)
STRONG, WEAK, START = 1.0, 0.3, 1e-9  # two features of a balanced aligned network, and its start
GAMMA, NOISE_COST = 0.1, 0.02


def _s(t: np.ndarray) -> tuple[Any, Any]:
    return singular_value(t, STRONG, START), singular_value(t, WEAK, START)


def _unlearned(t: np.ndarray) -> tuple[Any, Any]:
    return unlearned(t, STRONG, START), unlearned(t, WEAK, START)


def _rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _weights(t: np.ndarray) -> tuple[Any, ...]:
    """w1, w2 and the teacher entry by entry, in frames rotated by 0.4 and 1.1."""
    root = np.sqrt(np.stack(_s(t), axis=-1))
    w1 = root[..., :, None] * _rotation(0.4).T
    w2 = _rotation(1.1) * root[..., None, :]
    teacher = np.broadcast_to(_rotation(1.1) * [STRONG, WEAK] @ _rotation(0.4).T, w1.shape)
    return tuple(m[:, i, j] for m in (w1, w2, teacher) for i in (0, 1) for j in (0, 1))


def _matrices(t: np.ndarray) -> tuple[Any, ...]:
    """A 2 × 2 teacher, and a start with equal singular values in other frames: (t, λ; s; u, v, A)."""
    frames = [_rotation(angle) for angle in (0.3, 0.8, 1.1, 0.4)]
    teacher = frames[2] * [STRONG, WEAK] @ frames[3].T
    return (t, 0.0, START, START, *frames[0].ravel(), *frames[1].ravel(), *teacher.ravel())


def _tuned(t: np.ndarray) -> tuple[Any, ...]:
    """The path fine-tuned for T = 0.3 on a task in other frames: (T, λ; s; u, v, B; A)."""
    task = _rotation(0.3) * [0.8, 0.5] @ _rotation(0.8).T
    teacher = _rotation(1.1) * [STRONG, WEAK] @ _rotation(0.4).T
    return (0.3, 0.0, *_s(t), *_rotation(1.1).ravel(), *_rotation(0.4).ravel(), *task.ravel(), *teacher.ravel())


CLOCK = -np.log(START) / 2  # of claims A7 and B7
EYE = (1.0, 0.0, 1.0)

# panel, name of the line, form, its inputs at every length
LINES: tuple[tuple[str, str, str, Callable[[np.ndarray], tuple[Any, ...]]], ...] = (
    ("A3", "s", "balanced_mode.singular_value", lambda t: (t, STRONG, START, 0.0)),
    ("A3", "σ − s", "balanced_mode.unlearned", lambda t: (t, STRONG, START, 0.0)),
    ("A4", "p", "unbalanced_mode.product", lambda t: (t, STRONG, -START, 1e-6)),
    ("A4", "σ − p", "unbalanced_mode.unlearned", lambda t: (t, STRONG, -START, 1e-6)),
    ("A5", "f", "matrix_solution.matrix_flow_from_modes, product, 2 × 2 from rank 2", _matrices),
    ("A5", "A − f", "matrix_solution.matrix_flow_from_modes, unlearned, 2 × 2 from rank 2", _matrices),
    ("A6", "s, L = 3", "deep_mode.singular_value, L = 3", lambda t: (t, STRONG, 1e-3)),
    ("A6", "σ − s, L = 3", "deep_mode.unlearned, L = 3", lambda t: (t, STRONG, 1e-3)),
    ("A7", "s", "incremental.feature", lambda t: (t / CLOCK, STRONG, START)),
    ("A7", "bound", "incremental.limit_error", lambda t: (t / CLOCK, STRONG, START)),
    ("B1, B2", "Δ, L = 2", "noise.expected_increase", lambda t: (sum(_s(t)), sum(_s(t)), GAMMA, GAMMA)),
    ("B1, B2", "Δ, L = 3", "deep_noise.deep_increase, L = 3", lambda t: (*_s(t), GAMMA, GAMMA, GAMMA)),
    ("B3", "3s − σ", "curvature.hessian_spectrum, 3s − σ", lambda t: (_s(t)[0], _unlearned(t)[0])),
    ("B3", "pair", "curvature.hessian_spectrum, pair 2", lambda t: (*_s(t), *_unlearned(t))),
    ("B4, B5", "d tr H/dt", "growth.curvature_growth", lambda t: (t, STRONG, START)),
    ("B4, B5", "variance", "noise_variance.loss_variance", lambda t: (*_weights(t), *EYE, GAMMA, GAMMA)),
    ("B6", "relative", "conventions.increase_in_convention, relative", lambda t: (*_weights(t)[:8], GAMMA, GAMMA)),
    ("B6", "per weight", "conventions.increase_in_convention, multiplicative",
     lambda t: (*_weights(t)[:8], GAMMA, GAMMA)),
    ("B7, B8", "loss", "rates.staircase_loss", lambda t: (t / CLOCK + 1e-3, 0.75)),
    ("B7, B8", "Σs from loss", "sum_rule.norm_growth", lambda t: (t, 1.2 * t, t**-0.5, (1.3 * t) ** -0.5, 1.0)),
    ("C1, C5", "t*", "noisy_mode.inflection_time", lambda t: (STRONG, START, np.clip(_unlearned(t)[0], 1e-290, 0.99))),
    ("C1, C5", "t*, dense", "scaling.dense_inflection_time", lambda t: (0.75, START, np.clip(4.0 / t, 1e-8, 0.49))),
    ("C4", "P(∞) − P(t)", "noisy_path.remaining_increase", lambda t: (t, STRONG, WEAK, START, START, NOISE_COST)),
    ("D1, D2", "x", "tuned_flow.fine_tune_mode, x", lambda t: (0.3, _s(t)[0], 0.5, 1e-3)),
    ("D1, D2", "A − f", "tuned_flow.fine_tune, unlearned", _tuned),
    ("D1, D2", "moved", "tuned_flow.mode_distance", lambda t: (0.3, _s(t)[0], 0.5, 1e-3)),
    ("D1, D2", "t*", "shared_task.overshoot_length", lambda t: (t / 100, STRONG, 1.5, START)),
    ("D3, D4", "Δ in a stage", "shared_task.forgetting_cost", lambda t: (0.3, _s(t)[0], STRONG, 0.5)),
    ("D3, D4", "growth/T²", "plateaus.plateau_growth, 2", lambda t: (STRONG, WEAK, _s(t)[0], 0.2, 0.1, _s(t)[1])),
    ("D3, D4", "safe T", "plateaus.safe_budget", lambda t: (STRONG, WEAK, t)),
    ("D5–D7", "excess", "label_noise.label_noise_excess, online", lambda t: (*_s(t), 0.1, 0.5, 8.0)),
    ("D5–D7", "best T", "stability.tuned_budget", lambda t: (_s(t)[0], STRONG, 1.5, 0.3)),
    ("D5–D7", "anchored", "anchored.anchored_weight", lambda t: (np.sqrt(_s(t)[0]), 0.5, 0.3)),
    ("D5–D7", "frontier", "tradeoff.least_forgetting", lambda t: (0.7, (STRONG - 0.5 - _unlearned(t)[0]) ** 2 / 2)),
    ("E1–E3", "excess", "robust.excess_over_robust", lambda t: (*[np.sqrt(_s(t)[0])] * 2, STRONG, 0.1, 0.05)),
    ("E1–E3", "tilt", "annealing.layer_ratio, 64 × 8", lambda t: (t / 1000,)),
    ("E1–E3", "best share", "mixing.best_task_share", lambda t: (t, STRONG, 0.6, START)),
)  # fmt: skip


def errors() -> xr.Dataset:
    """Relative error and condition number of each line's closed form along pretraining, as a Trajectory.

    Dimensions `form` and `pretraining`; `panel` says which forms belong together. An error of 0 means that the result
    is the float64 nearest to the exact value of mpmath, so that only the rounding of the formula itself is measured.
    """
    forms = {form.name: form for form in FORMS}
    error, condition = [], []
    for *_, name, inputs in LINES:
        points = np.column_stack([np.broadcast_to(x, LENGTHS.shape) for x in inputs(LENGTHS)])
        error.append(forms[name].errors(points))
        condition.append([forms[name].condition(point) for point in points.tolist()])
    return trajectory(
        {"error": (("form", "pretraining"), error), "condition": (("form", "pretraining"), condition)},
        {
            "pretraining": LENGTHS,
            "form": [f"{panel}: {line}" for panel, line, *_ in LINES],
            "panel": ("form", [panel for panel, *_ in LINES]),
            "line": ("form", [line for _, line, *_ in LINES]),
        },
        method="theory",
        source="closed forms against mpmath at two precisions that agree",
        model=f"two modes, σ = {STRONG:g} and {WEAK:g}, ε = {START:g}",
    )
