"""The rise of the loss under rounding and pruning: exact where the weights are known, else a mean over frames."""

from collections.abc import Callable
from functools import reduce

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Values
from overtraining.setting.errors import NoFormula
from overtraining.setting.perturbations import Pruning, Quantization
from overtraining.setting.resolved import ResolvedProtocol
from overtraining.setting.starts import FanIn, SmallGaussian
from overtraining.setting.weights import Weights
from overtraining.theory.learning.matrix_modes import weights_of
from overtraining.theory.products import refuse_overflow
from overtraining.theory.sensitivity.mean_rounding import mean_rounding_increase
from overtraining.theory.solvers.paths import MEASURE, Path
from overtraining.theory.solvers.solutions import white

Compression = Quantization | Pruning
Strengths = Float[np.ndarray, " strength"]
WeightStack = Float[np.ndarray, "length _ _"]  # of any layer


def compression_rise(resolved: ResolvedProtocol, compression: Compression) -> Callable[[Path], dict[str, Values]]:
    """`rise` of the loss, (length, strength), and a bound `error` on its error, as a function of the path.

    Of one layer the weights are f itself, of two layers with one hidden unit they are known up to a sign, and at length
    0 your own weights are known: the rise is exact. Else they depend on the hidden frame, which a start leaves to
    chance: the rise is its mean over Haar-random frames (B6r), for rounding to nearest with a fixed step, and white
    inputs. Dithered rounding with a fixed step is noise (B6q), for `exact.respond`.
    Raises NoFormula for other steps, pruning, other inputs and more layers.
    """
    n, strengths = resolved.protocol.network, np.array(resolved.protocol.strengths)
    if n.depth == 1:
        return lambda path: _of_known_weights(resolved, compression, *_one_layer(path), strengths)
    if isinstance(resolved.protocol.start, Weights):
        return lambda path: _of_known_weights(resolved, compression, *_own(resolved, path), strengths)
    _refuse_random_start(resolved, compression)
    if n.depth == 2 and n.h == 1:
        return lambda path: _of_known_weights(resolved, compression, *_one_unit(resolved, path), strengths)
    _refuse_without_mean(resolved, compression)
    teacher = refuse_overflow("the teacher", lambda: resolved.teacher)

    def of_two_layers(path: Path) -> dict[str, Values]:
        assert path.modes is not None
        found = np.zeros((path.loss.size, strengths.size, 2))
        for i, modes in enumerate(path.modes()):
            layers = weights_of(modes, n.h)
            for j in np.flatnonzero(strengths):  # a step of 0 changes nothing
                mean = mean_rounding_increase(*layers, teacher, strengths[j], strengths[j])
                found[i, j] = mean.rise, mean.bound
        rise, error = refuse_overflow("the rise of the loss", lambda: resolved.variances[0] * np.moveaxis(found, 2, 0))
        return {"rise": rise, "error": error}

    return of_two_layers


def _refuse_random_start(resolved: ResolvedProtocol, compression: Compression) -> None:
    start = resolved.protocol.start
    if isinstance(start, SmallGaussian | FanIn):
        why = "of random starts only mean norms are known, and rounding depends on every weight"
        raise NoFormula(repr(start), why, f"use start=Aligned(epsilon){_or_dither(compression)}, or {MEASURE}")


def _refuse_without_mean(resolved: ResolvedProtocol, compression: Compression) -> None:
    n, inputs = resolved.protocol.network, resolved.protocol.inputs
    reasons = (
        (isinstance(compression, Pruning), compression, "which weights are the smallest depends on the hidden frame",
         "use depth=1 or h=1"),
        (isinstance(compression, Quantization) and compression.per is not None, compression,
         "the largest weight, which sets the step, depends on the hidden frame, and the mean step does not give the "
         "mean rise", "use per=None"),
        (n.depth > 2, compression, "beyond two layers its mean is over several hidden frames",
         "use depth=2"),
        (not resolved.isotropic, inputs, "the mean cost of rounding is for whitened inputs",
         f"use {white(inputs)}"),
    )  # fmt: skip
    for applies, given, why, instead in reasons:
        if applies:
            raise NoFormula(repr(given), why, f"{instead}{_or_dither(compression)}, or {MEASURE}")


def _or_dither(compression: Compression) -> str:
    """What has a formula wherever noise has one."""
    nearest = isinstance(compression, Quantization) and not compression.dithered
    return f", or {Quantization(None, 'dithered')!r}" if nearest else ""


def _one_layer(path: Path) -> tuple[list[WeightStack], WeightStack]:
    assert path.one_layer is not None
    weights, unlearned = path.one_layer()
    return [weights], unlearned


def _own(resolved: ResolvedProtocol, path: Path) -> tuple[list[WeightStack], WeightStack]:
    assert path.weights is not None  # others are refused by `exact.respond`
    layers = [weight[None] for weight in path.weights]
    teacher = refuse_overflow("the teacher", lambda: resolved.teacher)
    return layers, teacher - reduce(_after, layers)


def _one_unit(resolved: ResolvedProtocol, path: Path) -> tuple[list[WeightStack], WeightStack]:
    assert path.modes is not None
    w1, w2 = (np.stack(layer) for layer in zip(*(weights_of(modes, 1) for modes in path.modes()), strict=True))
    teacher = refuse_overflow("the teacher", lambda: resolved.teacher)
    return [w1, w2], teacher - w2 @ w1


def _of_known_weights(
    resolved: ResolvedProtocol,
    compression: Compression,
    layers: list[WeightStack],
    unlearned: WeightStack,
    strengths: Strengths,
) -> dict[str, Values]:
    """The exact rise."""
    covariance = refuse_overflow("Σx", lambda: resolved.input_covariance)
    f = reduce(_after, layers)

    def rise(strength: float) -> np.ndarray:
        if isinstance(compression, Quantization) and compression.dithered:
            return _under_dither(layers, [strength * _largest(w, compression) for w in layers], covariance)
        moved = reduce(_after, [_compressed(w, compression, strength) for w in layers]) - f
        return np.asarray((((moved / 2 - unlearned) @ covariance) * moved).sum(axis=(1, 2)))

    rises = refuse_overflow("the rise of the loss", lambda: np.stack([rise(x) for x in strengths], axis=1))
    return {"rise": rises, "error": np.zeros_like(rises)}


def _under_dither(layers: list[WeightStack], steps: list[np.ndarray], covariance: np.ndarray) -> np.ndarray:
    """The mean rise under errors of mean 0 and variance step²/12 (B6q): `½ tr(DΣx)`, D the sum of what they add to fᵀf.

    From the last layer back, with the P of the layers above, their errors add `WᵀDW` and this layer's the diagonal
    `Σ_o v_oi (PᵀP + D)_oo`, v the variances (B2).
    """
    above = np.eye(layers[-1].shape[1])[None]
    added = np.zeros_like(above)
    for weight, step in zip(reversed(layers), reversed(steps), strict=True):
        variance = step**2 / 12 * np.ones_like(weight)
        own = ((above + added).diagonal(axis1=1, axis2=2)[:, :, None] * variance).sum(axis=1)
        above, added = (weight.swapaxes(1, 2) @ matrix @ weight for matrix in (above, added))
        added = added + own[:, :, None] * np.eye(own.shape[1])
    return np.asarray((added * covariance).sum(axis=(1, 2)) / 2)


def _after(first: WeightStack, second: WeightStack) -> WeightStack:
    return second @ first


def _largest(weights: WeightStack, quantization: Quantization) -> np.ndarray:
    """The weight that sets the step, for every length and row."""
    axes = {"tensor": (1, 2), "row": (2,)}
    return np.abs(weights).max(axes[quantization.per], keepdims=True) if quantization.per else np.ones((1, 1, 1))


def _compressed(weights: WeightStack, compression: Compression, strength: float) -> WeightStack:
    """The weights on the grid, ties toward 0; or the smallest of them set to 0, of equal ones the first."""
    if isinstance(compression, Quantization):
        step = strength * _largest(weights, compression)
        steps = np.divide(np.abs(weights), step, out=np.full_like(weights, np.inf), where=step > 0)
        nearest = np.ceil(np.where(steps < 2.0**52, steps, 0.0) - 0.5) * step  # beyond, float64 has no halves
        return np.where(steps < 2.0**52, np.sign(weights) * nearest, weights)
    length, rows, columns = weights.shape
    groups = np.abs(weights).reshape((length, 1, rows * columns) if compression.per == "tensor" else weights.shape)
    rank = np.argsort(np.argsort(groups, axis=2, kind="stable"), axis=2)
    pruned = rank < np.round(strength * groups.shape[2])
    return np.where(pruned.reshape(weights.shape), 0.0, weights)
