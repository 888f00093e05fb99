"""What breaks claim D4 without its assumptions: large budgets, features learned out of order, tasks that know A."""

import numpy as np

from overtraining.theory.derivations.checker.core import Curves, Evidence, Verdict
from overtraining.theory.fine_tuning.tuned_flow import fine_tune
from overtraining.theory.learning.matrix_modes import Modes

SIGMA, TASK = np.array([1.0, 0.5]), np.array([[1.0, 0.1], [0.1, 2.0]])


def rise(budget: np.ndarray, learned: list[int], task: np.ndarray = TASK, sigma: np.ndarray = SIGMA) -> np.ndarray:
    """The pretraining loss after fine-tuning less before, from the features named, by D1."""
    frame, missing = np.eye(2)[:, learned], np.delete(sigma, learned)
    after = fine_tune(budget, Modes(frame, sigma[learned], frame), np.diag(sigma), task).pretraining
    return np.asarray(after) - (missing**2).sum() / 2


def rank_stealing() -> Evidence:
    """One learned feature turns to the task's strong direction, and what it was is gone; the second brings it back."""
    one, two = (float(rise(np.array([5.0]), list(range(n)))[0]) for n in (1, 2))
    turned = fine_tune(5.0, Modes(np.eye(2)[:, :1], SIGMA[:1], np.eye(2)[:, :1]), np.diag(SIGMA), TASK).flow.product
    weak_task, far = np.array([[0.35, 0.15], [0.15, 0.35]]), np.array([100.0, 0.3])
    few, more = (float(rise(np.array([1.0]), list(range(n)), weak_task, far)[0]) for n in (1, 2))
    detail = f"Δ = 0, {one:.3f}, {two:.3f}: with one feature f = {turned.round(2).tolist()}, all on the other axis; "
    detail += f"with ‖B‖T = ½ and σ₁T = 100 Δ falls by {few - more:.4f} with the second"
    holds = two < one - 0.3 and turned[1, 1] > 1.9 and turned[0, 0] < 0.1 and 0.004 < few - more < 0.006
    return Evidence(holds, Verdict.TESTED, detail)


def stealing_curves() -> Curves:
    """Both plateaus' cost against the budget."""
    budget = np.linspace(0, 8, 81)
    return Curves(
        budget, {f"{n} learned": rise(budget, list(range(n))) for n in (1, 2)}, "fine-tuning time T", "cost Δ"
    )


def out_of_order() -> Evidence:
    """The weak feature first: on B = [[0, 1], [1, ½]] it lowers Δ below 0, which it is with none."""
    task = np.array([[0.0, 1.0], [1.0, 0.5]])
    weak = float(rise(np.array([0.01]), [1], task)[0])
    return Evidence(weak < -1e-5, Verdict.TESTED, f"Δ = {weak:.2g} after the weak feature alone, 0 after none")


def task_knows_the_teacher() -> Evidence:
    """B = A has entries of mean square v = 0.31; T = 0.5 puts the ratio far above 1, and no feature hurts."""
    task = np.diag(SIGMA)
    v, budget = float((task**2).mean()), 0.5
    ratio = budget**2 * (v * 6 + 4)
    after = float(rise(np.array([budget]), [0], task)[0])
    return Evidence(ratio > 1 and abs(after) < 1e-12, Verdict.TESTED, f"ratio {ratio:.2f} and Δ = {abs(after):.1g}")


def under_way() -> Evidence:
    """D3: half learned, at s = 0.71, a feature costs 0.0295; learned, 0.0139."""
    cost = [((1 - s / (1 + 0.2 * s)) ** 2 - (1 - s) ** 2) / 2 for s in (0.71, 1.0)]
    return Evidence(cost[0] > 2 * cost[1], Verdict.TESTED, f"Δ = {cost[0]:.4f} under way, {cost[1]:.4f} learned")
