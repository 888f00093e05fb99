"""A8: means over small Gaussian starts, against mpmath, against the flow of whole matrices, and its law of ε."""

import mpmath
import numpy as np
import pytest
from scipy import stats

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.learning.random_start import mean_mode, start_error, start_variance
from tests.gaussian_flow import flowed


def truth(which, t, sigma, v, k, mu):
    """The mean of one quantity over `ε = v χ²_k`, by mpmath's quadrature in ε itself, from its density."""

    def density(x):
        return x ** (k / 2 - 1) * mpmath.exp(-x / 2) / (2 ** (k / 2) * mpmath.gamma(k / 2))

    def quantity(x):
        kappa, e = sigma - mu, v * x
        s = kappa / (1 + (kappa / e - 1) * mpmath.exp(-2 * kappa * t)) if kappa else e / (1 + 2 * e * t)
        return (s, s**2, (sigma - s) ** 2, s * x / k)[which]

    breaks = [0, *(mpmath.mpf(10) ** n for n in range(-30, 2)), 30, 100, 200, 400]
    return mpmath.quad(lambda x: density(x) * quantity(x), breaks)


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("k", [1, 2, 5, 30])
def test_means(which, k):
    """Before, while and after the mode is learned, with weight decay below, at and above σ."""
    points = [(0.0, 2.0, 1e-4, 0.0), (2.0, 2.0, 1e-4, 0.0), (6.0, 2.0, 1e-4, 0.0), (3.0, 0.5, 0.1, 0.2)]
    points += [(2.0, 0.5, 0.1, 0.5), (2.0, 0.5, 0.1, 1.5)]
    for t, sigma, v, mu in points:
        found = float(mean_mode(t, sigma, v, k, mu)[which])
        with mpmath.workdps(30):
            exact = truth(which, *map(mpmath.mpf, (t, sigma, v, k, mu)))
        assert abs(found - exact) <= 1e-12 * (sigma if which in (0, 3) else sigma**2)


def measured_flow(*setup, **options):
    """Losses, ‖f‖_* and both layers' squared norms along the flow, (time, quantity, start)."""
    began, frames, teacher, path = flowed(*setup, **options)
    measured = []
    for w1, w2 in path:
        f = w2 @ w1
        nuclear = np.linalg.svd(f, compute_uv=False).sum(1)
        measured.append((((f - teacher) ** 2).sum((1, 2)) / 2, nuclear, (w1**2).sum((1, 2)), (w2**2).sum((1, 2))))
    return began, frames, np.array(measured)


def paired(began, frames, sigma, times, decay=0.0):
    """The same in the limit, from each start's own `ε`: the squared diagonal of R, `Z = QR`, and the modes from it."""
    (w1, w2), (left, right) = began, frames
    grows = (w1 @ right + w2.mT @ left) / 2
    epsilon = np.diagonal(np.linalg.qr(grows, mode="r"), axis1=1, axis2=2) ** 2
    kappa = (sigma - decay)[: epsilon.shape[1]]
    s = kappa / (1 + (kappa / epsilon - 1) * np.exp(-2 * kappa * np.array(times)[:, None, None]))
    missed = np.pad(s, ((0, 0), (0, 0), (0, len(sigma) - s.shape[2])))
    return ((sigma - missed) ** 2).sum(2) / 2, s.sum(2), epsilon


NETWORKS = [
    ((1.0, 0.5), 4, 3, 3, 1.0, 0.5, 0.0),
    ((1.0, 0.5), 2, 3, 2, 1.0, 1.0, 0.0),
    ((1.0, 0.6, 0.3), 2, 4, 3, 0.3, 1.0, 0.0),
    ((1.2, 0.7), 3, 5, 2, 1.0, 1.0, 0.1),
]


@pytest.mark.parametrize("network", NETWORKS)
def test_the_mean_over_starts_is_that_of_the_flow(network):
    """The engine's mean loss and `E Σs` within the estimated error of the flow's, the noise of starts subtracted."""
    sigma, h, d_in, d_out, first, second, decay = network
    sigma, std = np.array(sigma), 3e-3
    std_in, std_out = std * first, std * second
    times = np.linspace(0, 1.5, 11) * np.log(1 / std) / (sigma[min(h, sigma.size) - 1] - decay)
    began, frames, measured = measured_flow(std_in, std_out, sigma, h, d_in, d_out, times, 1500, 7, decay, 0.05)
    loss, learned, epsilon = paired(began, frames, sigma, times, decay)
    estimate = start_error(sigma, d_in=d_in, h=h, d_out=d_out, std_in=std_in, std_out=std_out, weight_decay=decay)
    assert estimate < 0.1
    assert np.abs((measured[:, 0] - loss).mean(1)).max() < estimate * (sigma**2).sum() / 2
    for weights in (1, 2, 3):
        assert np.abs((measured[:, weights] - learned).mean(1)).max() < estimate * (sigma - decay).sum()

    k = h - np.arange(min(h, sigma.size))
    means = mean_mode(times[:, None], sigma[: k.size], start_variance(std_in, std_out), k, decay)
    told = means.unlearned_squared.sum(1) / 2 + (sigma[k.size :] ** 2).sum() / 2
    for exact, sample in ((told, loss), (means.learned.sum(1), learned)):
        z = (sample.mean(1) - exact) / np.maximum(sample.std(1) / sample.shape[1] ** 0.5, 1e-12)
        assert np.abs(z).max() < 4.5
    for i, freedom in enumerate(k):
        law = stats.chi2(freedom, scale=start_variance(std_in, std_out))
        assert stats.kstest(epsilon[:, i], law.cdf).pvalue > 1e-4
    if h > 1:
        assert abs(stats.spearmanr(epsilon[:, 0], epsilon[:, 1]).statistic) < 4 / 1500**0.5


@pytest.mark.parametrize(
    ("sigma", "h", "order"), [((1.0, 0.5), 2, 1.0), ((1.0, 0.8), 3, 0.4), ((1.0, 0.5), 1, 1.0), ((1.0, 0.8), 1, 0.25)]
)
def test_order_of_the_error(sigma, h, order):
    """`ς^{2(1−r)}`, but `ς^{(1−r)/r}` where one hidden direction is left and r > ½: of the estimate and the flow."""
    stds = np.array([1e-3, 1e-5])
    estimate = [start_error(np.array(sigma), d_in=2, h=h, d_out=2, std_in=s, std_out=s) for s in stds]
    assert np.log(estimate[0] / estimate[1]) / np.log(100) == pytest.approx(order, rel=0.05)
    errors = []
    for std in stds[:1], stds[1:]:
        times = np.linspace(0.5, 1.6, 12) * np.log(1 / std[0]) / sigma[min(h, 2) - 1]
        began, frames, measured = measured_flow(std[0], std[0], np.array(sigma), h, 2, 2, times, 1500, 3, step=0.1)
        errors.append(np.abs((measured[:, 0] - paired(began, frames, np.array(sigma), times)[0]).mean(1)).max())
    assert np.log(errors[0] / errors[1]) / np.log(100) == pytest.approx(order, rel=0.25)


def test_no_random_network_exceeds_the_estimate():
    """Two hundred of them: widths up to 5, any spectrum, equal and unequal deviations, with and without decay."""
    generator, tried = np.random.default_rng(11), 0
    while tried < 200:
        h, d_in, d_out = (int(n) for n in generator.integers(1, 6, 3))
        sigma = np.sort(generator.uniform(0.2, 1.5, generator.integers(1, min(d_in, d_out) + 1)))[::-1]
        decay = float(generator.choice([0.0, 0.0, 0.1]))
        std_in, std_out = 10 ** generator.uniform(-3, -0.6, 2)
        std_out = std_in if generator.random() < 0.5 else std_out
        widths = {"d_in": d_in, "h": h, "d_out": d_out}
        estimate = start_error(sigma, **widths, std_in=std_in, std_out=std_out, weight_decay=decay)
        if not 3e-4 < estimate < 0.3:
            continue
        tried += 1
        times = np.linspace(0, 1.5, 7) * np.log(1 / max(std_in, std_out)) / (sigma[min(h, sigma.size) - 1] - decay)
        began, frames, measured = measured_flow(std_in, std_out, sigma, h, d_in, d_out, times, 200, tried, decay, 0.12)
        loss, learned, _ = paired(began, frames, sigma, times, decay)
        assert np.abs((measured[:, 0] - loss).mean(1)).max() < estimate * (sigma**2).sum() / 2
        for weights in (1, 2, 3):
            assert np.abs((measured[:, weights] - learned).mean(1)).max() < estimate * (sigma - decay).sum()


def test_equal_modes_have_no_limit():
    assert start_error(np.array([1.0, 1.0]), d_in=2, h=2, d_out=2, std_in=1e-12, std_out=1e-12) >= 1


@pytest.mark.parametrize(
    ("call", "error", "names"),
    [
        (lambda: mean_mode(-1.0, 1.0, 0.1, 1), DomainError, "time = -1"),
        (lambda: mean_mode(1.0, -1.0, 0.1, 1), DomainError, "sigma = -1"),
        (lambda: mean_mode(1.0, 1.0, 0.0, 1), DomainError, "variance = 0"),
        (lambda: mean_mode(1.0, 1.0, 1e-160, 1), DomainError, "below 1e-150"),
        (lambda: mean_mode(1.0, 1.0, 1e76, 1), DomainError, "beyond 1e75"),
        (lambda: mean_mode(1.0, 1.0, 0.1, 1.5), DomainError, "must be whole"),
        (lambda: mean_mode(1.0, 1.0, 0.1, 0), DomainError, "freedom = 0"),
        (lambda: mean_mode(np.ones(2), np.ones(3), 0.1, 1), ShapeError, "broadcast"),
        (lambda: start_variance(0.0, 1.0), DomainError, "std_in = 0"),
        (
            lambda: start_error(np.ones(1), d_in=1, h=1, d_out=1, std_in=1.0, std_out=1.0, weight_decay=1.0),
            DomainError,
            "ends every mode",
        ),
        (
            lambda: start_error(np.array([1.0, 2.0]), d_in=2, h=2, d_out=2, std_in=1.0, std_out=1.0),
            ShapeError,
            "sorted",
        ),
    ],
)
def test_refusals_name_what_and_why(call, error, names):
    with pytest.raises(error, match=names):
        call()
