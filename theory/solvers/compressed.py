"""The rise of the loss under rounding and pruning: exact for one layer, the mean over hidden frames for two."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Values
from overtraining.setting.errors import NoFormula
from overtraining.setting.perturbations import Pruning, Quantization
from overtraining.setting.resolved import ResolvedProtocol
from overtraining.setting.starts import FanIn, SmallGaussian
from overtraining.theory.learning.matrix_modes import weights_of
from overtraining.theory.products import refuse_overflow
from overtraining.theory.sensitivity.mean_rounding import mean_rounding_increase
from overtraining.theory.solvers.paths import OneLayer, Path
from overtraining.theory.solvers.solutions import MEASURE

Compression = Quantization | Pruning
Strengths = Float[np.ndarray, " strength"]


def compression_rise(resolved: ResolvedProtocol, compression: Compression) -> Callable[[Path], dict[str, Values]]:
    """`rise` of the loss, (length, strength), and a bound `error` on its error, as a function of the path.

    Of one layer the weights are f itself, and the rise is exact. Of two layers they depend on the hidden frame, which
    a start leaves to chance: the rise is its mean over Haar-random frames (B6r), for a fixed step and white inputs.
    Raises NoFormula for other steps, pruning, other inputs and more layers.
    """
    n, strengths = resolved.protocol.network, np.array(resolved.protocol.strengths)
    if n.depth == 1:
        return lambda path: _of_one_layer(resolved, compression, path, strengths)
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


def _refuse_without_mean(resolved: ResolvedProtocol, compression: Compression) -> None:
    n, start, inputs = resolved.protocol.network, resolved.protocol.start, resolved.protocol.inputs
    reasons = (
        (isinstance(compression, Pruning), compression, "which weights are the smallest depends on the hidden frame",
         "use depth=1"),
        (isinstance(compression, Quantization) and compression.per is not None, compression,
         "the largest weight, which sets the step, depends on the hidden frame", "use Quantization(per=None)"),
        (n.depth > 2, compression, "beyond two layers its mean is over several hidden frames",
         "use depth=2"),
        (not resolved.isotropic, inputs, "the mean cost of rounding is for whitened inputs",
         "use spectrum=()"),
        (isinstance(start, SmallGaussian | FanIn), start, "of random starts only mean norms are known, and rounding "
         "depends on every weight", "use start=Aligned(epsilon)"),
    )  # fmt: skip
    for applies, given, why, instead in reasons:
        if applies:
            raise NoFormula(repr(given), why, f"{instead}, or {MEASURE}")


def _of_one_layer(
    resolved: ResolvedProtocol, compression: Compression, path: Path, strengths: Strengths
) -> dict[str, Values]:
    assert path.one_layer is not None
    weights, unlearned = path.one_layer()
    covariance = refuse_overflow("Σx", lambda: resolved.input_covariance)

    def rise(strength: float) -> np.ndarray:
        moved = _compressed(weights, compression, strength) - weights
        return np.asarray((((moved / 2 - unlearned) @ covariance) * moved).sum(axis=(1, 2)))

    rises = refuse_overflow("the rise of the loss", lambda: np.stack([rise(x) for x in strengths], axis=1))
    return {"rise": rises, "error": np.zeros_like(rises)}


def _compressed(weights: OneLayer, compression: Compression, strength: float) -> OneLayer:
    """The weights on the grid, ties toward 0; or the smallest of them set to 0, of equal ones the first."""
    if isinstance(compression, Quantization):
        axes = {"tensor": (1, 2), "row": (2,)}
        largest = np.abs(weights).max(axes[compression.per], keepdims=True) if compression.per else np.float64(1)
        step = strength * largest
        steps = np.divide(np.abs(weights), step, out=np.full_like(weights, np.inf), where=step > 0)
        nearest = np.ceil(np.where(steps < 2.0**52, steps, 0.0) - 0.5) * step  # beyond, float64 has no halves
        return np.where(steps < 2.0**52, np.sign(weights) * nearest, weights)
    length, rows, columns = weights.shape
    groups = np.abs(weights).reshape((length, 1, rows * columns) if compression.per == "tensor" else weights.shape)
    rank = np.argsort(np.argsort(groups, axis=2, kind="stable"), axis=2)
    pruned = rank < np.round(strength * groups.shape[2])
    return np.where(pruned.reshape(weights.shape), 0.0, weights)
