"""mixing (E3): pretraining on a share of downstream data: the best share for each loss, by length and budget.

Protocol: gradient flow on the mixture of both losses, `(1 − q)L_pre + qL_ft`, then on the downstream loss alone, for a
grid of shares q, lengths and budgets. Prediction: the logistic curve (A3) twice, toward the interpolated task first;
the share that is best downstream, and the share that is best for the mean of both losses. Refuted if a mode or a best
share deviates. Limit: rotated tasks, whose mixture has other singular vectors than the teacher.
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
from overtraining.setting.resolved import resolve
from overtraining.setting.responses import Method, trajectory
from overtraining.setting.serialization import write
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import RotatedTeacher, task_matrix
from overtraining.setting.teachers import Spectrum
from overtraining.setting.training import GradientFlow
from overtraining.simulations.compilation import FEW_STEPS, compiled
from overtraining.simulations.data import LearningProblem, LossAt, population_loss
from overtraining.simulations.double_precision import in_double_precision
from overtraining.simulations.measurements import initialize
from overtraining.simulations.networks import Layers, product
from overtraining.simulations.pretraining import train_layers
from overtraining.theory.remedies.mixing import best_task_share, mixed_value, tradeoff_task_share

SIGMA, EPSILON = 1.0, 1e-3
SIGMA_TASKS = (2.0, 0.5)
LENGTHS = (2.0, 4.0, 6.0, 30.0)
BUDGETS = (0.0, 0.05, 0.15, 0.3, 0.5)
SHARES = np.linspace(0.0, 1.0, 21)
WEIGHT = 0.5  # of the pretraining loss, where both losses count
PARABOLA = "a parabola through the lowest points of the grid"


def protocol() -> Protocol:
    """One feature in a 3→2→2 network."""
    return Protocol(Spectrum((SIGMA,)), (0.0,), (0.0,), network=Network(3, 2, 2), start=Aligned(EPSILON))


@in_double_precision
def run(preset: Preset, key: int) -> Outcome:
    """The mode after both phases, the best shares, and a rotated task."""
    shares = SHARES if preset == "quick" else np.linspace(0, 1, 201)
    modes = {sigma_task: _modes(sigma_task, shares, key) for sigma_task in SIGMA_TASKS}
    axes = (np.array(LENGTHS)[:, None], np.array(BUDGETS))
    expected = [mixed_value(*axes, SIGMA, sigma_task, EPSILON, shares[:, None, None]) for sigma_task in SIGMA_TASKS]
    reason = "the integrator's tolerance"
    checks = (
        judge_bound("a mode after mixing and fine-tuning (E3)", expected, list(modes.values()), 1e-6, reason),
        _best_downstream(modes, shares),
        _best_for_both(modes, shares),
        _rotated(shares, key),
    )
    return Outcome(checks, {"measured": _as_trajectory(modes[SIGMA_TASKS[1]], shares)})


def _modes(sigma_task: float, shares: np.ndarray, key: int) -> np.ndarray:
    """The product's only singular value, with its sign: share × length × budget."""
    setup = protocol()
    teacher = resolve(setup).teacher
    return np.einsum("qtbij,ij->qtb", _products(setup, sigma_task / SIGMA * teacher, shares, key), teacher) / SIGMA


def _downstream_shares(sigma_task: float, modes: np.ndarray, shares: np.ndarray) -> list[float]:
    """The measured share with the least downstream loss, at every length, for the largest budget."""
    return minimizers(((sigma_task - modes[..., -1]) ** 2).T, shares)


def _shares_for_both(sigma_task: float, modes: np.ndarray, shares: np.ndarray) -> list[float]:
    """The measured share with the least weighted mean of both losses, at every budget, for the largest length."""
    last = modes[:, -1]
    return minimizers((WEIGHT * (SIGMA - last) ** 2 + (1 - WEIGHT) * (sigma_task - last) ** 2).T, shares)


def _best_downstream(modes: dict[float, np.ndarray], shares: np.ndarray) -> Check:
    predicted = [[float(best_task_share(t, SIGMA, sigma, EPSILON)) for t in LENGTHS] for sigma in modes]
    measured = [_downstream_shares(sigma_task, values, shares) for sigma_task, values in modes.items()]
    return judge_bound("share that is best downstream (E3)", predicted, measured, 0.04, PARABOLA)


def _best_for_both(modes: dict[float, np.ndarray], shares: np.ndarray) -> Check:
    predicted = [[float(tradeoff_task_share(t, SIGMA, sigma, WEIGHT)) for t in BUDGETS] for sigma in modes]
    measured = [_shares_for_both(sigma_task, values, shares) for sigma_task, values in modes.items()]
    return judge_bound("share that is best for both losses (E3)", predicted, measured, 0.04, PARABOLA)


def minimizers(losses: np.ndarray, shares: np.ndarray) -> list[float]:
    """The share at which each row of losses is least, by a parabola through the three lowest points of the grid.

    >>> minimizers(np.array([[0.5, 0.1, 0.5], [0.0, 1.0, 4.0], [0.5, 0.25, 2.0]]), np.array([0.0, 0.5, 1.0]))
    [0.5, 0.0, 0.3125]
    """
    best = []
    for row in losses:
        i = int(row.argmin())
        if i in (0, row.size - 1):
            best.append(float(shares[i]))
            continue
        before, lowest, after = row[i - 1 : i + 2]
        shift = (before - after) / (before - 2 * lowest + after) / 2
        best.append(float(shares[i] + (shares[1] - shares[0]) * shift))
    return best


def _rotated(shares: np.ndarray, key: int) -> Check:
    """A task as large as the teacher, with rotated singular vectors: the mixture is smaller than either."""
    setup = protocol()
    best: dict[str, float] = {}
    teacher = resolve(setup).teacher
    for angle in (0.5, 1.5):
        task = task_matrix(RotatedTeacher(angle), setup.teacher, 2, 3)
        last = _products(setup, task, shares, key)[:, -1]
        pretraining, downstream = (((last - matrix) ** 2).sum((-2, -1)) for matrix in (teacher, task))  # share × budget
        at_budgets = minimizers((WEIGHT * pretraining + (1 - WEIGHT) * downstream).T, shares)
        best |= {f"angle {angle:g}, T = {t:g}": share for t, share in zip(BUDGETS, at_budgets, strict=True)}
    listed = ", ".join(f"{share:.2f} at {name}" for name, share in best.items())
    return map_limit(
        "rotated tasks", f"share that is best for both losses after the longest pretraining: {listed}", best
    )


@memoize
def _products(setup: Protocol, task: np.ndarray, shares: np.ndarray, key: int) -> np.ndarray:
    """The product after both phases, on the protocol's teacher and on this task: share × length × budget × matrix."""
    teacher = resolve(setup).teacher
    return np.asarray(_both_phases(initialize(setup, key), *map(jnp.asarray, (teacher, task, shares))))


@compiled(FEW_STEPS)
def _both_phases(
    start: Layers, teacher: Array, task: Array, shares: Float[Array, " share"]
) -> Float[Array, "share length budget d_out d_in"]:
    """The product after pretraining on the mixture and fine-tuning on the task, for every share, length and budget."""
    pretraining, downstream = (LearningProblem(matrix, None, None) for matrix in (teacher, task))
    numbers = {"rtol": jnp.asarray(1e-8), "weight_decay": jnp.zeros(())}

    def flow(layers: Layers, loss: LossAt, times: tuple[float, ...]) -> Layers:
        return train_layers(layers, loss, GradientFlow(), jnp.array(times), numbers)[0]

    def downstream_loss(layers: Layers, step: Array) -> Array:
        return population_loss(layers, downstream)

    def at_share(share: Array) -> Array:
        def mixture(layers: Layers, step: Array) -> Array:
            return (1 - share) * population_loss(layers, pretraining) + share * population_loss(layers, downstream)

        checkpoints = flow(start, mixture, LENGTHS)
        return jax.lax.map(lambda layers: product(flow(layers, downstream_loss, BUDGETS)), checkpoints)

    return jax.lax.map(at_share, shares)


def _as_trajectory(modes: np.ndarray, shares: np.ndarray) -> xr.Dataset:
    """Modes as a Trajectory over lengths."""
    return trajectory(
        {"mode_value": (("share", "pretraining", "strength"), modes)},
        {
            "share": ("share", shares),
            "pretraining": list(LENGTHS),
            "strength": ("strength", list(BUDGETS), {"units": "gradient-flow time"}),
        },
        method="simulation",
        source="gradient flow",
        model=f"{protocol().network}, mixed",
    )


def predicted(setup: Protocol) -> xr.Dataset:
    """The best share downstream over the protocol's lengths, and for both losses over its strengths, by task."""
    lengths, budgets, tasks = np.array(setup.lengths), np.array(setup.strengths), np.array(SIGMA_TASKS)
    downstream = best_task_share(lengths[:, None], SIGMA, tasks, EPSILON)
    both = tradeoff_task_share(budgets, SIGMA, tasks[:, None], WEIGHT)
    return _best_shares(setup, np.asarray(downstream), np.asarray(both), "theory", "claim E3")


def measured(setup: Protocol, key: int) -> xr.Dataset:
    """The same measured, at the experiment's own lengths, budgets and shares."""
    modes = {sigma_task: _modes(sigma_task, SHARES, key) for sigma_task in SIGMA_TASKS}
    downstream = np.array([_downstream_shares(sigma_task, values, SHARES) for sigma_task, values in modes.items()])
    both = np.array([_shares_for_both(sigma_task, values, SHARES) for sigma_task, values in modes.items()])
    grid = replace(setup, lengths=LENGTHS, strengths=BUDGETS)
    return _best_shares(grid, downstream.T, both, "simulation", f"gradient flow at {SHARES.size} shares")


def _best_shares(setup: Protocol, downstream: np.ndarray, both: np.ndarray, method: Method, source: str) -> xr.Dataset:
    repeated = np.broadcast_to(both, (len(setup.lengths), *both.shape))
    return trajectory(
        {
            "downstream_share": (("pretraining", "target"), downstream),
            "trade_share": (("pretraining", "target", "strength"), repeated),
        },
        {
            "pretraining": list(setup.lengths),
            "target": ("target", list(SIGMA_TASKS)),
            "strength": ("strength", list(setup.strengths), {"units": "gradient-flow time"}),
        },
        method=method,
        source=source,
        model=f"{setup.network}, mixed",
        extra={"protocol": write(replace(protocol(), lengths=setup.lengths, strengths=setup.strengths))},
    )
