"""A5: the solution of `d(QQᵀ)/dt = F QQᵀ + QQᵀ F − (QQᵀ)²`, a Riccati equation, at all times, without overflow.

`F = [[−λ/2, Aᵀ], [A, λ/2]]` has the eigenvectors `(v sin φ, u cos φ)` at `ρ = √(σ² + λ²/4)` and `(v cos φ, −u sin φ)`
at −ρ, where `tan 2φ = 2σ/λ`. For λ >= 0, to which a transposition leads, no output direction decays, paired or not.
The hidden directions are rotated so that no growing row has a component along a weaker direction; then each direction
can be divided by its own growth, and only decaying exponentials remain.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import exprel

from overtraining.setting.errors import NotSolved
from overtraining.theory.learning.matrix_modes import Modes

EPS = np.finfo(float).eps
UNKNOWN = np.finfo(float).max
AT_ONCE = 2**22  # numbers in the largest array, 32 MB; as many times as fit are solved together


class _Rows(NamedTuple):
    """The start in the eigenbasis of F: one row per hidden direction, weakest first, one column per input or output."""

    sin_out: np.ndarray  # of φ
    cos_out: np.ndarray
    cos_in: np.ndarray
    rate_out: np.ndarray  # ρ
    rate_in: np.ndarray
    kept: np.ndarray  # output directions that grow independently, weakest first
    growing: np.ndarray
    slower: np.ndarray  # the rate of a column less that of its row
    falling: np.ndarray
    w1_modes: np.ndarray  # W1 in the teacher's singular vectors


def solve_riccati(
    time: np.ndarray, modes: Modes, teacher: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """W1ᵀ and W2 up to a common rotation, `A − f`, and the singular values that are never learned.

    time: in one axis.  modes: of an imbalance >= 0.
    """
    u, sigma, vt = np.linalg.svd(teacher)
    rows, never_learned = _rows(modes, u, sigma, vt)
    (d_out, d_in), k = teacher.shape, modes.u.shape[1]
    factor_in = np.empty((time.size, d_in, k))
    factor_out = np.empty((time.size, d_out, k))
    unlearned = np.empty((time.size, d_out, d_in))
    step = max(1, AT_ONCE // (k * (d_out + k + d_in)))
    for first in range(0, time.size, step):
        part = slice(first, first + step)
        w1, w2t, difference = _at(rows, sigma, time[part])
        factor_in[part] = vt.T @ _t(w1)
        factor_out[part] = u @ _t(w2t)
        unlearned[part] = u @ difference @ vt
    return factor_in, factor_out, unlearned, never_learned


def _rows(modes: Modes, u: np.ndarray, sigma: np.ndarray, vt: np.ndarray) -> tuple[_Rows, np.ndarray]:
    """The start in the eigenbasis of F, and the singular values that it never learns."""
    (d_out, k), d_in = modes.u.shape, len(vt)
    lam = modes.imbalance + 0.0  # never −0.0, for which arctan2 would return another angle
    s, out, into = _fit(modes.s, k), _fit(sigma, d_out), _fit(sigma, d_in)
    phi, phi_in, psi = (np.arctan2(2 * x, lam) / 2 for x in (out, into, s))
    v, b = _fit(vt @ modes.v, d_in, k), u.T @ modes.u
    a = _fit(v, d_out, k)
    # where one layer is much larger than the other, so is the second term; otherwise φ and ψ are near π/4, and the sum
    # must neither cancel nor, where a = −b, lose its part of order λ
    lazy = np.outer(np.sin(phi), np.sin(psi)) * a + np.outer(np.cos(phi), np.cos(psi)) * b
    alpha, beta = np.arctan2(lam, 2 * out)[:, None] / 2, np.arctan2(lam, 2 * s) / 2
    rich = (a + b) / 2 * np.cos(alpha - beta) + (b - a) / 2 * np.sin(alpha + beta)
    grow = np.where(np.minimum(phi[:, None], psi) > np.pi / 8, rich, lazy)

    rounding = 8 * (d_in + d_out) * EPS  # of a singular vector's entries, as a component of a unit vector
    kept = _independent(grow, rounding)
    dropped = np.setdiff1d(np.arange(d_out), kept)
    if lam and _hidden(grow, (b - a) / 2, kept) > rounding:
        raise NotSolved(
            f"an imbalance of size {lam:g} at singular values {s.min():.2g} to {s.max():.2g}",
            "a feature is learned only because of it, and it is below the rounding error of the start",
            "pass imbalance=0.0, for which that feature is never learned, or a larger one",
        )
    root = np.sqrt(np.hypot(lam, 2 * s))  # the size of Q₀
    turn = np.empty((k, k))
    large = np.argsort(-root)  # rows are sorted as below, columns in the order of `kept`
    turn[large] = np.linalg.qr((grow[kept] * root).T[large], mode="complete")[0]
    kept, turn[:, : kept.size] = kept[::-1], turn[:, : kept.size][:, ::-1].copy()
    before = np.append(kept, np.full(k - kept.size, d_out)) <= np.arange(d_out)[:, None]
    growing = np.where(before, grow * root @ turn, 0).T  # the other entries of a row are rounding errors
    w1_modes = turn.T @ (v * np.sin(psi) * root).T
    # from W1 and the growing part: entries that are 0 or small stay so; in a difference of W1 and W2 they would not
    falling = (w1_modes - _fit(np.sin(phi) * growing, k, d_in)) / np.cos(phi_in)
    rate, rate_in = np.hypot(out, lam / 2), np.hypot(into, lam / 2)
    row = _fit(out[kept], k)
    total = rate[:, None] + _fit(rate[kept], k)
    slower = (out[:, None] - row) * ((out[:, None] + row) / np.where(total > 0, total, 1))  # a difference of two roots
    never_learned = sigma[dropped[out[dropped] > max(d_in, d_out) * EPS * sigma[0]]]
    rows = _Rows(
        sin_out=np.sin(phi),
        cos_out=np.cos(phi),
        cos_in=np.cos(phi_in),
        rate_out=rate,
        rate_in=rate_in,
        kept=kept,
        growing=growing,
        slower=np.where(before, slower, 0).T,
        falling=falling,
        w1_modes=w1_modes,
    )
    return rows, never_learned


def _hidden(grow: np.ndarray, apart: np.ndarray, kept: np.ndarray) -> float:
    """The largest entry that λ could add to a row which is not kept, beyond the kept rows before it."""
    turn = np.linalg.qr(grow[kept].T, mode="complete")[0]
    beyond = np.append(kept, np.full(len(turn) - kept.size, len(grow))) > np.arange(len(grow))[:, None]
    return np.abs(np.delete(np.where(beyond, apart @ turn, 0), kept, axis=0)).max(initial=0)


class _Clock(NamedTuple):
    """Factors of a component along an eigenvector at time t, divided by its growth `e^{ρt}`."""

    fade: np.ndarray  # e^{−ρt}
    rise: np.ndarray  # 1 − e^{−2ρt}
    weight: np.ndarray  # √((1 − e^{−2ρt})/2ρ)

    @classmethod
    def at(cls, rate: np.ndarray, t: np.ndarray) -> "_Clock":
        return cls(np.exp(-rate * t), -np.expm1(-2 * rate * t), np.sqrt(t * exprel(-2 * rate * t)))


def _at(rows: _Rows, sigma: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W1, W2ᵀ and `A − f` in the singular vectors of A, by QR of the bounded rows of which S is the Gram matrix."""
    t = t[:, None, None]
    (k, d_out), d_in = rows.growing.shape, rows.w1_modes.shape[1]
    out, into = _Clock.at(rows.rate_out, t), _Clock.at(rows.rate_in, t)
    shrink = np.exp(-_fit(rows.rate_out[rows.kept, None], k, 1) * t)  # 1 for directions that do not grow
    grow, fall, start = rows.growing * np.exp(rows.slower * t), rows.falling * shrink, np.eye(k) * shrink
    stack = np.concatenate([out.weight * grow, start, into.weight * fall], axis=2)
    # QR is stable row by row if rows and columns are sorted (Cox and Higham 1998, who pivot), and otherwise it is not
    size = np.abs(stack)
    pivot, order = np.argsort(-size.max(axis=2))[:, :, None], np.argsort(-size.max(axis=1))[:, None, :]
    at = np.arange(t.size)[:, None, None]
    triangle: Any = np.linalg.qr(_t(stack[at, pivot, order]), mode="r")
    columns = np.concatenate([grow, rows.w1_modes * shrink, start], axis=2)[at[:, 0], pivot[..., 0]]
    g, v, start = np.split(_divided(columns, triangle), [d_out, d_out + d_in], axis=2)

    f = (v - _fit(rows.sin_out * out.fade * g, t.size, k, d_in)) / rows.cos_in
    y_in = _fit(rows.sin_out * out.rise * g, t.size, k, d_in) + into.fade * v  # A5
    up, down = rows.cos_out * g, rows.sin_out * out.fade * _fit(f, t.size, k, d_out)
    y_out = up - down  # A5
    ended, rounding = _ended(rows, (out, into), (grow, shrink, fall), (g, start, f))

    # each entry of `A − f` by the form with the smaller rounding error: the difference before a feature is learned,
    # later a sum of decaying terms
    teacher = _fit(np.diag(sigma), d_out, d_in)
    last = rows.cos_in * into.fade * f
    crossed = _t(down) @ y_in

    def between(x: np.ndarray) -> np.ndarray:
        return _fit(rows.cos_out[:, None] * x * rows.sin_out, t.size, d_out, d_in)

    size = np.linalg.norm(y_out, axis=1)[:, :, None] * np.linalg.norm(y_in, axis=1)[:, None]
    late = between(ended) - _t(up) @ last + crossed
    early = teacher - _t(up) @ y_in + crossed
    return y_in, y_out, np.where(between(rounding) < teacher + size, late, early)


def _ended(
    rows: _Rows, clocks: tuple[_Clock, _Clock], given: tuple[np.ndarray, ...], solved: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """`2P − G` for the growing part G of QQᵀ, whose limit is 2P, as a sum of decaying terms, and its rounding error.

    In row i and the columns of stronger directions `X = 2P − G` obeys `Xᵢ + Σ aᵢⱼ Xⱼ = (2ρᵢ/nᵢ) Σ … − e^{−2ρᵢt} Gᵢ`,
    with the weaker rows j, and on the right the rows of the stack that do not grow independently; nᵢ is the entry of
    row i in its own direction. For rows that do not grow independently X is unknown and its error set to the largest
    number.
    """
    out, into = clocks
    grow, shrink, fall = given
    g, start, f = solved
    kept, n, times = rows.kept, np.arange(rows.kept.size), np.arange(len(g))
    dropped = np.setdiff1d(np.arange(g.shape[2]), kept)
    size = 2 * (rows.rate_out[kept] / rows.growing[n, kept])[:, None]
    weighted = lambda x, y: np.concatenate([(out.weight * x)[..., dropped], into.weight * y], axis=2)
    given_rest, rest = size * weighted(grow, fall)[:, : n.size], weighted(g, f)
    given_start, own, gone = size * shrink[:, : n.size], g[..., kept], _t(out.fade[..., kept]) ** 2
    weaker = size * (out.weight**2 * grow)[:, : n.size][..., kept]
    weaker[:, n, n] = 1
    right = given_rest @ (_t(rest) @ own) + given_start * (_t(start[..., : n.size]) @ own) - gone * (_t(own) @ own)
    ended, length = _divided(right, _t(weaker)), np.linalg.norm(own, axis=1)[:, :, None]
    rounding = np.linalg.norm(given_rest, axis=2, keepdims=True) + np.abs(given_start) + gone * length
    rounding = np.abs(weaker) @ (rounding * _t(length) + np.abs(ended))
    shape = (len(g), *2 * g.shape[2:])
    all_ended, all_rounding = np.zeros(shape), np.full(shape, UNKNOWN)
    for whole, part in ((all_ended, ended), (all_rounding, rounding)):
        whole[np.ix_(times, kept, kept)] = np.where(n[:, None] <= n, part, _t(part))
    return all_ended, all_rounding


def _divided(x: np.ndarray, triangle: np.ndarray) -> np.ndarray:
    """`R⁻ᵀ x` for an upper triangular R, by recursion on halves, so that most of the work is in matrix products."""
    x = x.copy()
    if triangle.size:
        _divide(x, _t(triangle))
    return x


def _divide(x: np.ndarray, lower: np.ndarray) -> None:
    """`L⁻¹ x` in place for a lower triangular L."""
    half = lower.shape[-1] // 2
    if half == 0:
        x /= lower
    else:
        _divide(x[..., :half, :], lower[..., :half, :half])
        x[..., half:, :] -= lower[..., half:, :half] @ x[..., :half, :]
        _divide(x[..., half:, :], lower[..., half:, half:])


def _independent(rows: np.ndarray, rounding: float) -> np.ndarray:
    """The first rows that are no linear combination of earlier ones: the strongest features that can be learned."""
    kept = np.arange(len(rows))
    while True:
        triangle: Any = np.linalg.qr(rows[kept].T, mode="r")
        weak = np.flatnonzero(np.abs(np.diag(triangle)) <= rounding)
        end = weak[0] if weak.size else len(triangle)
        beyond = np.linalg.norm(triangle[end:, end:], axis=0) > rounding
        if not beyond.any():
            return kept[:end]
        kept = np.delete(kept, np.arange(end, end + np.argmax(beyond)))


def _fit(x: np.ndarray, *shape: int) -> np.ndarray:
    """x, cut or filled up with zeros to this shape."""
    fitted = np.zeros(shape)
    place = tuple(slice(min(sizes)) for sizes in zip(x.shape, shape, strict=True))
    fitted[place] = x[place]
    return fitted


def _t(x: np.ndarray) -> np.ndarray:
    return np.swapaxes(x, -1, -2)
