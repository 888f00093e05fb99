"""Perturbations: variances of the laws, units of the conventions, and rounding and pruning against NumPy."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from overtraining.setting.errors import DomainError
from overtraining.setting.perturbations import Noise, Pruning, Quantization, bits
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import SmallGaussian
from overtraining.setting.teachers import PowerLaw, teacher_matrix
from overtraining.setting.training import GradientDescent
from overtraining.simulations.measurements import initialize, pretrain, respond
from overtraining.simulations.networks import Layer
from overtraining.simulations.perturbations import (
    noise_sizes,
    prune_weights,
    round_weights,
    sample_noise,
    sample_offsets,
)

LAYERS = tuple(Layer(jnp.array(w)) for w in ([[1.0, -3.0]], [[2.0], [0.5]]))
START = tuple(Layer(jnp.array(w)) for w in ([[0.1, 0.7]], [[0.3], [-0.4]]))
THREE = Protocol(
    PowerLaw(3),
    (0.0, 4.0),
    (0.0, 0.3, 1.0),
    Network(5, 3, 4, depth=3),
    SmallGaussian(0.4),
    GradientDescent(0.1),
    sampling=Sampling(2000, 2),
)
FLAT = replace(THREE, network=Network(5, 3, 4, depth=1), strengths=(0.3,), sampling=Sampling(4000, antithetic=True))
rounded, pruned = (jax.jit(function, static_argnames="per") for function in (round_weights, prune_weights))
KURTOSIS = {"gaussian": 3.0, "uniform": 1.8, "sign": 1.0}


@pytest.mark.parametrize("law", KURTOSIS)
def test_laws_have_their_moments(law: str) -> None:
    wide = (Layer(jnp.zeros((400, 500))),)
    draw = sample_noise(wide, Noise(law=law), [jnp.asarray(0.5)], jax.random.key(0))[0]
    z = np.asarray(draw) / 0.5
    n = z.size
    for power, moment in ((1, 0.0), (2, 1.0), (3, 0.0), (4, KURTOSIS[law])):
        assert abs((z**power).mean() - moment) <= 4 * (z**power).std() / np.sqrt(n) + 1e-12
    assert abs((z[:, 1:] * z[:, :-1]).mean()) < 4 / np.sqrt(n)


@pytest.mark.parametrize(
    ("convention", "first", "second"),
    [
        ("absolute", [[1.0, 1.0]], [[1.0], [1.0]]),
        ("initialization", [[0.5, 0.5]], [[0.125**0.5], [0.125**0.5]]),
        ("relative", [[5**0.5, 5**0.5]], [[2.125**0.5], [2.125**0.5]]),
        ("multiplicative", [[1.0, 3.0]], [[2.0], [0.5]]),
    ],
)
def test_conventions_have_their_unit(convention: str, first: list, second: list) -> None:
    sizes = noise_sizes(LAYERS, START, Noise(convention=convention), jnp.array([0.1, 0.2]))
    for size, scale, unit in zip(sizes, (0.1, 0.2), (first, second), strict=True):
        np.testing.assert_allclose(np.broadcast_to(size, np.shape(unit)), scale * np.array(unit), rtol=1e-15)


def test_layers_draw_independently() -> None:
    square = (Layer(jnp.zeros((60, 60))),) * 3
    draws = sample_noise(square, Noise(), [jnp.ones(())] * 3, jax.random.key(1))
    correlation = np.corrcoef([np.ravel(d) for d in draws])
    assert np.abs(correlation[np.triu_indices(3, 1)]).max() < 4 / 60


@pytest.mark.parametrize(
    ("law", "convention"),
    [("gaussian", "initialization"), ("uniform", "relative"), ("sign", "multiplicative"), ("sign", "absolute")],
)
def test_the_mean_rise(law: str, convention: str) -> None:
    """A depth-1 network shows the unit in the loss: the rise is ½ Σ (variances), whatever the law."""
    protocol = replace(FLAT, perturbation=Noise((2.0,), law, convention))
    seen = respond(protocol, 3).isel(seed=0, strength=0)
    then, now = np.asarray(initialize(protocol, 3)[0].weight), np.asarray(pretrain(protocol, 3)[0].weight)
    for i in range(2):
        size = {
            "absolute": 1.0,
            "initialization": (then**2).mean(),
            "relative": (now[i] ** 2).mean(),
            "multiplicative": (now[i] ** 2).mean(),
        }[convention]
        error = float(seen.sensitivity_stderr[i])
        expected = 0.6**2 * size * now[i].size / 2
        assert abs(float(seen.sensitivity[i]) - expected) < 4 * error + 1e-12 * expected
        if (law, convention) == ("sign", "absolute"):
            assert error < 1e-12 * expected  # one layer: its rise is ½‖noise‖² + an odd part, which pairs cancel


@pytest.mark.parametrize("per", ["tensor", "row", None])
@pytest.mark.parametrize("strength", [bits(2), bits(3), bits(8), 0.4, 0.0])
def test_rounding(per: str | None, strength: float) -> None:
    w = np.random.default_rng(0).normal(size=(4, 6))
    w[2] = 0.0
    largest = {"tensor": np.abs(w).max(), "row": np.abs(w).max(axis=1, keepdims=True), None: 1.0}[per]
    step = np.broadcast_to(strength * largest, w.shape)
    got = np.asarray(rounded(w, strength, per=per))
    if strength == 0:
        assert (got == w).all()
        return
    with np.errstate(invalid="ignore"):
        multiple = np.where(step > 0, got / step, 0)
    np.testing.assert_allclose(multiple, np.rint(multiple), atol=1e-12)
    assert (np.abs(got - w) <= step / 2 * (1 + 1e-12)).all()
    if strength in (bits(2), bits(3), bits(8)) and per is not None:
        np.testing.assert_allclose(np.abs(got).max(), np.abs(w).max(), rtol=1e-15)  # absmax keeps the largest


@pytest.mark.parametrize("per", ["tensor", "row", None])
def test_the_errors_of_dither_are_uniform_whatever_the_weight(per: str | None) -> None:
    """Mean 0, variance step²/12, fourth moment step⁴/80; on the grid before the offset is subtracted again."""
    w = np.array([[3.0, 0.0, 0.0, 0.01], [0.2, -0.5, 1.0, 0.0]])
    step = np.broadcast_to(0.3 * {"tensor": 3.0, "row": np.array([[3.0], [1.0]]), None: 1.0}[per], w.shape)
    keys = jax.random.split(jax.random.key(2), 20_000)
    offsets = jax.vmap(lambda key: sample_offsets((Layer(jnp.asarray(w)),), key)[0])(keys)
    rounded_at = jax.vmap(lambda offset: round_weights(jnp.asarray(w), jnp.asarray(0.3), per, offset))
    shifted = np.asarray(rounded_at(offsets))
    multiples = shifted / step + np.asarray(offsets)
    np.testing.assert_allclose(multiples, np.rint(multiples), atol=1e-12)
    error = (shifted - w) / step
    assert np.abs(error).max() <= 0.5 * (1 + 1e-12)
    for power, moment in ((1, 0.0), (2, 1 / 12), (4, 1 / 80)):
        off = (error**power).mean(axis=0) - moment
        assert (np.abs(off) < 4.5 * (error**power).std(axis=0) / len(keys) ** 0.5).all()


@pytest.mark.parametrize("per", ["tensor", None])
def test_the_mean_rise_under_dither(per: str | None) -> None:
    """Of one layer `½ step²/12` for each weight; draws with opposite signs are refused."""
    protocol = replace(FLAT, perturbation=Quantization(per, "dithered"), sampling=Sampling(2000))
    seen, w = respond(protocol, 3).isel(seed=0, strength=0), np.asarray(pretrain(protocol, 3)[0].weight)
    assert seen.attrs["source"] == "2,000 draws"
    assert seen.attrs["perturbation"] == "dithered rounding"
    for i in range(2):
        step = 0.3 * (np.abs(w[i]).max() if per else 1.0)
        error = float(seen.sensitivity_stderr[i])
        assert abs(float(seen.sensitivity[i]) - step**2 / 24 * w[i].size) < 4 * error
        assert error > 0
    with pytest.raises(DomainError, match="it is not random with a sign"):
        respond(replace(protocol, sampling=Sampling(8, antithetic=True)), 0)


def test_rounding_at_its_edges() -> None:
    w = np.array([[0.5, -0.5, 1.5, 2.5, 1e300, 5e-324]])
    np.testing.assert_array_equal(rounded(w, 1.0, per=None), [[0.0, 0.0, 1.0, 2.0, 1e300, 0.0]])
    np.testing.assert_array_equal(rounded(w, 1e-310, per=None)[:, :-1], w[:, :-1])


@pytest.mark.parametrize("per", ["tensor", "row"])
@pytest.mark.parametrize("share", [0.0, 0.1, 1 / 3, 0.5, 1.0])
def test_pruning(per: str, share: float) -> None:
    w = np.random.default_rng(1).normal(size=(4, 6))
    expected = []
    for group in [w.ravel()] if per == "tensor" else w:
        kept = group.copy()
        kept[np.argsort(np.abs(kept))[: round(share * kept.size)]] = 0
        expected.append(kept)
    np.testing.assert_array_equal(pruned(w, share, per=per), np.reshape(expected, w.shape))
    equal = np.asarray(pruned(np.ones((2, 3)), share, per=per))
    assert (equal == 0).sum() == (round(share * 6) if per == "tensor" else 2 * round(share * 3))


@pytest.mark.parametrize("how", [Quantization("row"), Quantization("tensor"), Quantization(None), Pruning()])
def test_what_draws_nothing_has_no_error(how: Quantization | Pruning) -> None:
    """The loss after it is that of the compressed layers, per seed; its standard error within a seed is 0."""
    protocol = replace(THREE, perturbation=how)
    seen = respond(protocol, 0)
    assert not seen.sensitivity_stderr.values.any()
    assert not seen.sensitivity.sel(strength=0.0).values.any()
    assert "nothing random" in seen.attrs["source"]
    teacher = teacher_matrix(protocol.teacher, 4, 5)
    compress = rounded if isinstance(how, Quantization) else pruned
    for seed in range(2):
        layers = [np.asarray(layer.weight)[1] for layer in pretrain(protocol, 0, seed)]
        w1, w2, w3 = (np.asarray(compress(w, 0.3, per=how.per)) for w in layers)
        loss = ((w3 @ w2 @ w1 - teacher) ** 2).sum() / 2
        assert float(seen.after[seed, 1, 1]) == pytest.approx(loss, rel=1e-12)
    with pytest.raises(DomainError, match="it is not random with a sign"):
        respond(replace(protocol, sampling=Sampling(8, antithetic=True)), 0)


def test_overflow_is_refused() -> None:
    with pytest.raises(DomainError, match="overflows"):
        respond(replace(FLAT, strengths=(1e200,), perturbation=Noise(law="sign")), 0)
