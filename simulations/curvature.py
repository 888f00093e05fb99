"""The Hessian of a loss by differentiation: its trace and its largest eigenvalue, exact or estimated."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.experimental.sparse.linalg import lobpcg_standard
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key

from overtraining.simulations.networks import Layers

WRITTEN_OUT = 256  # parameters up to which the whole Hessian is computed
PROBES = 64  # random vectors for the trace of a larger one
BLOCK = 4  # vectors that seek the largest eigenvalue of a larger one together, so that near-equal ones do not hinder
MOST_ITERATIONS = 200
RESIDUAL = 1e-5  # of the largest eigenvalue, at which its search ends; the eigenvalue's own error is of second order

Estimates = dict[str, Array]


def estimate_curvature(
    loss: Callable[[Layers, Array], Array], groups: int, layers: Layers, key: Key[Array, ""]
) -> Estimates:
    """`hessian_trace` and `sharpness` (largest eigenvalue), with `_stderr` where something is estimated.

    loss: of the layers and of the number of a group of examples; the loss itself is the mean over the groups.
    Up to 256 parameters the Hessian is written out, beyond that its trace is a mean over random signs z of zᵀHz
    (Hutchinson 1990) and the largest eigenvalue θ that of LOBPCG (Knyazev 2001), whose residual ‖Hv − θv‖, within
    which an eigenvalue lies, enters the error. With several groups the errors contain their scatter.
    """
    flat, restore = ravel_pytree(layers)
    slope = jax.grad(lambda point, group: loss(restore(point), group))
    times = lambda v, group: jax.jvp(lambda point: slope(point, group), (flat,), (v,))[1]
    numbers = jnp.arange(groups)
    if flat.size <= WRITTEN_OUT:
        return _written_out(lambda group: jax.vmap(lambda v: times(v, group))(jnp.eye(flat.size)), numbers)
    for_trace, for_edge = jax.random.split(key)
    probes = jax.random.rademacher(for_trace, (PROBES, flat.size), float)
    # every probe sees one group, and probes of one group are no independent numbers
    traces = jax.lax.map(lambda zg: zg[0] @ times(*zg), (probes, jnp.arange(PROBES) % groups))
    if groups > 1:
        traces = traces.reshape(-1, groups).mean(axis=0)
    whole = lambda v: jnp.mean(jax.lax.map(lambda group: times(v, group), numbers), axis=0)
    begin, end = jax.random.normal(for_edge, (flat.size, BLOCK)), RESIDUAL / (20 * flat.size)  # as its tol is defined
    values, vectors, _ = lobpcg_standard(jax.vmap(whole, 1, 1), begin, m=MOST_ITERATIONS, tol=end)
    edge, top = values[0], vectors[:, 0]
    residual = jnp.linalg.norm(whole(top) - edge * top)
    scatter = stderr(jax.lax.map(lambda group: top @ times(top, group), numbers))
    return {
        "hessian_trace": traces.mean(),
        "hessian_trace_stderr": stderr(traces),
        "sharpness": edge,
        "sharpness_stderr": jnp.hypot(residual, scatter),
    }


def _written_out(hessian: Callable[[Array], Array], numbers: Array) -> Estimates:
    each = jax.lax.map(hessian, numbers)
    values, vectors = jnp.linalg.eigh(each.mean(axis=0))
    found = {"hessian_trace": jnp.trace(each, axis1=1, axis2=2), "sharpness": vectors[:, -1] @ each @ vectors[:, -1]}
    exact = {"hessian_trace": found["hessian_trace"].mean(), "sharpness": values[-1]}
    if numbers.size == 1:
        return exact
    return exact | {f"{name}_stderr": stderr(scatter) for name, scatter in found.items()}


def stderr(sample: Float[Array, " n"]) -> Float[Array, ""]:
    """Standard error of the mean of independent numbers; a single one is taken as exact."""
    if sample.size == 1:
        return jnp.zeros(())
    return sample.std(ddof=1) / jnp.sqrt(1.0 * sample.size)
