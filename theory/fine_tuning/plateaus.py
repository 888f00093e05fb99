"""D4: fine-tuning from plateau to plateau, in closed form for any task: what each further learned feature costs.

At plateau n the n strongest features are learned and the others absent. A5 from plateau n + 1 contains A5 from plateau
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

CERTAIN = 0.25  # κ of `safe_budget`: as far as interval arithmetic certifies the condition
LARGEST_GROWTH = 15 * (1 + 1e-12)  # of ‖B‖T: up to there rounding, times e^{‖B‖T}, stays below 1e-9
Sigma = Float[np.ndarray, " r"]
Tasks = Float[np.ndarray, "... d_out d_in"]


@dataclass(frozen=True)
class Plateaus:
    """Fine-tuning from each plateau; the last axis of `rise` is n = 0 … r, of the others feature n + 1 = 1 … r.

    rise: `Δ_n`, the pretraining loss after fine-tuning from plateau n less the one before.  size: m.  overlap: a.
    sigma: σ.
    """

    rise: Values
    size: Values
    overlap: Values
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


def fine_tune_plateaus(budget: Numbers, sigma: Sigma, task: Tasks) -> Plateaus:
    """Exact cost of fine-tuning from every plateau, `Δ_{n+1} − Δ_n = ½(m² + σ_{n+1}²) − ma` (claim D4).

    budget: T >= 0, gradient-flow time.  sigma: the teacher's singular values > 0, strongest first.  task: B in the
    teacher's frames, `UᵀBV`, `d_out × d_in` in the last two axes; the others broadcast against budget's. Balanced
    weights, whitened inputs. Δ_n >= 0 always: balanced flow keeps the rank n, and no matrix of rank n is nearer to A
    than plateau n (Eckart and Young 1936).
    Raises ShapeError where shapes do not fit, DomainError outside the domain and where ‖B‖T exceeds 15: there
    `fine_tune` takes one plateau at a time.

    >>> found = fine_tune_plateaus(5.0, np.array([1.0, 0.5]), np.array([[1.0, 0.1], [0.1, 2.0]]))
    >>> found.rise.round(3).tolist(), found.overlap.round(3).tolist(), found.hurts.tolist()
    ([0.0, 1.478, 1.135], [0.513, 0.968], [True, False])
    """
    sigma, task = _in_frames(sigma, task)
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
    start = np.sqrt(sigma)[:, None] * (basis[..., :r, :] + basis[..., d_in : d_in + r, :])  # Q₀ᵀ in F's eigenbasis
    weighted = np.swapaxes(start * np.sqrt(budget[..., None] * exprel(2 * rate))[..., None, :], -1, -2)
    one = np.broadcast_to(np.eye(r), (*weighted.shape[:-2], r, r))
    triangle = np.linalg.qr(np.concatenate([weighted, one], axis=-2), mode="r")  # S = RᵀR, and so of every plateau
    end = (start * np.exp(rate)[..., None, :]) @ np.swapaxes(basis, -1, -2)
    piece = np.linalg.solve(np.swapaxes(triangle, -1, -2), end)  # row n: what feature n adds to Q(T)Q(T)ᵀ
    on_inputs, on_outputs = piece[..., :d_in], piece[..., d_in:]
    size = np.sqrt((on_outputs**2).sum(axis=-1) * (on_inputs**2).sum(axis=-1))
    products = (on_outputs @ np.swapaxes(on_outputs, -1, -2)) * (on_inputs @ np.swapaxes(on_inputs, -1, -2))
    with_teacher = (on_outputs[..., :r] * on_inputs[..., :r]) @ sigma
    with_earlier = np.tril(products, -1).sum(axis=-1)
    overlap = (with_teacher - with_earlier) / np.where(size > 0, size, 1.0)
    growth = (size**2 + sigma**2) / 2 - size * overlap  # D4
    rise = np.concatenate([np.zeros((*growth.shape[:-1], 1)), growth.cumsum(axis=-1)], axis=-1)
    return Plateaus(rise, size, overlap, sigma)


def plateau_growth(sigma: Sigma, task: Tasks) -> Values:
    """`(Δ_{n+1} − Δ_n)/T²` as T → 0, by how much feature n + 1 = 1 … r raises the cost of small budgets: >= 0 (D4).

    With σ = σ_{n+1} it is `2σ²(B_{n+1,n+1} − σ)²`, plus `½((σ + σ_j)² − σ_j²)(x² + y²) + σσ_j xy` for every earlier
    feature j, plus `½σ²(x² + y²) − σσ_j xy` for every later direction j; x and y are the entries of B that couple
    feature n + 1 with j, 0 where there is none, and σ_j = 0 beyond r.

    Arguments and errors as in `fine_tune_plateaus`, which is exact.

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
    and in the mean over tasks B of independent entries of mean 0 and variance v. Only where σ₁T and ‖B‖T are small;
    exactly, for one task: `fine_tune_plateaus(…).hurts`.

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
    the gap goes to 0 there are tasks with `‖B‖T = 2.2√((σ_{n+1} − σ_{n+2})/σ₁)` for which Δ falls. The first feature
    never lowers the cost, at any budget; a feature that equals the next one has the safe budget 0. From plateau to
    plateau Δ is monotone up to the smallest of these budgets.

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
