"""The user's own weights: the closed form from balanced weights near them, and a bound on what that misses."""

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from overtraining.setting.errors import NoFormula
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
    balanced than their tolerance, and says how far.
    """
    start, n = resolved.protocol.start, resolved.protocol.network
    assert isinstance(start, Weights)
    weights = start.matrices
    off = relative_imbalance(weights)
    _check_near("of relative imbalance", off, start.tolerance)
    family = _two_layers if n.depth == 2 and resolved.isotropic else _aligned
    solution, deviation_of = family(resolved, weights, start.tolerance)

    def path(lengths: Lengths) -> Path:
        near = solution.path(lengths)
        deviation = deviation_of(lengths, near)
        if not np.isfinite(deviation.distance).all():
            check_imbalance_error(resolved, np.inf, 1.0)
        whole = replace(near, imbalance=imbalance_norm(weights), deviation=deviation, deviation_of_modes=deviation)
        return whole if lengths.all() else _from_start(path_at(resolved, weights), whole)

    norms = np.array([(weight**2).sum() for weight in weights])
    return replace(solution, path=path, start_norm=norms, attributes={"relative_imbalance": off}, of_own_weights=True)


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


def check_imbalance_error(resolved: ResolvedProtocol, missed: float, size: float) -> None:
    """Refuse, with a NoFormula, an answer of which the bound says little. size: the loss of a network that is 0."""
    if not missed <= MOST_ERROR * size:
        start = resolved.protocol.start
        assert isinstance(start, Weights)
        given = f"weights of relative imbalance {relative_imbalance(start.matrices):.2g}"
        why = "what the closed form from balanced weights near them misses of the loss has no useful bound"
        raise NoFormula(given, why, f"use shorter lengths, or {MEASURE}")


def _check_near(what: str, off: float, tolerance: float) -> None:
    if not off <= tolerance:
        why = f"formulas are for balanced weights, and the tolerance is {tolerance:g}"
        near = f"use Weights(…, tolerance={2 * off:.0e}), or " if off < FAR else ""
        raise NoFormula(f"weights {what} {off:.2g}", why, near + MEASURE)


def _two_layers(resolved: ResolvedProtocol, weights: Matrices, _: float) -> tuple[Solution, DeviationOf]:
    near = nearest_balanced(*weights)
    xi, h = float(resolved.variances[0]), resolved.protocol.network.h
    teacher = refuse_overflow("the teacher", lambda: resolved.teacher)
    bound = two_layer_bound(xi * resolved.protocol.lengths[-1], near.distance, near.modes, teacher, h)

    def deviation_of(lengths: Lengths, path: Path) -> Deviation:
        strongest = np.hypot(2 * path.singular_value.max(axis=1), near.modes.imbalance)  # w1² + w2²
        return Deviation(bound.at(xi * lengths), np.sqrt(strongest / 2), 2, xi)

    return riccati_from(resolved, near.modes), deviation_of


def _aligned(resolved: ResolvedProtocol, weights: Matrices, tolerance: float) -> tuple[Solution, DeviationOf]:
    n, xi = resolved.protocol.network, resolved.variances
    u, v = (frame[:, : n.width] for frame in resolved.frames)
    product = reduce(lambda below, weight: weight @ below, weights)
    along = ((u.T @ product) * v.T).sum(axis=1)
    off = np.linalg.norm(product - (u * along) @ v.T) / np.linalg.norm(product)
    _check_near("whose product is off the teacher's singular vectors by", float(off), tolerance)
    epsilon = np.maximum(along, TINY)
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
