"""D4, mapped: how often fine-tuning costs less after a further plateau, and how often longer pretraining hurts.

`map_forgetting` counts over any tasks, matrices in the teacher's frames, `UᵀBV`, with any axes before the trials.
`rotated_task_map` and `shared_feature_map` are the maps of figure plasticity-and-forgetting, of 105,000 tasks as ε → 0;
`finite_start_map` has 12,000 of these tasks from a start ε. Their budgets are given as ‖B‖T, so that they mean the same
for tasks of every strength.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import finite, nonnegative, positive, whole
from overtraining.setting.errors import NoFormula, ShapeError
from overtraining.setting.protocol import Protocol
from overtraining.setting.responses import trajectory
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import singular_values
from overtraining.theory.fine_tuning.plateau_depth import plateau_checkpoints
from overtraining.theory.fine_tuning.plateaus import (
    Sigma,
    Tasks,
    fine_tune_plateaus,
    plateau_growth,
    rise_on_plateaus,
    safe_budget,
)

AT_ONCE = 2**21  # numbers in the largest array: 16 MB
ROUNDING = 1e-9  # of ‖B‖² + ‖A‖²: smaller changes count as none; `fine_tune_plateaus` rounds by less
CLEAR = 1e-3  # of ½‖A‖²
STRENGTHS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)  # ‖B‖/σ₁
ANGLES = tuple(np.linspace(0.0, 2.1, 15).tolist())
TRIALS = {"angle": 800, "shared": 750}  # of every strength and angle, or number of shared features
KEY = 0


@dataclass(frozen=True)
class ForgettingMap:
    """Shares of the trials in every cell: the tasks' axes without the trials, then the budget, then, for two, the
    feature.

    monotone: Δ falls at no plateau.  clear_falls: at some plateau it falls by more than 1e-3 of ½‖A‖².  turns: the
    pretraining loss after fine-tuning is lowest before the last plateau, an inflection.  hurts: that loss is higher
    with the feature than without.  foreseen: the order T², `2T²·growth > σ²`, says the same.  largest_drop: of Δ from
    one plateau to the next, over all trials, in units of ½‖A‖².
    """

    monotone: Values
    clear_falls: Values
    turns: Values
    hurts: Values
    foreseen: Values
    largest_drop: Values


def map_forgetting(
    budgets: Float[np.ndarray, " budget"], sigma: Sigma, tasks: Tasks, epsilon: Numbers | None = None
) -> ForgettingMap:
    """Monotonicity and inflection over tasks `(…, trial, d_out, d_in)`, at every budget (claim D4).

    epsilon: the start, at whose `plateau_checkpoints` the result is exact, by `rise_on_plateaus`. Without it the result
    is the limit ε → 0, by `fine_tune_plateaus`. Domain and errors are those of these functions.

    >>> tasks = rotated_tasks(np.array([1.0, 0.5]), strengths=[1.0], angles=[0.0, 1.5], trials=50, key=0)
    >>> found = map_forgetting(np.array([0.5, 5.0]), np.array([1.0, 0.5]), tasks)
    >>> found.turns.shape, found.turns[0, 0].tolist()
    ((1, 2, 2), [0.0, 0.0])
    >>> float(map_forgetting(np.array([0.02]), np.array([1.0, 0.5]), tasks, epsilon=1e-3).monotone[0, 1, 0])
    0.0
    """
    budgets, tasks = _listed("budgets", budgets), finite("tasks", tasks)
    if tasks.ndim < 3 or not tasks.size:
        raise ShapeError(f"tasks {tasks.shape}", "a map is over many tasks", "pass them as (…, trial, d_out, d_in)")
    *cells, trials, d_out, d_in = tasks.shape
    flat = tasks.reshape(-1, 1, d_out, d_in)
    step = max(1, AT_ONCE // (budgets.size * (d_in + d_out) ** 2))
    parts = [_observed(budgets, sigma, flat[i : i + step], epsilon) for i in range(0, len(flat), step)]
    rows = [np.concatenate(part).reshape(*cells, trials, *part[0].shape[1:]) for part in zip(*parts, strict=True)]
    monotone, clear, turns, hurts, foreseen = (row.mean(axis=len(cells)) for row in rows[:5])
    return ForgettingMap(monotone, clear, turns, hurts, foreseen, rows[5].max(axis=len(cells)))


def _observed(
    budgets: np.ndarray, sigma: np.ndarray, tasks: np.ndarray, epsilon: Numbers | None
) -> tuple[np.ndarray, ...]:
    """The fields of a ForgettingMap for each task: (task, budget), and for two of them (task, budget, feature)."""
    growth, after, hurts = _at_start(budgets, sigma, tasks, epsilon)
    half = (np.asarray(sigma) ** 2).sum() / 2
    rounding = ROUNDING * (half + (tasks**2).sum((-2, -1)))[..., None]
    hurts_by_order = 2 * budgets[:, None] ** 2 * plateau_growth(sigma, tasks) > sigma**2
    monotone = (growth >= -rounding).all(axis=-1)
    turns = after[..., :-1].min(axis=-1) < after[..., -1] - rounding[..., 0]
    drop = np.maximum(-growth, 0.0).max(axis=-1) / half
    return monotone, drop > CLEAR, turns, hurts, hurts_by_order == hurts, drop


def _at_start(
    budgets: np.ndarray, sigma: np.ndarray, tasks: np.ndarray, epsilon: Numbers | None
) -> tuple[np.ndarray, ...]:
    """The steps of Δ, the loss after fine-tuning on every plateau, and whether each feature raises it."""
    if epsilon is None:
        plateaus = fine_tune_plateaus(budgets, sigma, tasks)
        return np.asarray(plateaus.growth), np.asarray(plateaus.after), plateaus.hurts
    rise = np.asarray(rise_on_plateaus(budgets, sigma, tasks, epsilon))
    after = rise + ((sigma - plateau_checkpoints(sigma, epsilon)[1]) ** 2).sum(axis=-1) / 2
    return np.diff(rise), after, np.diff(after) > 0


def rotated_tasks(
    sigma: Sigma,
    strengths: Numbers,
    angles: Numbers,
    trials: int,
    key: int,
    d_out: int | None = None,
    d_in: int | None = None,
) -> Float[np.ndarray, "strength angle trial d_out d_in"]:
    """The teacher rotated and rescaled, `strength · R diag(σ) R'ᵀ`, with rotations of largest plane angle.

    The planes are random for every trial and the same for all strengths and angles, as in `tasks.RotatedTeacher`.

    sigma: the teacher's singular values.  strengths: > 0, a list.  angles: in radians, a list.  trials: how many.
    key: of the random planes.  d_out, d_in: widths, by default as many as modes.
    Raises DomainError outside the domain, ShapeError where sigma, strengths or angles are not lists.

    >>> rotated_tasks(np.array([1.0, 0.5]), strengths=[2.0], angles=[0.0], trials=1, key=0)[0, 0, 0].round(12).tolist()
    [[2.0, 0.0], [0.0, 1.0]]
    """
    from scipy.linalg import expm  # a tenth of a second to import

    sigma, size, shape, generator = _prepared(sigma, strengths, key, d_out, d_in)
    angles = _listed("angles", angles)
    teacher = np.zeros(shape)
    teacher[range(sigma.size), range(sigma.size)] = sigma
    rotations = []
    for d in shape:
        square = generator.standard_normal((whole("trials", trials), d, d))
        skew = square - np.swapaxes(square, -1, -2)
        unit = skew / np.maximum(np.linalg.norm(skew, 2, axis=(-2, -1))[:, None, None], np.finfo(float).tiny)
        rotations.append(expm(angles[:, None, None, None] * unit))
    return size * (rotations[0] @ teacher @ np.swapaxes(rotations[1], -1, -2))


def random_tasks(
    sigma: Sigma,
    strengths: Numbers,
    shared: Numbers,
    trials: int,
    key: int,
    d_out: int | None = None,
    d_in: int | None = None,
) -> Float[np.ndarray, "strength shared trial d_out d_in"]:
    """`strength · diag(σ₁ … σ_k, G)`: k features shared with the teacher, the rest Gaussian of largest value σ₁.

    sigma: the teacher's singular values.  strengths: > 0, a list.
    shared: numbers k of features, 0 for a task that has none of the teacher's. The same G for all strengths.
    trials: how many.  key: of the random G.  d_out, d_in: widths, by default as many as modes.
    Raises DomainError outside the domain, ShapeError where sigma, strengths or shared are not lists.

    >>> random_tasks(np.array([1.0, 0.5]), strengths=[2.0], shared=[1], trials=1, key=0).shape
    (1, 1, 1, 2, 2)
    """
    sigma, size, shape, generator = _prepared(sigma, strengths, key, d_out, d_in)
    counts = _listed("shared", shared)
    tasks = np.zeros((counts.size, whole("trials", trials), *shape))
    for place, count in enumerate(counts.tolist()):
        k = min(whole("shared", count, least=0), sigma.size)
        tasks[place][:, range(k), range(k)] = sigma[:k]
        if min(shape) > k:
            rest = generator.standard_normal((trials, shape[0] - k, shape[1] - k))
            tasks[place][:, k:, k:] = sigma[0] * rest / np.linalg.norm(rest, 2, axis=(-2, -1))[:, None, None]
    return size * tasks


def _prepared(
    sigma: Sigma, strengths: Numbers, key: int, d_out: int | None, d_in: int | None
) -> tuple[np.ndarray, np.ndarray, tuple[int, int], np.random.Generator]:
    """The singular values, the strengths against the tasks' axes, the shape of a task, and a random generator."""
    sigma, size = _listed("sigma", positive("sigma", sigma)), _listed("strengths", strengths)
    shape = (
        sigma.size if d_out is None else whole("d_out", d_out),
        sigma.size if d_in is None else whole("d_in", d_in),
    )
    if min(shape) < sigma.size:
        raise ShapeError(
            f"{sigma.size} singular values", f"a {shape[0]} × {shape[1]} task has fewer", "pass larger widths"
        )
    return sigma, size[:, None, None, None, None], shape, np.random.default_rng(whole("key", key, least=0))


def _listed(name: str, x: Numbers) -> np.ndarray:
    values = nonnegative(name, x)
    if values.ndim != 1 or not values.size:
        raise ShapeError(f"{name} of shape {values.shape}", "it is not a list of numbers", "pass a 1-d array")
    return values


def rotated_task_map(setup: Protocol) -> xr.Dataset:
    """Shares of 84,000 rotated teachers as ε → 0, over strength, angle and ‖B‖T: a Trajectory at one length (claim D4).

    setup: gives teacher and widths; its strengths are the values of ‖B‖T. `falls`: Δ falls from some plateau to the
    next.  clear_falls: by more than 1e-3 of ½‖A‖².  turns: the loss after fine-tuning is lowest before the last
    plateau.  foreseen: the share of all features for which the order T² says rightly whether they hurt.  largest_drop:
    of Δ, in units of ½‖A‖².  safe: the ‖B‖T up to which Δ cannot fall.
    """
    return _map(setup, "angle", np.array(ANGLES), "radians")


def shared_feature_map(setup: Protocol) -> xr.Dataset:
    """The same of 21,000 random tasks, over the number of features that they share with the teacher (claim D4)."""
    return _map(setup, "shared", np.arange(float(singular_values(setup.teacher).size)), "features")


def finite_start_map(setup: Protocol) -> xr.Dataset:
    """The same of those 12,000 rotated teachers that are as strong as the teacher, from setup's start, exactly (D4).

    Raises NoFormula where the start is not aligned and balanced.
    """
    if not isinstance(setup.start, Aligned) or setup.start.imbalance:
        raise NoFormula(f"start {setup.start}", "plateaus are those of a balanced aligned start", "pass Aligned(ε)")
    return _map(setup, "angle", np.array(ANGLES), "radians", (1.0,), setup.start.epsilon)


def mapped_tasks(
    setup: Protocol, axis: str, places: Float[np.ndarray, " place"], strengths: tuple[float, ...] = STRENGTHS
) -> Float[np.ndarray, "strength place trial d_out d_in"]:
    """The tasks of these maps, `(strength, place, trial, d_out, d_in)`, in the teacher's frames.

    axis: "angle", with places in radians, or "shared", with places that are numbers of features.
    """
    make = rotated_tasks if axis == "angle" else random_tasks
    sigma, network = singular_values(setup.teacher), setup.network
    return make(sigma, np.array(strengths), places, TRIALS[axis], KEY, network.d_out, network.d_in)


def _map(
    setup: Protocol,
    axis: str,
    places: np.ndarray,
    units: str,
    strengths: tuple[float, ...] = STRENGTHS,
    epsilon: Numbers | None = None,
) -> xr.Dataset:
    sigma, reach = singular_values(setup.teacher), np.array(setup.strengths)
    tasks = mapped_tasks(setup, axis, places, strengths)
    norms = sigma[0] * np.array(strengths)
    maps = [map_forgetting(reach / norm, sigma, those, epsilon) for norm, those in zip(norms, tasks, strict=True)]
    safe = norms * safe_budget(sigma, norms).min(axis=-1)

    def over_sizes(field: Callable[[ForgettingMap], Values]) -> np.ndarray:
        return np.stack([field(one) for one in maps])[None]

    axes = ("pretraining", "size", axis, "strength")
    return trajectory(
        {
            "falls": (axes, over_sizes(lambda one: 1 - one.monotone)),
            "clear_falls": (axes, over_sizes(lambda one: one.clear_falls)),
            "turns": (axes, over_sizes(lambda one: one.turns)),
            "foreseen": (axes, over_sizes(lambda one: one.foreseen.mean(axis=-1))),
            "largest_drop": (axes, over_sizes(lambda one: one.largest_drop)),
            "safe": (axes[:2], safe[None]),
        },
        {
            "pretraining": [0.0],
            "size": ("size", list(strengths), {"units": "‖B‖/‖A‖"}),
            axis: (axis, places, {"units": units}),
            "strength": ("strength", reach, {"units": "‖B‖T"}),
        },
        method="theory",
        source=f"claim D4 on {tasks[..., 0, 0].size:,} tasks",
        model="from plateau to plateau" + ("" if epsilon is None else f", from {float(np.asarray(epsilon)):g}"),
        extra={"clear": CLEAR},
    )
