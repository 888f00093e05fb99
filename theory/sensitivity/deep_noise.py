"""B2: the expected rise of the loss under independent noise on the weights, exact at any depth and at every point.

The noisy layers split the network into segments without noise, and only the norm of the product of each segment enters.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Real

from overtraining.setting.arrays import Values
from overtraining.setting.domain import listed, nonnegative, whole
from overtraining.setting.errors import ShapeError
from overtraining.theory.checks import check_input_covariance, check_range, check_weights
from overtraining.theory.products import product, refuse_overflow


def segment_norms(
    weights: Sequence[np.ndarray], input_covariance: Float[np.ndarray, "d_in d_in"] | None = None
) -> Float[np.ndarray, "sites sites"]:
    """Squared norms of every product of neighbouring layers, `K[a, b−1] = ‖W_{b−1} … W_{a+1}‖²`.

    a < b from 0 to L + 1 are the noisy layers at the two ends; a = 0 is the input (weighted by Σx), b = L + 1 the
    output. The empty products on the diagonal are the width of layer a, and `tr Σx` for the input; zero below it.

    weights: W1, …, WL.  input_covariance: Σx, by default I.  Returns (L + 1, L + 1).
    Raises ShapeError where the matrices do not chain, DomainError where Σx is not symmetric positive semidefinite.

    >>> segment_norms([np.ones((1, 2)), np.ones((3, 1))]).tolist()
    [[2.0, 2.0, 6.0], [0.0, 1.0, 3.0], [0.0, 0.0, 3.0]]
    """
    layers = check_weights(weights)
    sx, depth = check_input_covariance(input_covariance, layers[0].shape[1]), len(layers)
    norms = np.zeros((depth + 1, depth + 1))
    norms[0, 0] = np.trace(sx)
    for a in range(depth + 1):
        if a:
            norms[a, a] = layers[a - 1].shape[0]
        segment = np.eye(layers[min(a, depth - 1)].shape[1])
        for b in range(a, depth):
            segment = layers[b] @ segment
            weighted = segment @ sx if a == 0 else segment
            norms[a, b + 1] = max(float((weighted * segment).sum()), 0.0)  # negative only by rounding
    return norms


def segment_norms_on_path(
    s: Float[np.ndarray, "*b modes"], widths: Sequence[int]
) -> Float[np.ndarray, "*b sites sites"]:
    """`segment_norms` on the balanced aligned path, `K[a, b−1] = Σ_i s_i^{2(b−a−1)/L}`, whitened inputs.

    s: singular values of the network, last axis modes.  widths: d_in, h_1, …, h_{L−1}, d_out.
    Raises ShapeError where some width is smaller than the number of modes, DomainError for negative s.

    >>> segment_norms_on_path(np.array([4.0, 1.0]), widths=[2, 2, 3]).tolist()
    [[2.0, 5.0, 17.0], [0.0, 2.0, 5.0], [0.0, 0.0, 3.0]]
    """
    s, depth = nonnegative("s", s), max(len(listed("widths", widths)) - 1, 1)
    return segment_norms_of_modes([refuse_overflow("a norm", lambda: s ** (2 / depth))] * depth, widths)


def segment_norms_of_modes(
    squares: Sequence[Float[np.ndarray, "*b modes"]],
    widths: Sequence[int],
    input_spectrum: Float[np.ndarray, " d_in"] | None = None,
) -> Float[np.ndarray, "*b sites sites"]:
    """`segment_norms` of any aligned network, balanced or not, `K[a, b−1] = Σ_i ξ_i^{[a = 0]} Π_{a<l<b} w_{l,i}²`.

    squares: `w_{l,i}²`, layer by layer from the input, last axis modes.  widths: d_in, h_1, …, h_{L−1}, d_out.
    input_spectrum: eigenvalues ξ of Σx, where it shares the teacher's axes, in the order of the modes; whitened by
    default. Raises ShapeError where layers and widths differ or some width is smaller than the number of modes,
    DomainError for negative numbers and where a norm overflows.

    >>> w = np.array([2.0, 1.0])
    >>> segment_norms_of_modes([w, w], [2, 2, 3], input_spectrum=np.array([1.0, 10.0])).tolist()
    [[11.0, 12.0, 14.0], [0.0, 2.0, 3.0], [0.0, 0.0, 3.0]]
    """
    layers = [nonnegative("squares", w) for w in listed("squares", squares)]
    sizes = [whole("width", n) for n in listed("widths", widths)]
    depth, given = len(layers), f"modes of shape {[w.shape for w in layers]}"
    if not depth == len(sizes) - 1 >= 1 or any(w.ndim == 0 or w.shape[-1] > min(sizes) for w in layers):
        raise ShapeError(given, f"the widths are {sizes}", "pass one layer for each, with at most as many modes as fit")
    variances = np.ones(sizes[0]) if input_spectrum is None else nonnegative("input_spectrum", input_spectrum)
    if variances.shape != (sizes[0],):
        raise ShapeError(f"input_spectrum {variances.shape}", f"x has {sizes[0]} entries", "pass one for each")
    norms = np.zeros((*layers[0].shape[:-1], depth + 1, depth + 1))
    with np.errstate(over="ignore"):  # refused below
        for a, width in enumerate(sizes):
            norms[..., a, a] = width if a else variances.sum()
            segment: Values = variances[: layers[0].shape[-1]] if a == 0 else np.float64(1)
            for b in range(a, depth):
                segment = segment * layers[b]
                norms[..., a, b + 1] = segment.sum(axis=-1)
    return refuse_overflow("a norm", lambda: norms)


def deep_increase(norms: Float[np.ndarray, "*#b sites sites"], gammas: Real[np.ndarray, "*#b layers"]) -> Values:
    """Cost of weight noise at depth L, `½ Σ_b K_0b γ_b² y_b`, `y_b = K_b,L+1 + Σ_{c>b} K_bc γ_c² y_c` (claim B2).

    This is `E[L(θ + noise)] − L(θ)` for independent zero-mean noise of ANY law and standard deviation γ_l on layer l;
    the teacher does not enter. `K_ab = ‖W_{b−1} … W_{a+1}‖²`. It is `½(tr(C₀Σx) − tr(fΣxfᵀ))` of the recursion
    `C_{l−1} = W_lᵀC_lW_l + γ_l² tr(C_l) I`, `C_L = I`, as a sum of non-negative terms: no cancellation at small noise.

    norms: the result of `segment_norms`.  gammas: (…, L), >= 0, layer by layer from the input; leading axes broadcast
    against those of norms, and a grid of scales needs no further products of matrices.
    Raises DomainError for negative numbers, for scales beyond 1e75 and for a result that overflows, ShapeError where L
    differs or the leading axes do not broadcast.

    >>> float(deep_increase(segment_norms([np.eye(2)] * 3), np.array([1.0, 0.0, 0.5])))
    3.5
    """
    norms, scales = nonnegative("norms", norms), nonnegative("gammas", gammas)
    given = f"norms {norms.shape}, gammas {scales.shape}"
    depth = norms.shape[-1] - 1 if norms.ndim > 1 else 0
    if depth < 1 or norms.shape[-2] != depth + 1 or scales.ndim == 0 or scales.shape[-1] != depth:
        raise ShapeError(given, "one scale per layer is needed", "let the last axis of gammas be the layers")
    try:
        np.broadcast_shapes(norms.shape[:-2], scales.shape[:-1])
    except ValueError:
        raise ShapeError(given, "the leading axes do not broadcast", "insert axes of length 1") from None
    check_range(np.zeros(()), gammas=scales)

    def rise() -> Values:
        cost: list[Values] = [np.float64(1)] * (depth + 2)  # γ_b² y_b, the output's being 1
        for b in range(depth, 0, -1):
            gamma, after = scales[..., b - 1], range(b + 1, depth + 2)
            cost[b] = sum(product(gamma, gamma, norms[..., b, c - 1], cost[c]) for c in after)
        return np.float64(0.5) * sum(product(norms[..., 0, b - 1], cost[b]) for b in range(1, depth + 1))  # B2

    return refuse_overflow("the rise of the loss", rise)


def deep_increase_at(
    weights: Sequence[np.ndarray],
    gammas: Real[np.ndarray, "*b layers"],
    input_covariance: Float[np.ndarray, "d_in d_in"] | None = None,
) -> Values:
    """`deep_increase` (claim B2) from the weight matrices W1, …, WL themselves; errors as there and in `segment_norms`.

    >>> float(deep_increase_at([np.ones((1, 2)), np.ones((2, 1))], np.array([0.0, 1.0])))
    2.0
    """
    return deep_increase(segment_norms(weights, input_covariance), gammas)
