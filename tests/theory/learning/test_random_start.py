"""A8: means over small Gaussian starts, against mpmath, against the flow of whole matrices, and its law of ε."""

import mpmath
import numpy as np
import pytest
from scipy import stats

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.learning.random_start import mean_mode, random_starts, start_variance
from overtraining.theory.learning.random_start_error import start_error
from tests.gaussian_flow import measured_flow, paired


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


@pytest.mark.parametrize("power", [0, 1, 2, -0.4])
def test_means_of_powers(power):
    """`E (χ²_k)^p = 2^p Γ(k/2 + p)/Γ(k/2)`, for modes of very different k at once."""
    k = np.array([1.0, 2.0, 7.0, 40.0])
    starts = random_starts(1e-6, k)
    expected = [float((2e-6) ** power * mpmath.gamma(x / 2 + power) / mpmath.gamma(x / 2)) for x in k]
    loose = 1e-12 + 2 * 1e-20 ** np.minimum(1 + 2 * power / k, 1)  # of what is left out below a probability of 1e-20
    assert (np.abs((starts.weight * starts.epsilon**power).sum(axis=0) / expected - 1) < loose).all()


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
        (lambda: random_starts(0.1, 2.0), ShapeError, "no list"),
        (lambda: random_starts(0.0, [1.0]), DomainError, "variance = 0"),
        (lambda: random_starts(0.1, [0.5]), DomainError, "must be whole"),
    ],
)
def test_refusals_name_what_and_why(call, error, names):
    with pytest.raises(error, match=names):
        call()
