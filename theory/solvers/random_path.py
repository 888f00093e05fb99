"""Two layers from small Gaussian weights: the mean over starts along pretraining to leading order in their size."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from overtraining.setting.resolved import ResolvedProtocol
from overtraining.setting.starts import FanIn, SmallGaussian
from overtraining.theory.learning.balanced_mode import singular_value
from overtraining.theory.learning.random_start import mean_mode, random_starts, start_variance
from overtraining.theory.learning.random_start_error import grown, small_start, start_error
from overtraining.theory.products import refuse_overflow
from overtraining.theory.solvers.paths import IN_CACHE, Lengths, Path, RandomModes, Solution

APPROXIMATION = "leading order as the start's scale goes to 0"
MOST_ERROR = 0.1  # estimated, beyond which a start is not small
NODES = 400  # starts at which a mean is computed, at most


class StartStds(NamedTuple):
    """Standard deviations of the entries of W1 and W2 at the start."""

    into_hidden: float
    from_hidden: float


def start_stds(start: SmallGaussian | FanIn, d_in: int, h: int) -> StartStds:
    """The deviations that a start stands for.

    >>> start_stds(FanIn(1.0), d_in=4, h=16)
    StartStds(into_hidden=0.5, from_hidden=0.25)
    """
    if isinstance(start, SmallGaussian):
        return StartStds(start.std, start.std)
    return StartStds(start.gain / d_in**0.5, start.gain / h**0.5)


def mode_decay(resolved: ResolvedProtocol) -> float:
    """`μ/ξ`: weight decay in the unit of time in which inputs of variance ξ learn as fast as white ones."""
    decay = resolved.protocol.pretraining.weight_decay
    return float(refuse_overflow("the weight decay of a mode", lambda: np.float64(decay) / resolved.variances[0]))


def error_of_limit(resolved: ResolvedProtocol) -> float:
    """`start_error` of a protocol with white inputs and a random start."""
    n, start = resolved.protocol.network, resolved.protocol.start
    assert isinstance(start, SmallGaussian | FanIn)
    std_in, std_out = start_stds(start, n.d_in, n.h)
    widths = {"d_in": n.d_in, "h": n.h, "d_out": n.d_out}
    return start_error(resolved.sigma, **widths, std_in=std_in, std_out=std_out, weight_decay=mode_decay(resolved))


def small_random(resolved: ResolvedProtocol) -> Solution:
    """Means over small Gaussian starts, Σx = ξI; a mode of rank i by size has `h − i + 1` degrees of freedom.

    What does not grow, of the size of the start, is left out. Products of norms have their own means: `Path.for_noise`.
    """
    n, start = resolved.protocol.network, resolved.protocol.start
    assert isinstance(start, SmallGaussian | FanIn)
    xi, decay, stds = float(resolved.variances[0]), mode_decay(resolved), start_stds(start, n.d_in, n.h)
    m = min(n.h, int((resolved.sigma > decay).sum()))
    sigma, missed = resolved.sigma[:m], resolved.sigma[m:]
    variance, freedom = float(start_variance(*stds)), n.h - np.arange(m)
    sizes = np.array([n.h * n.d_in * stds.into_hidden**2, n.d_out * n.h * stds.from_hidden**2])
    # of the squared norm of a layer at the start, the part that follows ε
    follows = (np.array(stds) ** 2 / (2 * variance)) ** 2
    every = np.pad(resolved.sigma, (0, min(n.d_in, n.d_out) - resolved.sigma.size))

    def norms(first: np.ndarray, second: np.ndarray, product: np.ndarray) -> np.ndarray:
        squared = np.zeros((first.size, 3, 3))
        squared[:, 0, 0], squared[:, 1, 1], squared[:, 2, 2] = xi * n.d_in, n.h, n.d_out
        squared[:, 0, 1], squared[:, 1, 2], squared[:, 0, 2] = xi * first, second, xi * product
        return squared

    def path(lengths: Lengths) -> Path:
        time = refuse_overflow("the time of a mode", lambda: xi * lengths)
        mean = mean_mode(time[:, None], sigma, variance, freedom, decay)
        s, squared = np.asarray(mean.learned), np.asarray(mean.learned_squared)
        total, product = s.sum(axis=1), squared.sum(axis=1)

        def random_modes() -> RandomModes:
            """Also of modes that pretraining does not learn and fine-tuning may."""
            widths = {"d_in": n.d_in, "h": n.h, "d_out": n.d_out}
            began = small_start(every.size, **widths, std_in=stds[0], std_out=stds[1])
            starts = random_starts(variance, began.freedom)
            learned = singular_value(time[:, None], every[: n.h], starts.epsilon[:, None], decay)
            return RandomModes(np.asarray(learned), starts.weight, grown(time, every, decay), began)

        def for_noise(convention: str) -> Path:
            """The same, with the means of what a convention multiplies: norms by the start's, or by each other."""
            if convention == "absolute":
                return plain
            if convention == "initialization":  # the norm of W1 is multiplied by the start's of W2, and the reverse
                together = ((np.asarray(mean.weighted) - s) * variance * freedom).sum(axis=1)
                first, second = (total + part * together for part in (follows / sizes)[::-1])
            else:
                first = second = np.sqrt(total**2 + product - (s**2).sum(axis=1))
            weighted = norms(first, second, product)
            layers = np.stack([first, second], axis=1)
            return replace(plain, layer_norm=layers, norms=lambda: weighted, diagonal_norms=lambda: weighted)

        in_mean = norms(total, total, product)
        plain = Path(
            loss=xi / 2 * (np.asarray(mean.unlearned_squared).sum(axis=1) + (missed**2).sum()),
            layer_norm=np.stack([total, total], axis=1),
            singular_value=s,
            imbalance=None,
            never_learned=missed[missed > 0],
            norms=lambda: in_mean,
            diagonal_norms=lambda: in_mean,
            sharpness=None,
            random_modes=random_modes,
            for_noise=for_noise,
        )
        return plain

    attributes = {"approximation": APPROXIMATION, "approximation_error": error_of_limit(resolved)}
    return Solution(path, "A8", 1 + IN_CACHE // (m * NODES), start_norm=sizes, attributes=attributes)
