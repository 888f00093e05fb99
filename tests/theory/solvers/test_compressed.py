"""Rounding and pruning by `respond`: of known weights against a loop over them, of hidden frames the mean of B6r."""

from dataclasses import replace
from fractions import Fraction
from functools import reduce
from itertools import product

import numpy as np
import pytest

from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import Noise, Pruning, Quantization
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.resolved import resolve
from overtraining.setting.starts import Aligned, Balanced, SmallGaussian
from overtraining.setting.teachers import PowerLaw, Spectrum
from overtraining.theory.learning.matrix_modes import weights_of
from overtraining.theory.sensitivity.mean_rounding import mean_rounding_increase
from overtraining.theory.solvers.exact import respond
from overtraining.theory.solvers.solutions import solve

KINDS = ("tensor", "row")
ONE = Protocol(PowerLaw(3), (0.0, 1.0, 4.0), (0.0, 0.3, 0.7), Network(3, 2, 4, depth=1), Balanced(0.2),
               inputs=Inputs((2.0, 1.0, 0.5), shared=False))  # fmt: skip
UNIT = Protocol(PowerLaw(2), (0.0, 2.0, 9.0), (0.0, 0.3, 0.7), Network(3, 1, 2), Aligned(0.05, 0.2),
                inputs=Inputs((2.0, 1.0, 0.5)))  # fmt: skip
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


@pytest.mark.parametrize("how", [Quantization(None), *(f(per) for f in (Quantization, Pruning) for per in KINDS)])
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


@pytest.mark.parametrize("how", [Quantization(None), *(f(per) for f in (Quantization, Pruning) for per in KINDS)])
def test_one_hidden_unit_is_exact(how: Quantization | Pruning) -> None:
    protocol = replace(UNIT, perturbation=how)
    resolved, answer = resolve(protocol), respond(protocol)
    for i, modes in enumerate(solve(resolved).at(np.array(protocol.lengths)).modes()):
        for j, strength in enumerate(protocol.strengths):
            w1, w2 = (compressed(w, how, strength) for w in weights_of(modes, 1))
            error = w2 @ w1 - resolved.teacher
            assert answer.after[i, j] == pytest.approx(np.trace(error @ resolved.input_covariance @ error.T) / 2)
    assert "approximation" not in answer.attrs
    assert np.ptp(answer.sensitivity.values) > 0.01


def test_no_loss_is_negative() -> None:
    """Rounded to 0, the weights fit a teacher that is 0."""
    for epsilon in np.geomspace(1e-4, 1, 20):
        start, network = Aligned(float(epsilon)), Network(3, 1, 2)
        answer = respond(Protocol(Spectrum((0.0,)), (0.0,), (2.2,), network, start, perturbation=Quantization()))
        assert 0 <= answer.after.item() < 1e-15 * answer.before.item()


@pytest.mark.parametrize("per", KINDS)
@pytest.mark.parametrize("protocol", [ONE, UNIT])
def test_dither_of_known_weights_is_the_mean_over_all_errors(protocol: Protocol, per: str) -> None:
    """The mean by a Gauss rule: errors at ± step/√12 have the uniform law's variance, and the loss is of degree 2."""
    answer = respond(protocol := replace(protocol, perturbation=Quantization(per, "dithered")))
    resolved = resolve(protocol)
    path = solve(resolved).at(np.array(protocol.lengths))
    for i in range(3):
        layers = [path.one_layer()[0][i]] if path.one_layer else list(weights_of(list(path.modes())[i], 1))
        largest = [np.abs(w).max(axis=1 if per == "row" else None, keepdims=True) for w in layers]
        signs = np.array(list(product((-1, 1), repeat=sum(w.size for w in layers))))
        shifts = np.split(signs, np.cumsum([w.size for w in layers])[:-1], axis=1)
        moved = [
            w + 0.7 / 12**0.5 * m * s.reshape(-1, *w.shape) for w, m, s in zip(layers, largest, shifts, strict=True)
        ]
        error = reduce(lambda first, second: second @ first, moved) - resolved.teacher
        after = ((error @ resolved.input_covariance) * error).sum(axis=(1, 2)).mean() / 2
        assert answer.after[i, 2] == pytest.approx(after, rel=1e-12)
    assert answer.attrs["source"].endswith("B6q)")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"network": Network(3, 4, 2, depth=3)},
        {"network": Network(3, 4, 2, depth=1)},
        {"inputs": Inputs((2.0, 1.0, 0.5))},
        {"start": SmallGaussian(1e-4)},
        {"strengths": (1e-9, 1.0)},  # a step so fine that the quadrature of rounding to nearest refuses it
    ],
)
def test_dither_with_a_fixed_step_is_noise_wherever_noise_has_a_formula(change: dict[str, object]) -> None:
    dithered = respond(replace(TWO, perturbation=Quantization(None, "dithered"), **change))
    depth = change.get("network", TWO.network).depth
    noise = respond(replace(TWO, perturbation=Noise((12**-0.5,) * depth, "uniform"), **change))
    np.testing.assert_allclose(dithered.after, noise.after, rtol=1e-14)
    np.testing.assert_allclose(dithered.sensitivity, noise.sensitivity, rtol=1e-14)
    assert "B6q" in dithered.attrs["source"]
    assert dithered.attrs["perturbation"] == "dithered rounding"
    assert dithered.attrs.get("approximation") == noise.attrs.get("approximation")
