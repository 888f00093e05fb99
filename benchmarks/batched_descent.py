"""Gradient descent on many small linear networks at once, with different starts, teachers and learning rates.

The laboratory does not use it: it trains with plain descent on whitened populations alone, and at widths of 8 and more
the compiled batches of a sweep take at most half as long again (measured: 1.5 times at 8, 1.3 at 16, 1.1 at 32).

A step of one small network costs the processor less than the call that starts it, so that runs go in chunks through
one compiled program, each thread a chunk at a time. The run is the first axis and the matrices lie row after row; two
habits of XLA on processors shape the step (measured with jaxlib 0.10: together they are worth a factor of 2). A
product with a transposed left factor is 2.5 times as slow as one with a transposed right factor, so that `Wᵀ` is
written out before it multiplies; and a lone elementwise subtraction is 4 times as slow as one fused with a
multiplication, which learning rate and weight decay provide.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate, pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from overtraining.setting.arrays import Numbers, Sequenced
from overtraining.setting.domain import finite, nonnegative, positive, whole
from overtraining.setting.errors import DomainError, ShapeError

Stack = Float[Array | np.ndarray, "..."]  # (runs, out, in); what is not is refused by name and not by a type checker
Checkpoints = Float[np.ndarray, "runs checkpoint _ _"]

CACHED = 2**19  # bytes of a chunk, well within the second-level cache of one core (1 or 2 MiB today)


def descend(
    starts: Sequence[Stack],
    teachers: Stack,
    learning_rates: Numbers,
    steps: Sequenced,
    *,
    chunk: int,
    weight_decay: Numbers = 0.0,
    threads: int = 1,
) -> tuple[tuple[Checkpoints, ...], Bool[np.ndarray, " runs"]]:
    """Full-batch gradient descent of every run, `W_l ← (1 − ημ) W_l − η ∂L/∂W_l`, and which runs stayed finite.

    The loss is `L = ½‖W_L … W_1 − A‖²_F` (whitened inputs), all layers are stepped from the same point.

    starts: (W_1, …, W_L), each (runs, out, in), of any depth >= 1.  teachers: A, (runs, d_out, d_in).
    learning_rates: η > 0 and weight_decay: μ >= 0, one for each run or one for all.
    steps: after how many steps to keep the weights, increasing whole numbers from 0 on, the same for all runs.
    chunk: how many runs go through the program together. A run's bits depend on its own numbers and on this one, not on
    its neighbours, on how many runs there are, or on `threads`; `cached_chunk` suggests one.
    threads: how many chunks are under way at the same time.
    Returns the layers' weights, each (runs, checkpoint, out, in). A run that diverges is marked in the second result
    and not refused, since it would take the others with it; its weights are infinite or NaN.
    Raises ShapeError where shapes do not fit, DomainError for numbers outside the domain.

    >>> w = np.full((2, 1, 1), 0.5)
    >>> (w1, w2), well = descend((w, w), np.ones((2, 1, 1)), [0.1, 100.0], (0, 1, 500), chunk=2)
    >>> w1[0].ravel().round(4).tolist(), well.tolist()
    ([0.5, 0.5375, 1.0], [True, False])
    """
    weights, teachers = _fitting(starts, teachers)
    runs, chunk = len(teachers), whole("chunk", chunk)
    rates = _one_each("learning_rates", positive("learning_rates", learning_rates), runs)
    keep = 1 - rates * _one_each("weight_decay", nonnegative("weight_decay", weight_decay), runs)
    gaps = np.diff(_increasing(steps), prepend=0)

    def run(first: int) -> list[np.ndarray]:
        # the last chunk is filled up with the last run: as large as the others, it needs no program of its own
        mine = np.minimum(np.arange(first, first + chunk), runs - 1)
        made = _descend(tuple(w[mine] for w in weights), teachers[mine], rates[mine], keep[mine], gaps)
        return [np.asarray(w)[: runs - first] for w in made]

    with ThreadPoolExecutor(whole("threads", threads)) as pool:
        chunks = list(pool.map(run, range(0, runs, chunk)))
    layers = tuple(map(np.concatenate, zip(*chunks, strict=True)))
    well = np.all([np.isfinite(w[:, -1]).all((1, 2)) for w in layers], axis=0)  # what is infinite stays so
    return layers, well


def cached_chunk(*shapes: tuple[int, int]) -> int:
    """A chunk for layers of these (out, in) shapes whose weights, gradients and products fit into a core's cache, but
    two runs at least: one alone is multiplied by another, slower routine.

    It depends on nothing but the shapes, so that a recipe that uses it has the same bits on every number of cores.

    >>> cached_chunk((8, 8), (8, 8)), cached_chunk((512, 512), (512, 512))
    (170, 2)
    """
    numbers = 3 * sum(out * into for out, into in shapes)  # weights; gradients; partial products, teacher, error
    return max(2, CACHED // (8 * numbers))


@jax.jit
def _descend(
    weights: tuple[Array, ...],
    teachers: Float[Array, "runs d_out d_in"],
    rates: Float[Array, " runs"],
    keep: Float[Array, " runs"],
    gaps: Int[Array, " checkpoint"],
) -> tuple[Float[Array, "runs checkpoint _ _"], ...]:
    once = partial(_step, teachers=teachers, rates=rates[:, None, None], keep=keep[:, None, None])

    def checkpoint(weights: tuple[Array, ...], gap: Array) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        # two steps at a time: XLA copies the weights once in every turn of a loop
        weights = jax.lax.fori_loop(0, gap // 2, lambda _, w: once(once(w)), weights)
        weights = jax.lax.fori_loop(0, gap % 2, lambda _, w: once(w), weights)
        return weights, weights

    _, kept = jax.lax.scan(checkpoint, weights, gaps)
    return tuple(jnp.swapaxes(w, 0, 1) for w in kept)


def _step(
    weights: tuple[Array, ...], teachers: Array, rates: Float[Array, "runs 1 1"], keep: Float[Array, "runs 1 1"]
) -> tuple[Array, ...]:
    """One step of every run: products from below, then the error from above, layer by layer."""
    below = list(accumulate(weights, lambda product, w: w @ product))  # W_l … W_1
    error = rates * (below.pop() - teachers)  # η ∂L/∂(W_L … W_l), from l = L + 1 down
    stepped = []
    for w, product in zip(weights[:0:-1], reversed(below), strict=True):
        stepped.append(keep * w - error @ _t(product))
        error = jax.lax.optimization_barrier(_t(w)) @ error
    return (keep * weights[0] - error, *reversed(stepped))


def _t(x: Array) -> Array:
    return jnp.swapaxes(x, 1, 2)


def _fitting(starts: Sequence[Stack], teachers: Stack) -> tuple[list[np.ndarray], np.ndarray]:
    weights, teachers = [finite(f"starts[{l}]", w) for l, w in enumerate(starts)], finite("teachers", teachers)
    shapes = [x.shape for x in (*weights, teachers)]
    if len(shapes) < 2 or any(len(s) != 3 or math.prod(s) == 0 for s in shapes):
        raise ShapeError(f"{shapes}", "these are no stacks of matrices", "pass (runs, out, in) for all, at least one")
    ends = (shapes[0][2], shapes[-2][1]) == (shapes[-1][2], shapes[-1][1])
    if not ends or any(above[2] != below[1] for below, above in pairwise(shapes[:-1])):
        raise ShapeError(f"{shapes}", "W_L … W_1 is not defined or not like A", "pass (W_1, …, W_L), input first")
    if len({s[0] for s in shapes}) > 1:
        raise ShapeError(f"{shapes}", "the numbers of runs differ", "pass one start and one teacher for each run")
    return weights, teachers


def _one_each(name: str, values: np.ndarray, runs: int) -> Float[np.ndarray, " runs"]:
    if values.shape not in ((), (runs,)):
        raise ShapeError(f"{name} of shape {values.shape}", f"there are {runs} runs", "pass one for each, or one")
    return np.broadcast_to(values, runs)


def _increasing(steps: Sequenced) -> Int[np.ndarray, " checkpoint"]:
    given = nonnegative("steps", steps)
    if given.ndim != 1 or given.size == 0:
        raise ShapeError(f"steps of shape {given.shape}", "it is a non-empty list", "pass the steps in a list")
    if (given % 1 != 0).any() or (np.diff(given) <= 0).any():
        raise DomainError("steps", "they are not increasing whole numbers", "pass sorted(set(steps))")
    return given.astype(np.int64)
