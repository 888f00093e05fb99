"""A5: the Riccati equation `d(QQᵀ)/dt = F QQᵀ + QQᵀ F − (QQᵀ)²`, solved at all times together, without overflow.

`F = [[−λ/2, Aᵀ], [A, λ/2]]` has the eigenvectors `(v sin φ, u cos φ)` at `ρ = √(σ² + λ²/4)` and `(v cos φ, −u sin φ)`
at −ρ, where `tan 2φ = 2σ/λ`. For λ >= 0, which a transposition reaches, no output direction falls, paired or not.
The hidden directions are turned so that no growing row has a part in the direction of a weaker one; then each direction
can be divided by its own growth, and only decaying exponentials remain.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import exprel

from overtraining.setting.errors import NotSolved
from overtraining.theory.learning.matrix_modes import Modes

EPS = np.finfo(float).eps
UNKNOWN = np.finfo(float).max
AT_ONCE = 2**22  # numbers in the largest array, 32 MB: as many times are solved together as fit


class _Rows(NamedTuple):
    """The start in F's eigenbasis: a row per hidden direction, weakest first, a column per direction in or out."""

    sin_out: np.ndarray  # of φ
    cos_out: np.ndarray
    cos_in: np.ndarray
    rate_out: np.ndarray  # ρ
    rate_in: np.ndarray
    kept: np.ndarray  # output directions that grow on their own, weakest first
    growing: np.ndarray
    slower: np.ndarray  # a column's rate less its row's own
    falling: np.ndarray
    on_v: np.ndarray  # W1 in the teacher's modes


def solve(t: np.ndarray, modes: Modes, teacher: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """W1ᵀ and W2 up to a common rotation, `A − f`, and the singular values that are never learned.

    t: times, in one axis.  modes: of an imbalance >= 0.
    """
    u, sigma, vt = np.linalg.svd(teacher)
    rows, lost = _rows(modes, u, sigma, vt)
    (d_out, d_in), k = teacher.shape, modes.u.shape[1]
    made = np.empty((t.size, d_in, k)), np.empty((t.size, d_out, k)), np.empty((t.size, d_out, d_in))
    step = max(1, AT_ONCE // (k * (d_out + k + d_in)))
    for now in (slice(i, i + step) for i in range(0, t.size, step)):
        y_in, y_out, left = _at(rows, sigma, t[now])
        made[0][now], made[1][now], made[2][now] = vt.T @ _t(y_in), u @ _t(y_out), u @ left @ vt
    return *made, lost


def _rows(modes: Modes, u: np.ndarray, sigma: np.ndarray, vt: np.ndarray) -> tuple[_Rows, np.ndarray]:
    """The start in the eigenbasis of F, and the singular values that it never learns."""
    (d_out, k), d_in, lam = modes.u.shape, len(vt), modes.imbalance + 0.0  # −0.0 is half a turn to arctan2
    s, out, into = _fit(modes.s, k), _fit(sigma, d_out), _fit(sigma, d_in)
    phi, phi_in, psi = (np.arctan2(2 * x, lam) / 2 for x in (out, into, s))
    v, b = _fit(vt @ modes.v, d_in, k), u.T @ modes.u
    a = _fit(v, d_out, k)
    # where one layer is much the larger the second term is; else φ and ψ are near π/4, and neither may the two terms
    # lose what they have in common nor, where a = −b, what is left of λ
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
            "it alone frees a feature, and beside the start it is too small to be told from rounding",
            "pass imbalance=0.0, where that feature is never learned, or a larger one",
        )
    root = np.sqrt(np.hypot(lam, 2 * s))  # the size of Q₀
    turn = np.empty((k, k))
    large = np.argsort(-root)  # rows sorted as below; the columns' order is theirs
    turn[large] = np.linalg.qr((grow[kept] * root).T[large], mode="complete")[0]
    kept, turn[:, : kept.size] = kept[::-1], turn[:, : kept.size][:, ::-1].copy()
    before = np.append(kept, np.full(k - kept.size, d_out)) <= np.arange(d_out)[:, None]
    growing = np.where(before, grow * root @ turn, 0).T  # what else a row has is rounding
    on_v = turn.T @ (v * np.sin(psi) * root).T
    # by W1 and what grows: their entries that are 0, or small, stay so, as in a difference of W1 and W2 they would not
    falling = (on_v - _fit(np.sin(phi) * growing, k, d_in)) / np.cos(phi_in)
    rate, rate_in = np.hypot(out, lam / 2), np.hypot(into, lam / 2)
    row, own = _fit(out[kept], k), _fit(rate[kept], k)
    total = rate[:, None] + own
    slower = (out[:, None] - row) * ((out[:, None] + row) / np.where(total > 0, total, 1))  # a difference of two roots
    lost = dropped[out[dropped] > max(d_in, d_out) * EPS * sigma[0]]
    return _Rows(
        np.sin(phi), np.cos(phi), np.cos(phi_in), rate, rate_in, kept,
        growing, np.where(before, slower, 0).T, falling, on_v,
    ), sigma[lost]  # fmt: skip


def _hidden(grow: np.ndarray, apart: np.ndarray, kept: np.ndarray) -> float:
    """The largest entry that λ could bring into a row which is not kept, beyond the kept rows before it."""
    turn = np.linalg.qr(grow[kept].T, mode="complete")[0]
    beyond = np.append(kept, np.full(len(turn) - kept.size, len(grow))) > np.arange(len(grow))[:, None]
    return np.abs(np.delete(np.where(beyond, apart @ turn, 0), kept, axis=0)).max(initial=0)


class _Clock(NamedTuple):
    """What became of an eigenvector's part by the time t, over its growth `e^{ρt}`."""

    fade: np.ndarray  # e^{−ρt}
    rise: np.ndarray  # 1 − e^{−2ρt}
    weight: np.ndarray  # √((1 − e^{−2ρt})/2ρ)

    @classmethod
    def at(cls, rate: np.ndarray, t: np.ndarray) -> "_Clock":
        return cls(np.exp(-rate * t), -np.expm1(-2 * rate * t), np.sqrt(t * exprel(-2 * rate * t)))


def _at(rows: _Rows, sigma: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W1, W2ᵀ and `A − f` in the teacher's modes, by QR of the bounded rows that S is made of."""
    t = t[:, None, None]
    (k, d_out), d_in = rows.growing.shape, rows.on_v.shape[1]
    out, into = _Clock.at(rows.rate_out, t), _Clock.at(rows.rate_in, t)
    shrink = np.exp(-_fit(rows.rate_out[rows.kept, None], k, 1) * t)  # a direction that does not grow need not shrink
    grow, fall, start = rows.growing * np.exp(rows.slower * t), rows.falling * shrink, np.eye(k) * shrink
    stack = np.concatenate([out.weight * grow, start, into.weight * fall], axis=2)
    # sorted rows and columns keep QR stable row by row (Cox and Higham 1998, who pivot); in their own order they do not
    size = np.abs(stack)
    pivot, order = np.argsort(-size.max(axis=2))[:, :, None], np.argsort(-size.max(axis=1))[:, None, :]
    at = np.arange(t.size)[:, None, None]
    triangle: Any = np.linalg.qr(_t(stack[at, pivot, order]), mode="r")
    made = _divided(np.concatenate([grow, rows.on_v * shrink, start], axis=2)[at[:, 0], pivot[..., 0]], triangle)
    g, v, start = np.split(made, [d_out, d_out + d_in], axis=2)

    f = (v - _fit(rows.sin_out * out.fade * g, t.size, k, d_in)) / rows.cos_in
    y_in = _fit(rows.sin_out * out.rise * g, t.size, k, d_in) + into.fade * v  # A5
    up, down = rows.cos_out * g, rows.sin_out * out.fade * _fit(f, t.size, k, d_out)
    y_out = up - down  # A5
    ended, rounding = _ended(rows, (out, into), (grow, shrink, fall), (g, start, f))

    # `A − f` by whichever form rounds less, per entry: before a feature is learned the difference, then decaying terms
    scale = lambda x, y: np.linalg.norm(x, axis=1)[:, :, None] * np.linalg.norm(y, axis=1)[:, None]
    target, last, crossed = _fit(np.diag(sigma), d_out, d_in), rows.cos_in * into.fade * f, _t(down) @ y_in
    turned = lambda x: _fit(rows.cos_out[:, None] * x * rows.sin_out, t.size, d_out, d_in)
    late = turned(ended) - _t(up) @ last + crossed
    safe = turned(rounding) < target + scale(y_out, y_in)
    return y_in, y_out, np.where(safe, late, target - _t(up) @ y_in + crossed)


def _ended(
    rows: _Rows, clocks: tuple[_Clock, _Clock], given: tuple[np.ndarray, ...], solved: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """`2P − G` for the growing part G of QQᵀ, which ends at 2P, as a sum of decaying terms, and what it is rounded by.

    `X = 2P − G` has in row i and the columns of what is stronger `Xᵢ + Σ aᵢⱼ Xⱼ = (2ρᵢ/nᵢ) Σ … − e^{−2ρᵢt} Gᵢ`, with
    the weaker rows j, and on the right the rows of the stack that do not grow on their own; nᵢ is the row's entry on
    its own direction. Not known, and said to be rounded by more than anything, for rows that do not grow on their own.
    """
    (out, into), (grow, shrink, fall), (g, start, f) = clocks, given, solved
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
    both = np.zeros((len(g), *2 * g.shape[2:])), np.full((len(g), *2 * g.shape[2:]), UNKNOWN)
    for whole, part in zip(both, (ended, rounding), strict=True):
        whole[np.ix_(times, kept, kept)] = np.where(n[:, None] <= n, part, _t(part))
    return both


def _divided(x: np.ndarray, triangle: np.ndarray) -> np.ndarray:
    """`R⁻ᵀ x` for an upper triangular R: its rows, as columns of x, over R. By halves, so that most is products."""
    x = x.copy()
    if triangle.size:
        _divide(x, _t(triangle))
    return x


def _divide(x: np.ndarray, lower: np.ndarray) -> None:
    """The same in place, by a lower triangular matrix."""
    half = lower.shape[-1] // 2
    if half == 0:
        x /= lower
    else:
        _divide(x[..., :half, :], lower[..., :half, :half])
        x[..., half:, :] -= lower[..., half:, :half] @ x[..., :half, :]
        _divide(x[..., half:, :], lower[..., half:, half:])


def _independent(rows: np.ndarray, rounding: float) -> np.ndarray:
    """The first rows, in order, that are no combination of earlier ones: the strongest features that can be learned."""
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
    """x cut or filled up with zeros to this shape."""
    made = np.zeros(shape)
    place = tuple(slice(min(sizes)) for sizes in zip(x.shape, shape, strict=True))
    made[place] = x[place]
    return made


def _t(x: np.ndarray) -> np.ndarray:
    return np.swapaxes(x, -1, -2)
