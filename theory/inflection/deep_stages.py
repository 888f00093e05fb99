"""C3, C5 at depth: which features lower the loss after noise on every layer, and when the last of them is learned."""

from collections.abc import Sequence

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import listed, nonnegative, whole
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.checks import check_epsilon, check_range, check_singular_value
from overtraining.theory.products import refuse_overflow
from overtraining.theory.sensitivity.deep_noise import deep_increase, segment_norms_on_path

NEWTON = 20  # from within a factor L of the root


def stage_changes(sigma: Numbers, gammas: Numbers, widths: Sequence[int]) -> Values:
    """What learning the n strongest features does to the loss after noise, n = 0 … modes, as the start goes to 0 (C3).

    `ΔP_n = Σ_{i<=n} (−½σ_i²) + D(σ_1 … σ_n) − D(0)`, where D is B2's cost, exact in the noise of every layer. The n of
    its least value is the number of features to learn. At depth 2 each feature adds `σ(c − σ/2)`; in deeper networks
    features raise each other's cost wherever a layer between two others is noisy. A feature counts as learned or
    absent: at a finite start, where close features overlap, `deep_path.loss_after_noise` is exact at every length.

    sigma: (modes,), >= 0, in falling order, learned one after another.  gammas: (L,), >= 0, from the input's layer.
    widths: d_in, h_1, …, d_out. Returns (modes + 1,), in the unit of the loss.
    Raises DomainError outside the domain, ShapeError where the shapes do not fit.
    Source: ours.

    >>> stage_changes([1.0, 0.1], gammas=[0.1] * 3, widths=[4] * 4).round(4).tolist()
    [0.0, -0.4526, -0.4528]
    """
    sigma = check_singular_value("sigma", sigma)
    if sigma.ndim != 1 or np.any(np.diff(sigma) > 0):
        raise ShapeError(f"sigma {sigma.shape}", "the features are learned strongest first", "pass them falling, 1-d")
    learned = np.tril(np.ones((sigma.size + 1, sigma.size)), -1) * sigma
    cost = np.asarray(deep_increase(segment_norms_on_path(learned, widths), nonnegative("gammas", gammas)))
    return cost - cost[0] - np.append(0.0, np.cumsum(sigma**2)) / 2  # C3


def threshold_singular_value(gammas: Numbers, widths: Sequence[int]) -> Values:
    """Singular value above which learning a feature lowers the loss after noise, for few features in wide layers (C3).

    `σ* = y^{L/2}` with `Σ_{k=1}^{L−1} e_k y^{−k} = 1`, where `e_k = Σ_{j+m=k} Π_{l<=j} γ_l² d_{l−1} Π_{l>L−m} γ_l² d_l`
    counts the noise that enters from either end and passes k layers. At depth 2 `σ* = 2c`. With `β = γ²d` in every
    layer y is 2β, 3β, 3.28β, … → (2 + √2)β for L = 2, 3, 4, … → ∞, so that σ* grows as γ^L. With noise on the two outer
    layers alone, at any L >= 3, `y = c + √(c² + γ_1²d_in γ_L²d_out)`. Terms of relative order features/width are
    neglected.

    gammas: (…, L), >= 0, L >= 2, from the input's layer.  widths: d_in, h_1, …, d_out.
    Raises DomainError outside the domain, ShapeError where the shapes do not fit.
    Source: ours.

    >>> float(threshold_singular_value([0.1] * 3, widths=[100] * 4).round(6))  # β = 1, y = 3
    5.196152
    """
    gammas = nonnegative("gammas", gammas)
    sizes = [float(whole("width", n)) for n in listed("widths", widths)]
    L = len(sizes) - 1
    if L < 2 or gammas.ndim == 0 or gammas.shape[-1] != L:
        raise ShapeError(f"gammas {gammas.shape}, {len(sizes)} widths", "L layers have L + 1 widths", "use L >= 2")
    check_range(np.zeros(()), gammas=gammas)
    unit = gammas.max(axis=-1, keepdims=True) ** 2 * max(sizes)
    noise = gammas**2 / np.where(unit > 0, unit, 1)  # in units of the noisiest layer
    one = np.ones((*gammas.shape[:-1], 1))
    rows = (noise * sizes[:-1], noise[..., ::-1] * sizes[:0:-1])
    from_input, from_output = (np.cumprod(np.concatenate([one, r[..., : L - 1]], axis=-1), axis=-1) for r in rows)
    k = np.arange(1, L)
    e = np.stack([(from_input[..., : n + 1] * from_output[..., n::-1]).sum(axis=-1) for n in k], axis=-1)
    counts = (e > 0).any(axis=-1, keepdims=True)  # not without noise, nor with noise on one inner layer alone
    with np.errstate(divide="ignore"):
        logs = np.where(counts, np.log(e), 0)
    v = (logs / k).max(axis=-1, keepdims=True)  # Σ e_k y^−k >= 1 there: left of the root in v = ln y
    for _ in range(NEWTON):  # the logarithm of the sum is convex and falls: no step goes past the root
        terms = np.exp(logs - k * v)
        total = terms.sum(axis=-1, keepdims=True)
        v = v + np.log(total) * total / (k * terms).sum(axis=-1, keepdims=True)
    y = np.where(counts, unit, 0) * np.exp(v)
    return refuse_overflow("the threshold", lambda: y[..., 0] ** (L / 2))  # C3


def deep_inflection_time(epsilon: Numbers, gammas: Numbers, widths: Sequence[int]) -> Values:
    """Length at which a feature at σ* is learned, `t* = ε^{−(1−2/L)}/((L−2)σ*)`, from three layers on (claim C5).

    The best length at which to stop, as ε → 0, for spectra with singular values near σ*, `threshold_singular_value`;
    otherwise the length at which the weakest feature above σ* is learned. As σ* ∝ γ^L the inflection comes earlier as
    `γ^{−L}`, where two layers have `ln(1/ε)/γ²`; relative corrections are of order `(ε/σ*)^{1−2/L}`, not of order
    1/ln(1/ε).

    epsilon: start > 0, below σ*.  gammas, widths: as in `threshold_singular_value`. Gradient-flow time.
    Raises DomainError, also at depth 2, for which there is `scaling.dense_inflection_time`; ShapeError.
    Source: ours.

    >>> float(deep_inflection_time(1e-9, gammas=[0.01] * 3, widths=[100] * 4).round(2))
    192450.09
    """
    threshold = threshold_singular_value(gammas, widths)
    epsilon = check_epsilon(epsilon)
    L = len(widths) - 1
    if L == 2:
        raise DomainError("depth 2", "its delay is logarithmic in the start", "use dense_inflection_time")
    if np.any(epsilon >= threshold):
        raise DomainError("epsilon", "the features at σ* start learned", "use a smaller one")
    return epsilon ** (2 / L - 1) / ((L - 2) * threshold)  # C5
