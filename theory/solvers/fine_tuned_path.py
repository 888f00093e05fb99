"""D1 on a protocol: both losses after fine-tuning, from the path of the pretrained network.

With replayed pretraining data, fine-tuning is training on one task between the two, at one pace (D7): where replayed
inputs have the variance ξ, `w = 1 − ρ + ρξ` times as fast as on the task `M = ((1 − ρ)B + ρξA)/w`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Values
from overtraining.setting.errors import NoFormula, NotSolved
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.resolved import ResolvedProtocol
from overtraining.setting.tasks import SharedVectors
from overtraining.setting.training import GradientFlow
from overtraining.theory.fine_tuning.mixed_target import interpolated
from overtraining.theory.fine_tuning.tuned_flow import fine_tune, fine_tune_mode
from overtraining.theory.learning import deep_mode
from overtraining.theory.learning.matrix_modes import Modes
from overtraining.theory.learning.near_balance import Deviation, deep_rate, distance_bound, time_nodes, two_layer_bound
from overtraining.theory.learning.random_start_error import grown, grown_after, limit_errors
from overtraining.theory.products import refuse_overflow
from overtraining.theory.remedies.anchored import anchored_weight_after
from overtraining.theory.solvers.paths import MEASURE, Path, RandomModes
from overtraining.theory.solvers.random_path import MOST_ERROR

Budgets = Float[np.ndarray, "*length budget"]
NeverLearned = Float[np.ndarray, " lost"]
EPS = np.finfo(float).eps
STOPS = 9  # at which the error with an anchor is estimated
SEED_ERROR = 1e-8  # of f over the larger of f and B, by the rounding error of the weakest pretrained weights


class _Mixed(NamedTuple):
    """What replay makes of the task: `target` is M, `from_task` is `B − M`, `pace` is w; ρ = 0 leaves B as it is."""

    target: np.ndarray
    from_task: np.ndarray
    pace: np.ndarray


def losses(
    resolved: ResolvedProtocol, tuning: FineTuning, path: Path, strengths: Budgets
) -> tuple[dict[str, Values], NeverLearned]:
    """`before` and `after`, pretraining and downstream, and the singular values that are never learned.

    strengths: budgets, the same at every length, or, except from random weights, others.

    | layers | weights                   | task           | replay    | weight decay | anchor |
    |--------|---------------------------|----------------|-----------|--------------|--------|
    | 1      | any                       | any            | any Σx    | any          | any    |
    | 2      | aligned, balanced         | shared vectors | shared Σx | any          | any    |
    | 2      | aligned, with imbalance   | shared vectors | shared Σx | none         | none   |
    | 2      | any that A5 solves        | any            | Σx = ξI   | none         | none   |
    | 3, …   | aligned                   | shared vectors | shared Σx | none         | none   |
    | 2, …   | own, nearly balanced      | as if balanced | as there  | none         | none   |
    | 2      | small and random          | shared vectors | Σx = ξI   | any          | any    |

    Small random weights have means over starts, to leading order (D1r). Beyond two layers, no mode may be trained
    toward the other sign. Common to all: gradient flow on all weights. `imbalance_error` is the most that the imbalance
    of own weights changes of a loss, for every length.
    Never learned are singular values of the task, or, with replay, of the mix of both tasks.
    Raises NoFormula for anything else.
    """
    for applies, refused, why, instead in (
        (not isinstance(tuning.training, GradientFlow), tuning.training, "formulas are for continuous time",
         "use training=GradientFlow()"),
        (tuning.rank is not None, f"rank = {tuning.rank}", "low-rank updates are not a balanced flow", "use rank=None"),
    ):  # fmt: skip
        if applies:
            raise _no_formula(refused, why, instead)
    budgets = np.concatenate([np.zeros_like(strengths[..., :1]), strengths], axis=-1)  # 0, for the losses before
    if path.deviation_of_modes is not None and (tuning.anchor or tuning.training.weight_decay):
        given = f"anchor = {tuning.anchor:g}, weight_decay = {tuning.training.weight_decay:g}"
        raise _no_formula(given, "there is no bound on what the imbalance of own weights changes", "use 0 for both")
    if path.one_layer is not None:
        return _by_one_layer(resolved, tuning, path, budgets, *path.one_layer()), np.zeros(0)
    if path.mode_products is not None and isinstance(tuning.task, SharedVectors):
        return _by_modes(resolved, tuning, path, budgets, path.mode_products)
    if path.random_modes is not None:
        if not isinstance(tuning.task, SharedVectors):
            reason = "from random weights only modes have means, and a task with other singular vectors mixes them"
            raise _no_formula(tuning.task, reason, "use task=SharedVectors(…) or start=Aligned(epsilon)")
        return _by_random_modes(resolved, tuning, path, budgets, path.random_modes())
    if tuning.anchor > 0:
        reason = "with an anchor only one layer, and tasks with the teacher's singular vectors, have a formula"
        raise _no_formula(f"anchor = {tuning.anchor:g}", reason, f"use anchor=0 or {_decoupled(tuning)}")
    return _by_matrices(resolved, tuning, path, budgets)


def _by_modes(
    resolved: ResolvedProtocol,
    tuning: FineTuning,
    path: Path,
    budgets: Budgets,
    s: Float[np.ndarray, "*node length mode"],
    weight: Float[np.ndarray, "node mode"] | None = None,
) -> tuple[dict[str, Values], NeverLearned]:
    """weight: of every start, for means over starts."""
    assert isinstance(tuning.task, SharedVectors)
    m, n = s.shape[-1], resolved.protocol.network
    every_mode = min(n.d_in, n.d_out)
    sigma, sigma_task = (_padded(x, every_mode) for x in (resolved.sigma, np.array(tuning.task.values)))
    xi = resolved.variances[:every_mode]
    mixed = _mixed(tuning, sigma, sigma_task, xi)
    imbalance = getattr(resolved.protocol.start, "imbalance", 0.0)
    decay, anchor = tuning.training.weight_decay / mixed.pace, tuning.anchor / mixed.pace
    time = refuse_overflow("the budget of a mode", lambda: budgets[..., None] * mixed.pace[:m])
    start = s[..., None, :]
    if tuning.anchor > 0:
        if imbalance or n.depth > 2:
            reason = "with an anchor only one layer, and balanced weights of two, have a formula"
            raise _no_formula(f"anchor = {tuning.anchor:g}", reason, "use anchor=0")
        # weight decay acts on a balanced mode as a task that asks for as much less
        x = anchored_weight_after(time, np.sqrt(start), (mixed.target - decay)[:m], anchor[:m]) ** 2
        unlearned = mixed.target[:m] - x
    else:
        x, unlearned = _tuned_modes(tuning, n.depth, time, start, mixed.target[:m], imbalance, decay[:m])
    missed = refuse_overflow("the loss", lambda: xi[m:] @ sigma[m:] ** 2)
    missed_task = refuse_overflow("the downstream loss", lambda: sigma_task[m:] @ sigma_task[m:])
    squares, squares_task = (sigma[:m] - x) ** 2, (mixed.from_task[:m] + unlearned) ** 2
    if weight is not None:
        squares, squares_task = (np.einsum("nltm,nm->ltm", y, weight) for y in (squares, squares_task))
    after = (squares @ xi[:m] + missed) / 2
    downstream = (squares_task.sum(axis=-1) + missed_task) / 2
    dying = (mixed.target <= decay) & (imbalance == 0) & (tuning.anchor == 0)
    dying[m:] = True
    never_learned = np.abs(mixed.target[dying])
    own = None
    if path.deviation_of_modes is not None:
        own = _tuned_modes_deviation(tuning, n.depth, path.deviation_of_modes, s, budgets, mixed)
    return _named(path, after, downstream, own), np.sort(never_learned[never_learned > 0])[::-1]


def _by_random_modes(
    resolved: ResolvedProtocol, tuning: FineTuning, path: Path, budgets: Budgets, modes: RandomModes
) -> tuple[dict[str, Values], NeverLearned]:
    """Means over starts, and `error`, what they miss at a length, as a share of the larger of ½‖A‖², ½‖B‖² (D1r).

    An anchor stops the flow between its start and where it were without one: its error is the largest up to the budget.
    """
    assert isinstance(tuning.task, SharedVectors)
    values, never_learned = _by_modes(resolved, tuning, path, budgets, modes.products, modes.weight)
    every = modes.growth.theta.shape[1]
    sigma, sigma_task = (_padded(x, every) for x in (resolved.sigma, np.array(tuning.task.values)))
    mixed = _mixed(tuning, sigma, sigma_task, resolved.variances[:1])
    if tuning.anchor > 0:
        budgets = budgets[-1] * np.linspace(0, 1, STOPS)
    time = refuse_overflow("the budget of a mode", lambda: budgets * mixed.pace)
    tuned = grown(time, mixed.target, float(tuning.training.weight_decay / mixed.pace[0]))
    missed = limit_errors(grown_after(modes.growth, tuned), modes.start, [sigma, sigma_task])[:2]
    scale = max((sigma**2).sum(), (sigma_task**2).sum()) / 2
    values["error"] = missed.max(axis=0).reshape(path.loss.size, -1).max(axis=1) / scale
    if (error := values["error"].max()) > MOST_ERROR:
        given = f"{resolved.protocol.start!r}, of which the limit of small weights misses about {error:.1g}"
        why = f"fine-tuning for T = {budgets[-1]:g} makes too much of what is not yet learned: 0.1 is the most"
        raise NoFormula(given, why, f"use smaller weights, shorter budgets or longer pretraining, or {MEASURE}")
    return values, never_learned


def _tuned_modes(
    tuning: FineTuning,
    depth: int,
    time: np.ndarray,
    s: np.ndarray,
    target: np.ndarray,
    imbalance: float,
    decay: np.ndarray,
) -> tuple[Values, Values]:
    """The modes' products after these times, and what of the target remains unlearned."""
    if depth == 2 and not decay.any():
        return fine_tune_mode(time, s, target, imbalance)
    if decay.any() and (imbalance or depth > 2):
        reason = "with weight decay only one layer, and balanced weights of two, have a formula"
        raise _no_formula(tuning.training, reason, "use weight_decay=0")
    if depth > 2 and (target < 0).any():
        reason = "beyond two layers, a mode that is trained toward the other sign has no formula"
        raise _no_formula(tuning.task, reason, "use values >= 0")
    # toward a target below 0 a balanced mode decays as under weight decay of that size
    x, unlearned = deep_mode.learned_and_unlearned(
        time, np.maximum(target, 0), s, depth, decay + np.maximum(-target, 0)
    )
    return x, np.minimum(target, 0) + unlearned


def _by_matrices(
    resolved: ResolvedProtocol, tuning: FineTuning, path: Path, budgets: Budgets
) -> tuple[dict[str, Values], NeverLearned]:
    if tuning.training.weight_decay:
        reason = "with weight decay only one layer, and tasks with the teacher's singular vectors, have a formula"
        raise _no_formula(tuning.training, reason, f"use weight_decay=0 or {_decoupled(tuning)}")
    if tuning.replay_share and not resolved.isotropic:
        reason = "replayed inputs and those of the task have different axes of Σx, so that no one task is their mix"
        raise _no_formula(f"replay_share = {tuning.replay_share:g}", reason, "use replay_share=0 or whitened inputs")
    if path.modes is None:
        raise NoFormula(
            f"fine-tuning of {resolved.protocol.network!r} from {resolved.protocol.start!r}",
            "beyond two layers, only tasks with the teacher's singular vectors have a formula",
            f"use depth=2 or task=SharedVectors(…), or {MEASURE}",
        )
    teacher = refuse_overflow("the teacher", lambda: resolved.teacher)
    task = refuse_overflow("the task", lambda: resolved.task)
    mixed = _mixed(tuning, teacher, task, resolved.variances[:1])
    times = refuse_overflow("the budget", lambda: budgets * mixed.pace)
    input_covariance = refuse_overflow("Σx", lambda: resolved.input_covariance)
    after, downstream, never_learned, own = [], [], np.zeros(0), []
    each_time = np.broadcast_to(times, (path.loss.size, times.shape[-1]))
    for i, (modes, time) in enumerate(zip(path.modes(), each_time, strict=True)):
        _check_seeds(modes, float(time[-1]), mixed.target)
        tuned = fine_tune(time, modes, teacher, mixed.target)
        after.append(np.einsum("tij,tij->t", tuned.unlearned @ input_covariance, tuned.unlearned) / 2)
        downstream.append(((mixed.from_task + tuned.flow.unlearned) ** 2).sum((-2, -1)) / 2)
        never_learned = max(never_learned, tuned.flow.never_learned, key=np.size)
        if path.deviation_of_modes is not None:
            distance, h = float(path.deviation_of_modes.distance[i]), resolved.protocol.network.h
            bound = two_layer_bound(float(time[-1]), distance, modes, mixed.target, h).at(time)
            sizes = [np.linalg.norm(q, 2, axis=(1, 2)) for q in (tuned.flow.factor_in, tuned.flow.factor_out)]
            own.append((bound, np.hypot(*sizes) / np.sqrt(2)))
    return _named(path, np.array(after), np.array(downstream), own), never_learned


def _check_seeds(modes: Modes, budget: float, task: np.ndarray) -> None:
    """Refuse imbalanced weights of which the weakest matter and are rounding errors of the strongest.

    A hidden unit's weights q are known to `ε‖Q‖`. Their part of f, q², and its error, `qε‖Q‖`, grow by `e^{2‖B‖T}` at
    most, until the unit is learned, with the relative error that it started with.
    """
    q = np.sqrt(np.hypot(modes.imbalance, 2 * _padded(modes.s, max(modes.u.shape[1], modes.v.shape[1]))))
    largest = np.linalg.norm(task, 2)
    scale = max(largest, q.max() ** 2)
    with np.errstate(over="ignore"):
        grown = np.minimum(1.0, q**2 / scale * np.exp(2 * largest * budget))
    if modes.imbalance and (error := (EPS * q.max() / q * grown).max()) > SEED_ERROR:
        raise NotSolved(
            f"hidden units whose weights are {q.min() / q.max():.2g} of the strongest",
            f"fine-tuning for T = {budget:g} amplifies their rounding error to {error:.1g}",
            "start from a larger imbalance or epsilon, or use imbalance=0",
        )


def _by_one_layer(
    resolved: ResolvedProtocol, tuning: FineTuning, path: Path, budgets: Budgets, f: np.ndarray, unlearned: np.ndarray
) -> dict[str, Values]:
    """Every column of f in the axes of Σx relaxes by itself, at the sum of all pulls on it.

    `ḟ = (1 − ρ)(B − f) + ρξ(A − f) + λ(f₀ − f) − μf`.
    """
    xi, axes, rho = resolved.variances, resolved.input_axes, tuning.replay_share
    teacher, task = refuse_overflow("the teacher or the task", lambda: [resolved.teacher @ axes, resolved.task @ axes])
    f, unlearned = f @ axes, unlearned @ axes  # f₀ and A − f₀, (length, d_out, d_in)
    to_task, to_teacher, anchor, decay = 1 - rho, rho * xi, tuning.anchor, tuning.training.weight_decay
    rate = to_task + to_teacher + anchor + decay
    task_beyond, unlearned_task = task - teacher, (task - teacher) + unlearned  # B − A, B − f₀
    from_task = (to_teacher * task_beyond + anchor * unlearned_task + decay * task) / rate  # B − f at the end
    from_teacher = (-to_task * task_beyond + anchor * unlearned + decay * teacher) / rate  # A − f at the end
    budget = budgets[..., None, None]
    kept, gone = np.exp(-rate * budget), -np.expm1(-rate * budget)
    left, left_of_task = (
        start[:, None] * kept + end[:, None] * gone
        for start, end in ((unlearned, from_teacher), (unlearned_task, from_task))
    )
    after = refuse_overflow("the loss", lambda: (left**2 @ xi).sum(axis=-1) / 2)
    downstream = refuse_overflow("the downstream loss", lambda: (left_of_task**2).sum((-2, -1)) / 2)
    return _named(path, after, downstream)


def _mixed(tuning: FineTuning, teacher: np.ndarray, task: np.ndarray, variance: np.ndarray) -> _Mixed:
    rho = tuning.replay_share
    if rho == 0:
        return _Mixed(task, np.zeros_like(task), np.ones_like(variance))
    pace = np.asarray(1 - rho + rho * variance)
    share = rho * variance / pace
    target = np.asarray(interpolated(teacher, task, share))
    return _Mixed(target, refuse_overflow("the mixed task", lambda: share * (task - teacher)), pace)  # D7


def _tuned_modes_deviation(
    tuning: FineTuning, depth: int, pretrained: Deviation, s: np.ndarray, budgets: np.ndarray, mixed: _Mixed
) -> list[tuple[np.ndarray, np.ndarray]]:
    """How far own weights may be from modes that begin at s, and the size of their layers; for every length."""
    m = s.shape[1]
    pace, target = mixed.pace[:m], mixed.target[:m]
    beyond = np.abs(mixed.pace[m:] * mixed.target[m:]).max(initial=0.0)
    found = []
    for start, distance in zip(s, pretrained.distance, strict=True):

        def flow(time: np.ndarray, start: np.ndarray = start) -> tuple[np.ndarray, np.ndarray]:
            x, unlearned = _tuned_modes(tuning, depth, time[:, None] * pace, start, target, 0.0, np.zeros(m))
            return np.asarray(x).max(axis=1) ** (1 / depth), np.maximum(beyond, np.abs(pace * unlearned).max(axis=1))

        nodes = time_nodes(float(budgets[-1]), float(flow(np.zeros(1))[1][0]))
        largest, unlearned = flow(nodes)
        rate = deep_rate(unlearned, largest, depth, float(mixed.pace.max()))
        found.append((distance_bound(nodes, float(distance), rate).at(budgets), flow(budgets)[0]))
    return found


def _named(
    path: Path, after: np.ndarray, downstream: np.ndarray, own: list[tuple[np.ndarray, np.ndarray]] | None = None
) -> dict[str, Values]:
    """own: for every length, how far own weights may be from the path's, and the size of their layers, by budget."""
    error = {}
    if path.deviation_of_modes is not None and own:
        tuned = path.deviation_of_modes._replace(
            distance=np.array([x for x, _ in own]), largest=np.array([w for _, w in own])
        )
        error["imbalance_error"] = np.maximum(tuned.of_loss(after), tuned.of_loss(downstream, 1.0)).max(axis=1)
    return error | {
        "before": path.loss,
        "after": after[:, 1:],
        "downstream_before": downstream[:, 0],
        "downstream_after": downstream[:, 1:],
    }


def _no_formula(refused: object, why: str, instead: str) -> NoFormula:
    return NoFormula(refused if isinstance(refused, str) else repr(refused), why, f"{instead}, or {MEASURE}")


def _decoupled(tuning: FineTuning) -> str:
    """What to change so that fine-tuning acts on every mode by itself."""
    return "start=Aligned(epsilon)" if isinstance(tuning.task, SharedVectors) else "task=SharedVectors(…)"


def _padded(x: np.ndarray, size: int) -> np.ndarray:
    return np.pad(x, (0, size - x.size))
