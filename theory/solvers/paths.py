"""Paths: a network at every pretraining length, by the family of exact solutions that its protocol belongs to.

Each family is one function: it takes what it needs from a resolved protocol, and then answers for any pretraining
lengths. `solutions.solve` says which protocol belongs to which family. Response and Trajectory follow from the path.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import repeat
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Values
from overtraining.setting.errors import DomainError, NotSolved
from overtraining.setting.resolved import ResolvedProtocol
from overtraining.setting.starts import Aligned, Balanced
from overtraining.setting.weights import Weights
from overtraining.theory.checks import check_range
from overtraining.theory.learning import deep_mode, unbalanced_mode
from overtraining.theory.learning.matrix_modes import Modes, modes_in_frames, modes_of
from overtraining.theory.learning.matrix_solution import matrix_flow_from_modes
from overtraining.theory.learning.near_balance import Deviation
from overtraining.theory.learning.random_start_error import Growth, SmallStart
from overtraining.theory.products import refuse_overflow
from overtraining.theory.sensitivity.curvature import hessian_spectrum
from overtraining.theory.sensitivity.deep_noise import segment_norms_of_modes

Lengths = Float[np.ndarray, " length"]
OneLayer = Float[np.ndarray, "length d_out d_in"]
IN_CACHE = 2**18  # numbers in an array on which simple formulas run fastest: 2 MB
IN_MEMORY = 2**23  # numbers in an array of which a few fit well into memory: 64 MB
FROM_INPUT = np.array([[False, True], [False, False]])  # of the norms of one layer: ‖W_1‖², weighted by Σx
EPS = np.finfo(float).eps
MEASURE = "measure it with simulations.respond or simulations.follow"
MOST_PAIRED = 64  # modes up to which the Hessian's spectrum, four eigenvalues for each pair, is fast enough


class RandomModes(NamedTuple):
    """The products of all modes that a network may learn, from the starts of a quadrature, and what its error needs."""

    products: Float[np.ndarray, "node length mode"]
    weight: Float[np.ndarray, "node mode"]
    growth: Growth
    start: SmallStart


class BalancedModes(NamedTuple):
    """Decoupled balanced modes of two layers, white inputs of this variance, no weight decay: the path of C4."""

    sigma: Float[np.ndarray, " mode"]
    epsilon: float
    variance: float
    d_in: int
    d_out: int


@dataclass(frozen=True)
class Path:
    """A network at some pretraining lengths, which are the first axis of every array.

    loss: `½ tr((f − A) Σx (f − A)ᵀ)`.  layer_norm: `‖W_l‖²`.
    singular_value: of f, in decreasing order, those that are not 0 at the start.
    imbalance: `‖W_{l+1}ᵀW_{l+1} − W_lW_lᵀ‖_F`, conserved; None if it is not known.
    never_learned: the teacher's singular values that are not learned at any length, because this start does not reach
    them or because weight decay ends the mode at 0; the same for all lengths.
    Computed when called: `norms`, squared norms of all segments, as `deep_noise.segment_norms` gives them;
    `diagonal_norms`, the same with the diagonal of Σx in place of Σx, for noise in proportion to every weight;
    `sharpness`, the largest eigenvalue of the loss's Hessian, None if there is no formula.
    For fine-tuning: `one_layer`, the only layer and the unlearned part `A − f`, computed when called; for more layers
    `mode_products`, the products of the teacher's modes in their order, if they are decoupled; for two layers `modes`,
    all that fine-tuning needs to know of the weights, one for each length. A mean over random starts has none of them;
    it has `random_modes`, and `for_noise`, the path whose norms are the means of what noise in a convention multiplies.
    `deviation`: how far the user's own weights may be from this path, which is that of balanced weights near them.
    `deviation_of_modes`: the same for `modes` and `mode_products`, where it differs: at length 0 all else is exact.
    `weights`: W_1 … W_L themselves, of a path of the one length 0.
    """

    loss: Float[np.ndarray, " length"]
    layer_norm: Float[np.ndarray, "length layer"]
    singular_value: Float[np.ndarray, "length mode"]
    imbalance: float | None
    never_learned: Float[np.ndarray, " lost"]
    norms: Callable[[], Float[np.ndarray, "length sites sites"]]
    diagonal_norms: Callable[[], Float[np.ndarray, "length sites sites"]]
    sharpness: Callable[[], Values] | None
    one_layer: Callable[[], tuple[OneLayer, OneLayer]] | None = None
    mode_products: Float[np.ndarray, "length mode"] | None = None
    modes: Callable[[], Iterable[Modes]] | None = None
    random_modes: Callable[[], RandomModes] | None = None
    for_noise: Callable[[str], "Path"] | None = None
    deviation: Deviation | None = None
    deviation_of_modes: Deviation | None = None
    weights: tuple[np.ndarray, ...] | None = None

    def __post_init__(self) -> None:
        if not all(np.isfinite(x).all() for x in vars(self).values() if isinstance(x, np.ndarray)):
            raise DomainError("the path", "it overflows in float64", "rescale units")


@dataclass(frozen=True)
class Solution:
    """The solution of one protocol: its path at any lengths, best `step` of them at once, and the claims it uses.

    start_norm: `‖W_l‖²` at the start where the path at length 0 does not have it.  balanced_modes: if the path is that
    of C4.  attributes: of a Response, on the approximation that the solution is.  of_own_weights: whether they differ
    from the path's, see `Path.deviation`.
    """

    path: Callable[[Lengths], Path]
    claims: str
    step: int
    start_norm: Float[np.ndarray, " layer"] | None = None
    balanced_modes: BalancedModes | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)
    of_own_weights: bool = False

    def at(self, lengths: Lengths) -> Path:
        """The path at these lengths, all at once; DomainError where it overflows."""
        with np.errstate(over="ignore", invalid="ignore"):  # a Path refuses what is not finite
            return self.path(lengths)

    def along(self, lengths: Lengths, most: int = IN_MEMORY) -> Iterator[Path]:
        """The same in pieces of at most `most` lengths, so that the memory for intermediate results does not grow."""
        yield from map(self.at, np.array_split(lengths, 1 + lengths.size // min(self.step, most)))


def decoupled_modes(resolved: ResolvedProtocol, epsilon: Float[np.ndarray, " mode"] | None = None) -> Solution:
    """Aligned weights, and inputs that share the teacher's axes: decoupled modes (A2), each with its own time `ξ t`.

    epsilon: where every mode starts, balanced; by default as the protocol says.
    With weight decay μ a mode decays by `μ/ξ` in that time. Modes beyond the narrowest layer are not learned.
    """
    n = resolved.protocol.network
    start = resolved.protocol.start
    decay = resolved.protocol.pretraining.weight_decay
    m = min(resolved.sigma.size, n.width) if isinstance(start, Aligned) else n.width
    imbalance, ordered = 0.0, resolved.isotropic and epsilon is None
    if epsilon is None:
        assert isinstance(start, Aligned | Balanced)
        epsilon, imbalance = np.array(start.epsilon), start.imbalance
    sigma = np.pad(resolved.sigma, (0, max(m - resolved.sigma.size, 0)))
    learned, missed = sigma[:m], sigma[m:]
    variances, xi = resolved.variances, resolved.variances[:m]
    mode_decay = refuse_overflow("the weight decay of a mode", lambda: decay / xi) if decay else np.zeros(m)
    killed = (mode_decay >= learned) & (decay > 0) & (n.depth > 1)
    killed |= (xi == 0) & (learned > m * EPS * learned.max())  # no input tells of them
    never_learned = np.sort(np.append(learned[killed], missed))[::-1]
    widths = [n.d_in, *[n.h] * (n.depth - 1), n.d_out]
    white = resolved.isotropic

    @cache
    def variance_of_modes() -> Float[np.ndarray, " d_in"]:
        """`Σ_j Σx_jj V_ji²` of every mode i."""
        if white:
            return variances
        covariance = refuse_overflow("Σx", lambda: resolved.input_covariance)
        return np.diag(covariance) @ resolved.frames[1] ** 2

    def sharpness(s: np.ndarray, unlearned: np.ndarray) -> np.ndarray:
        if n.depth == 1:
            return np.full(len(s), variances.max())
        s = np.pad(s, ((0, 0), (0, missed.size)))
        unlearned = np.pad(unlearned, ((0, 0), (0, missed.size)))
        unlearned[:, m:] = missed
        pieces = zip(*(np.array_split(x, 1 + x.size * x.shape[1] // IN_CACHE) for x in (s, unlearned)), strict=True)
        spectra = (hessian_spectrum(*piece, d_in=n.d_in, h=n.h, d_out=n.d_out) for piece in pieces)
        return variances[0] * np.concatenate([np.asarray(spectrum.largest) for spectrum in spectra])

    def modes(s: np.ndarray) -> Iterable[Modes]:
        u, v = (frame[:, :m] for frame in resolved.frames)
        return [Modes(u, products, v, imbalance) for products in s]

    def one_layer(s: np.ndarray, unlearned: np.ndarray) -> tuple[OneLayer, OneLayer]:
        u, v = (frame[:, : sigma.size] for frame in resolved.frames)
        whole = np.pad(s, ((0, 0), (0, missed.size)))
        beyond = np.broadcast_to(missed, (len(s), missed.size))
        return (u * whole[:, None]) @ v.T, (u * np.hstack([unlearned, beyond])[:, None]) @ v.T

    def path(lengths: Lengths) -> Path:
        time = refuse_overflow("the time of a mode", lambda: lengths[:, None] * xi)
        if imbalance:
            solved = unbalanced_mode.learned_and_unlearned(time, learned, epsilon, imbalance)
            squares = [np.asarray(w) ** 2 for w in unbalanced_mode.split(solved[0], imbalance)]
        else:
            solved = deep_mode.learned_and_unlearned(time, learned, epsilon, n.depth, mode_decay)
            squares = [np.asarray(solved[0] ** (2 / n.depth))] * n.depth
        s, unlearned = (np.asarray(x) for x in solved)
        paired = n.depth == 2 and not imbalance and white and sigma.size <= MOST_PAIRED
        return Path(
            loss=(unlearned**2 @ xi + variances[m : sigma.size] @ missed**2) / 2,
            layer_norm=np.stack([w.sum(axis=1) for w in squares], axis=1),
            singular_value=s if ordered else -np.sort(-s),
            imbalance=abs(imbalance) * m**0.5,
            never_learned=never_learned[never_learned > 0],
            norms=lambda: segment_norms_of_modes(squares, widths, variances),
            diagonal_norms=lambda: segment_norms_of_modes(squares, widths, variance_of_modes()),
            sharpness=(lambda: sharpness(s, unlearned)) if n.depth == 1 or paired else None,
            one_layer=(lambda: one_layer(s, unlearned)) if n.depth == 1 else None,
            mode_products=s if n.depth > 1 else None,
            # hidden units without a mode have no weights, and stay so: the network is one with m units
            modes=(lambda: modes(s)) if n.depth == 2 else None,
        )

    claim = ("A4" if imbalance else "A3") if n.depth == 2 else "A6"
    balanced = claim == "A3" and white and not decay
    of_c4 = BalancedModes(learned, float(epsilon), float(variances[0]), n.d_in, n.d_out) if balanced else None
    return Solution(path, claim, 1 + IN_CACHE // m, balanced_modes=of_c4)


def matrix_riccati(resolved: ResolvedProtocol) -> Solution:
    """λ-balanced weights of two layers in frames rotated from the teacher's, Σx = ξI: the matrix solution (A5)."""
    start = resolved.protocol.start
    assert isinstance(start, Balanced)
    return riccati_from(resolved, modes_in_frames(start, resolved.protocol.network, *resolved.start_frames))


def riccati_from(resolved: ResolvedProtocol, started: Modes) -> Solution:
    """The same from any λ-balanced start, by its modes."""
    n = resolved.protocol.network
    xi = float(resolved.variances[0])
    teacher = refuse_overflow("the teacher", lambda: resolved.teacher)
    imbalance = started.imbalance

    def path(lengths: Lengths) -> Path:
        time = refuse_overflow("the time", lambda: xi * lengths)
        flow = matrix_flow_from_modes(time, started.u, started.s, started.v, teacher, imbalance)
        layers = np.stack([np.asarray(flow.norm_in), np.asarray(flow.norm_out)], axis=1)
        # not from f, where rounding hides small ones: w1² + λ = w2² gives them from the smaller side
        w = np.linalg.svd(flow.factor_in if imbalance > 0 else flow.factor_out, compute_uv=False)
        s = w * np.hypot(w, np.sqrt(np.abs(imbalance)))
        norms = np.zeros((lengths.size, 3, 3))
        norms[:, 0, 0], norms[:, 1, 1], norms[:, 2, 2] = xi * n.d_in, n.h, n.d_out
        norms[:, 0, 1], norms[:, 1, 2], norms[:, 0, 2] = xi * layers[:, 0], layers[:, 1], xi * (s**2).sum(axis=1)
        return Path(
            loss=np.asarray(xi * flow.loss),
            layer_norm=layers,
            singular_value=s,
            imbalance=abs(imbalance) * n.h**0.5,
            never_learned=flow.never_learned,
            norms=lambda: norms,
            diagonal_norms=lambda: norms,
            sharpness=None,
            modes=lambda: map(_modes, flow.factor_in.swapaxes(1, 2), flow.factor_out, repeat(imbalance)),
        )

    return Solution(path, "A5", 1 + IN_MEMORY // (n.d_in * n.d_out))


def _modes(w1: np.ndarray, w2: np.ndarray, imbalance: float) -> Modes:
    """The modes of weights in k hidden directions, each of which has a mode."""
    modes = modes_of(w1, w2, imbalance)
    if imbalance == 0 and (modes.s.size < len(w1) or modes.s.min() < 1e-16 * modes.s.max()):  # their roots to 1e-8
        raise NotSolved(
            f"a mode below 1e-16 of the strongest, {modes.s.max():.2g}",
            "rounding has most of what it would grow from",
            "start from a larger epsilon, or from Aligned(…)",
        )
    return modes


def single_layer(resolved: ResolvedProtocol) -> Solution:
    """One layer: in the axes of Σx every entry relaxes by itself, `ḟ = ξ(A − f) − μf`, from any start."""
    n = resolved.protocol.network
    start = resolved.protocol.start
    mu = resolved.protocol.pretraining.weight_decay
    xi, axes = resolved.variances, resolved.input_axes
    if isinstance(start, Weights):
        (started,) = start.matrices
    else:
        assert isinstance(start, Aligned | Balanced)
        m = n.width if isinstance(start, Balanced) else min(resolved.sigma.size, n.width)
        u, v = (frame[:, :m] for frame in resolved.start_frames)
        started = start.epsilon * u @ v.T
    check_range(resolved.sigma, start=started, inputs=xi, decay=np.array(mu))
    rate = np.where(xi + mu > 0, xi + mu, 1.0)  # where both are 0 nothing moves
    from_start = started @ axes
    teacher = refuse_overflow("the teacher", lambda: resolved.teacher) @ axes
    diagonal = np.diag(refuse_overflow("Σx", lambda: resolved.input_covariance))

    def path(lengths: Lengths) -> Path:
        kept = np.exp(-lengths[:, None, None] * (xi + mu))
        relaxed = -np.expm1(-lengths[:, None, None] * (xi + mu))
        f = from_start * kept + teacher * (xi / rate) * relaxed
        unlearned = (teacher - from_start) * kept + teacher * (mu / rate) * relaxed
        norms = np.zeros((lengths.size, 2, 2))
        norms[:, 0, 0], norms[:, 1, 1], norms[:, 0, 1] = xi.sum(), n.d_out, (f**2 @ xi).sum(axis=1)

        def diagonal_norms() -> np.ndarray:
            return np.where(FROM_INPUT, ((f @ axes.T) ** 2 @ diagonal).sum(axis=1)[:, None, None], norms)

        return Path(
            loss=(unlearned**2 @ xi).sum(axis=1) / 2,
            layer_norm=(f**2).sum((1, 2))[:, None],
            singular_value=np.linalg.svd(f, compute_uv=False),
            imbalance=0.0,
            never_learned=np.zeros(0),
            norms=lambda: norms,
            diagonal_norms=diagonal_norms,
            sharpness=lambda: np.full(lengths.size, xi.max()),
            one_layer=lambda: (f @ axes.T, unlearned @ axes.T),
        )

    return Solution(path, "A6", 1 + IN_CACHE // (n.d_in * n.d_out))
