"""`respond` and `follow`: what a simulated network does under a protocol, with standard errors."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Key

from simulations.networks import Weights, initialize, loss
from simulations.pretraining import pretrain
from theory.errors import DomainError
from theory.perturbations import Noise
from theory.protocol import Protocol, Sampling
from theory.responses import response, trajectory
from theory.written import write


def respond(protocol: Protocol, key: int | Key[Array, ""]) -> xr.Dataset:
    """The measured Response: pretrain from every seed, perturb every checkpoint `draws` times, average the losses.

    key: an integer or a `jax.random.key`. Every cell (seed, length, strength) draws independently.
    Standard errors are over draws; those over seeds follow when `theory.curve` pools the `seed` dimension.

    >>> from theory import PowerLaw, Sampling
    >>> r = respond(Protocol(PowerLaw(2), lengths=(0, 4), strengths=(0.1,), sampling=Sampling(draws=64)), key=0)
    >>> r.sensitivity.dims, bool((r.sensitivity_stderr > 0).all())
    (('seed', 'pretraining', 'strength'), True)
    """
    how = protocol.perturbation
    if not isinstance(how, Noise):
        raise DomainError(repr(how), "no simulation of it exists yet", "use perturbation=Noise()")
    cells = []
    for seed in range(protocol.sampling.seeds):
        start_key, noise_key = jax.random.split(jax.random.fold_in(_key(key), seed))
        start, teacher = initialize(protocol, start_key)
        checkpoints = pretrain(start, teacher, protocol.lengths, protocol.pretraining)
        scales = jnp.outer(jnp.asarray(protocol.strengths), jnp.asarray(how.per_layer(2)))
        base, mean, stderr = _perturb(checkpoints, teacher, scales, noise_key, protocol.sampling)
        cells.append((base, mean, stderr))
    base, rise, stderr = map(np.stack, zip(*cells, strict=True))
    one, both = ("seed", "pretraining"), ("seed", "pretraining", "strength")
    return response(
        {
            "before": (one, base),
            "before_stderr": (one, np.zeros_like(base)),
            "after": (both, base[..., None] + rise),
            "after_stderr": (both, stderr),
            "sensitivity": (both, rise),
            "sensitivity_stderr": (both, stderr),
        },
        {
            "seed": np.arange(protocol.sampling.seeds),
            "pretraining": list(protocol.lengths),
            "strength": list(protocol.strengths),
        },
        method="simulation",
        source=_sampled(protocol.sampling),
        perturbation="Gaussian noise on every weight",
        strength_name="noise scale γ",
        model=_describe(protocol),
        extra={"protocol": write(protocol), "key": _recorded(key)},
    )


def follow(protocol: Protocol, key: int | Key[Array, ""]) -> xr.Dataset:
    """The measured Trajectory: singular values of W2 W1, loss, squared weight norm and imbalance, per seed.

    `imbalance` is ‖W2ᵀW2 − W1W1ᵀ‖_F, which gradient flow conserves (claim A1).
    """
    rows: list[dict[str, np.ndarray]] = []
    for seed in range(protocol.sampling.seeds):
        start, teacher = initialize(protocol, jax.random.split(jax.random.fold_in(_key(key), seed))[0])
        checkpoints = pretrain(start, teacher, protocol.lengths, protocol.pretraining)
        rows.append({name: np.asarray(values) for name, values in _observe(checkpoints, teacher).items()})
    stacked = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    axes = ("seed", "pretraining")
    return trajectory(
        {name: (axes + (("mode",) if values.ndim == 3 else ()), values) for name, values in stacked.items()},
        {
            "seed": np.arange(protocol.sampling.seeds),
            "pretraining": list(protocol.lengths),
            "mode": np.arange(1, stacked["singular_value"].shape[2] + 1),
        },
        method="simulation",
        source=f"{protocol.sampling.seeds} start(s)",
        model=_describe(protocol),
        extra={"protocol": write(protocol), "key": _recorded(key)},
    )


@partial(jax.jit, static_argnames="sampling")
def _perturb(
    checkpoints: Weights, teacher: Array, scales: Float[Array, "strength 2"], key: Array, sampling: Sampling
) -> tuple[Float[Array, " length"], Float[Array, "length strength"], Float[Array, "length strength"]]:
    """Loss before, and mean rise with its standard error, for every checkpoint and noise scale."""
    draws, signs = sampling.draws, (1, -1) if sampling.antithetic else (1,)

    def one_draw(key: Array, weights: Weights, scale: Float[Array, " 2"]) -> Float[Array, ""]:
        keys = jax.random.split(key)
        noise = [s * jax.random.normal(k, w.shape) for w, s, k in zip(weights, scale, keys, strict=True)]
        noisy = [Weights(*(w + sign * n for w, n in zip(weights, noise, strict=True))) for sign in signs]
        return sum(loss(w, teacher) for w in noisy) / len(signs) - loss(weights, teacher)

    def cell(key: Array, weights: Weights, scale: Array) -> tuple[Array, Array]:
        rises = jax.vmap(one_draw, (0, None, None))(jax.random.split(key, draws), weights, scale)
        return rises.mean(), rises.std(ddof=1) / jnp.sqrt(1.0 * draws)

    def row(indexed: tuple[Array, Weights]) -> tuple[Array, Array, Array]:
        index, weights = indexed
        keys = [jax.random.fold_in(jax.random.fold_in(key, index), j) for j in range(scales.shape[0])]
        return loss(weights, teacher), *jax.lax.map(lambda x: cell(x[0], weights, x[1]), (jnp.stack(keys), scales))

    # one checkpoint and strength at a time: memory stays at draws × weights, whatever the grid
    return jax.lax.map(row, (jnp.arange(checkpoints.w1.shape[0]), checkpoints))


@jax.jit
def _observe(checkpoints: Weights, teacher: Array) -> dict[str, Array]:
    w1, w2 = checkpoints
    difference = jnp.swapaxes(w2, -1, -2) @ w2 - w1 @ jnp.swapaxes(w1, -1, -2)
    return {
        "singular_value": jnp.linalg.svd(w2 @ w1, compute_uv=False)[:, : w1.shape[1]],
        "loss": jax.vmap(loss, (0, None))(checkpoints, teacher),
        "weight_norm": jnp.sum(w1**2, (1, 2)) + jnp.sum(w2**2, (1, 2)),
        "imbalance": jnp.sqrt(jnp.sum(difference**2, (1, 2))),
    }


def _key(key: int | Key[Array, ""]) -> Key[Array, ""]:
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return key
    if isinstance(key, bool) or not isinstance(key, int | np.integer) or not 0 <= key < 2**63:
        raise DomainError(f"key = {key!r}", "a seed is a whole number from 0 to 2⁶³ − 1", "pass an int, or a jax key")
    return jax.random.key(int(key))


def _recorded(key: int | Key[Array, ""]) -> str:
    return str(key) if isinstance(key, int | np.integer) else str(jax.random.key_data(key).tolist())


def _sampled(sampling: Sampling) -> str:
    pairs = " pairs of opposite draws" if sampling.antithetic else " draws"
    return f"{sampling.draws:,}{pairs}" + (f" at each of {sampling.seeds} starts" if sampling.seeds > 1 else "")


def _describe(protocol: Protocol) -> str:
    n = protocol.network
    return f"two-layer linear {n.d_in}→{n.h}→{n.d_out}, {protocol.start}, {protocol.pretraining}"
