"""The Hessian of a loss by differentiation: its trace and its largest eigenvalue, exact or estimated."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.experimental.sparse.linalg import lobpcg_standard
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key

from overtraining.simulations.networks import Layers

WRITTEN_OUT = 256  # parameters up to which the whole Hessian is computed
ROWS = 16  # of it at a time: what they need of a group of examples then fits a processor's cache
PROBES = 64  # random vectors for the trace of a larger one
BLOCK = 4  # vectors that seek the largest eigenvalue of a larger one together, so that near-equal ones do not hinder
MOST_ITERATIONS = 200
RESIDUAL = 1e-5  # of the largest eigenvalue, at which its search ends; the eigenvalue's own error is of second order

CurvatureEstimates = dict[str, Array]
GroupLoss = Callable[[Layers, Array], Array]
"""The mean loss over one group of examples, a function of the layers and of the group's number."""


def estimate_curvature(loss: GroupLoss, groups: int, layers: Layers, key: Key[Array, ""]) -> CurvatureEstimates:
    """`hessian_trace` and `sharpness` (largest eigenvalue), with `_stderr` where something is estimated.

    loss: over one group of examples; the loss whose Hessian is meant is the mean over the groups.
    Up to 256 parameters the whole Hessian is computed. Beyond that its trace is the mean over random signs z of zᵀHz
    (Hutchinson 1990), and the largest eigenvalue θ comes from LOBPCG (Knyazev 2001); an eigenvalue lies within the
    residual ‖Hv − θv‖ of θ, which enters the error. With several groups the errors contain their scatter.
    """
    flat, restore = ravel_pytree(layers)
    gradient = jax.grad(lambda point, group: loss(restore(point), group))
    group_numbers = jnp.arange(groups)

    def hessian_times(v: Array, group: Array) -> Array:
        return jax.jvp(lambda point: gradient(point, group), (flat,), (v,))[1]

    def mean_hessian_times(v: Array) -> Array:
        return jnp.mean(jax.lax.map(lambda group: hessian_times(v, group), group_numbers), axis=0)

    if flat.size <= WRITTEN_OUT:
        unit_vectors = jnp.eye(flat.size)

        def hessian(group: Array) -> Array:
            return jax.lax.map(lambda v: hessian_times(v, group), unit_vectors, batch_size=ROWS)

        return _whole_hessian(hessian, group_numbers)
    for_trace, for_edge = jax.random.split(key)
    probes = jax.random.rademacher(for_trace, (PROBES, flat.size), float)
    # every probe sees one group, and probes of one group are not independent numbers
    traces = jax.lax.map(lambda zg: zg[0] @ hessian_times(*zg), (probes, jnp.arange(PROBES) % groups))
    if groups > 1:
        traces = traces.reshape(-1, groups).mean(axis=0)
    begin = jax.random.normal(for_edge, (flat.size, BLOCK))
    tolerance = RESIDUAL / (20 * flat.size)  # as lobpcg_standard defines it
    values, vectors, _ = lobpcg_standard(jax.vmap(mean_hessian_times, 1, 1), begin, m=MOST_ITERATIONS, tol=tolerance)
    edge, top = values[0], vectors[:, 0]
    residual = jnp.linalg.norm(mean_hessian_times(top) - edge * top)
    scatter = stderr(jax.lax.map(lambda group: top @ hessian_times(top, group), group_numbers))
    return {
        "hessian_trace": traces.mean(),
        "hessian_trace_stderr": stderr(traces),
        "sharpness": edge,
        "sharpness_stderr": jnp.hypot(residual, scatter),
    }


def _whole_hessian(hessian: Callable[[Array], Array], group_numbers: Array) -> CurvatureEstimates:
    each = jax.lax.map(hessian, group_numbers)
    values, vectors = jnp.linalg.eigh(each.mean(axis=0))
    top = vectors[:, -1]
    by_group = {"hessian_trace": jnp.trace(each, axis1=1, axis2=2), "sharpness": top @ each @ top}
    exact = {"hessian_trace": by_group["hessian_trace"].mean(), "sharpness": values[-1]}
    if group_numbers.size == 1:
        return exact
    return exact | {f"{name}_stderr": stderr(values) for name, values in by_group.items()}


def stderr(sample: Float[Array, " n"]) -> Float[Array, ""]:
    """Standard error of the mean of independent numbers; 0 for a single one, which is taken as exact.

    >>> float(stderr(jnp.array([1.0, 3.0]))), float(stderr(jnp.array([2.0])))
    (1.0, 0.0)
    """
    if sample.size == 1:
        return jnp.zeros(())
    return sample.std(ddof=1) / jnp.sqrt(1.0 * sample.size)
