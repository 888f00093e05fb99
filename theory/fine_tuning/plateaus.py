"""D4: fine-tuning from plateau to plateau, in closed form for any task: what each further learned feature costs.

At plateau n the n strongest features are learned and the others absent: the limit of a start ε → 0, at a fixed budget.
A finite start is near it only where `s_{n+1}e^{2‖B‖T}` is small: `Plateaus.error` bounds what the limit misses there,
and `rise_on_plateaus` is exact at every start. A5 from plateau n + 1 contains A5 from plateau
n (its S is bordered by one row), so that one more learned feature adds one matrix of rank one to the network after
fine-tuning, `f_{n+1}(T) = f_n(T) + m û v̂ᵀ`. Everything follows from its size m and its overlap with the unlearned part
of the teacher, `a = ûᵀ(A − f_n(T))v̂`. `safe_budget` bounds the budgets for which one more learned feature cannot make
fine-tuning cheaper, whatever the task.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import exprel

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, nonnegative, whole
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.checks import check_falling, check_range, check_time
from overtraining.theory.fine_tuning.plateau_depth import deviation_bound, plateau_checkpoints

CERTAIN = 0.25  # κ of `safe_budget`: as far as interval arithmetic certifies the condition
LARGEST_GROWTH = 15 * (1 + 1e-12)  # of ‖B‖T: up to there rounding, times e^{‖B‖T}, stays below 1e-9
Sigma = Float[np.ndarray, " r"]
Tasks = Float[np.ndarray, "... d_out d_in"]


@dataclass(frozen=True)
class Plateaus:
    """Fine-tuning from each plateau, as ε → 0; the last axis of `rise` is n = 0 … r, of others feature n + 1 = 1 … r.

    rise: `Δ_n`, the pretraining loss after fine-tuning from plateau n less the one before.  size: m.  overlap: a.
    gain: g. If the next feature is at s instead of 0, fine-tuning makes of it the piece `m(s)ûv̂ᵀ` with `m(s) =
    gs/(1 + s(g/m − 1/σ))`: g times s while it is small, `g <= e^{2‖B‖T}`, and m at s = σ.  reach: ‖B‖T.  sigma: σ.
    """

    rise: Values
    size: Values
    overlap: Values
    gain: Values
    reach: Values
    sigma: Sigma

    @property
    def growth(self) -> Values:
        """`Δ_{n+1} − Δ_n = ½(m² + σ²) − ma`, by how much one more feature raises the cost."""
        return np.diff(self.rise, axis=-1)

    @property
    def after(self) -> Values:
        """The pretraining loss after fine-tuning from plateau n, `½Σ_{i>n}σ_i² + Δ_n`."""
        return self.rise + np.append((self.sigma[::-1] ** 2).cumsum()[::-1] / 2, 0.0)

    @property
    def hurts(self) -> np.ndarray:
        """Whether the loss after fine-tuning is higher with the feature than without it, `m > 2a` (claim D4)."""
        return np.asarray(self.size > 2 * self.overlap)

    def error(self, epsilon: Numbers) -> Values:
        """Bound on `|Δ(t_n) − Δ_n|`, n = 0 … r: how far the limit is from the cost at a start ε (claim D4).

        `η√(2L) + ½η² + |change of the loss before|`, with L the loss after fine-tuning in the limit and η of
        `plateau_depth.deviation_bound`. t_n are the lengths of `plateau_checkpoints`, which has the errors.

        >>> found = fine_tune_plateaus(1.0, np.array([1.0, 0.5]), np.array([[1.0, 0.1], [0.1, 2.0]]))
        >>> found.error(1e-12).round(4).tolist()
        [0.0, 0.0024, 0.0]
        """
        s = plateau_checkpoints(self.sigma, epsilon)[1]
        deviation = deviation_bound(s, self.sigma, np.asarray(self.size), np.asarray(self.gain), np.asarray(self.reach))
        before = np.append((self.sigma[::-1] ** 2).cumsum()[::-1] / 2, 0.0)
        after = deviation * (np.sqrt(2 * self.after) + deviation / 2)
        return after + np.abs(((self.sigma - s) ** 2).sum(axis=-1) / 2 - before)  # D4


def fine_tune_plateaus(budget: Numbers, sigma: Sigma, task: Tasks, epsilon: Numbers | None = None) -> Plateaus:
    """Cost of fine-tuning from every plateau as ε → 0, `Δ_{n+1} − Δ_n = ½(m² + σ_{n+1}²) − ma` (claim D4).

    budget: T >= 0, gradient-flow time.  sigma: the teacher's singular values > 0, strongest first.  task: B in the
    teacher's frames, `UᵀBV`, `d_out × d_in` in the last two axes; the others broadcast against budget's.  epsilon: the
    start for which the limit is to stand; without it the result is the limit, whatever its distance from any start.
    Balanced weights, whitened inputs. Δ_n >= 0 always: balanced flow keeps the rank n, and no matrix of rank n is
    nearer to A than plateau n (Eckart and Young 1936). At a finite start neither is so: `rise_on_plateaus`.
    Raises ShapeError where shapes do not fit, DomainError outside the domain, where ‖B‖T exceeds 15 (there `fine_tune`
    takes one plateau at a time), and where `Plateaus.error(epsilon)` exceeds ½‖A‖², the loss of an untrained network.

    >>> sigma, task = np.array([1.0, 0.5]), np.array([[1.0, 0.1], [0.1, 2.0]])
    >>> found = fine_tune_plateaus(5.0, sigma, task, epsilon=1e-30)
    >>> found.rise.round(3).tolist(), found.overlap.round(3).tolist(), found.hurts.tolist()
    ([0.0, 1.478, 1.135], [0.513, 0.968], [True, False])
    >>> fine_tune_plateaus(5.0, sigma, task, epsilon=1e-12)
    Traceback (most recent call last):
    overtraining.setting.errors.DomainError: epsilon = 1e-12: at ‖B‖T = 10 fine-tuning finishes what is barely begun, \
and the limit ε → 0 may miss Δ by 2.27. Instead: use rise_on_plateaus, which is exact at every start.
    """
    sigma, task = _in_frames(sigma, task)
    budget, rate, weighted, end = _grown(budget, sigma, task)
    d_in, r = task.shape[-1], sigma.size
    triangle, piece = _pieces(weighted, end, sigma)  # row n of piece: what feature n adds to Q(T)Q(T)ᵀ
    on_inputs, on_outputs = piece[..., :d_in], piece[..., d_in:]
    size = np.sqrt((on_outputs**2).sum(axis=-1) * (on_inputs**2).sum(axis=-1))
    products = (on_outputs @ np.swapaxes(on_outputs, -1, -2)) * (on_inputs @ np.swapaxes(on_inputs, -1, -2))
    with_teacher = (on_outputs[..., :r] * on_inputs[..., :r]) @ sigma
    with_earlier = np.tril(products, -1).sum(axis=-1)
    overlap = (with_teacher - with_earlier) / np.where(size > 0, size, 1.0)
    growth = (size**2 + sigma**2) / 2 - size * overlap  # D4
    rise = np.concatenate([np.zeros((*growth.shape[:-1], 1)), growth.cumsum(axis=-1)], axis=-1)
    gain = np.diagonal(triangle, axis1=-2, axis2=-1) ** 2 * size / sigma  # D4
    found = Plateaus(rise, size, overlap, gain, rate.max(axis=-1), sigma)
    if epsilon is not None:
        _refuse_far_from_limit(found, epsilon)
    return found


def rise_on_plateaus(budget: Numbers, sigma: Sigma, task: Tasks, epsilon: Numbers) -> Values:
    """Δ at the checkpoints of `plateau_checkpoints`, n = 0 … r, from a start ε, exactly (claims D1, D4).

    budget, sigma, task: as in `fine_tune_plateaus`, the limit.  epsilon: one start, 0 < ε < σ_r. The result has the
    plateaus' axis last. From a finite start Δ can be below 0, and at `T → 0` it is of first order,
    `2TΣs_i(σ_i − s_i)(s_i − B_ii)`. `fine_tune_grid` takes any other checkpoints.
    Raises ShapeError where shapes do not fit, DomainError outside the domain and where ‖B‖T exceeds 15.

    >>> sigma, task = np.array([1.0, 0.5]), np.array([[1.0, 0.1], [0.1, 2.0]])
    >>> [rise_on_plateaus(5.0, sigma, task, epsilon).round(3).tolist() for epsilon in (1e-6, 1e-12, 1e-30)]
    [[0.975, 1.014, 1.135], [-0.0, 1.01, 1.135], [0.0, 1.478, 1.135]]
    """
    sigma, task = _in_frames(sigma, task)
    checkpoints = plateau_checkpoints(sigma, epsilon)[1]
    _, _, weighted, end = _grown(budget, sigma, task)
    d_in, diagonal = task.shape[-1], range(sigma.size)
    rises = []
    for s in checkpoints:
        piece = _pieces(weighted, end, s)[1]
        unlearned = -np.swapaxes(piece[..., d_in:], -1, -2) @ piece[..., :d_in]
        unlearned[..., diagonal, diagonal] += sigma
        rises.append((unlearned**2).sum(axis=(-2, -1)) / 2 - ((sigma - s) ** 2).sum() / 2)  # D1
    return np.stack(rises, axis=-1)


def _grown(budget: Numbers, sigma: Sigma, task: np.ndarray) -> tuple[np.ndarray, ...]:
    """T, FT's eigenvalues, and of `z_i = (v_i, u_i)` for every feature a root of ∫e^{2Fs}ds, and e^{FT}."""
    budget = check_time("budget", budget)
    check_broadcast(budget=budget, task=np.zeros(task.shape[:-2]))
    check_range(sigma, budget=budget)
    d_out, d_in = task.shape[-2:]
    r = sigma.size
    force = np.zeros((*task.shape[:-2], d_in + d_out, d_in + d_out))
    force[..., d_in:, :d_in] = task
    force[..., :d_in, d_in:] = np.swapaxes(task, -1, -2)
    rate, basis = np.linalg.eigh(force)
    rate = rate * budget[..., None]
    if (largest := rate.max(initial=0.0)) > LARGEST_GROWTH:
        raise DomainError(f"‖B‖T = {largest:.3g}", "rounding grows with e^{‖B‖T}", "pass at most 15, or use fine_tune")
    start = basis[..., :r, :] + basis[..., d_in : d_in + r, :]  # zᵀ in F's eigenbasis
    weighted = np.swapaxes(start * np.sqrt(budget[..., None] * exprel(2 * rate))[..., None, :], -1, -2)
    return budget, rate, weighted, (start * np.exp(rate)[..., None, :]) @ np.swapaxes(basis, -1, -2)


def _pieces(weighted: np.ndarray, end: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A5 from the singular values s: R with `S = RᵀR`, and R⁻ᵀQ₀ᵀe^{FT}, whose rows' squares add up to Q(T)Q(T)ᵀ."""
    root = np.sqrt(s)
    one = np.broadcast_to(np.eye(s.size), (*weighted.shape[:-2], s.size, s.size))
    triangle = np.asarray(np.linalg.qr(np.concatenate([weighted * root, one], axis=-2), mode="r"))
    return triangle, np.linalg.solve(np.swapaxes(triangle, -1, -2), root[:, None] * end)


def _refuse_far_from_limit(found: Plateaus, epsilon: Numbers) -> None:
    error = np.max(found.error(epsilon), initial=0.0)
    if error > (found.sigma**2).sum() / 2:
        raise DomainError(
            f"epsilon = {float(np.asarray(epsilon)):.3g}",
            f"at ‖B‖T = {np.max(found.reach):.3g} fine-tuning finishes what is barely begun, and the limit ε → 0 may "
            f"miss Δ by {error:.3g}",
            "use rise_on_plateaus, which is exact at every start",
        )


def plateau_growth(sigma: Sigma, task: Tasks) -> Values:
    """`(Δ_{n+1} − Δ_n)/T²` as T → 0, by how much feature n + 1 = 1 … r raises the cost of small budgets: >= 0 (D4).

    With σ = σ_{n+1} it is `2σ²(B_{n+1,n+1} − σ)²`, plus `½((σ + σ_j)² − σ_j²)(x² + y²) + σσ_j xy` for every earlier
    feature j, plus `½σ²(x² + y²) − σσ_j xy` for every later direction j; x and y are the entries of B that couple
    feature n + 1 with j, 0 where there is none, and σ_j = 0 beyond r. First ε → 0, then T → 0: from a finite start Δ
    is of order T (`rise_on_plateaus`), so that this needs `1 − s_n/σ_n = s_{n+1}/σ_{n+1}` small beside ‖B‖T as well.

    Arguments and errors as in `fine_tune_plateaus`, the same at any budget.

    >>> plateau_growth(np.array([1.0, 0.5]), np.array([[1.0, 0.1], [0.1, 2.0]])).round(6).tolist()
    [0.005, 1.1425]
    """
    sigma, task = _in_frames(sigma, task)
    d, r = max(task.shape[-2:]), sigma.size
    square = np.zeros((*task.shape[:-2], d, d))
    square[..., : task.shape[-2], : task.shape[-1]] = task
    strong = np.pad(sigma, (0, d - r))
    x, y = square[..., :r, :], np.swapaxes(square, -1, -2)[..., :r, :]
    own, other = sigma[:, None], strong[None, :]
    squares = own * (x**2 + y**2) / 2
    mixed = own * other * x * y
    earlier = np.tri(r, d, -1)
    later = 1 - np.tri(r, d)
    pairs = earlier * (squares * (own + 2 * other) + mixed) + later * (squares * own - mixed)
    difference = np.diagonal(square, axis1=-2, axis2=-1)[..., :r] - sigma
    return pairs.sum(axis=-1) + 2 * sigma**2 * difference**2  # D4


def hurting_ratio(budget: Numbers, sigma: Sigma, variance: Numbers, *, d_in: int, d_out: int) -> Values:
    """`T²[v(4Σ_{k<=n}σ_k/σ_{n+1} + d_in + d_out + 2) + 4σ_{n+1}²]`: above 1, feature n + 1 hurts (claim D4).

    The feature raises the cost of fine-tuning and lowers the loss by `½σ²`; this is the ratio of the two, to order T²
    and in the mean over tasks B of independent entries of mean 0 and variance v. Only where σ₁T and ‖B‖T are small,
    after ε → 0 as in `plateau_growth`; at any budget, for one task: `fine_tune_plateaus(…).hurts`.

    budget: T >= 0.  sigma: as in `fine_tune_plateaus`; the result has its axis last.  variance: v >= 0.
    d_in, d_out: widths. Raises DomainError outside the domain, ShapeError where shapes do not fit.

    >>> hurting_ratio(0.1, np.array([1.0, 0.5]), 1.0, d_in=8, d_out=8).round(6).tolist()
    [0.22, 0.27]
    """
    sigma = check_falling(sigma)
    budget, variance = check_broadcast(budget=check_time("budget", budget), variance=nonnegative("variance", variance))
    check_range(sigma, budget=budget, variance=variance)
    widths = whole("d_in", d_in) + whole("d_out", d_out) + 2
    if min(d_in, d_out) < sigma.size:
        raise ShapeError(f"{sigma.size} features", f"a {d_out} × {d_in} matrix has fewer", "pass larger widths")
    earlier = sigma.cumsum() - sigma
    return budget[..., None] ** 2 * (variance[..., None] * (4 * earlier / sigma + widths) + 4 * sigma**2)  # D4


def safe_budget(sigma: Sigma, task_norm: Numbers) -> Values:
    """The budget T up to which feature n + 1 = 1 … r cannot lower the cost, `Δ_{n+1} >= Δ_n` for every task (claim D4).

    `‖B‖T(1 + σ₁T) <= κ√((σ_{n+1} − σ_{n+2})/σ₁)`, `κ = ¼`, `σ_{r+1} = 0`: sufficient, and its root is the right one: as
    the gap goes to 0 there are tasks with `‖B‖T = 1.8√((σ_{n+1} − σ_{n+2})/σ₁)` for which Δ falls. The first feature
    never lowers the cost, at any budget; a feature that equals the next one has the safe budget 0. From plateau to
    plateau Δ is monotone up to the smallest of these budgets. All of this is as ε → 0: from a finite start Δ may fall
    by as much as `Plateaus.error` says.

    sigma: the teacher's singular values > 0, strongest first.  task_norm: ‖B‖, the operator norm of the task, >= 0; the
    result has sigma's axis last. Balanced weights on plateaus, whitened inputs, any widths. Gradient-flow time.
    Raises DomainError outside the domain and beyond 1e±75, ShapeError where sigma is not a list.
    Source: ours.

    >>> safe_budget(np.array([1.0, 0.5, 0.25]), [1.0, 4.0]).round(6).tolist()
    [[inf, 0.112372, 0.112372], [inf, 0.03033, 0.03033]]
    """
    sigma, task_norm = check_falling(sigma), nonnegative("task_norm", task_norm)
    check_range(sigma, task_norm=task_norm)
    gap = sigma - np.append(sigma[1:], 0.0)
    reach = CERTAIN * np.sqrt(gap / sigma[0])
    b = task_norm[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        budget = 2 * reach / (b + np.sqrt(b * (b + 4 * sigma[0] * reach)))  # D4
    first = np.arange(sigma.size) == 0
    return np.where(first | (b == 0), np.inf, budget)[()]


def _in_frames(sigma: Sigma, task: Tasks) -> tuple[np.ndarray, np.ndarray]:
    sigma, task = check_falling(sigma), finite("task", task)
    if task.ndim < 2 or sigma.size > min(task.shape[-2:]):
        raise ShapeError(
            f"sigma {sigma.shape}, task {task.shape}",
            "tasks are d_out × d_in, with room for every singular value",
            "pass sigma as a list, and tasks in the last two axes",
        )
    check_range(sigma, task=task)
    return sigma, task
