"""Chains of SGD on noisy labels against a plain loop in NumPy, pair by pair and start by start."""

import jax
import jax.numpy as jnp
import numpy as np

from overtraining.simulations.noisy_labels import chain_product, descend_on_noisy_labels

H, D_IN, D_OUT, PAIRS = 2, 4, 3, 5
RATES = np.array([0.1, 0.05, 0.02])
ENDS = np.arange(1, 4)  # every step


def start() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return (
        generator.normal(size=(H, D_IN, 2)),
        generator.normal(size=(D_OUT, H, 2)),
        generator.normal(size=(D_OUT, D_IN)),
    )


def weights_and_deviation(w1: jax.Array, w2: jax.Array, off: jax.Array) -> tuple[jax.Array, ...]:
    return w1, w2, off


def everything(noise: float, rates: np.ndarray = RATES, ends: np.ndarray = ENDS) -> tuple[np.ndarray, ...]:
    arguments = map(jnp.asarray, (*start(), rates, ends, noise))
    found = descend_on_noisy_labels(*arguments, PAIRS, jax.random.key(1), weights_and_deviation)
    return tuple(np.asarray(x) for x in found)


def test_without_noise_it_is_gradient_descent() -> None:
    w1, w2, off = everything(0.0)
    for i in range(2):
        a, b, teacher = start()[0][..., i], start()[1][..., i], start()[2]
        for step, rate in enumerate(RATES):
            rest = b @ a - teacher
            a, b = a - rate * b.T @ rest, b - rate * rest @ a.T
            np.testing.assert_allclose(w1[step, :, :, i], np.broadcast_to(a[..., None, None], (*a.shape, 2, PAIRS)))
            np.testing.assert_allclose(w2[step, :, :, i, 1, 3], b)
            np.testing.assert_allclose(off[step, :, :, i, 0, 0], b @ a - teacher)


def test_only_the_last_step_of_a_run_with_room_for_more() -> None:
    every_step, last = everything(0.3), everything(0.3, np.append(RATES, 7.0), ENDS[-1:])
    for alone, among_all in zip(last, every_step, strict=True):
        np.testing.assert_allclose(alone, among_all[-1:], rtol=1e-12, atol=1e-14)


def test_pairs_see_opposite_noise_which_starts_share() -> None:
    """A first step moves W1 by ηW2ᵀn beside the slope: solved for n, it is the same for both starts, ∓ in a pair."""
    quiet, loud = everything(0.0), everything(0.3)
    moved = (loud[0] - quiet[0])[0] / RATES[0]  # (h, d_in, start, two, pair)
    w2 = start()[1]
    np.testing.assert_allclose(moved[:, :, :, 0], -moved[:, :, :, 1], atol=1e-12)
    # both starts through their own W2: least squares for n in the span that both see
    stacked = np.concatenate([w2[..., 0].T, w2[..., 1].T])  # 2h rows ≥ d_out: n is determined
    rows = np.concatenate([moved[:, :, 0, 0], moved[:, :, 1, 0]])
    n = np.linalg.lstsq(stacked, rows.reshape(2 * H, -1), rcond=None)[0]
    np.testing.assert_allclose(stacked @ n, rows.reshape(2 * H, -1), atol=1e-12)
    assert 0.1 < n.std() < 0.6


def test_product_is_that_of_matrices() -> None:
    w1, w2, _ = start()
    found = chain_product(jnp.asarray(w2)[..., None, None], jnp.asarray(w1)[..., None, None])
    np.testing.assert_allclose(found[:, :, 1, 0, 0], w2[..., 1] @ w1[..., 1])


def test_fresh_inputs_are_batches_of_their_own_in_every_step() -> None:
    """Over many pairs: the mean gradient is that of the population, its second moment that of Gaussian inputs (D5)."""
    w1, w2, teacher = start()
    arguments = map(jnp.asarray, (w1, w2, teacher, RATES, ENDS[:1], 0.3))
    batch, pairs = 3, 40_000
    found = descend_on_noisy_labels(*arguments, pairs, jax.random.key(2), weights_and_deviation, batch)
    moved = np.asarray(found[0])[0, :, :, 0]  # W1, (h, d_in, two, pair)
    rest = w2[..., 0] @ w1[..., 0] - teacher
    gradient = (w1[..., 0][..., None, None] - moved) / RATES[0]
    mean, expected = gradient.mean((2, 3)), w2[..., 0].T @ rest
    error = gradient.mean(2).std(-1) / np.sqrt(pairs)
    assert (np.abs(mean - expected) < 5 * error).all()
    u = w2[..., 0].T  # row by row: Var(u G v) = [ν² u² + |uD|² + (uD)_v²]/B with ν² = 0.3² B
    variance = ((0.3**2 * batch * (u**2).sum(1) + ((u @ rest) ** 2).sum(1))[:, None] + (u @ rest) ** 2) / batch
    np.testing.assert_allclose(gradient.var((2, 3)), variance, rtol=0.05)
    odd = (gradient[:, :, 0] - gradient[:, :, 1]) / 2  # opposite labels, the same inputs
    np.testing.assert_allclose(odd.var(-1), np.broadcast_to(0.3**2 * (u**2).sum(1)[:, None], odd.shape[:2]), rtol=0.05)
