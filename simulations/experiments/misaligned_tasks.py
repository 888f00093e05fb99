"""misaligned-tasks (D4): from plateau to plateau, what does each learned feature add to the cost of fine-tuning?

Protocol: three features from a start of 1e-200, whose plateaus are long; random tasks of three sizes, and one that
steals a feature; gradient flow for three budgets. Prediction: the exact cost on every plateau, which feature hurts, and
the order T², to which the cost never falls. Where it ends: budgets that are not small, where it can.
"""

import numpy as np
import xarray as xr

from simulations.experiments import Preset
from simulations.experiments.checks import by_bound, by_order, mapped
from simulations.experiments.outcome import Check, Outcome
from simulations.measured import respond
from theory.exact import respond as predict
from theory.perturbations import FineTuning
from theory.plateaus import fine_tune_plateaus, plateau_growth
from theory.protocol import Network, Protocol
from theory.responses import trajectory
from theory.starts import Aligned
from theory.teachers import Matrix, random_turn, singular_values

SIGMA, EPSILON = np.array([1.0, 0.6, 0.3]), 1e-200
LEARNED = np.log(1 / EPSILON) / (2 * SIGMA)
ANGLES = tuple(np.linspace(0.1, 2.1, 11).tolist())
BUDGETS = (0.05, 0.5, 5.0)
SIZES = (0.2, 0.6, 1.2)  # twice the standard deviation of a task's entries
STEAL = np.array([[1.0, 0.1, 0.0], [0.1, 2.0, 0.0], [0.0, 0.0, 0.3], [0.0, 0.0, 0.0]])


def protocol(task: np.ndarray, budgets: tuple[float, ...] = BUDGETS) -> Protocol:
    """Lengths on the four plateaus; the teacher in its own axes, so that a task is given as the claim takes it."""
    plateaus = [0.0, *(LEARNED[:-1] + LEARNED[1:]) / 2, 1.3 * LEARNED[-1]]
    return Protocol(
        Matrix(np.eye(4, 3) * SIGMA),
        lengths=plateaus,
        strengths=budgets,
        network=Network(d_in=3, h=3, d_out=4),
        start=Aligned(EPSILON),
        perturbation=FineTuning(Matrix(task)),
    )


def tasks(number: int, seed: int) -> list[np.ndarray]:
    """Random tasks of every size."""
    draw = np.random.default_rng(seed)
    return [size * draw.normal(size=(4, 3)) / 2 for size in SIZES for _ in range(number)] + [STEAL]


def run(preset: Preset, seed: int) -> Outcome:
    """Every task on every plateau; the order in the budget; how often the cost falls."""
    given = tasks(3 if preset == "quick" else 30, seed)
    seen = [respond(protocol(task), seed + i).isel(seed=0) for i, task in enumerate(given)]
    found = [fine_tune_plateaus(np.array(BUDGETS), SIGMA, task) for task in given]
    checks = (
        by_bound(
            "cost on every plateau (D4)",
            [one.rise.T for one in found],
            [one.sensitivity.values for one in seen],
            1e-5,
            "the integrator's tolerance, on the largest cost of all tasks",
        ),
        _hurts(np.array([one.after.values for one in seen]), np.array([one.hurts.T for one in found])),
        _order(given[0], seed),
        _falls(np.array([one.sensitivity.values for one in seen]), given),
    )
    return Outcome(checks, {"theory": predict(protocol(STEAL)), "measured": seen[-1]})


def _hurts(after: np.ndarray, predicted: np.ndarray) -> Check:
    """task × plateau × budget: is the loss after fine-tuning higher with the next feature than without?"""
    measured = np.diff(after, axis=1) > 0
    right = int((measured == predicted).sum())
    says = f"{right} of {measured.size} features, tasks and budgets; {int(measured.sum())} of them hurt"
    return Check("which features hurt (D4)", right == measured.size, says, {"hurting_share": float(measured.mean())})


def _order(task: np.ndarray, seed: int) -> Check:
    """What the theorem at order T² leaves out is of order T³."""
    budgets = (0.01, 0.02, 0.04, 0.08)
    rise = respond(protocol(task, budgets), seed).sensitivity.values[0, -1]
    left = rise - plateau_growth(SIGMA, task).sum() * np.array(budgets) ** 2
    return by_order("what order T² leaves out (D4)", np.array(budgets), np.abs(left), 3.0, "T")


def _falls(rise: np.ndarray, given: list[np.ndarray]) -> Check:
    step = np.diff(rise, axis=1).min(axis=1)  # task × budget
    reach = np.array([np.linalg.norm(task, 2) for task in given])[:, None] * np.array(BUDGETS)
    falls = step < -1e-6
    least = float(reach[falls].min()) if falls.any() else np.inf
    stolen = ", ".join(f"{x:.3f}" for x in rise[-1, :, -1])
    says = (
        f"the cost falls somewhere for {falls.mean():.0%} of tasks and budgets, at ‖B‖T of {least:.2g} or more; on "
        f"B = [[1, 0.1], [0.1, 2]] and 0.3 at T = {BUDGETS[-1]:g} it is {stolen}"
    )
    return mapped("where the cost falls from plateau to plateau", says, {"share": float(falls.mean()), "least": least})


def regimes(asked: Protocol) -> xr.Dataset:
    """Share of turned tasks whose last feature hurts, and for which the cost falls somewhere, by angle and budget.

    The teacher's own singular values in frames turned by every angle, 400 draws for each; the protocol's strengths are
    the budgets. A Trajectory at one length.
    """
    sigma, n = singular_values(asked.teacher), asked.network
    teacher, draw, turned = np.eye(n.d_out, n.d_in)[:, : sigma.size] * sigma, np.random.default_rng(0), []
    teacher = np.pad(teacher, ((0, 0), (0, n.d_in - sigma.size)))
    for angle in ANGLES:
        turns = [(random_turn(n.d_out, angle, draw), random_turn(n.d_in, angle, draw)) for _ in range(400)]
        turned.append([left @ teacher @ right.T for left, right in turns])
    each = [fine_tune_plateaus(budget, sigma, np.array(turned)) for budget in asked.strengths]
    hurts = np.stack([one.hurts[..., -1].mean(axis=-1) for one in each], axis=-1)
    falls = np.stack([(one.growth < -1e-9).any(axis=-1).mean(axis=-1) for one in each], axis=-1)
    axes = ("pretraining", "angle", "strength")
    return trajectory(
        {"hurts": (axes, hurts[None]), "falls": (axes, falls[None])},
        {"pretraining": [0.0], "angle": ("angle", list(ANGLES), {"units": "radians"}),
         "strength": ("strength", list(asked.strengths), {"units": "gradient-flow time"})},
        method="theory",
        source=f"claim D4 on {400 * len(ANGLES):,} tasks",
        model="from plateau to plateau",
    )  # fmt: skip
