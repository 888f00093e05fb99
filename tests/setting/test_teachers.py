"""Teachers: spectra, matrices and files; frames with fixed signs."""

from dataclasses import replace

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.teachers import (
    Geometric,
    Matrix,
    PowerLaw,
    Spectrum,
    singular_frames,
    singular_values,
    teacher,
    teacher_matrix,
)


@pytest.mark.parametrize(
    ("build", "kind"),
    [
        (lambda: PowerLaw(0), DomainError),
        (lambda: Spectrum([]), ShapeError),
        (lambda: Spectrum([1.0, -1.0]), DomainError),
        (lambda: Spectrum([0.3, 1.0]), DomainError),
        (lambda: teacher([1.0, 0.5, 0.6]), DomainError),
        (lambda: Matrix([[1.0], [1.0, 2.0]]), ShapeError),
        (lambda: Matrix([1.0]), ShapeError),
        (lambda: Geometric(3, ratio=1.5), DomainError),
    ],
)
def test_teachers_refuse(build, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        build()


def test_teachers_from_arrays_and_files(tmp_path) -> None:
    matrix = np.random.default_rng(0).normal(size=(3, 2))
    np.save(tmp_path / "a.npy", matrix)
    assert teacher(tmp_path / "a.npy") == teacher(matrix) == teacher(matrix.tolist())
    np.testing.assert_allclose(singular_values(teacher(matrix)), np.linalg.svd(matrix)[1], rtol=1e-14)
    assert (teacher_matrix(teacher(matrix), 3, 2) == matrix).all()
    assert Protocol(teacher(matrix), (0, 1), (1,)).network == Network(d_in=2, h=2, d_out=3)


def test_hostile_files(tmp_path) -> None:
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "text.npy").write_text("import os")
    (tmp_path / "empty.npy").write_bytes(b"")
    for name in ("pickled.npy", "text.npy", "empty.npy", "none.npy"):
        with pytest.raises(DomainError, match=name):
            teacher(tmp_path / name)


def test_frames_of_a_matrix_have_fixed_signs() -> None:
    """Libraries disagree about the signs of singular vectors; a start must not depend on that."""
    matrix = np.random.default_rng(1).normal(size=(4, 3))
    left, sigma, right = singular_frames(teacher(matrix), 4, 3)
    np.testing.assert_allclose((left * sigma) @ right, matrix, atol=1e-14)
    assert (left[np.abs(left).argmax(axis=0), range(3)] > 0).all()


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (1, 1)])
def test_spectral_teachers_have_their_spectrum(shape: tuple[int, int]) -> None:
    spectrum = Spectrum(np.linspace(2, 0, min(shape)) if min(shape) > 1 else [2.0], frame_seed=4)
    matrix = teacher_matrix(spectrum, *shape)
    np.testing.assert_allclose(np.linalg.svd(matrix, compute_uv=False), singular_values(spectrum), atol=1e-14)
    assert (matrix == teacher_matrix(spectrum, *shape)).all()
    assert not np.allclose(abs(matrix), abs(teacher_matrix(replace(spectrum, frame_seed=5), *shape))) or shape == (1, 1)
