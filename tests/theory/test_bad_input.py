"""Bad input to all functions of `theory`: one type of exception per kind, and a message of what, why and instead."""

from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.theory.public_api import baselines
from tests.theory.test_public_api import broadcasts, public

NOT_NEGATIVE = {
    "t", "time", "length", "s", "tau", "sigma", "epsilon", "gamma_1", "gamma_2", "gammas", "noise_cost", "alpha",
    "input_variance", "w1_norm", "w2_norm", "level_1", "level_2", "diagonal_overlap", "unit_overlap", "product_norm",
    "step", "step_1", "step_2", "m", "tolerance", "loss_exponent", "norms", "input_spectrum", "input_trace", "gain",
    "std", "angle", "scale", "ratio", "rtol", "weight_decay", "learning_rate", "momentum", "warmup_share",
    "decay_share",
    "label_noise", "anchor", "replay_share", "lengths", "strengths", "spectrum", "scales", "stderr", "budget",
    "budgets", "variance", "angles", "shared",
}  # fmt: skip
POSITIVE = {"epsilon", "alpha", "loss_exponent", "m", "tolerance", "gain", "std", "scale", "ratio", "rtol",
            "learning_rate"}  # fmt: skip
OPTIONAL = {"input_covariance", "input_trace", "input_spectrum", "imbalance"}  # None is a value
FREE_TEXT = {"text", "source", "perturbation", "model"}

number = lambda given: isinstance(given, float | np.ndarray)
whole = lambda given: isinstance(given, int) and not isinstance(given, bool)
first = lambda x: lambda given: np.where(np.arange(np.size(given)).reshape(np.shape(given)) == 0, x, given)[()]
to = lambda x: lambda given: x

# kind: to which arguments (by name and by what is given) it is done, and what is done
KINDS: dict[str, tuple[Callable[[str, Any], bool], Callable[[Any], Any]]] = {
    "NaN": (lambda name, given: number(given), first(np.nan)),
    "infinite": (lambda name, given: number(given), first(np.inf)),
    "negative": (lambda name, given: number(given) and name in NOT_NEGATIVE, lambda given: -np.abs(given) - 1),
    "zero": (lambda name, given: number(given) and name in POSITIVE, lambda given: 0 * given),
    "text for a number": (lambda name, given: number(given), to("text")),
    "None for a number": (lambda name, given: number(given) and name not in OPTIONAL, to(None)),
    "complex": (lambda name, given: number(given), lambda given: 1j * given),
    "masked": (lambda name, given: number(given), to(np.ma.masked_array([1.0, 2.0], [True, False]))),
    "half a unit": (lambda name, given: whole(given), to(2.5)),
    "a negative count": (lambda name, given: whole(given), to(-1)),
    "a list for a count": (lambda name, given: whole(given), to([2])),
    "a truth for a count": (lambda name, given: whole(given), to(True)),
    "an unknown word": (lambda name, given: isinstance(given, str) and name not in FREE_TEXT, to("unknown")),
    "an object": (lambda name, given: given is not None and name not in FREE_TEXT, to(object())),
}
ALLOWED = {
    ("zero", "PowerLaw", "alpha"),
    ("zero", "Weights", "tolerance"),  # exactly balanced
    ("None for a number", "fitted_line", "stderr"),
}
DATA = {"response", "trajectory", "validate", "sensitivity", "curve", "inflection_point"}


def judged(plain: SimpleNamespace, name: str, arguments: dict[str, Any], expected: str) -> str:
    """Nothing where this is refused as it must be; else what happened."""
    try:
        return f"answered {public(plain, name)(**arguments)!r}"[:150]
    except plain.Refusal as refusal:
        told = (refusal.what, refusal.why, refusal.instead)
        right = type(refusal).__name__ in ({expected, "SchemaError"} if name in DATA else {expected})
        return "" if right and all(isinstance(x, str) and x for x in told) else repr(refusal)
    except Exception as error:
        return f"bare {error!r}"[:150]


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_value_is_a_domain_error(plain: SimpleNamespace, kind: str) -> None:
    (concerns, spoil), found = KINDS[kind], {}
    for name, arguments in baselines(plain).items():
        for key, given in arguments.items():
            if concerns(key, given) and (kind, name, key) not in ALLOWED:
                found[f"{name}({key})"] = judged(plain, name, arguments | {key: spoil(given)}, "DomainError")
    assert found
    assert {where: told for where, told in found.items() if told} == {}


ANY_SHAPE = {("absmax_step", "w"), ("accumulated_noise", "learning_rates"), ("low_rank_floor", "difference"),
             ("tuning_sharpness", "budget"), ("overtraining_bounds", "sigma"), ("matrix_flow_from_modes", "time"),
             ("matrix_flow", "time"),
             ("overtraining_in_stages", "noise_cost"),
             ("loss_after_noise", "length"), ("spectrum_path", "lengths"),
             ("power_law_path", "lengths"),
             ("fine_tune", "budget"), ("fine_tune_plateaus", "task"), ("plateau_growth", "task"),
             ("rise_on_plateaus", "task"),
             ("map_forgetting", "tasks"), ("fine_tune_grid", "tasks")}  # fmt: skip


MODES_LAST = {"noisy_task_turn", "noisy_task_inflection"}  # beside which (3, 2) and (2, 3) fit: test_noisy_task


def test_arrays_that_do_not_fit_are_a_shape_error(plain: SimpleNamespace) -> None:
    """Two arguments that do not broadcast; and a matrix, spectrum or list with axes that it cannot have."""
    found = {}
    for name, arguments in baselines(plain).items():
        free = [key for key in broadcasts(public(plain, name)) if key in arguments]
        for a, b in pairwise(free if name not in MODES_LAST else ()):
            clash = {a: np.full((3, 2), np.ravel(arguments[a])[0]), b: np.full((2, 3), np.ravel(arguments[b])[0])}
            found[f"{name}({a}, {b})"] = judged(plain, name, arguments | clash, "ShapeError")
        for key, given in arguments.items():
            if isinstance(given, np.ndarray) and (name, key) not in ANY_SHAPE:
                odd = np.full((2, 5, 7), given.flat[0])
                found[f"{name}({key})"] = judged(plain, name, arguments | {key: odd}, "ShapeError")
    assert len(found) > 100
    assert {where: told for where, told in found.items() if told} == {}
