"""All eigenvalues of the Hessian of the loss, and how fast its trace grows along gradient flow, by differentiation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from overtraining.setting.errors import DomainError
from overtraining.setting.protocol import Protocol
from overtraining.simulations.compilation import ONCE, compiled
from overtraining.simulations.curvature import WRITTEN_OUT
from overtraining.simulations.data import LearningProblem, population_loss
from overtraining.simulations.double_precision import in_double_precision
from overtraining.simulations.measurements import RandomKey, pretrain
from overtraining.simulations.networks import Layers
from overtraining.simulations.training_plan import plan_training


@in_double_precision
def hessian_eigenvalues(protocol: Protocol, key: RandomKey) -> Float[np.ndarray, "length parameters"]:
    """All eigenvalues at every length, in increasing order.

    Linear networks without biases, of at most `curvature.WRITTEN_OUT` weights; raises DomainError for others.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> hessian_eigenvalues(Protocol(PowerLaw(1), (50.0,), (0.0,)), key=0).round(6).tolist()
    [[0.0, 2.0]]
    """
    problem, checkpoints = _run(protocol, key)
    return np.asarray(_eigenvalues(problem, checkpoints))


@in_double_precision
def trace_rate(protocol: Protocol, key: RandomKey) -> Float[np.ndarray, " length"]:
    """`d/dt tr H` along gradient flow at every length: the derivative of the trace in the direction `−∇L`.

    Domain and errors as in `hessian_eigenvalues`.

    >>> from overtraining.setting.starts import Aligned
    >>> from overtraining.setting.teachers import PowerLaw
    >>> trace_rate(Protocol(PowerLaw(1), (0.0,), (0.0,), start=Aligned(0.5)), key=0).round(6).tolist()
    [1.0]
    """
    problem, checkpoints = _run(protocol, key)
    return np.asarray(_trace_rates(problem, checkpoints))


@compiled(ONCE)
def _eigenvalues(problem: LearningProblem, checkpoints: Layers) -> Array:
    return jax.lax.map(lambda layers: jnp.linalg.eigvalsh(_hessian(layers, problem)), checkpoints)


@compiled(ONCE)
def _trace_rates(problem: LearningProblem, checkpoints: Layers) -> Array:
    def rate(layers: Layers) -> Array:
        velocity = jax.tree.map(jnp.negative, jax.grad(population_loss)(layers, problem))
        return jax.jvp(lambda point: jnp.trace(_hessian(point, problem)), (layers,), (velocity,))[1]

    return jax.lax.map(rate, checkpoints)


def _run(protocol: Protocol, key: RandomKey) -> tuple[LearningProblem, Layers]:
    plan, numbers = plan_training(protocol)
    size = sum(rows * columns for rows, columns in plan.network.shapes)
    if plan.network.activation != "linear" or plan.network.bias or size > WRITTEN_OUT:
        raise DomainError(
            repr(plan.network),
            f"the whole Hessian is that of a linear network without biases, of at most {WRITTEN_OUT} weights",
            "use a smaller one, or simulations.follow for its trace and largest eigenvalue",
        )
    return numbers.problem, pretrain(protocol, key)


def _hessian(layers: Layers, problem: LearningProblem) -> Float[Array, "parameters parameters"]:
    flat, restore = ravel_pytree(layers)
    gradient = jax.grad(lambda point: population_loss(restore(point), problem))
    hessian_times = partial(jax.jvp, gradient, (flat,))
    return jax.vmap(lambda v: hessian_times((v,))[1])(jnp.eye(flat.size))
