"""The user's own weights: the closed form from balanced weights near them, and a bound on what that misses."""

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from overtraining.setting.errors import NoFormula
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.resolved import ResolvedProtocol
from overtraining.setting.weights import Weights
from overtraining.theory.learning.near_balance import (
    Deviation,
    deep_rate,
    distance_bound,
    nearest_balanced,
    time_nodes,
    two_layer_bound,
)
from overtraining.theory.products import refuse_overflow
from overtraining.theory.solvers.known_weights import Matrices, imbalance_norm, path_at, relative_imbalance
from overtraining.theory.solvers.paths import MEASURE, Lengths, Path, Solution, decoupled_modes, riccati_from

MOST_ERROR = 0.1  # of the loss of a network that is 0, beyond which the bound says little
FAR = 0.01  # from balanced, where the bound is seldom of use
TINY = 1e-200  # a mode that the weights do not have, or have with the other sign, starts from here

DeviationOf = Callable[[Lengths, Path], Deviation]


def own_weights(resolved: ResolvedProtocol) -> Solution:
    """Two layers on white inputs from λ-balanced weights (A5), others from balanced ones aligned with the teacher (A6).

    At length 0 the answer is that of the weights themselves. Raises NoFormula for weights that are further from
    balanced than 0.01 and their tolerance; `check_imbalance_error` judges nearer ones when their answer is known.
    """
    start = resolved.protocol.start
    assert isinstance(start, Weights)
    weights = start.matrices
    if _how_far(resolved)[1] > max(FAR, start.tolerance):
        check_imbalance_error(resolved, np.inf)
    solution, deviation_of = (_two_layers if _by_matrices(resolved) else _aligned)(resolved, weights)

    def path(lengths: Lengths) -> Path:
        near = solution.path(lengths)
        deviation = deviation_of(lengths, near)
        if not np.isfinite(deviation.distance).all():
            check_imbalance_error(resolved, np.inf)
        whole = replace(near, imbalance=imbalance_norm(weights), deviation=deviation, deviation_of_modes=deviation)
        return whole if lengths.all() else _from_start(path_at(resolved, weights), whole)

    norms = np.array([(weight**2).sum() for weight in weights])
    return replace(
        solution,
        path=path,
        start_norm=norms,
        attributes={"relative_imbalance": relative_imbalance(weights)},
        of_own_weights=True,
    )


def _from_start(start: Path, path: Path) -> Path:
    """The path whose first length is 0, with the weights themselves there."""
    assert path.deviation is not None
    rest, values = path.deviation, path.singular_value.shape[1]
    padded = np.pad(start.singular_value, ((0, 0), (0, max(0, values - start.singular_value.shape[1]))))
    return replace(
        path,
        loss=np.append(start.loss, path.loss[1:]),
        layer_norm=np.concatenate([start.layer_norm, path.layer_norm[1:]]),
        singular_value=np.concatenate([padded[:, :values], path.singular_value[1:]]),
        norms=lambda: np.concatenate([start.norms(), path.norms()[1:]]),
        deviation=rest._replace(distance=np.append(0.0, rest.distance[1:])),
    )


def with_largest_norms(path: Path, deviation: Deviation) -> Path:
    """The path with all norms as large as they may be, with which noise costs most.

    The cost is a sum of products of norms and scales, all >= 0: it may also be less, but not by more.
    """
    norms = np.sqrt(path.norms())
    for layers in range(1, deviation.depth + 1):
        more = deviation.of_product(layers)
        for first in range(deviation.depth + 1 - layers):
            norms[:, first, first + layers] += more * (deviation.variance**0.5 if first == 0 else 1.0)
    layer_norm = (np.sqrt(path.layer_norm) + deviation.of_product(1)[:, None]) ** 2
    return replace(path, layer_norm=layer_norm, norms=lambda: norms**2)


def check_imbalance_error(resolved: ResolvedProtocol, missed: float) -> None:
    """Refuse, with a NoFormula, weights beyond their tolerance, and an answer of which the bound says little.

    Both are told at once: what is proposed has an answer.
    """
    start, (what, off) = resolved.protocol.start, _how_far(resolved)
    assert isinstance(start, Weights)
    useless = not missed <= _most_error(resolved)
    if missed == 0 or (off <= start.tolerance and not useless):
        return
    if off <= start.tolerance:
        why = "what the closed form from balanced weights near them misses of the loss has no useful bound"
        instead = f"use {_shorter(resolved)}, or {MEASURE}"
    else:
        why = f"formulas are for balanced weights, and the tolerance is {start.tolerance:g}"
        enough = f"use Weights(…, tolerance={2 * off:.0e})" + (f" with {_shorter(resolved)}" if useless else "")
        instead = f"{enough}, or {MEASURE}" if off < FAR else MEASURE
    raise NoFormula(f"weights {what} {off:.2g}", why, instead)


def _how_far(resolved: ResolvedProtocol) -> tuple[str, float]:
    """In which way, and by how much, the weights are furthest from those of the closed form."""
    start = resolved.protocol.start
    assert isinstance(start, Weights)
    weights = start.matrices
    found = [("of relative imbalance", relative_imbalance(weights))]
    if not _by_matrices(resolved):
        product, along = _along(resolved, weights)
        u, v = (frame[:, : along.size] for frame in resolved.frames)
        off = np.linalg.norm(product - (u * along) @ v.T) / (np.linalg.norm(product) or 1.0)
        found.append(("whose product is off the teacher's singular vectors by", float(off)))
    return max(found, key=lambda each: each[1])


def _by_matrices(resolved: ResolvedProtocol) -> bool:
    return resolved.protocol.network.depth == 2 and resolved.isotropic


def _most_error(resolved: ResolvedProtocol) -> float:
    """A tenth of the loss of a network that is 0."""
    losses = [resolved.variances[: resolved.sigma.size] @ resolved.sigma**2 / 2]
    if isinstance(resolved.protocol.perturbation, FineTuning):
        losses.append((resolved.task**2).sum() / 2)
    return MOST_ERROR * float(max(losses))


def _shorter(resolved: ResolvedProtocol) -> str:
    """What makes the bound grow, with its largest value."""
    protocol = resolved.protocol
    named = [f"lengths shorter than {protocol.lengths[-1]:g}"] if any(protocol.lengths) else []
    if isinstance(protocol.perturbation, FineTuning):
        named.append(f"budgets smaller than {protocol.strengths[-1]:g}")
    return " and ".join(named)


def _two_layers(resolved: ResolvedProtocol, weights: Matrices) -> tuple[Solution, DeviationOf]:
    near = nearest_balanced(*weights)
    xi, h = float(resolved.variances[0]), resolved.protocol.network.h
    teacher = refuse_overflow("the teacher", lambda: resolved.teacher)
    bound = two_layer_bound(xi * resolved.protocol.lengths[-1], near.distance, near.modes, teacher, h)

    def deviation_of(lengths: Lengths, path: Path) -> Deviation:
        strongest = np.hypot(2 * path.singular_value.max(axis=1), near.modes.imbalance)  # w1² + w2²
        return Deviation(bound.at(xi * lengths), np.sqrt(strongest / 2), 2, xi)

    return riccati_from(resolved, near.modes), deviation_of


def _aligned(resolved: ResolvedProtocol, weights: Matrices) -> tuple[Solution, DeviationOf]:
    n, xi = resolved.protocol.network, resolved.variances
    u, v = (frame[:, : n.width] for frame in resolved.frames)
    epsilon = np.maximum(_along(resolved, weights)[1], TINY)
    solution = decoupled_modes(resolved, epsilon)
    every = min(n.d_in, n.d_out)
    sigma = np.pad(resolved.sigma, (0, every - resolved.sigma.size))
    nodes = time_nodes(resolved.protocol.lengths[-1], float((xi[:every] * np.maximum(sigma, 0.0)).max()))
    s = solution.at(nodes).mode_products
    assert s is not None
    unlearned = (xi[:every] * np.abs(sigma - np.pad(s, ((0, 0), (0, every - n.width))))).max(axis=1)
    rate = deep_rate(unlearned, s.max(axis=1) ** (1 / n.depth), n.depth, float(xi.max()))
    bound = distance_bound(nodes, _distance_from_aligned(weights, u, epsilon ** (1 / n.depth), v), rate)

    def deviation_of(lengths: Lengths, path: Path) -> Deviation:
        largest = path.singular_value.max(axis=1) ** (1 / n.depth)
        return Deviation(bound.at(lengths), largest, n.depth, float(xi.max()))

    return solution, deviation_of


def _along(resolved: ResolvedProtocol, weights: Matrices) -> tuple[np.ndarray, Float[np.ndarray, " mode"]]:
    """The product of all layers, and its part along each pair of the teacher's singular vectors."""
    u, v = (frame[:, : resolved.protocol.network.width] for frame in resolved.frames)
    product = reduce(lambda below, weight: weight @ below, weights)
    return product, ((u.T @ product) * v.T).sum(axis=1)


def _distance_from_aligned(
    weights: Matrices,
    u: Float[np.ndarray, "d_out mode"],
    size: Float[np.ndarray, " mode"],
    v: Float[np.ndarray, "d_in mode"],
) -> float:
    """Of weights from `W_l = R_l diag(size) R_{l−1}ᵀ` with `R_0 = V`, `R_L = U` and hidden frames R_l that fit them."""
    frames = [v]
    for weight in weights[:-1]:
        turned = weight @ frames[-1]
        strongest = np.argsort(-np.linalg.norm(turned, axis=0))
        frame, triangle = np.linalg.qr(turned[:, strongest])
        frames.append((frame * np.where(np.diag(triangle) < 0, -1.0, 1.0))[:, np.argsort(strongest)])
    frames.append(u)
    apart = [w - (out * size) @ into.T for w, (into, out) in zip(weights, pairwise(frames), strict=True)]
    return float(np.sqrt(sum((difference**2).sum() for difference in apart)))
