"""Bad input to everything that `theory` exports: one exception type per kind, saying what, why, and what instead."""

from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import theory
from tests.theory.public_api import baselines
from tests.theory.test_public_api import broadcasts, public

MASKED = np.ma.masked_array([1.0, 2.0], [True, False])
# kind: what it makes of a good argument, None where it does not apply, and the exception
NUMBER = lambda given: isinstance(given, float | np.ndarray)
WHOLE = lambda given: isinstance(given, int) and not isinstance(given, bool)
NOT_NEGATIVE = {
    "t", "s", "tau", "sigma", "epsilon", "decay", "gamma_1", "gamma_2", "gammas", "c", "alpha", "input_variance",
    "w1_norm", "w2_norm", "strength_1", "strength_2", "own", "joint", "rho_1", "rho_2", "step", "step_1", "step_2", "m",
    "tolerance", "loss_exponent", "q1", "q2", "both", "norms", "input_spectrum", "input_trace", "gain", "std", "angle",
    "scale", "ratio", "rtol", "weight_decay", "learning_rate", "momentum", "warmup", "label_noise", "anchor", "replay",
    "lengths", "strengths", "spectrum", "scales",
}  # fmt: skip
POSITIVE = {"epsilon", "alpha", "loss_exponent", "m", "tolerance", "gain", "std", "scale", "ratio", "rtol",
            "learning_rate"}  # fmt: skip


def spoiled(kind: str, name: str, given: Any) -> Any:
    """The argument made bad in one way; the argument itself where it cannot be."""
    if NUMBER(given) and kind in ("nan", "inf"):
        return np.where(np.arange(np.size(given)).reshape(np.shape(given)) == 0, float(kind), given)[()]
    if kind == "negative" and NUMBER(given) and name in NOT_NEGATIVE:
        return -np.abs(given) - 1
    if kind == "zero" and NUMBER(given) and name in POSITIVE:
        return 0 * given
    if kind in ("text", "none", "complex", "masked") and NUMBER(given):
        return {"text": "text", "none": None, "complex": 1j * given, "masked": MASKED}[kind]
    if WHOLE(given) and kind in ("half", "minus", "list", "truth"):
        return {"half": 2.5, "minus": -1, "list": [2], "truth": True}[kind]
    if isinstance(given, str) and kind == "unknown":
        return "unknown"
    if kind == "object" and not isinstance(given, str) and given is not None:
        return object()
    return given


KINDS = ("nan", "inf", "negative", "zero", "text", "none", "complex", "masked", "half", "minus", "list", "truth",
         "unknown", "object")  # fmt: skip
OPTIONAL = {"input_covariance", "input_trace", "input_spectrum", "initial_scales", "samples", "batch", "rank", "imbalance"}
FREE_TEXT = {"text", "source", "perturbation", "model"}
ALLOWED = {("zero", "PowerLaw", "alpha")} | {("none", name, key) for name in baselines(theory) for key in OPTIONAL}
DATA = {"response", "trajectory", "validate", "sensitivity", "curve", "inflection_point"}


def judged(plain: ModuleType, name: str, arguments: dict[str, Any], kind: str) -> str:
    """Nothing where this is refused as it must be; else what happened."""
    try:
        return repr(public(plain, name)(**arguments))[:150]
    except plain.Refusal as refusal:
        told = (refusal.what, refusal.why, refusal.instead)
        right = type(refusal).__name__ in ({kind, "SchemaError"} if name in DATA else {kind})
        return "" if right and all(isinstance(x, str) and x for x in told) else repr(refusal)
    except Exception as error:
        return f"bare {error!r}"[:150]


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_value_is_a_domain_error(plain: ModuleType, kind: str) -> None:
    wrong, tried = {}, 0
    for name, arguments in baselines(plain).items():
        for key, given in arguments.items():
            bad = spoiled(kind, key, given)
            if bad is given or (kind, name, key) in ALLOWED or (kind == "unknown" and key in FREE_TEXT):
                continue
            tried += 1
            wrong[f"{name}({key})"] = judged(plain, name, arguments | {key: bad}, "DomainError")
    assert tried
    assert {where: told for where, told in wrong.items() if told} == {}


def test_arrays_that_do_not_fit_are_a_shape_error(plain: ModuleType) -> None:
    """Two arguments that broadcast to nothing; and a matrix, spectrum or list of lengths with axes that it cannot have."""
    wrong = {}
    for name, arguments in baselines(plain).items():
        free = [key for key in broadcasts(public(plain, name)) if key in arguments]
        for a, b in pairwise(free):
            clash = {a: np.full((3, 2), np.ravel(arguments[a])[0]), b: np.full((2, 3), np.ravel(arguments[b])[0])}
            wrong[f"{name}({a}, {b})"] = judged(plain, name, arguments | clash, "ShapeError")
        for key, given in arguments.items():
            if isinstance(given, np.ndarray) and (name, key) not in ANY_SHAPE:
                odd = np.full((2, 5, 7), given.flat[0])
                wrong[f"{name}({key})"] = judged(plain, name, arguments | {key: odd}, "ShapeError")
    assert len(wrong) > 100
    assert {where: told for where, told in wrong.items() if told} == {}


ANY_SHAPE = {("absmax_step", "w"), ("lost_bounds", "sigma"), ("matrix_flow_from_modes", "t"), ("lost_in_stages", "c")}
