"""Paths: the three families agree where they overlap, pieces agree with the whole, and limits are those of the flow."""

from dataclasses import replace

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, NotSolved
from overtraining.setting.inputs import Inputs
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.resolved import resolve
from overtraining.setting.starts import Aligned, Balanced
from overtraining.setting.teachers import PowerLaw, Spectrum
from overtraining.setting.training import GradientFlow
from overtraining.theory.solvers.paths import Path, Solution, decoupled_modes, matrix_riccati, single_layer

LENGTHS = np.array([0.0, 0.5, 2.0, 6.0, 40.0])
FIELDS = ("loss", "layer_norm", "singular_value")


def protocol(teacher: object, network: Network, **parts: object) -> Protocol:
    return Protocol(teacher, tuple(LENGTHS), (0.1,), network, **parts)


def agree(one: Path, other: Path) -> None:
    for field in FIELDS:
        np.testing.assert_allclose(getattr(one, field), getattr(other, field), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(one.norms(), other.norms(), rtol=1e-10, atol=1e-13)
    assert one.imbalance == pytest.approx(other.imbalance)


@pytest.mark.parametrize("imbalance", [0.0, 0.3])
@pytest.mark.parametrize("xi", [1.0, 1.7])
def test_the_matrix_solution_at_angle_0_is_that_of_decoupled_modes(imbalance: float, xi: float) -> None:
    """Two layers whose every hidden unit has a mode, white inputs: A3 and A4 against A5."""
    aligned = protocol(Spectrum((1.0, 0.4)), Network(2, 2, 2), inputs=Inputs((xi, xi)), start=Aligned(0.02, imbalance))
    balanced = replace(aligned, start=Balanced(0.02, 0.0, imbalance))
    agree(decoupled_modes(resolve(aligned)).at(LENGTHS), matrix_riccati(resolve(balanced)).at(LENGTHS))


@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_a_single_layer_with_the_teacher_s_axes_is_decoupled_modes(decay: float) -> None:
    network = Network(3, 1, 2, depth=1)
    parts = {"inputs": Inputs((2.0, 1.0, 0.5)), "pretraining": GradientFlow(weight_decay=decay)}
    asked = resolve(protocol(PowerLaw(2), network, start=Aligned(0.02), **parts))
    agree(decoupled_modes(asked).at(LENGTHS), single_layer(asked).at(LENGTHS))


@pytest.mark.parametrize(
    ("family", "start", "network"),
    [
        (decoupled_modes, Aligned(0.01), Network(4, 3, 3)),
        (decoupled_modes, Aligned(0.1), Network(3, 3, 3, depth=4)),
        (matrix_riccati, Balanced(0.01, 0.8), Network(4, 3, 3)),
        (single_layer, Balanced(0.01, 0.8), Network(4, 1, 3, depth=1)),
    ],
)
def test_pieces_agree_with_the_whole_and_the_end_is_the_teacher(family, start, network: Network) -> None:
    asked = resolve(Protocol(Spectrum((1.0, 0.6, 0.3)), (0.0,), (0.1,), network, start))
    solution = family(asked)
    whole = solution.at(np.append(LENGTHS, 400.0))
    pieces = Solution(solution.path, solution.claims, step=2).along(np.append(LENGTHS, 400.0))
    for field in FIELDS:
        joined = np.concatenate([getattr(piece, field) for piece in Solution(solution.path, "", 2).along(LENGTHS)])
        np.testing.assert_allclose(joined, getattr(whole, field)[:-1], rtol=1e-13, atol=1e-15)
    assert sum(piece.loss.size for piece in pieces) == LENGTHS.size + 1
    assert whole.loss[-1] < 1e-20
    np.testing.assert_allclose(whole.singular_value[-1], [1.0, 0.6, 0.3], rtol=1e-9)
    assert whole.never_learned.size == 0
    assert (np.diff(whole.loss) <= 1e-15).all()


def test_modes_beyond_a_bottleneck_are_never_learned() -> None:
    path = decoupled_modes(resolve(protocol(Spectrum((1.0, 0.6, 0.3, 0.0)), Network(4, 2, 4)))).at(LENGTHS)
    assert path.never_learned.tolist() == [0.3]
    assert path.loss[-1] == pytest.approx(0.3**2 / 2)


def test_all_that_is_never_learned_is_told_the_strongest_first() -> None:
    """Two modes that weight decay ends, and one beyond the bottleneck."""
    asked = protocol(Spectrum((1.0, 0.3, 0.25, 0.2)), Network(4, 3, 4), pretraining=GradientFlow(weight_decay=0.4))
    assert decoupled_modes(resolve(asked)).at(LENGTHS).never_learned.tolist() == [0.3, 0.25, 0.2]


def test_an_aligned_start_at_a_deep_bottleneck_keeps_what_it_never_learns_in_the_loss() -> None:
    path = decoupled_modes(resolve(protocol(Spectrum((1.0, 0.6)), Network(2, 1, 2, depth=3), start=Aligned(0.3))))
    at = path.at(np.array([0.0, 500.0]))
    assert at.never_learned.tolist() == [0.6]
    assert at.loss[-1] == pytest.approx(0.18)
    assert at.modes is None


def test_a_rotated_start_at_a_bottleneck_ends_in_a_saddle() -> None:
    asked = protocol(Spectrum((1.0, 0.5)), Network(2, 1, 2), start=Balanced(0.1, 0.4))
    path = matrix_riccati(resolve(asked)).at(np.array([0.0, 60.0]))
    assert path.never_learned == pytest.approx([0.5])
    assert path.loss[-1] == pytest.approx(0.125)


def test_sharpness_is_given_only_where_a_formula_has_it() -> None:
    white = decoupled_modes(resolve(protocol(PowerLaw(2), Network(2, 2, 2)))).at(LENGTHS)
    assert white.sharpness is not None
    assert white.sharpness()[-1] == pytest.approx(2.0)  # at the end 2σ₁ (B3)
    colored = decoupled_modes(resolve(protocol(PowerLaw(2), Network(2, 2, 2), inputs=Inputs((2.0, 1.0))))).at(LENGTHS)
    assert colored.sharpness is None
    assert (
        matrix_riccati(resolve(protocol(PowerLaw(2), Network(2, 2, 2), start=Balanced()))).at(LENGTHS).sharpness is None
    )


def test_diagonal_norms_differ_from_norms_only_in_what_the_inputs_weigh() -> None:
    asked = resolve(protocol(PowerLaw(2), Network(3, 2, 2), inputs=Inputs((2.0, 1.0, 0.5))))
    path = decoupled_modes(asked).at(LENGTHS)
    norms, diagonal = path.norms(), path.diagonal_norms()
    np.testing.assert_allclose(diagonal[:, 0, 0], norms[:, 0, 0])  # the trace of Σx
    np.testing.assert_array_equal(diagonal[:, 1:], norms[:, 1:])
    assert not np.allclose(diagonal[1:, 0, 1], norms[1:, 0, 1])


def test_what_overflows_is_refused() -> None:
    with pytest.raises(DomainError, match="overflow"):
        decoupled_modes(resolve(protocol(PowerLaw(2, scale=1e160), Network(2, 2, 2)))).at(LENGTHS)


def test_modes_that_rounding_has_lost_are_refused_where_fine_tuning_needs_them() -> None:
    asked = resolve(protocol(Spectrum((1.0, 0.0)), Network(2, 2, 2), start=Balanced(1e-20, 0.4)))
    path = matrix_riccati(asked).at(np.array([60.0]))
    with pytest.raises(NotSolved, match="larger epsilon"):
        list(path.modes())
