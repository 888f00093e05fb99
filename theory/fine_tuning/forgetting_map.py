"""D4, mapped: over many tasks, how often the cost of fine-tuning grows from plateau to plateau, and how often it turns.

Tasks are matrices in the teacher's frames, `UᵀBV`; whatever axes a map is to have come first, then the trials.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import finite, nonnegative, positive, whole
from overtraining.setting.errors import ShapeError
from overtraining.setting.protocol import Protocol
from overtraining.setting.responses import trajectory
from overtraining.setting.teachers import singular_values
from overtraining.theory.fine_tuning.plateaus import Sigma, Tasks, fine_tune_plateaus, plateau_growth, safe_budget

AT_ONCE = 2**21  # numbers in the largest array: 16 MB
STRENGTHS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)  # ‖B‖/σ₁
ANGLES = tuple(np.linspace(0.0, 2.1, 15).tolist())
TRIALS = {"angle": 800, "shared": 750}  # of every strength and angle, or number of shared features
SEED = 0
ROUNDING = 1e-9  # of ‖B‖² + ‖A‖², what is no change: `fine_tune_plateaus` rounds by less


@dataclass(frozen=True)
class ForgettingMap:
    """Shares of the trials in every cell; the tasks' axes but the trials, then the budget, then for two the feature.

    monotone: Δ falls at no plateau.  turns: the pretraining loss after fine-tuning is lowest before the last plateau,
    an inflection.  hurts: it is higher with the feature than without.  foreseen: the order T², `2T²·growth > σ²`, says
    the same.  largest_drop: of Δ from one plateau to the next, over all trials, in units of ½‖A‖².
    """

    monotone: Values
    turns: Values
    hurts: Values
    foreseen: Values
    largest_drop: Values


def map_forgetting(budgets: Float[np.ndarray, " budget"], sigma: Sigma, tasks: Tasks) -> ForgettingMap:
    """Monotonicity and inflection over tasks `(…, trial, d_out, d_in)`, at every budget (claim D4).

    Exact at every point, by `fine_tune_plateaus`, whose domain and errors it has.

    >>> tasks = rotated_tasks(np.array([1.0, 0.5]), strengths=[1.0], angles=[0.0, 1.5], trials=50, seed=0)
    >>> found = map_forgetting(np.array([0.5, 5.0]), np.array([1.0, 0.5]), tasks)
    >>> found.turns.shape, found.turns[0, 0].tolist()
    ((1, 2, 2), [0.0, 0.0])
    """
    budgets, tasks = _listed("budgets", budgets), finite("tasks", tasks)
    if tasks.ndim < 3 or not tasks.size:
        raise ShapeError(f"tasks {tasks.shape}", "a map is over many", "pass them as (…, trial, d_out, d_in)")
    *cells, trials, d_out, d_in = tasks.shape
    flat, step = tasks.reshape(-1, 1, d_out, d_in), max(1, AT_ONCE // (budgets.size * (d_in + d_out) ** 2))
    parts = [_observed(budgets, sigma, flat[i : i + step]) for i in range(0, len(flat), step)]
    rows = [np.concatenate(part).reshape(*cells, trials, *part[0].shape[1:]) for part in zip(*parts, strict=True)]
    monotone, turns, hurts, foreseen = (row.mean(axis=len(cells)) for row in rows[:4])
    return ForgettingMap(monotone, turns, hurts, foreseen, rows[4].max(axis=len(cells)))


def _observed(budgets: np.ndarray, sigma: np.ndarray, tasks: np.ndarray) -> tuple[np.ndarray, ...]:
    """(task, budget), and for two (task, budget, feature)."""
    found, half = fine_tune_plateaus(budgets, sigma, tasks), (np.asarray(sigma) ** 2).sum() / 2
    rounding = ROUNDING * (half + (tasks**2).sum((-2, -1)))[..., None]
    growth, after = np.asarray(found.growth), np.asarray(found.after)
    ahead = 2 * budgets[:, None] ** 2 * plateau_growth(sigma, tasks) > sigma**2
    turns = after[..., :-1].min(axis=-1) < after[..., -1] - rounding[..., 0]
    drop = np.maximum(-growth, 0.0).max(axis=-1) / half
    return (growth >= -rounding).all(axis=-1), turns, found.hurts, ahead == found.hurts, drop


def rotated_tasks(
    sigma: Sigma, strengths: Numbers, angles: Numbers, trials: int, seed: int, d_out: int | None = None,
    d_in: int | None = None,
) -> Float[np.ndarray, "strength angle trial d_out d_in"]:  # fmt: skip
    """The teacher turned and rescaled, `strength · R diag(σ) R'ᵀ`, with rotations of largest plane angle `angle`.

    Random planes for every trial, the same for all strengths and angles, as in `tasks.RotatedTeacher`.
    """
    from scipy.linalg import expm  # a tenth of a second to import

    sigma, size, shape, generator = _given(sigma, strengths, seed, d_out, d_in)
    teacher, angles = np.zeros(shape), _listed("angles", angles)
    teacher[range(sigma.size), range(sigma.size)] = sigma
    turns = []
    for d in shape:
        square = generator.standard_normal((whole("trials", trials), d, d))
        skew = square - np.swapaxes(square, -1, -2)
        unit = skew / np.maximum(np.linalg.norm(skew, 2, axis=(-2, -1))[:, None, None], np.finfo(float).tiny)
        turns.append(expm(angles[:, None, None, None] * unit))
    return size * (turns[0] @ teacher @ np.swapaxes(turns[1], -1, -2))


def random_tasks(
    sigma: Sigma, strengths: Numbers, shared: Numbers, trials: int, seed: int, d_out: int | None = None,
    d_in: int | None = None,
) -> Float[np.ndarray, "strength shared trial d_out d_in"]:  # fmt: skip
    """`strength · diag(σ₁ … σ_k, G)`: k features shared with the teacher, the rest Gaussian of largest value σ₁.

    shared: numbers k of features, 0 for a task that knows nothing of the teacher. The same G for all strengths.
    """
    sigma, size, shape, generator = _given(sigma, strengths, seed, d_out, d_in)
    counts = _listed("shared", shared)
    made = np.zeros((counts.size, whole("trials", trials), *shape))
    for place, asked in enumerate(counts.tolist()):
        k = min(whole("shared", asked, least=0), sigma.size)
        made[place][:, range(k), range(k)] = sigma[:k]
        if min(shape) > k:
            rest = generator.standard_normal((trials, shape[0] - k, shape[1] - k))
            made[place][:, k:, k:] = sigma[0] * rest / np.linalg.norm(rest, 2, axis=(-2, -1))[:, None, None]
    return size * made


def _given(
    sigma: Sigma, strengths: Numbers, seed: int, d_out: int | None, d_in: int | None
) -> tuple[np.ndarray, np.ndarray, tuple[int, int], np.random.Generator]:
    sigma, size = _listed("sigma", positive("sigma", sigma)), _listed("strengths", strengths)
    shape = (
        sigma.size if d_out is None else whole("d_out", d_out),
        sigma.size if d_in is None else whole("d_in", d_in),
    )
    if min(shape) < sigma.size:
        raise ShapeError(
            f"{sigma.size} singular values", f"a {shape[0]} × {shape[1]} task has fewer", "pass larger widths"
        )
    return sigma, size[:, None, None, None, None], shape, np.random.default_rng(whole("seed", seed, least=0))


def _listed(name: str, x: Numbers) -> np.ndarray:
    values = nonnegative(name, x)
    if values.ndim != 1 or not values.size:
        raise ShapeError(f"{name} of shape {values.shape}", "it is a list of numbers", "pass a 1-d array")
    return values


def rotated_task_map(asked: Protocol) -> xr.Dataset:
    """Shares of 84,000 turned teachers, over strength, angle and ‖B‖T: a Trajectory at one length (claim D4).

    asked: gives teacher and widths; its strengths are the values of ‖B‖T. `falls`: Δ falls from some plateau to the
    next.  turns: the loss after fine-tuning is lowest before the last plateau.  foreseen: of all features, for which
    the order T² says rightly whether they hurt.  largest_drop: of Δ, in units of ½‖A‖².  safe: the ‖B‖T up to which
    Δ cannot fall.
    """
    return _atlas(asked, "angle", np.array(ANGLES), "radians")


def shared_feature_map(asked: Protocol) -> xr.Dataset:
    """The same of 21,000 random tasks, over the number of features that they share with the teacher (claim D4)."""
    return _atlas(asked, "shared", np.arange(float(singular_values(asked.teacher).size)), "features")


def mapped_tasks(
    asked: Protocol, axis: str, places: Float[np.ndarray, " place"]
) -> Float[np.ndarray, "strength place trial d_out d_in"]:
    """The atlas's own tasks, `(strength, place, trial, d_out, d_in)`, in the teacher's frames.

    axis: "angle", places in radians, or "shared", places numbers of features.
    """
    draw = rotated_tasks if axis == "angle" else random_tasks
    sigma, n = singular_values(asked.teacher), asked.network
    return draw(sigma, np.array(STRENGTHS), places, TRIALS[axis], SEED, n.d_out, n.d_in)


def _atlas(asked: Protocol, axis: str, places: np.ndarray, units: str) -> xr.Dataset:
    sigma, reach, drawn = singular_values(asked.teacher), np.array(asked.strengths), mapped_tasks(asked, axis, places)
    norms = sigma[0] * np.array(STRENGTHS)
    found = [map_forgetting(reach / norm, sigma, those) for norm, those in zip(norms, drawn, strict=True)]
    over = lambda of: np.stack([of(one) for one in found])[None]
    axes, safe = ("pretraining", "size", axis, "strength"), norms * safe_budget(sigma, norms).min(axis=-1)
    return trajectory(
        {"falls": (axes, over(lambda one: 1 - one.monotone)), "turns": (axes, over(lambda one: one.turns)),
         "foreseen": (axes, over(lambda one: one.foreseen.mean(axis=-1))),
         "largest_drop": (axes, over(lambda one: one.largest_drop)), "safe": (axes[:2], safe[None])},
        {"pretraining": [0.0], "size": ("size", list(STRENGTHS), {"units": "‖B‖/‖A‖"}),
         axis: (axis, places, {"units": units}), "strength": ("strength", reach, {"units": "‖B‖T"})},
        method="theory",
        source=f"claim D4 on {drawn[..., 0, 0].size:,} tasks",
        model="from plateau to plateau",
    )  # fmt: skip
