"""mixing (E3): a share of downstream data in pretraining: which is best for which loss, and when?

Measured: gradient flow on the mixture of both losses, `(1 − q)L_pre + qL_ft`, then on the downstream loss alone; a grid
of shares at several lengths and budgets. Prediction: A3 twice, toward the interpolated target first; the share that is
best downstream, and that for a trade of both losses. Where it ends: turned tasks, whose mixture has other axes.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from overtraining.experiments import Preset
from overtraining.experiments.memoized import memoize
from overtraining.experiments.verdict import Check, Outcome, judge_bound, map_limit
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.responses import Method, trajectory
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import RotatedTeacher, task_matrix
from overtraining.setting.teachers import Spectrum, teacher_matrix
from overtraining.setting.training import GradientFlow
from overtraining.simulations.data import LearningProblem, population_loss
from overtraining.simulations.measurements import initialize
from overtraining.simulations.networks import Layers, product
from overtraining.simulations.pretraining import train_layers
from overtraining.theory.remedies.mixing import best_task_share, mixed_value, tradeoff_task_share

SIGMA, EPSILON = 1.0, 1e-3
TASKS = (2.0, 0.5)
LENGTHS = (2.0, 4.0, 6.0, 30.0)
BUDGETS = (0.0, 0.05, 0.15, 0.3, 0.5)
SHARES = np.linspace(0.0, 1.0, 21)
KEEP = 0.5
PARABOLA = "a parabola through the grid"


def protocol() -> Protocol:
    """One feature in a 3→2→2 network."""
    return Protocol(Spectrum((SIGMA,)), (0.0,), (0.0,), network=Network(3, 2, 2), start=Aligned(EPSILON))


def run(preset: Preset, key: int) -> Outcome:
    """The mode after both phases, the best shares, and a turned task."""
    shares = SHARES if preset == "quick" else np.linspace(0, 1, 201)
    found = {target: _modes(target, shares, key) for target in TASKS}
    axes = (np.array(LENGTHS)[:, None], np.array(BUDGETS))
    expected = [mixed_value(*axes, SIGMA, target, shares[:, None, None], EPSILON) for target in TASKS]
    reason = "the integrator's tolerance"
    checks = (
        judge_bound("a mode after mixing and fine-tuning (E3)", expected, list(found.values()), 1e-6, reason),
        _best_downstream(found, shares),
        _best_trade(found, shares),
        _turned(shares, key),
    )
    return Outcome(checks, {"measured": _as_data(found[TASKS[1]], shares)})


def _modes(target: float, shares: np.ndarray, key: int) -> np.ndarray:
    """The product's one singular value, with its sign: share × length × budget."""
    setup = protocol()
    teacher = teacher_matrix(setup.teacher, 2, 3)
    return np.einsum("qtbij,ij->qtb", _products(setup, target / SIGMA * teacher, shares, key), teacher) / SIGMA


def _best_downstream(found: dict[float, np.ndarray], shares: np.ndarray) -> Check:
    predicted, measured = [], []
    for target, modes in found.items():
        predicted.append([float(best_task_share(t, SIGMA, target, EPSILON)) for t in LENGTHS])
        measured.append(_least(((target - modes[..., -1]) ** 2).T, shares))
    return judge_bound("share that is best downstream (E3)", predicted, measured, 0.04, PARABOLA)


def _best_trade(found: dict[float, np.ndarray], shares: np.ndarray) -> Check:
    predicted, measured = [], []
    for target, modes in found.items():
        last = modes[:, -1]
        predicted.append([float(tradeoff_task_share(t, SIGMA, target, KEEP)) for t in BUDGETS])
        measured.append(_least((KEEP * (SIGMA - last) ** 2 + (1 - KEEP) * (target - last) ** 2).T, shares))
    return judge_bound(
        "share that is best for both losses (E3)", predicted, measured, 0.04, "a parabola through the grid"
    )


def _least(loss: np.ndarray, shares: np.ndarray) -> list[float]:
    """Where each row of losses is least, by a parabola through the three lowest of the grid."""
    best = []
    for row in loss:
        i = int(row.argmin())
        if i in (0, row.size - 1):
            best.append(float(shares[i]))
            continue
        left, middle, right = row[i - 1 : i + 2]
        best.append(float(shares[i] + (shares[1] - shares[0]) * (left - right) / (left - 2 * middle + right) / 2))
    return best


def _turned(shares: np.ndarray, key: int) -> Check:
    """A task of the teacher's own size in turned singular vectors: the mixture is smaller than either."""
    setup = protocol()
    found: dict[str, float] = {}
    teacher = teacher_matrix(setup.teacher, 2, 3)
    for angle in (0.5, 1.5):
        task = task_matrix(RotatedTeacher(angle), setup.teacher, 2, 3)
        f = _products(setup, task, shares, key)
        base, down = (((f - wanted) ** 2).sum((-2, -1))[:, -1] for wanted in (teacher, task))  # share × budget
        best = _least((KEEP * base + (1 - KEEP) * down).T, shares)
        found |= {f"angle {angle:g}, T = {t:g}": x for t, x in zip(BUDGETS, best, strict=True)}
    listed = ", ".join(f"{share:.2f} at {name}" for name, share in found.items())
    answer = f"share that is best for both losses after pretraining to the end: {listed}"
    return map_limit("turned tasks", answer, found)


@memoize
def _products(setup: Protocol, task: np.ndarray, shares: np.ndarray, key: int) -> np.ndarray:
    """The product after both phases, on the protocol's teacher and on this task: share × length × budget × matrix."""
    teacher = teacher_matrix(setup.teacher, 2, 3)
    return np.asarray(_both_phases(initialize(setup, key), *map(jnp.asarray, (teacher, task, shares))))


@jax.jit
def _both_phases(
    start: Layers, teacher: Array, task: Array, shares: Float[Array, " share"]
) -> Float[Array, "share length budget d_out d_in"]:
    """The product after pretraining on the mixture and fine-tuning on the task, for every share, length and budget."""
    first, second = (LearningProblem(matrix, None, jnp.zeros(())) for matrix in (teacher, task))
    numbers = {"rtol": jnp.asarray(1e-8), "weight_decay": jnp.zeros(())}
    flow = lambda layers, loss, times: train_layers(layers, loss, GradientFlow(), jnp.array(times), numbers)[0]

    def one(share: Array) -> Array:
        mixture = lambda layers, step: (
            (1 - share) * population_loss(layers, first) + share * population_loss(layers, second)
        )
        checkpoints = flow(start, mixture, LENGTHS)
        tune = lambda layers: product(flow(layers, lambda now, step: population_loss(now, second), BUDGETS))
        return jax.lax.map(tune, checkpoints)

    return jax.lax.map(one, shares)


def _as_data(modes: np.ndarray, shares: np.ndarray) -> xr.Dataset:
    """Modes as a Trajectory over lengths."""
    return trajectory(
        {"mode_value": (("share", "pretraining", "strength"), modes)},
        {"share": ("share", shares), "pretraining": list(LENGTHS),
         "strength": ("strength", list(BUDGETS), {"units": "gradient-flow time"})},
        method="simulation",
        source="gradient flow",
        model=f"{protocol().network}, mixed",
    )  # fmt: skip


def predicted(setup: Protocol) -> xr.Dataset:
    """The best share downstream over the protocol's lengths, for both losses over its strengths, by task."""
    lengths, budgets, tasks = (np.array(x) for x in (setup.lengths, setup.strengths, TASKS))
    down = best_task_share(lengths[:, None], SIGMA, tasks, EPSILON)
    both = tradeoff_task_share(budgets, SIGMA, tasks[:, None], KEEP)
    return _best(setup, np.asarray(down), np.asarray(both), "theory", "claim E3")


def measured(setup: Protocol, key: int) -> xr.Dataset:
    """The same, measured on the experiment's own lengths, budgets and shares."""
    grid = replace(setup, lengths=LENGTHS, strengths=BUDGETS)
    down, both = [], []
    for target in TASKS:
        modes = _modes(target, SHARES, key)
        last = modes[:, -1]
        down.append(_least(((target - modes[..., -1]) ** 2).T, SHARES))
        both.append(_least((KEEP * (SIGMA - last) ** 2 + (1 - KEEP) * (target - last) ** 2).T, SHARES))
    return _best(grid, np.array(down).T, np.array(both), "simulation", f"gradient flow at {SHARES.size} shares")


def _best(setup: Protocol, down: np.ndarray, both: np.ndarray, method: Method, source: str) -> xr.Dataset:
    repeated = np.broadcast_to(both, (len(setup.lengths), *both.shape))
    return trajectory(
        {
            "downstream_share": (("pretraining", "target"), down),
            "trade_share": (("pretraining", "target", "strength"), repeated),
        },
        {"pretraining": list(setup.lengths), "target": ("target", list(TASKS)),
         "strength": ("strength", list(setup.strengths), {"units": "gradient-flow time"})},
        method=method,
        source=source,
        model=f"{setup.network}, mixed",
    )  # fmt: skip
