"""Pretraining: the weights at every requested length, by gradient flow or by gradient descent."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from simulations.networks import Weights, loss
from theory.arrays import Sequenced
from theory.errors import DomainError, NotSolved
from theory.training import GradientDescent, GradientFlow, Pretraining

Number = float | Array  # a Python number outside a compiled function is an array inside it
MOST_STEPS = 200_000


def pretrain(
    start: Weights, teacher: Float[Array, "d_out d_in"], lengths: Sequenced, pretraining: Pretraining
) -> Weights:
    """Checkpoints at `lengths` (gradient-flow time, increasing), stacked along a leading axis.

    Gradient flow is integrated by Tsit5 with the protocol's relative tolerance; gradient descent reaches a length t
    after `t / learning_rate` steps, which must be a whole number.
    Raises NotSolved where the integrator needs more than 200,000 steps or descent diverges.
    """
    times = np.asarray(lengths, float)
    match pretraining:
        case GradientFlow(rtol):
            return _flow(start, teacher, times, rtol)
        case GradientDescent(learning_rate):
            return _descend(start, teacher, times, learning_rate)


def _flow(start: Weights, teacher: Array, times: np.ndarray, rtol: float) -> Weights:
    if times[-1] == 0:
        return jax.tree.map(lambda w: w[None], start)
    # The weights grow from the size of the start: an absolute tolerance must be small against that, not against 1.
    size = float(jnp.sqrt(sum(jnp.sum(w**2) for w in start) / sum(w.size for w in start)))
    solution = _integrate(start, teacher, jnp.asarray(times), rtol, 1e-3 * rtol * size)
    if solution.result != diffrax.RESULTS.successful:
        raise NotSolved(
            f"gradient flow to t = {times[-1]:g} at rtol = {rtol:g}",
            f"the integrator gave up ({solution.result})",
            "shorten the lengths; after convergence nothing happens",
        )
    return solution.ys


@jax.jit
def _integrate(start: Weights, teacher: Array, times: Array, rtol: Number, atol: Number) -> diffrax.Solution:
    return diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, weights, A: jax.tree.map(jnp.negative, jax.grad(loss)(weights, A))),
        diffrax.Tsit5(),
        t0=0.0,
        t1=times[-1],
        dt0=None,
        y0=start,
        args=teacher,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
        max_steps=MOST_STEPS,
        throw=False,
    )


def _descend(start: Weights, teacher: Array, times: np.ndarray, learning_rate: float) -> Weights:
    steps = np.rint(times / learning_rate)
    # 1e-6 of a step: the rounding of t / η for grids written in decimals; more is a length that is never reached
    if (off := np.abs(times / learning_rate - steps)).max() > 1e-6:
        t = times[int(off.argmax())]
        raise DomainError(f"length {t:g}", f"not a multiple of the step {learning_rate:g}", "round the lengths")
    gaps = np.diff(steps, prepend=0).astype(int)
    checkpoints = _steps(start, teacher, jnp.asarray(gaps), learning_rate)
    if not all(np.isfinite(np.asarray(w)).all() for w in checkpoints):
        raise NotSolved(
            f"gradient descent at learning rate {learning_rate:g}", "it diverges", "use one below 1 / (largest σ)"
        )
    return checkpoints


@jax.jit
def _steps(start: Weights, teacher: Array, gaps: Array, learning_rate: Number) -> Weights:
    optimizer = optax.sgd(learning_rate)
    gradient = jax.grad(loss)

    def step(_: Array, state: tuple[Weights, optax.OptState]) -> tuple[Weights, optax.OptState]:
        weights, memory = state
        # one gradient of both layers, then one update of both: W2 must not see the new W1
        updates, memory = optimizer.update(gradient(weights, teacher), memory)
        return optax.apply_updates(weights, updates), memory

    def checkpoint(state, gap):  # type: ignore[no-untyped-def]
        state = jax.lax.fori_loop(0, gap, step, state)
        return state, state[0]

    return jax.lax.scan(checkpoint, (start, optimizer.init(start)), gaps)[1]
