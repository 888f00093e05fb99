"""Paths: all that the theory knows of a network at every pretraining length; Response and Trajectory follow from it.

Each family of exact solutions is one function: it computes once what it needs of a protocol, and then answers for any
pretraining lengths. `overtraining.theory.solvers.solutions` says which protocol belongs to which.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import repeat

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Values
from overtraining.setting.errors import DomainError, NotSolved
from overtraining.setting.inputs import input_axes, input_covariance
from overtraining.setting.protocol import Protocol
from overtraining.setting.starts import Aligned, Balanced, start_frames
from overtraining.setting.teachers import full_frames, singular_values, teacher_matrix
from overtraining.theory.checks import check_range
from overtraining.theory.learning import deep_mode, unbalanced_mode
from overtraining.theory.learning.matrix_modes import Modes, modes_of, start_modes
from overtraining.theory.learning.matrix_solution import matrix_flow_from_modes
from overtraining.theory.products import refuse_overflow
from overtraining.theory.sensitivity.curvature import hessian_spectrum
from overtraining.theory.sensitivity.deep_noise import segment_norms_of_modes

Lengths = Float[np.ndarray, " length"]
IN_CACHE = 2**18  # numbers in an array on which simple formulas run fastest: 2 MB
IN_MEMORY = 2**23  # numbers in an array of which a few fit well into memory: 64 MB
FROM_INPUT = np.array([[False, True], [False, False]])  # of the norms of one layer: ‖W_1‖², weighted by Σx
MOST_PAIRED = 64  # modes up to which the Hessian's spectrum, four eigenvalues for each pair, is worth its time


@dataclass(frozen=True)
class Path:
    """A network at some pretraining lengths, which are the first axis of every array.

    loss: `½ tr((f − A) Σx (f − A)ᵀ)`.  norms: squared norms of all segments, as `deep_noise.segment_norms` gives them.
    layer_norm: `‖W_l‖²`.  singular_value: of f, largest first, those that the start has.
    imbalance: `‖W_{l+1}ᵀW_{l+1} − W_lW_lᵀ‖_F`, conserved.  never_learned: the teacher's singular values that this start
    reaches at no length. Computed where asked for: `own`, the norms with the diagonal of Σx in place of Σx, which noise
    in proportion to every weight sees; `sharpness`, the largest eigenvalue of the loss's Hessian, if a formula has it.
    Of two layers: `apart`, the products of the teacher's modes in their order, where each is by itself; `modes`, all
    that fine-tuning needs to know of the weights, length by length.
    """

    loss: Float[np.ndarray, " length"]
    norms: Float[np.ndarray, "length sites sites"]
    layer_norm: Float[np.ndarray, "length layer"]
    singular_value: Float[np.ndarray, "length mode"]
    imbalance: float
    never_learned: Float[np.ndarray, " lost"]
    own: Callable[[], Float[np.ndarray, "length sites sites"]]
    sharpness: Callable[[], Values] | None
    apart: Float[np.ndarray, "length mode"] | None = None
    modes: Callable[[], Iterable[Modes]] | None = None

    def __post_init__(self) -> None:
        if not all(np.isfinite(x).all() for x in vars(self).values() if isinstance(x, np.ndarray)):
            raise DomainError("the path", "it overflows in float64", "rescale units")


@dataclass(frozen=True)
class Solution:
    """A family's answer to one protocol: its path at any lengths, best `step` of them at once; the claims it uses."""

    path: Callable[[Lengths], Path]
    claims: str
    step: int

    def at(self, lengths: Lengths) -> Path:
        """The path at these lengths, all at once; DomainError where it overflows."""
        with np.errstate(over="ignore", invalid="ignore"):  # a Path refuses what this makes
            return self.path(lengths)

    def along(self, lengths: Lengths) -> Iterator[Path]:
        """The same in pieces, so that what memory it takes on the way does not grow with the number of lengths."""
        yield from map(self.at, np.array_split(lengths, 1 + lengths.size // self.step))


def by_modes(protocol: Protocol) -> Solution:
    """Aligned weights, inputs that share the teacher's axes: every mode by itself (A2), on a clock of its own, `ξ t`.

    With weight decay μ a mode feels `μ/ξ` on that clock. Modes beyond the narrowest layer are not learned.
    """
    n, start, mu = protocol.network, protocol.start, protocol.pretraining.weight_decay
    assert isinstance(start, Aligned | Balanced)
    sigma, variances = singular_values(protocol.teacher), protocol.inputs.variances(n.d_in)
    m = min(sigma.size, n.width) if isinstance(start, Aligned) else n.width
    sigma = np.pad(sigma, (0, max(m - sigma.size, 0)))
    xi, missed = variances[:m], sigma[m:]
    widths = [n.d_in, *[n.h] * (n.depth - 1), n.d_out]

    @cache
    def own() -> Float[np.ndarray, " d_in"]:
        """`Σ_j Σx_jj V_ji²` of every mode i."""
        if protocol.inputs.isotropic:
            return variances
        diagonal = np.diag(_covariance(protocol))
        return diagonal @ full_frames(protocol.teacher, n.d_out, n.d_in)[1] ** 2

    def sharpness(s: np.ndarray, left: np.ndarray) -> np.ndarray:
        if n.depth == 1:
            return np.full(len(s), variances.max())
        s, left = np.pad(s, ((0, 0), (0, missed.size))), np.pad(left, ((0, 0), (0, missed.size)))
        left[:, m:] = missed
        pieces = zip(*(np.array_split(x, 1 + x.size * x.shape[1] // IN_CACHE) for x in (s, left)), strict=True)
        spectra = (hessian_spectrum(*piece, d_in=n.d_in, h=n.h, d_out=n.d_out) for piece in pieces)
        return variances[0] * np.concatenate([np.asarray(spectrum.largest) for spectrum in spectra])

    def modes(s: np.ndarray) -> Iterable[Modes]:
        u, v = (frame[:, :m] for frame in full_frames(protocol.teacher, n.d_out, n.d_in))
        return (Modes(u, now, v, start.imbalance) for now in s)

    def path(t: Lengths) -> Path:
        clock = refuse_overflow("the time of a mode", lambda: t[:, None] * xi)
        if start.imbalance:
            solved = unbalanced_mode.learned_and_unlearned(clock, sigma[:m], start.epsilon, start.imbalance)
            squares = [np.asarray(w) ** 2 for w in unbalanced_mode.split(solved[0], start.imbalance)]
        else:
            decay = refuse_overflow("the weight decay of a mode", lambda: mu / xi)
            solved = deep_mode.learned_and_unlearned(clock, sigma[:m], start.epsilon, n.depth, decay)
            squares = [np.asarray(solved[0] ** (2 / n.depth))] * n.depth
        s, left = np.asarray(solved[0]), np.asarray(solved[1])
        white = n.depth == 2 and not start.imbalance and protocol.inputs.isotropic and sigma.size <= MOST_PAIRED
        return Path(
            loss=(left**2 @ xi + variances[m : sigma.size] @ missed**2) / 2,
            norms=segment_norms_of_modes(squares, widths, variances),
            layer_norm=np.stack([w.sum(axis=1) for w in squares], axis=1),
            singular_value=s if protocol.inputs.isotropic else -np.sort(-s),
            imbalance=abs(start.imbalance) * m**0.5,
            never_learned=missed[missed > 0],
            own=lambda: segment_norms_of_modes(squares, widths, own()),
            sharpness=(lambda: sharpness(s, left)) if n.depth == 1 or white else None,
            apart=s if n.depth == 2 else None,
            # hidden units without a mode have no imbalance
            modes=(lambda: modes(s)) if n.depth == 2 and (n.h == m or not start.imbalance) else None,
        )

    claim = ("A4" if start.imbalance else "A3") if n.depth == 2 else "A6"
    return Solution(path, claim, 1 + IN_CACHE // m)


def as_a_whole(protocol: Protocol) -> Solution:
    """λ-balanced weights of two layers in frames turned away from the teacher's: the matrix solution (A5); Σx = ξI."""
    n, start, xi = protocol.network, protocol.start, float(protocol.inputs.variances(protocol.network.d_in)[0])
    assert isinstance(start, Balanced)
    target, modes = _target(protocol), start_modes(start, protocol.teacher, n)
    lam = modes.imbalance

    def path(t: Lengths) -> Path:
        flow = matrix_flow_from_modes(
            refuse_overflow("the time", lambda: xi * t), modes.u, modes.s, modes.v, target, lam
        )
        layers = np.stack([np.asarray(flow.norm_in), np.asarray(flow.norm_out)], axis=1)
        # not of f, in which small ones drown: w1² + λ = w2² gives them from the smaller side
        w = np.linalg.svd(flow.factor_in if lam > 0 else flow.factor_out, compute_uv=False)
        s = w * np.hypot(w, np.sqrt(np.abs(lam)))
        norms = np.zeros((t.size, 3, 3))
        norms[:, 0, 0], norms[:, 1, 1], norms[:, 2, 2] = xi * n.d_in, n.h, n.d_out
        norms[:, 0, 1], norms[:, 1, 2], norms[:, 0, 2] = xi * layers[:, 0], layers[:, 1], xi * (s**2).sum(axis=1)
        return Path(
            loss=np.asarray(xi * flow.loss),
            norms=norms,
            layer_norm=layers,
            singular_value=s,
            imbalance=abs(lam) * n.h**0.5,
            never_learned=flow.never_learned,
            own=lambda: norms,
            sharpness=None,
            modes=lambda: map(_modes, flow.factor_in.swapaxes(1, 2), flow.factor_out, repeat(lam)),
        )

    return Solution(path, "A5", 1 + IN_MEMORY // (n.d_in * n.d_out))


def _modes(w1: np.ndarray, w2: np.ndarray, imbalance: float) -> Modes:
    """Of weights in k hidden directions, each of which has a mode."""
    found = modes_of(w1, w2, imbalance)
    if imbalance == 0 and (found.s.size < len(w1) or found.s.min() < 1e-16 * found.s.max()):  # their roots to 1e-8
        raise NotSolved(
            f"a mode below 1e-16 of the strongest, {found.s.max():.2g}", "rounding has most of what it would grow from",
            "start from a larger epsilon, or from Aligned(…)",
        )  # fmt: skip
    return found


def by_entries(protocol: Protocol) -> Solution:
    """One layer: in the axes of Σx every entry relaxes by itself, `ḟ = ξ(A − f) − μf`, from any start."""
    n, start, mu = protocol.network, protocol.start, protocol.pretraining.weight_decay
    xi, axes = protocol.inputs.variances(n.d_in), input_axes(protocol.inputs, protocol.teacher, n.d_out, n.d_in)
    assert isinstance(start, Aligned | Balanced)
    check_range(singular_values(protocol.teacher), epsilon=np.array(start.epsilon), inputs=xi, decay=np.array(mu))
    u, v = _frames(protocol)
    target, from_start = _target(protocol) @ axes, start.epsilon * u @ v.T @ axes
    diagonal = np.diag(_covariance(protocol))

    def path(t: Lengths) -> Path:
        rest, gone = np.exp(-t[:, None, None] * (xi + mu)), -np.expm1(-t[:, None, None] * (xi + mu))
        f = from_start * rest + target * (xi / (xi + mu)) * gone
        left = (target - from_start) * rest + target * (mu / (xi + mu)) * gone
        norms = np.zeros((t.size, 2, 2))
        norms[:, 0, 0], norms[:, 1, 1], norms[:, 0, 1] = xi.sum(), n.d_out, (f**2 @ xi).sum(axis=1)
        own = lambda: np.where(FROM_INPUT, ((f @ axes.T) ** 2 @ diagonal).sum(axis=1)[:, None, None], norms)
        return Path(
            loss=(left**2 @ xi).sum(axis=1) / 2,
            norms=norms,
            layer_norm=(f**2).sum((1, 2))[:, None],
            singular_value=np.linalg.svd(f, compute_uv=False),
            imbalance=0.0,
            never_learned=np.zeros(0),
            own=own,
            sharpness=lambda: np.full(t.size, xi.max()),
        )

    return Solution(path, "A6", 1 + IN_CACHE // (n.d_in * n.d_out))


def _frames(protocol: Protocol) -> tuple[Float[np.ndarray, "d_out k"], Float[np.ndarray, "d_in k"]]:
    """Left and right singular vectors of the start's product."""
    n, start, modes = protocol.network, protocol.start, singular_values(protocol.teacher).size
    if isinstance(start, Balanced):
        u, v = start_frames(start, protocol.teacher, n.d_out, n.d_in)
        return u[:, : n.width], v[:, : n.width]
    u, v = full_frames(protocol.teacher, n.d_out, n.d_in)
    return u[:, : min(modes, n.width)], v[:, : min(modes, n.width)]


def _target(protocol: Protocol) -> Float[np.ndarray, "d_out d_in"]:
    n = protocol.network
    return refuse_overflow("the teacher", lambda: teacher_matrix(protocol.teacher, n.d_out, n.d_in))


def _covariance(protocol: Protocol) -> Float[np.ndarray, "d_in d_in"]:
    n = protocol.network
    return refuse_overflow("Σx", lambda: input_covariance(protocol.inputs, protocol.teacher, n.d_out, n.d_in))
