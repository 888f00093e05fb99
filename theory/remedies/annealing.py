"""E2: how SGD on noisy labels shrinks learned modes, and how annealing of the learning rate restores them.

Noise of size `γ² = ην²/2B` (claim D5) lowers a learned singular value at once by the mean of the two layers' costs, and
slowly changes the ratio of the layers' weights. The ratio depends on the noise added up so far, `Γ = ∫γ²dt`, and never
returns; while it changes, the reduction falls from the arithmetic to the geometric mean of the costs.
"""

import numpy as np
from scipy.optimize import elementwise

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, nonnegative, positive, truth, whole
from overtraining.setting.errors import NotSolved, ShapeError
from overtraining.theory.checks import check_noisy_steps, check_range, check_singular_value, check_task_modes
from overtraining.theory.fine_tuning.label_noise import settled_directions
from overtraining.theory.products import refuse_overflow


def accumulated_noise(learning_rates: Numbers, label_noise: float, batch: float) -> Values:
    """The noise added up after each step of a schedule, `Γ = Σ η_k²ν²/2B` (claim E2).

    Γ sums γ² over gradient-flow time: a schedule of half the rate and twice the steps, of the same time, has half of
    it.

    learning_rates: η_k >= 0 of the steps, on the last axis.  label_noise: ν >= 0.  batch: B > 0.
    Raises DomainError outside the domain, ShapeError where learning_rates is a single number.

    >>> accumulated_noise([0.1, 0.1, 0.0], label_noise=1.0, batch=5.0).round(6).tolist()
    [0.001, 0.002, 0.002]
    """
    rates = nonnegative("learning_rates", learning_rates)
    noise, size = nonnegative("label_noise", label_noise), positive("batch", batch)
    if rates.ndim == 0 or noise.ndim or size.ndim:
        raise ShapeError(
            f"learning_rates {rates.shape}, label_noise {noise.shape}, batch {size.shape}",
            "there is one rate for every step, and one number of the others",
            "pass a list of rates",
        )
    return refuse_overflow("the noise", lambda: np.cumsum(rates**2, axis=-1) * noise**2 / (2 * size))  # E2


def layer_ratio(accumulated: Numbers, *, d_in: int, d_out: int) -> Values:
    """The ratio of the layers of learned modes, `u = w2²/w1²`, from balanced weights, after the noise Γ (claim E2).

    `du/dΓ = 4u(d_out − d_in u)/(1 + u)`, `Γ = ¼[ln u/d_out − (1/d_out + 1/d_in) ln((d_out − d_in u)/(d_out − d_in))]`,
    from 1 to `d_out/d_in`, the ratio of the noise-robust optimum (E1). It is the same for every learned mode, whatever
    its σ, to leading order in γ²; at the end it converges with the exponent `4γ²d_in d_out/(d_in + d_out)`.

    accumulated: Γ >= 0, `accumulated_noise`.  d_in, d_out: widths.
    Raises DomainError outside the domain and beyond 1e75, NotSolved.
    Source: ours.

    >>> layer_ratio([0.0, 0.1, 1e3], d_in=1, d_out=4).round(6).tolist()
    [1.0, 1.60527, 4.0]
    """
    accumulated, d_in, d_out = nonnegative("accumulated", accumulated), whole("d_in", d_in), whole("d_out", d_out)
    check_range(np.zeros(()), accumulated=accumulated)
    if d_in == d_out:
        return np.ones_like(accumulated)[()]
    end, both = d_out / d_in, 1 / d_out + 1 / d_in

    def growth(x: Values) -> Values:
        """u − 1, where x = −ln((d_out − d_in u)/(d_out − d_in))."""
        return -(end - 1) * np.expm1(-x)

    def excess(x: Values, accumulated: np.ndarray) -> Values:
        """4Γ that belongs to x, less the given one."""
        return np.log1p(growth(x)) / d_out + both * x - 4 * accumulated

    ends = sorted((0.0, np.log(end)))
    low, high = ((4 * accumulated - x / d_out) / both for x in (ends[1], ends[0]))
    bracket = (np.maximum(low * (1 - 1e-12), 0), high * (1 + 1e-12))
    found = elementwise.find_root(excess, bracket, args=(accumulated,))
    if not np.all(found.success):
        raise NotSolved("the layer ratio", "its bracket was lost to rounding", "pass a shorter or longer schedule")
    return np.asarray(1 + growth(found.x))[()]  # E2


def noisy_spectrum(sigma: Numbers, gamma_squared: Numbers, accumulated: Numbers, *, d_in: int, d_out: int) -> Values:
    """Learned singular values under SGD at this rate, `σ − γ²(d_in + d_out)√u/(1 + u)` (claim E2).

    u is `layer_ratio`. At first u = 1 and the singular values are `σ − ½γ²(d_in + d_out)`, in the end
    `σ − γ²√(d_in d_out)`. They follow γ² within a time 1/σ: annealing gives back what the noise took, and the
    sensitivity jumps with Σs. 0 for modes smaller than what the noise takes; the noise holds these, and what is not yet
    learned, at a small value that has no closed form.

    sigma: teacher's singular value >= 0.  gamma_squared: `ην²/2B` at the present rate >= 0.  accumulated: Γ of all
    steps so far. All broadcast. To first order in γ², for modes well above it, and in η: for the whole population in
    every step ησ must be small, and for fresh inputs in batches of B also `ησ(d_in + 1)/B`, or the noise of the inputs
    adds to that of the labels, however small both are: `stepped_spectrum` counts it.
    Raises as `layer_ratio`, and ShapeError where arrays do not broadcast.
    Source: ours.

    >>> noisy_spectrum(1.0, [0.02, 0.02, 0.0], [0.0, 1e3, 1e3], d_in=1, d_out=4).round(6).tolist()
    [0.95, 0.96, 1.0]
    """
    sigma, gamma_squared, accumulated = check_broadcast(
        sigma=check_singular_value("sigma", sigma),
        gamma_squared=nonnegative("gamma_squared", gamma_squared, "pass a variance"),
        accumulated=nonnegative("accumulated", accumulated),
    )
    check_range(sigma, gamma_squared=gamma_squared)
    u = np.asarray(layer_ratio(accumulated, d_in=d_in, d_out=d_out))
    return np.maximum(sigma - gamma_squared * (d_in + d_out) * np.sqrt(u) / (1 + u), 0)[()]  # E2


def stepped_spectrum(
    sigma: Numbers,
    learning_rate: Numbers,
    label_noise: Numbers,
    batch: Numbers,
    *,
    d_in: int,
    d_out: int,
    online: bool,
    ratio: Numbers = 1.0,
) -> Values:
    """Learned singular values under SGD at any step and batch size, to first order in ν² (claim E2f).

    `σ_i − γ²(Σ_r a_ri F_r + F_i Σ_c a_ic)√u/(1 + u)`, `a = 1/(1 − ½ηK(1 + 1/B))`, `K_ij = σ_i√u + σ_j/√u` over all
    outputs i and inputs j, `F_i = 1/(1 − G_i)`, `G_i = (η/2B)Σ_j K_ij a_ij`. Where steps are small and batches large,
    a = F = 1, and it is `noisy_spectrum`. With the whole population in every step (online=False) F = 1, and a without
    1/B. The drift of the layers has the same sums in place of d_out and d_in.

    sigma: learned singular values of the teacher, >= 0, modes on the last axis, at most min(d_in, d_out).
    learning_rate: η > 0.  label_noise: ν >= 0.  batch: B >= 1.  ratio: u > 0 of the layers, 1 at first; these four
    broadcast against sigma without its last axis.
    online: whether new inputs (whitened, Gaussian) are drawn for every batch.
    Raises DomainError outside the domain and where the variance has no stationary value, ShapeError for too many modes.
    Source: ours.

    >>> batch = np.array([1.0, 16.0])
    >>> s = stepped_spectrum([2.0], 0.01, 0.1, batch, d_in=40, d_out=2, online=True)[:, 0]
    >>> ((2 - s) / (0.01 * 0.1**2 / (2 * batch))).round(2).tolist()
    [36.54, 21.79]
    """
    d_in, d_out = whole("d_in", d_in), whole("d_out", d_out)
    truth("online", online)
    sigma = np.atleast_1d(check_singular_value("sigma", sigma))
    check_task_modes("sigma", sigma, d_in, d_out)
    eta, nu, batch = check_noisy_steps(learning_rate, label_noise, batch)
    u = positive("ratio", ratio)
    check_broadcast(learning_rate=eta, label_noise=nu, batch=batch, ratio=u, sigma=sigma[..., 0])
    check_range(sigma, ratio=u)
    on_outputs, on_inputs = (
        np.pad(
            sigma * tilt[..., None], [(0, 0)] * (np.broadcast(sigma[..., 0], tilt).ndim) + [(0, d - sigma.shape[-1])]
        )
        for tilt, d in ((np.sqrt(u), d_out), (1 / np.sqrt(u), d_in))
    )
    k = eta[..., None, None] * (on_outputs[..., :, None] + on_inputs[..., None, :])
    rest, each = settled_directions(k, batch, online)
    counted = 2 / rest / (1 - each[..., None] if online else 1)  # a F
    m = sigma.shape[-1]
    widths = counted.sum(axis=-2)[..., :m] + counted.sum(axis=-1)[..., :m]
    gamma_squared = refuse_overflow("γ²", lambda: eta * nu**2 / (2 * batch))
    return np.maximum(sigma - (gamma_squared * np.sqrt(u) / (1 + u))[..., None] * widths, 0)[()]  # E2f
