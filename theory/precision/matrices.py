"""The matrix solution (A5) in mpmath: its textbook form, with growing exponentials and one inverse."""

from collections.abc import Callable
from functools import lru_cache, partial
from math import log10
from typing import Any

import mpmath
import numpy as np

from overtraining.theory.learning.matrix_solution import MatrixFlow, matrix_flow_from_modes
from overtraining.theory.precision.form import Form, each

Shape = tuple[int, int, int]  # d_out, d_in, modes of the start


def _split(point: tuple[Any, ...], shape: Shape) -> tuple[Any, ...]:
    """t, λ; s; u, v and the teacher entry by entry."""
    d_out, d_in, k = shape
    ends = np.cumsum([2, k, d_out * k, d_in * k, d_out * d_in])
    parts = [point[i:j] for i, j in zip((0, *ends[:-1]), ends, strict=True)]
    return *parts[0], *parts[1:]


@lru_cache(maxsize=64)
def _modes(digits: int, shape: Shape, lam: Any, entries: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """Teacher, and eigenvalues and eigenvectors of `F = [[−λ/2, Aᵀ], [A, λ/2]]`."""
    d_out, d_in, _ = shape
    teacher = _matrix(entries, d_in)
    force = mpmath.diag([-lam / 2] * d_in + [lam / 2] * d_out)
    force[d_in:, :d_in] = teacher
    force[:d_in, d_in:] = teacher.T
    return teacher, *mpmath.eigsy(force)


@lru_cache(maxsize=1024)  # several results are computed at the same points
def solved(digits: int, shape: Shape, point: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """f, A − f and `½ tr QQᵀ` by `QQᵀ = e^{Ft}Q₀S⁻¹Q₀ᵀe^{Ft}`, `S = I + Q₀ᵀ(∫e^{2Fs}ds)Q₀`."""
    _, d_in, k = shape
    t, lam, s, u, v, entries = _split(point, shape)
    lazy = [mpmath.sqrt((mpmath.sqrt(lam**2 + 4 * x**2) + abs(lam)) / 2) for x in s]
    small = [x / y for x, y in zip(s, lazy, strict=True)]
    into, out = (small, lazy) if lam >= 0 else (lazy, small)
    start = _stacked(_matrix(v, k) * mpmath.diag(into), _matrix(u, k) * mpmath.diag(out))
    teacher, values, basis = _modes(digits, shape, lam, entries)
    negligible = mpmath.mpf(10) ** (-digits // 2) * max(map(abs, values))
    integral = [t if abs(x) <= negligible else mpmath.expm1(2 * x * t) / (2 * x) for x in values]
    start_in_basis = basis.T * start
    inner = mpmath.inverse(mpmath.eye(k) + start_in_basis.T * mpmath.diag(integral) * start_in_basis)
    side = basis * mpmath.diag([mpmath.exp(x * t) for x in values]) * start_in_basis
    gram = side * inner * side.T
    f = gram[d_in:, :d_in]
    return f, teacher - f, mpmath.fsum(gram[i, i] for i in range(gram.rows)) / 2


def _stacked(top: Any, bottom: Any) -> Any:
    return mpmath.matrix(top.tolist() + bottom.tolist())


def _matrix(entries: tuple[Any, ...], width: int) -> Any:
    return mpmath.matrix([entries[i : i + width] for i in range(0, len(entries), width)])


def _truth(shape: Shape, result: Callable[[Any, Any, Any], Any], *point: Any) -> Any:
    return result(*solved(mpmath.mp.dps, shape, point))


def needed(shape: Shape, *point: float) -> tuple[int, int]:
    """Digits that suffice for the largest beside the smallest exponential, and for the smallest number of the start."""
    t, lam, s, _, _, entries = _split(point, shape)
    size = float(np.hypot(np.linalg.norm(entries), lam / 2)) or 1.0
    digits = 100 + 4 * size * t / np.log(10) + 2 * max(abs(log10(abs(x))) for x in (*s, lam, size) if x)
    enough = 200 * int(2 ** np.ceil(np.log2(digits / 200)))  # a power of 2 × 200, so that points share a decomposition
    return enough, enough + 100


def _engine(shape: Shape, result: Callable[[MatrixFlow], Any], *row: float) -> Any:
    d_out, d_in, k = shape
    t, lam, s, u, v, entries = _split(row, shape)
    frames = np.reshape(u, (d_out, k)), np.array(s), np.reshape(v, (d_in, k))
    return result(matrix_flow_from_modes(t, *frames, np.reshape(entries, (d_out, d_in)), lam))


SHAPES: tuple[Shape, ...] = ((1, 1, 1), (2, 2, 2), (2, 3, 2), (3, 2, 1), (3, 3, 3))
RESULTS: dict[str, tuple[Callable[[MatrixFlow], Any], Callable[[Any, Any, Any], Any]]] = {
    "product": (lambda flow: flow.product.ravel(), lambda f, unlearned, norm: list(f)),
    "unlearned": (lambda flow: flow.unlearned.ravel(), lambda f, unlearned, norm: list(unlearned)),
    "norm": (lambda flow: flow.norm, lambda f, unlearned, norm: norm),
    "loss": (lambda flow: flow.loss, lambda f, unlearned, norm: mpmath.fsum(x * x for x in unlearned) / 2),
}

FORMS = tuple(
    Form(
        "A5",
        f"matrix_solution.matrix_flow_from_modes, {name}, {shape[0]} × {shape[1]} from rank {shape[2]}",
        each(partial(_engine, shape, engine)),
        partial(_truth, shape, truth),
        partial(needed, shape),
    )
    for shape in SHAPES
    for name, (engine, truth) in RESULTS.items()
)
