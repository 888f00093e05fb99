"""Weights that are known, such as a checkpoint's: nothing about them is approximated, balanced or not."""

from functools import reduce
from itertools import pairwise

import numpy as np

from overtraining.setting.perturbations import FineTuning
from overtraining.setting.resolved import ResolvedProtocol
from overtraining.theory.checks import check_range
from overtraining.theory.learning.flow import imbalance
from overtraining.theory.learning.near_balance import Deviation
from overtraining.theory.products import refuse_overflow
from overtraining.theory.sensitivity.deep_noise import segment_norms
from overtraining.theory.solvers.paths import Lengths, Path, Solution

Matrices = tuple[np.ndarray, ...]


def nothing_is_trained(resolved: ResolvedProtocol) -> bool:
    """Whether a protocol asks for its start alone, before any training."""
    protocol = resolved.protocol
    return not any(protocol.lengths) and not isinstance(protocol.perturbation, FineTuning)


def known_weights(resolved: ResolvedProtocol, weights: Matrices) -> Solution:
    """The network with these weights at length 0, of two layers and more, on any inputs."""

    def path(lengths: Lengths) -> Path:
        assert not lengths.any()
        return path_at(resolved, weights)

    return Solution(path, "", 1, attributes={"relative_imbalance": relative_imbalance(weights)})


def path_at(resolved: ResolvedProtocol, weights: Matrices) -> Path:
    """The path of these weights, of the one length 0."""
    check_range(resolved.sigma, **{f"W{layer}": weight for layer, weight in enumerate(weights, 1)})
    teacher = refuse_overflow("the teacher", lambda: resolved.teacher)
    covariance = refuse_overflow("Σx", lambda: resolved.input_covariance)
    product = reduce(lambda below, weight: weight @ below, weights)
    unlearned = teacher - product
    loss = refuse_overflow("the loss", lambda: np.maximum(((unlearned @ covariance) * unlearned).sum() / 2, 0.0))
    return Path(
        loss=np.array([loss]),
        layer_norm=np.array([[(weight**2).sum() for weight in weights]]),
        singular_value=np.linalg.svd(product, compute_uv=False)[None],
        imbalance=imbalance_norm(weights),
        never_learned=np.zeros(0),
        norms=lambda: segment_norms(weights, covariance)[None],
        diagonal_norms=lambda: segment_norms(weights, np.diag(np.diag(covariance)))[None],
        sharpness=None,
        deviation=Deviation(np.zeros(1), np.ones(1), len(weights)),
        weights=weights,
    )


def imbalance_norm(weights: Matrices) -> float:
    """`‖W_{l+1}ᵀW_{l+1} − W_lW_lᵀ‖_F` over all layers.

    >>> imbalance_norm((np.eye(1), 2 * np.eye(1)))
    3.0
    """
    return float(np.linalg.norm(np.stack(imbalance(weights))))


def relative_imbalance(weights: Matrices) -> float:
    """The largest `‖W_{l+1}ᵀW_{l+1} − W_lW_lᵀ − λI‖ / (‖W_l‖² + ‖W_{l+1}‖²)`; λ is 0 but for two layers.

    >>> relative_imbalance((np.eye(2), 2 * np.eye(2))), relative_imbalance((np.eye(1), 2 * np.eye(1), np.eye(1)))
    (0.0, 0.6)
    """
    found = []
    for (below, above), difference in zip(pairwise(weights), imbalance(weights), strict=True):
        off, h = difference, len(below)
        mean = np.trace(difference) / h
        if len(weights) == 2 and h <= (len(above) if mean > 0 else below.shape[1]):
            off = difference - mean * np.eye(h)
        found.append(float(np.linalg.norm(off) / max((below**2).sum() + (above**2).sum(), 1e-300)))
    return max(found)
