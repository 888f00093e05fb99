"""misaligned-tasks (D4): from plateau to plateau, what does each learned feature add to the cost of fine-tuning?

Protocol: features from starts of 1e-60 and less, whose plateaus are long; random tasks of three sizes, one that steals
a feature, one that breaks monotonicity at a small budget, and a random subset of the 105,000 tasks of the atlas;
gradient flow for three budgets. Prediction: the exact cost on every plateau, which feature hurts, the order T², to
which the cost never falls, the safe budgets, below which it does not, and what the atlas says of each of its tasks.
Where it ends: larger budgets, where it can.
"""

import numpy as np

from overtraining.experiments import Preset
from overtraining.experiments.memoized import respond
from overtraining.experiments.verdict import Check, Outcome, judge_bound, judge_order, map_limit
from overtraining.setting.arrays import Values
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import Matrix, PowerLaw
from overtraining.theory.fine_tuning.forgetting_map import ANGLES, STRENGTHS, TRIALS, mapped_tasks
from overtraining.theory.fine_tuning.plateaus import fine_tune_plateaus, plateau_growth, safe_budget
from overtraining.theory.solvers.exact import respond as predict

SIGMA, EPSILON = np.array([1.0, 0.6, 0.3]), 1e-200
BUDGETS = (0.5, 5.0)  # after the safe one
SIZES = (0.2, 0.6, 1.2)  # twice the standard deviation of a task's entries
STEAL = np.array([[1.0, 0.1, 0.0], [0.1, 2.0, 0.0], [0.0, 0.0, 0.3], [0.0, 0.0, 0.0]])
WEAK = np.array([1.0, 0.01])
PAST = np.array([[0.0, -0.306, 0.874], [-0.306, -0.142, 0.505], [0.874, 0.505, 0.0]])  # σ₂ past σ₁, ‖B‖ = 1.2
MAPPED = Protocol(PowerLaw(4), (0.0,), (0.5, 2.0, 8.0), Network(d_in=5, h=4, d_out=5))  # strengths are ‖B‖T


def protocol(
    task: np.ndarray, budgets: tuple[float, ...], sigma: np.ndarray = SIGMA, epsilon: float = EPSILON
) -> Protocol:
    """Lengths on all plateaus; the teacher in its own axes, so that a task is given as the claim takes it."""
    learned, (d_out, d_in) = np.log(1 / epsilon) / (2 * sigma), task.shape
    return Protocol(
        Matrix(np.pad(np.diag(sigma), ((0, d_out - sigma.size), (0, d_in - sigma.size)))),
        lengths=[0.0, *(learned[:-1] + learned[1:]) / 2, 1.3 * learned[-1]],
        strengths=budgets,
        network=Network(d_in=d_in, h=min(task.shape), d_out=d_out),
        start=Aligned(epsilon),
        perturbation=FineTuning(Matrix(task)),
    )


def tasks(number: int, key: int) -> list[np.ndarray]:
    """Random tasks of every size."""
    draw = np.random.default_rng(key)
    return [size * draw.normal(size=(4, 3)) / 2 for size in SIZES for _ in range(number)] + [STEAL]


def run(preset: Preset, key: int) -> Outcome:
    """Every task on every plateau; the order in the budget; how often the cost falls."""
    given = tasks(3 if preset == "quick" else 30, key)
    budgets = [(safe(task), *BUDGETS) for task in given]
    seen = [respond(protocol(task, t), key).isel(seed=0) for task, t in zip(given, budgets, strict=True)]
    found = [fine_tune_plateaus(np.array(t), SIGMA, task) for task, t in zip(given, budgets, strict=True)]
    rise = np.array([one.sensitivity.values for one in seen])
    checks = (
        judge_bound(
            "cost on every plateau (D4)",
            [one.rise.T for one in found],
            rise,
            1e-5,
            "the integrator's tolerance, on the largest cost of all tasks",
        ),
        _hurts(np.array([one.after.values for one in seen]), np.array([one.hurts.T for one in found])),
        _order(given[0], key),
        _safe(rise[..., 0], np.array(budgets)[:, 0]),
        _breaks(key),
        *_subset(4 if preset == "quick" else 60, key),
        _falls(rise, given, np.array(budgets)),
    )
    return Outcome(checks, {"theory": predict(protocol(STEAL, budgets[-1])), "measured": seen[-1]})


def _hurts(after: np.ndarray, predicted: np.ndarray) -> Check:
    """task × plateau × budget: is the loss after fine-tuning higher with the next feature than without?"""
    measured = np.diff(after, axis=1) > 0
    right = int((measured == predicted).sum())
    answer = f"{right} of {measured.size} features, tasks and budgets; {int(measured.sum())} of them hurt"
    return Check("which features hurt (D4)", right == measured.size, answer, {"hurting_share": float(measured.mean())})


def _order(task: np.ndarray, key: int) -> Check:
    """What the theorem at order T² leaves out is of order T³."""
    budgets = (0.01, 0.02, 0.04, 0.08)
    rise = respond(protocol(task, budgets), key).sensitivity.values[0, -1]
    left = rise - plateau_growth(SIGMA, task).sum() * np.array(budgets) ** 2
    return judge_order("what order T² leaves out (D4)", np.array(budgets), np.abs(left), 3.0, "T")


def safe(task: np.ndarray) -> float:
    """The budget up to which Δ cannot fall on this task, and one below the other budgets."""
    return min(float(safe_budget(SIGMA, np.linalg.norm(task, 2)).min()), 0.4)


def _safe(rise: np.ndarray, budgets: np.ndarray) -> Check:
    """task × plateau, and a budget for each task: no step is below 0 by more than the integrator rounds."""
    least = float((np.diff(rise, axis=1) / budgets[:, None] ** 2).min())
    answer = f"the smallest step of {len(rise)} tasks is {least:.2g} T², at budgets of {budgets.min():.2g} and more"
    return Check("no fall within the safe budget (D4)", least > -1e-5, answer, {"least": least})


def _breaks(key: int) -> Check:
    """A task of the kind that keeps safe budgets small: at ‖B‖T = 7√(σ₂/σ₁) the weak feature lowers Δ."""
    budget, norm = 0.6, float(np.linalg.norm(PAST, 2))
    step = float(np.diff(respond(protocol(PAST, (budget,), WEAK, 1e-60), key).sensitivity.values[0, :, 0])[1])
    exact = float(np.asarray(fine_tune_plateaus(budget, WEAK, PAST).growth)[1])
    answer = f"Δ falls by {-step:.4g} (theory: {-exact:.4g}) at ‖B‖T = {norm * budget:.2f}, σ₁T = {budget:g}, σ₂ = 0.01"
    return Check("a fall at a small budget (D4)", step < 0 and abs(step / exact - 1) < 0.01, answer, {"step": step})


def _subset(number: int, key: int) -> tuple[Check, Check]:
    """Tasks of the atlas, drawn anew by the key: the cost on every plateau, and what the atlas counts of each."""
    draw, sigma = np.random.default_rng(key), 1.0 / np.arange(1, 5)
    places = {"angle": np.array(ANGLES[3:]), "shared": np.arange(4.0)}
    chosen = []
    for axis, values in places.items():
        every = mapped_tasks(MAPPED, axis, values)
        at = [draw.integers(0, n, number) for n in (len(STRENGTHS), len(values), TRIALS[axis])]
        chosen += list(every[tuple(at)])
    budgets = [tuple((np.array(MAPPED.strengths) / np.linalg.norm(task, 2)).tolist()) for task in chosen]
    seen = [respond(protocol(task, t, sigma), key).isel(seed=0) for task, t in zip(chosen, budgets, strict=True)]
    exact = [fine_tune_plateaus(np.array(t), sigma, task) for task, t in zip(chosen, budgets, strict=True)]
    rise = np.array([one.sensitivity.values.T for one in seen])
    told = np.array([_signs(one.growth, one.after) for one in exact])
    found = np.array([_signs(np.diff(one.sensitivity.values.T), one.after.values.T) for one in seen])
    clear = np.abs(told) > 1e-5  # of ½‖A‖² = 0.7: a hundred times the integrator's error
    right, falls = int((told * found > 0)[clear].sum()), (told[..., :-1] < -1e-5).any(axis=-1).mean()
    answer = (
        f"{right} of {clear.sum()} steps and inflections; Δ falls for {falls:.0%} of {len(chosen)} tasks × 3 budgets"
    )
    largest = "the integrator's tolerance, on the largest cost of all tasks"
    return (
        judge_bound("cost of tasks of the atlas (D4)", [one.rise for one in exact], rise, 1e-5, largest),
        Check("what the atlas counts (D4)", bool(right == clear.sum() > 0), answer, {"signs": float(clear.sum())}),
    )


def _signs(growth: Values, after: Values) -> np.ndarray:
    """By budget: the steps of Δ, and how far the least loss before the last plateau is above the last one."""
    loss = np.asarray(after)
    return np.column_stack([growth, loss[:, :-1].min(axis=1) - loss[:, -1]])


def _falls(rise: np.ndarray, given: list[np.ndarray], budgets: np.ndarray) -> Check:
    step = np.diff(rise, axis=1).min(axis=1)  # task × budget
    reach = np.array([np.linalg.norm(task, 2) for task in given])[:, None] * budgets
    falls = step < -1e-6
    least = float(reach[falls].min()) if falls.any() else np.inf
    stolen = ", ".join(f"{x:.3f}" for x in rise[-1, :, -1])
    answer = (
        f"the cost falls somewhere for {falls.mean():.0%} of tasks and budgets, at ‖B‖T of {least:.2g} or more; on "
        f"B = [[1, 0.1], [0.1, 2]] and 0.3 at T = {BUDGETS[-1]:g} it is {stolen}"
    )
    return map_limit(
        "where the cost falls from plateau to plateau", answer, {"share": float(falls.mean()), "least": least}
    )
