"""Teachers: the linear map that pretraining learns, given by its singular values or by its matrix."""

import math
import os
from collections.abc import Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float

from overtraining.setting import limits
from overtraining.setting.arrays import Sequenced
from overtraining.setting.domain import (
    at_most,
    check_fields,
    check_size,
    finite,
    freeze,
    instance,
    nonnegative,
    one_nonnegative,
    one_positive,
    whole,
    whole_nonnegative,
)
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.least_squares import least_squares
from overtraining.setting.near_names import NamedFields
from overtraining.setting.plain_data import check_regular
from overtraining.setting.random_frames import Role, completed_frame, random_frames
from overtraining.setting.shown import shown


def _modes(name: str, n: Any) -> int:
    return at_most(name, whole(name, n), limits.MODES, "every array over them would be larger than 80 MB")


@dataclass(frozen=True)
class PowerLaw(NamedFields):
    """Singular values `σ_i = scale · i^{−alpha}`, i = 1 … modes, in Haar-random frames drawn from `frame_seed`.

    modes: number of singular values.  alpha: exponent, 0 for equal ones.  scale: the largest.
    frame_seed: what the singular vectors are drawn from; equal seeds give equal vectors.

    >>> singular_values(PowerLaw(modes=3, alpha=1.0)).round(3).tolist()
    [1.0, 0.5, 0.333]
    """

    modes: int
    alpha: float = 1.0
    scale: float = 1.0
    frame_seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self, modes=_modes, alpha=one_nonnegative, scale=one_positive, frame_seed=whole_nonnegative)


@dataclass(frozen=True)
class Geometric(NamedFields):
    """Singular values `σ_i = scale · ratio^{i−1}`, i = 1 … modes, in Haar-random frames drawn from `frame_seed`.

    modes: number of singular values.  ratio: of each to the one before.  scale: the largest.
    frame_seed: what the singular vectors are drawn from; equal seeds give equal vectors.

    >>> singular_values(Geometric(modes=3, ratio=0.5)).tolist()
    [1.0, 0.5, 0.25]
    """

    modes: int
    ratio: float = 0.5
    scale: float = 1.0
    frame_seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self, modes=_modes, ratio=one_positive, scale=one_positive, frame_seed=whole_nonnegative)
        if self.ratio > 1:
            raise DomainError(f"ratio = {self.ratio}", "modes are counted from the strongest", "pass 0 < ratio <= 1")


@dataclass(frozen=True)
class Spectrum(NamedFields):
    """The singular values themselves, largest first, zeros allowed, in Haar-random frames drawn from `frame_seed`.

    values: the singular values; those of a task's `SharedVectors` belong to the modes in this order.
    frame_seed: what the singular vectors are drawn from; equal seeds give equal vectors.

    Raises DomainError for another order.
    """

    values: Sequenced
    frame_seed: int = 0

    def __repr__(self) -> str:
        return shown(self)

    def __post_init__(self) -> None:
        values = nonnegative("values", self.values, "a singular value is not negative; a sign belongs to the frames")
        if values.ndim != 1 or values.size == 0:
            raise ShapeError(f"values of shape {values.shape}", "a spectrum is a non-empty list", "pass a 1-d array")
        _modes("the number of values", values.size)
        if (np.diff(values) > 0).any():
            why = "the values of a task with SharedVectors belong to the modes in the order from the strongest"
            raise DomainError("values that increase", why, "pass sorted(values, reverse=True), and the task's likewise")
        freeze(self, values=values)
        check_fields(self, frame_seed=whole_nonnegative)


@dataclass(frozen=True)
class Matrix(NamedFields):
    """The teacher matrix itself, `d_out × d_in`.

    entries: its rows, kept as nested tuples, so that a protocol can be hashed and written.
    """

    entries: Sequenced

    def __repr__(self) -> str:
        return shown(self)

    def __post_init__(self) -> None:
        try:
            entries = finite("entries", self.entries)
        except DomainError:
            if isinstance(self.entries, list | tuple) and len({_width(row) for row in self.entries}) > 1:
                raise ShapeError("entries", "its rows have different lengths", "pass a rectangular matrix") from None
            raise
        if entries.ndim != 2 or entries.size == 0:
            raise ShapeError(f"entries of shape {entries.shape}", "a teacher is a matrix", "pass a 2-d array")
        at_most("the number of entries", entries.size, limits.MATRIX, "a protocol holds them as Python's numbers")
        freeze(self, entries=entries)

    @property
    def shape(self) -> tuple[int, int]:
        """(d_out, d_in)."""
        return len(self.entries), len(self.entries[0])


def _width(row: Any) -> int | None:
    return len(row) if isinstance(row, Sized) else None


Teacher = PowerLaw | Geometric | Spectrum | Matrix


def teacher(source: Any = None, *, X: Any = None, Y: Any = None) -> Teacher:
    """A teacher from a spectrum (1-d array), a matrix (2-d array, d_out × d_in), a `.npy` file of either, or from data.

    X, Y: data, one example per row, `n × d_in` and `n × d_out`, instead of a source: the teacher is the least-squares
    map `A = Yᵀ X (XᵀX)⁻¹`, of smallest norm where X leaves it open. `from_data` gives Σx and the labels' noise as well.

    >>> teacher([1.0, 0.5])
    Spectrum(values=(1.0, 0.5))
    >>> np.array(teacher(X=[[1, 0], [0, 2]], Y=[[3], [2]]).entries).round(12).tolist()
    [[3.0, 1.0]]
    """
    if X is not None or Y is not None:
        if source is not None or X is None or Y is None:
            given = " and ".join(name for name, x in (("a source", source), ("X", X), ("Y", Y)) if x is not None)
            raise DomainError(f"{given}", "a teacher comes from one source, or from data X and Y", "pass X=…, Y=…")
        return Matrix(least_squares(X, Y).teacher)
    if isinstance(source, (PowerLaw, Geometric, Spectrum, Matrix)):
        return source
    if isinstance(source, (str, Path)):
        source = _load(Path(source))
    check_size("teacher", source)
    try:
        dimensions = np.ndim(source)
    except (TypeError, ValueError):  # a Dataset, rows of different lengths, or too many levels, which Matrix refuses
        dimensions = 2
    if dimensions == 1:
        return Spectrum(source)
    if dimensions == 2:
        return Matrix(source)
    finite("teacher", source)
    raise ShapeError(f"an array with {dimensions} dimensions", "it is neither spectrum nor matrix", "pass 1-d or 2-d")


def _load(path: Path) -> np.ndarray:
    """The array in a `.npy` file, after a look at its header: the memory that it asks for is that of the file."""
    try:
        check_regular(path)
        with path.open("rb") as file:
            if file.read(6) != np.lib.format.MAGIC_PREFIX:
                raise DomainError(str(path), "not a plain .npy array", "write one array with numpy.save")
            file.seek(0)
            shape, dtype = _header(file, path)
            size, begun = math.prod(shape), file.tell()
            at_most(f"{path}: entries", size, limits.MATRIX, "a protocol holds them as Python's numbers")
            if size * dtype.itemsize != (left := file.seek(0, os.SEEK_END) - begun):
                why = f"its header tells of {size * dtype.itemsize:,} bytes of numbers, and there are {left:,}"
                raise DomainError(str(path), why, "write it again with numpy.save")
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise DomainError(str(path), f"the file cannot be read ({error})", "pass the path of a .npy file") from None


def _header(file: BinaryIO, path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and kind of numbers; DomainError for what is no shape, and for other things than real numbers."""
    headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        shape, _, dtype = headers[np.lib.format.read_magic(file)](file)
    except Exception as error:  # NumPy reads it as a Python literal, in which anything can be wrong
        why = f"not a plain .npy array ({type(error).__name__}: {error})"
        raise DomainError(str(path), why, "write it with numpy.save") from None
    if not all(type(n) is int and n >= 0 for n in shape) or dtype.kind not in "fiub":
        why = f"its header tells of shape {shape} and type {dtype}"
        raise DomainError(str(path), why, "write an array of real numbers with numpy.save")
    return shape, dtype


def mode_count(teacher: Teacher) -> int:
    """The number of the teacher's singular values, zeros included.

    >>> mode_count(Matrix(((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))))
    2
    """
    match teacher:
        case PowerLaw(modes) | Geometric(modes):
            return modes
        case Spectrum(values):
            return len(values)
        case Matrix():
            return min(teacher.shape)


def singular_values(teacher: Teacher) -> Float[np.ndarray, " modes"]:
    """The teacher's singular values in decreasing order; a matrix has min(d_out, d_in) of them."""
    instance("teacher", teacher, PowerLaw, Geometric, Spectrum, Matrix)
    match teacher:
        case PowerLaw(modes, alpha, scale):
            return scale * np.arange(1, modes + 1, dtype=float) ** -alpha
        case Geometric(modes, ratio, scale):
            return scale * ratio ** np.arange(modes, dtype=float)
        case Spectrum(values):
            return np.array(values)
        case Matrix(entries):
            return np.linalg.svd(np.array(entries), compute_uv=False)


def singular_frames(
    teacher: Teacher, d_out: int, d_in: int, role: Role = "teacher"
) -> tuple[Float[np.ndarray, "d_out modes"], Float[np.ndarray, " modes"], Float[np.ndarray, "modes d_in"]]:
    """`U, σ, Vᵀ` with `A = U diag(σ) Vᵀ`: Haar-random frames for a spectrum, the decomposition of a matrix.

    role: what the frames are drawn for; a teacher given as a task has other frames than as the pretraining teacher.
    Signs are fixed (a decomposition leaves them open, and libraries differ), so that numbers are the same everywhere.
    Raises ShapeError if the modes do not fit into `d_out × d_in`.
    """
    instance("teacher", teacher, PowerLaw, Geometric, Spectrum, Matrix)
    d_out, d_in = whole("d_out", d_out), whole("d_in", d_in)
    check_fits(teacher, d_out, d_in)
    if isinstance(teacher, Matrix):
        left, sigma, right = np.linalg.svd(np.array(teacher.entries), full_matrices=False)
        signs = np.sign(left[np.abs(left).argmax(axis=0), np.arange(sigma.size)])
        return left * signs, sigma, signs[:, None] * right
    sigma = singular_values(teacher)
    left, right = (frame[:, : sigma.size] for frame in random_frames(role, teacher.frame_seed, d_out, d_in))
    return left, sigma, right.T


def full_frames(
    teacher: Teacher, d_out: int, d_in: int
) -> tuple[Float[np.ndarray, "d_out d_out"], Float[np.ndarray, "d_in d_in"]]:
    """U and V (columns) as square orthonormal frames; the columns beyond the teacher's modes are random.

    >>> u, v = full_frames(Matrix(((3.0, 0.0),)), d_out=1, d_in=2)
    >>> bool(np.allclose(v @ v.T, np.eye(2))), bool(np.allclose(v[:, 0], (1, 0)))
    (True, True)
    """
    instance("teacher", teacher, PowerLaw, Geometric, Spectrum, Matrix)
    if isinstance(teacher, Matrix):
        left, _, right = singular_frames(teacher, d_out, d_in)
        return completed_frames(left, right)
    d_out, d_in = whole("d_out", d_out), whole("d_in", d_in)
    check_fits(teacher, d_out, d_in)
    return random_frames("teacher", teacher.frame_seed, d_out, d_in)


def teacher_matrix(teacher: Teacher, d_out: int, d_in: int, role: Role = "teacher") -> Float[np.ndarray, "d_out d_in"]:
    """`A = U diag(σ) Vᵀ`: the entries of a matrix, or a spectrum in Haar-random frames, drawn for this role.

    Raises ShapeError if the modes do not fit into `d_out × d_in`.

    >>> A = teacher_matrix(PowerLaw(modes=2), d_out=3, d_in=4)
    >>> np.linalg.svd(A, compute_uv=False).round(12).tolist()
    [1.0, 0.5, 0.0]
    """
    return matrix_in_frames(teacher, *singular_frames(teacher, d_out, d_in, role))


def matrix_in_frames(
    teacher: Teacher,
    left: Float[np.ndarray, "d_out modes"],
    sigma: Float[np.ndarray, " modes"],
    right: Float[np.ndarray, "modes d_in"],
) -> Float[np.ndarray, "d_out d_in"]:
    """The teacher's matrix, where its `singular_frames` are known."""
    return np.array(teacher.entries) if isinstance(teacher, Matrix) else (left * sigma) @ right


def check_fits(teacher: Teacher, d_out: int, d_in: int) -> None:
    """Refuse, with a ShapeError, a teacher that no network of these widths can represent."""
    if isinstance(teacher, Matrix):
        if teacher.shape != (d_out, d_in):
            raise ShapeError(f"a teacher of shape {teacher.shape}", f"the network is {(d_out, d_in)}", "let them agree")
    elif (modes := mode_count(teacher)) > min(d_out, d_in):
        raise ShapeError(f"{modes} modes", f"a {d_out} × {d_in} matrix has {min(d_out, d_in)}", "use a wider network")


def completed_frames(
    left: Float[np.ndarray, "d_out modes"], right: Float[np.ndarray, "modes d_in"]
) -> tuple[Float[np.ndarray, "d_out d_out"], Float[np.ndarray, "d_in d_in"]]:
    """The `full_frames` of a matrix, where its `singular_frames` are known: one of them is square already."""
    return completed_frame(left), completed_frame(right.T)
