"""Teachers: what the network is to learn, given by a spectrum or by a matrix."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Sequenced
from overtraining.setting.domain import finite, freeze, instance, nonnegative, one_nonnegative, one_positive, whole
from overtraining.setting.errors import DomainError, ShapeError

LARGEST_FRAME = 20_000  # 3 GiB of float64


@dataclass(frozen=True)
class PowerLaw:
    """Singular values `σ_i = scale · i^{−alpha}`, i = 1 … modes, in Haar-random frames drawn from `frame_seed`.

    >>> singular_values(PowerLaw(modes=3, alpha=1.0)).round(3).tolist()
    [1.0, 0.5, 0.333]
    """

    modes: int
    alpha: float = 1.0
    scale: float = 1.0
    frame_seed: int = 0

    def __post_init__(self) -> None:
        freeze(self, modes=whole("modes", self.modes), frame_seed=whole("frame_seed", self.frame_seed, least=0))
        freeze(self, alpha=one_nonnegative("alpha", self.alpha), scale=one_positive("scale", self.scale))


@dataclass(frozen=True)
class Spectrum:
    """The singular values themselves, in any order, zeros allowed, in Haar-random frames drawn from `frame_seed`."""

    values: Sequenced
    frame_seed: int = 0

    def __post_init__(self) -> None:
        values = nonnegative("values", self.values, "a singular value is not negative; a sign belongs to the frames")
        if values.ndim != 1 or values.size == 0:
            raise ShapeError(f"values of shape {values.shape}", "a spectrum is a non-empty list", "pass a 1-d array")
        freeze(self, values=values, frame_seed=whole("frame_seed", self.frame_seed, least=0))


@dataclass(frozen=True)
class Matrix:
    """The teacher matrix itself, `d_out × d_in`, as nested tuples (so that a protocol can be hashed and written)."""

    entries: Sequenced

    def __post_init__(self) -> None:
        try:
            entries = finite("entries", self.entries)
        except DomainError:
            if isinstance(self.entries, list | tuple) and len({np.shape(row) for row in self.entries}) > 1:
                raise ShapeError("entries", "its rows have different lengths", "pass a rectangular matrix") from None
            raise
        if entries.ndim != 2 or entries.size == 0:
            raise ShapeError(f"entries of shape {entries.shape}", "a teacher is a matrix", "pass a 2-d array")
        freeze(self, entries=entries)

    @property
    def shape(self) -> tuple[int, int]:
        """(d_out, d_in)."""
        return len(self.entries), len(self.entries[0])


@dataclass(frozen=True)
class Geometric:
    """Singular values `σ_i = scale · ratio^{i−1}`, i = 1 … modes, in Haar-random frames drawn from `frame_seed`.

    >>> singular_values(Geometric(modes=3, ratio=0.5)).tolist()
    [1.0, 0.5, 0.25]
    """

    modes: int
    ratio: float = 0.5
    scale: float = 1.0
    frame_seed: int = 0

    def __post_init__(self) -> None:
        freeze(self, modes=whole("modes", self.modes), frame_seed=whole("frame_seed", self.frame_seed, least=0))
        freeze(self, ratio=one_positive("ratio", self.ratio), scale=one_positive("scale", self.scale))
        if self.ratio > 1:
            raise DomainError(f"ratio = {self.ratio}", "modes are counted from the strongest", "pass 0 < ratio <= 1")


Teacher = PowerLaw | Geometric | Spectrum | Matrix


def teacher(given: Any) -> Teacher:
    """A teacher from a spectrum (1-d array), a matrix (2-d array, d_out × d_in) or a `.npy` file of either.

    >>> teacher([1.0, 0.5])
    Spectrum(values=(1.0, 0.5), frame_seed=0)
    """
    if isinstance(given, (PowerLaw, Geometric, Spectrum, Matrix)):
        return given
    if isinstance(given, (str, Path)):
        given = _load(Path(given))
    try:
        dimensions = np.ndim(given)
    except ValueError:  # rows of different lengths: Matrix says so
        dimensions = 2
    if dimensions == 1:
        return Spectrum(given)
    if dimensions == 2:
        return Matrix(given)
    finite("teacher", given)
    raise ShapeError(f"an array with {dimensions} dimensions", "it is neither spectrum nor matrix", "pass 1-d or 2-d")


def _load(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except OSError as error:
        raise DomainError(str(path), f"the file cannot be read ({error})", "pass the path of a .npy file") from None
    except (ValueError, EOFError) as error:
        raise DomainError(str(path), f"not a plain .npy array ({error})", "write it with numpy.save") from None


def singular_values(given: Teacher) -> Float[np.ndarray, " modes"]:
    """The teacher's singular values in decreasing order; a matrix has min(d_out, d_in) of them."""
    instance("given", given, PowerLaw, Geometric, Spectrum, Matrix)
    match given:
        case PowerLaw(modes, alpha, scale):
            return scale * np.arange(1, modes + 1, dtype=float) ** -alpha
        case Geometric(modes, ratio, scale):
            return scale * ratio ** np.arange(modes, dtype=float)
        case Spectrum(values):
            return np.sort(np.array(values))[::-1]
        case Matrix(entries):
            return np.linalg.svd(np.array(entries), compute_uv=False)


def singular_frames(
    given: Teacher, d_out: int, d_in: int
) -> tuple[Float[np.ndarray, "d_out modes"], Float[np.ndarray, " modes"], Float[np.ndarray, "modes d_in"]]:
    """`U, σ, Vᵀ` with `A = U diag(σ) Vᵀ`: Haar-random frames for a spectrum, the decomposition of a matrix.

    Signs are fixed (a decomposition leaves them open, and libraries differ), so that numbers are the same everywhere.
    Raises ShapeError when the modes do not fit into `d_out × d_in`.
    """
    d_out, d_in = check_fits(given, d_out, d_in)
    if isinstance(given, Matrix):
        left, sigma, right = np.linalg.svd(np.array(given.entries), full_matrices=False)
        signs = np.sign(left[np.abs(left).argmax(axis=0), np.arange(sigma.size)])
        return left * signs, sigma, signs[:, None] * right
    sigma, generator = singular_values(given), np.random.default_rng(given.frame_seed)
    left, right = (random_frame(d, generator)[:, : sigma.size] for d in (d_out, d_in))
    return left, sigma, right.T


def full_frames(
    given: Teacher, d_out: int, d_in: int
) -> tuple[Float[np.ndarray, "d_out d_out"], Float[np.ndarray, "d_in d_in"]]:
    """U and V (columns) completed to square orthonormal frames; what lies beyond the teacher's modes is random, seeded.

    >>> u, v = full_frames(Matrix(((3.0, 0.0),)), d_out=1, d_in=2)
    >>> bool(np.allclose(v @ v.T, np.eye(2))), bool(np.allclose(v[:, 0], (1, 0)))
    (True, True)
    """
    left, _, right = singular_frames(given, d_out, d_in)
    return _completed(left), _completed(right.T)


def teacher_matrix(given: Teacher, d_out: int, d_in: int) -> Float[np.ndarray, "d_out d_in"]:
    """`A = U diag(σ) Vᵀ`: a matrix as it is, a spectrum in Haar-random orthonormal frames.

    Raises ShapeError when the modes do not fit into `d_out × d_in`.

    >>> A = teacher_matrix(PowerLaw(modes=2), d_out=3, d_in=4)
    >>> np.linalg.svd(A, compute_uv=False).round(12).tolist()
    [1.0, 0.5, 0.0]
    """
    left, sigma, right = singular_frames(given, d_out, d_in)
    return np.array(given.entries) if isinstance(given, Matrix) else (left * sigma) @ right


def check_fits(given: Teacher, d_out: int, d_in: int) -> tuple[int, int]:
    """(d_out, d_in), after refusing, with a ShapeError, a teacher that no such network can represent."""
    d_out, d_in = whole("d_out", d_out), whole("d_in", d_in)
    if isinstance(given, Matrix):
        if given.shape != (d_out, d_in):
            raise ShapeError(f"a teacher of shape {given.shape}", f"the network is {(d_out, d_in)}", "let them agree")
    elif (modes := singular_values(given).size) > min(d_out, d_in):
        raise ShapeError(f"{modes} modes", f"a {d_out} × {d_in} matrix has {min(d_out, d_in)}", "use a wider network")
    return d_out, d_in


def _completed(frame: Float[np.ndarray, "d k"]) -> Float[np.ndarray, "d d"]:
    d, k = frame.shape
    fresh = np.random.default_rng(0).standard_normal((d, d - k))
    q, r = np.linalg.qr(np.hstack([frame, fresh]))
    return np.hstack([frame, (q * np.where(np.diag(r) < 0, -1.0, 1.0))[:, k:]])  # signs differ between libraries


def random_frame(d: int, generator: np.random.Generator) -> Float[np.ndarray, "d d"]:
    """A Haar-random orthonormal frame; DomainError for one that would fill the memory."""
    if d > LARGEST_FRAME:
        raise DomainError(f"a random frame of {d} dimensions", "it takes more than 3 GiB", "use a smaller network")
    from scipy.stats import ortho_group  # a second to import, and only a simulation needs frames

    # scipy's ortho_group starts at dimension 2; in one dimension the group is {+1, −1}
    return ortho_group.rvs(d, random_state=generator) if d > 1 else generator.choice([-1.0, 1.0], size=(1, 1))


def random_rotation(d: int, angle: float, generator: np.random.Generator) -> Float[np.ndarray, "d d"]:
    """A rotation by a random skew-symmetric generator, of which the largest plane angle is `angle`, in radians."""
    from scipy.linalg import expm  # a tenth of a second to import, and only turned frames need it

    square = generator.standard_normal((d, d))
    skew = square - square.T
    size = np.linalg.norm(skew, 2)
    return expm(angle / size * skew) if size > 0 else np.eye(d)  # one dimension has no rotation
