"""Rounding and pruning by `respond`: of one layer against a loop over weights, of two the mean that B6r gives."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import Pruning, Quantization
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.resolved import resolve
from overtraining.setting.starts import Aligned, Balanced
from overtraining.setting.teachers import PowerLaw
from overtraining.theory.learning.matrix_modes import weights_of
from overtraining.theory.sensitivity.mean_rounding import mean_rounding_increase
from overtraining.theory.solvers.exact import respond
from overtraining.theory.solvers.solutions import solve

ONE = Protocol(PowerLaw(3), (0.0, 1.0, 4.0), (0.0, 0.3, 0.7), Network(3, 2, 4, depth=1), Balanced(0.2),
               inputs=Inputs((2.0, 1.0, 0.5), shared=False))  # fmt: skip
TWO = Protocol(PowerLaw(2), (0.0, 2.0, 9.0), (0.0, 0.2, 0.5), Network(3, 4, 2), Aligned(0.05))


def compressed(w: np.ndarray, how: Quantization | Pruning, strength: float) -> np.ndarray:
    """Weight by weight, in exact fractions."""
    sizes = [[abs(Fraction(float(x))) for x in row] for row in w]
    result = w.copy()
    for i, row in enumerate(sizes):
        group = row if how.per == "row" else [x for every in sizes for x in every]
        for j, size in enumerate(row):
            if isinstance(how, Pruning):
                count = round(strength * len(group))
                before = i * len(row) + j if how.per == "tensor" else j
                smaller = sum(x < size or (x == size and k < before) for k, x in enumerate(group))
                result[i, j] = 0.0 if smaller < count else w[i, j]
            elif strength:
                step = Fraction(strength) * (1 if how.per is None else max(group))
                whole, rest = divmod(size, step)
                result[i, j] = np.sign(w[i, j]) * float((whole + (rest > step / 2)) * step)
    return result


@pytest.mark.parametrize(
    "how", [Quantization(None), *(f(per) for f in (Quantization, Pruning) for per in ("tensor", "row"))]
)
def test_one_layer_is_exact(how: Quantization | Pruning) -> None:
    protocol = replace(ONE, perturbation=how)
    resolved, answer = resolve(protocol), respond(protocol)
    weights, _ = solve(resolved).at(np.array(protocol.lengths)).one_layer()
    for i, w in enumerate(weights):
        for j, strength in enumerate(protocol.strengths):
            error = compressed(w, how, strength) - resolved.teacher
            exact = np.trace(error @ resolved.input_covariance @ error.T) / 2
            assert answer.after[i, j] == pytest.approx(exact, rel=1e-12)
    assert "approximation" not in answer.attrs
    assert np.ptp(answer.sensitivity.values) > 0.01


@pytest.mark.parametrize("start", [Aligned(0.05), Balanced(0.05, 0.7), Aligned(0.05, 0.3)])
def test_two_layers_are_the_mean_over_frames_times_the_variance_of_the_inputs(start: Aligned | Balanced) -> None:
    protocol = replace(TWO, start=start, inputs=Inputs((2.0,) * 3), perturbation=Quantization(None))
    resolved, answer = resolve(protocol), respond(protocol)
    worst = 0.0
    for i, modes in enumerate(solve(resolved).at(np.array(protocol.lengths)).modes()):
        for j, step in enumerate(protocol.strengths[1:], start=1):
            mean = mean_rounding_increase(*weights_of(modes, 4), resolved.teacher, step, step)
            assert answer.sensitivity[i, j] == pytest.approx(2 * mean.rise)
            worst = max(worst, 2 * mean.bound)
    assert (answer.sensitivity[:, 0] == 0).all()
    assert "hidden frames" in answer.attrs["approximation"]
    assert answer.attrs["approximation_bound"] == pytest.approx(worst)
    assert answer.attrs["source"].endswith("B6r)")


def test_two_hidden_units_have_nothing_left_out() -> None:
    answer = respond(replace(TWO, network=Network(3, 2, 2), perturbation=Quantization(None)))
    assert "approximation" not in answer.attrs
