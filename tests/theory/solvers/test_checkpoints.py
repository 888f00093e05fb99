"""Checkpoints of one network: the loss that one computes from the weights by hand, and their Response in one piece."""

from itertools import product

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.inflection import inflection_point
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import FineTuning, Noise, Pruning, Quantization
from overtraining.setting.protocol import Protocol
from overtraining.setting.responses import validate
from overtraining.setting.teachers import Matrix
from overtraining.setting.weights import Weights
from overtraining.theory.solvers.checkpoints import respond_at
from overtraining.theory.solvers.exact import follow, respond

STRENGTHS = (0.1, 0.5)
TEACHER = Matrix(np.random.default_rng(5).normal(size=(2, 2)))
INPUTS = Inputs(input_covariance=np.array([[2.0, 0.5], [0.5, 1.0]]))  # its axes are not the teacher's


def checkpoint(seed: int, depth: int) -> Weights:
    """Weights that are as far from balanced as random ones are."""
    widths = [2, *[3] * (depth - 1), 2]
    generator = np.random.default_rng(seed)
    return Weights(*(generator.normal(size=(widths[i + 1], widths[i])) for i in range(depth)))


def loss(layers) -> float:
    error = np.linalg.multi_dot(layers[::-1]) - np.array(TEACHER.entries)
    return float(np.trace(error @ np.array(INPUTS.input_covariance) @ error.T) / 2)


def mean_loss(layers, deviations) -> float:
    """Over independent ± deviations of every weight, which is exact: the loss is of degree two in each."""
    signs = [np.array(s) for s in product((-1.0, 1.0), repeat=sum(w.size for w in layers))]
    ends = np.cumsum([w.size for w in layers])[:-1]
    total = 0.0
    for sign in signs:
        shift = [part.reshape(w.shape) for part, w in zip(np.split(sign, ends), layers, strict=True)]
        total += loss([w + s * d for w, s, d in zip(layers, shift, deviations, strict=True)])
    return total / len(signs)


NARROW = Weights(np.array([[0.7, -0.4], [0.2, 1.1]]), np.array([[0.3, 0.9], [-1.2, 0.5]]))


@pytest.mark.parametrize("convention", ["absolute", "relative", "multiplicative", "dither by row"])
def test_noise_on_known_weights_is_the_mean_over_all_signs(convention: str) -> None:
    if convention == "dither by row":
        perturbation = Quantization("row", "dithered")
        sizes = [np.abs(w).max(axis=1, keepdims=True) / 12**0.5 * np.ones_like(w) for w in NARROW.matrices]
    else:
        perturbation = Noise((1.0, 0.5), convention=convention)
        sizes = [
            scale
            * {"absolute": np.ones_like(w), "relative": np.full_like(w, np.sqrt((w**2).mean()))}.get(convention, abs(w))
            for scale, w in zip((1.0, 0.5), NARROW.matrices, strict=True)
        ]
    answer = respond_at({4.0: NARROW}, TEACHER, STRENGTHS, perturbation, INPUTS)
    assert answer.before.item() == pytest.approx(loss(NARROW.matrices), rel=1e-13)
    for strength in STRENGTHS:
        after = mean_loss(NARROW.matrices, [strength * size for size in sizes])
        assert float(answer.after.sel(strength=strength).item()) == pytest.approx(after, rel=1e-12)


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("perturbation", [Quantization(), Quantization("row"), Pruning(), Pruning("row")])
def test_rounding_and_pruning_are_of_these_weights(depth: int, perturbation: Quantization | Pruning) -> None:
    weights = checkpoint(1, depth)
    answer = respond_at({0.0: weights}, TEACHER, STRENGTHS, perturbation, INPUTS)
    for strength in STRENGTHS:
        moved = []
        for w in weights.matrices:
            groups = [w] if perturbation.per == "tensor" else list(w)
            if isinstance(perturbation, Pruning):
                limits = [np.sort(np.abs(g), axis=None) for g in groups]
                kept = [np.abs(g) >= a[round(strength * a.size)] for g, a in zip(groups, limits, strict=True)]
                moved.append(np.where(np.array(kept).reshape(w.shape), w, 0.0))
            else:
                steps = np.array([strength * np.abs(g).max() for g in groups])[:, None]
                moved.append(np.round(w / steps) * steps)
        assert float(answer.after.sel(strength=strength).item()) == pytest.approx(loss(moved), rel=1e-12)


def test_dither_by_row_of_deep_weights_is_the_mean_over_all_signs() -> None:
    weights = Weights(*NARROW.matrices, np.array([[0.8, -0.1], [0.6, 1.3]]))
    answer = respond_at({0.0: weights}, TEACHER, (0.3,), Quantization("row", "dithered"), INPUTS)
    sizes = [0.3 * np.abs(w).max(axis=1, keepdims=True) / 12**0.5 for w in weights.matrices]
    assert answer.after.item() == pytest.approx(mean_loss(weights.matrices, sizes), rel=1e-12)


def test_lengths_are_in_order_and_the_response_has_its_inflection_point() -> None:
    saved = {9: checkpoint(0, 2), 0.0: checkpoint(1, 2), 4: checkpoint(2, 2)}
    answer = validate(respond_at(saved, TEACHER, STRENGTHS, inputs=INPUTS))
    assert answer.pretraining.values.tolist() == [0.0, 4.0, 9.0]
    assert answer.pretraining.attrs["units"] == "gradient-flow time"
    for length, weights in saved.items():
        one = respond(Protocol(TEACHER, (0.0,), STRENGTHS, start=weights, inputs=INPUTS))
        np.testing.assert_array_equal(answer.after.sel(pretraining=length), one.after[0])
    assert answer.attrs["imbalance_error"] == 0.0
    assert answer.attrs["relative_imbalance"] > 0.1
    assert "protocol" not in answer.attrs
    assert inflection_point(answer).length.shape == (2,)


def test_fine_tuning_has_the_largest_error_of_all() -> None:
    balanced = Weights(np.eye(2), np.eye(2))
    nearly = Weights(np.eye(2), np.eye(2) + 1e-6 * np.array([[0.0, 1.0], [0.0, 0.0]]))
    tuning = FineTuning(TEACHER)
    errors = [respond_at({0: w}, TEACHER, (0.1,), tuning).attrs["imbalance_error"] for w in (balanced, nearly)]
    assert errors[0] < 1e-12 < errors[1]
    assert respond_at({0: nearly, 1: balanced}, TEACHER, (0.1,), tuning).attrs["imbalance_error"] == errors[1]


def test_what_is_followed_at_length_0_is_that_of_these_weights() -> None:
    """Whatever the perturbation, which does not matter to what is followed."""
    weights = checkpoint(3, 3)
    for perturbation in (Noise(), FineTuning(TEACHER)):
        path = follow(Protocol(TEACHER, (0.0,), start=weights, inputs=INPUTS, perturbation=perturbation))
        assert path.loss.item() == pytest.approx(loss(weights.matrices), rel=1e-13)
        np.testing.assert_allclose(path.layer_norm[0], [(w**2).sum() for w in weights.matrices], rtol=1e-14)
        values = np.linalg.svd(np.linalg.multi_dot(weights.matrices[::-1]), compute_uv=False)
        np.testing.assert_allclose(path.singular_value[0], values, rtol=1e-13)
        assert path.attrs["imbalance_error_weights"] == path.attrs["imbalance_error_singular_value"] == 0.0


def test_refusals() -> None:
    for saved, kind, says in (
        ({}, DomainError, "no checkpoints"),
        ({-1: NARROW}, DomainError, "lengths"),
        ({0: NARROW, 1: checkpoint(0, 2)}, ShapeError, "checkpoints of shapes"),
    ):
        with pytest.raises(kind, match=says):
            respond_at(saved, TEACHER, STRENGTHS)
    with pytest.raises(DomainError, match="no checkpoint is the start"):
        respond_at({0: NARROW}, TEACHER, STRENGTHS, Noise(convention="initialization"))
