"""misaligned-tasks (D4): what each learned feature adds to the loss caused by fine-tuning, from plateau to plateau.

Protocol: features from starts of 1e-60 and less, whose plateaus are long; random tasks of three sizes, one that steals
a feature, one that breaks monotonicity at a small budget, and a random subset of the 105,000 tasks of the forgetting
map; gradient flow for three budgets. Prediction: the exact cost Δ on every plateau and which features raise the loss;
at order T² Δ never falls, and below the safe budgets it does not fall either; the signs in the forgetting map. Refuted
if a cost, a sign, the order of the error or a safe budget fails. Limit: at larger budgets Δ can fall. Ordinary starts
are those of finite-plateaus.
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
TOLERANCE = "the integrator's tolerance, relative to the largest cost of all tasks"


def protocol(
    task: np.ndarray, budgets: tuple[float, ...], sigma: np.ndarray = SIGMA, epsilon: float = EPSILON
) -> Protocol:
    """Lengths on all plateaus; the teacher is diagonal, so that the task is given in its frames, as in the claim."""
    learned, (d_out, d_in) = np.log(1 / epsilon) / (2 * sigma), task.shape
    return Protocol(
        Matrix(np.pad(np.diag(sigma), ((0, d_out - sigma.size), (0, d_in - sigma.size)))),
        lengths=[0.0, *(learned[:-1] + learned[1:]) / 2, 1.3 * learned[-1]],
        strengths=budgets,
        network=Network(d_in=d_in, h=min(task.shape), d_out=d_out),
        start=Aligned(epsilon),
        perturbation=FineTuning(Matrix(task)),
    )


def random_tasks(number: int, key: int) -> list[np.ndarray]:
    """So many random tasks of every size, and the one that steals a feature."""
    generator = np.random.default_rng(key)
    return [size * generator.normal(size=(4, 3)) / 2 for size in SIZES for _ in range(number)] + [STEAL]


def run(preset: Preset, key: int) -> Outcome:
    """Every task on every plateau, the order in the budget, the safe budgets, and how often the cost falls."""
    tasks = random_tasks(3 if preset == "quick" else 30, key)
    budgets = [(safe(task), *BUDGETS) for task in tasks]
    pairs = list(zip(tasks, budgets, strict=True))
    measured = [respond(protocol(task, each), key).isel(seed=0) for task, each in pairs]
    predicted = [fine_tune_plateaus(np.array(each), SIGMA, task, EPSILON) for task, each in pairs]
    rise = np.array([response.sensitivity.values for response in measured])
    after = np.array([response.after.values for response in measured])
    checks = (
        judge_bound("cost on every plateau (D4)", [plateaus.rise.T for plateaus in predicted], rise, 1e-5, TOLERANCE),
        judge_hurting_features(after, np.array([plateaus.hurts.T for plateaus in predicted])),
        _order(tasks[0], key),
        judge_safe_budgets(rise[..., 0], np.array(budgets)[:, 0]),
        _fall_at_small_budget(key),
        *_mapped(4 if preset == "quick" else 60, key),
        _falls(rise, tasks, np.array(budgets)),
    )
    return Outcome(checks, {"theory": predict(protocol(STEAL, budgets[-1])), "measured": measured[-1]})


def judge_hurting_features(after: np.ndarray, predicted: np.ndarray) -> Check:
    """task × plateau × budget: whether the loss after fine-tuning is higher with the next feature than without."""
    measured = np.diff(after, axis=1) > 0
    right = int((measured == predicted).sum())
    answer = (
        f"predicted correctly for {right} of {measured.size} combinations of feature, task and budget; "
        f"{int(measured.sum())} of them hurt"
    )
    return Check("which features hurt (D4)", right == measured.size, answer, {"hurting_share": float(measured.mean())})


def _order(task: np.ndarray, key: int) -> Check:
    """The error of the theorem at order T² is of order T³."""
    budgets = (0.01, 0.02, 0.04, 0.08)
    rise = respond(protocol(task, budgets), key).sensitivity.values[0, -1]
    error = rise - plateau_growth(SIGMA, task).sum() * np.array(budgets) ** 2
    return judge_order("error of the theorem at order T² (D4)", np.array(budgets), np.abs(error), 3.0, "T")


def safe(task: np.ndarray) -> float:
    """A budget at which Δ cannot fall on this task, and which is below the other budgets."""
    return min(float(safe_budget(SIGMA, np.linalg.norm(task, 2)).min()), 0.4)


def judge_safe_budgets(rise: np.ndarray, budgets: np.ndarray) -> Check:
    """task × plateau, with one budget per task: no step is below 0 by more than the integrator's error."""
    least = float((np.diff(rise, axis=1) / budgets[:, None] ** 2).min())
    answer = f"the smallest step of {len(rise)} tasks is {least:.2g} T², at budgets of at least {budgets.min():.2g}"
    return Check("no fall within the safe budget (D4)", least > -1e-5, answer, {"least": least})


def _fall_at_small_budget(key: int) -> Check:
    """A task of the kind for which safe budgets must be small: at ‖B‖T = 7√(σ₂/σ₁) the weak feature lowers Δ."""
    budget, norm = 0.6, float(np.linalg.norm(PAST, 2))
    sensitivity = respond(protocol(PAST, (budget,), WEAK, 1e-60), key).sensitivity.values[0, :, 0]
    step = float(np.diff(sensitivity)[1])
    expected = float(np.asarray(fine_tune_plateaus(budget, WEAK, PAST, 1e-60).growth)[1])
    answer = (
        f"Δ falls by {-step:.4g} (theory: {-expected:.4g}) at ‖B‖T = {norm * budget:.2f}, σ₁T = {budget:g}, σ₂ = 0.01"
    )
    passed = step < 0 and abs(step / expected - 1) < 0.01
    return Check("a fall at a small budget (D4)", passed, answer, {"step": step})


def _mapped(number: int, key: int) -> tuple[Check, Check]:
    """Tasks of the forgetting map, chosen at random by the key: the cost on every plateau, and its signs."""
    generator, sigma = np.random.default_rng(key), 1.0 / np.arange(1, 5)
    axes = {"angle": np.array(ANGLES[3:]), "shared": np.arange(4.0)}
    chosen = []
    for axis, values in axes.items():
        every = mapped_tasks(MAPPED, axis, values)
        places = [generator.integers(0, n, number) for n in (len(STRENGTHS), len(values), TRIALS[axis])]
        chosen += list(every[tuple(places)])
    budgets = [tuple((np.array(MAPPED.strengths) / np.linalg.norm(task, 2)).tolist()) for task in chosen]
    pairs = list(zip(chosen, budgets, strict=True))
    measured = [respond(protocol(task, each, sigma), key).isel(seed=0) for task, each in pairs]
    predicted = [fine_tune_plateaus(np.array(each), sigma, task, EPSILON) for task, each in pairs]
    rise = np.array([response.sensitivity.values.T for response in measured])
    expected = np.array([_steps_and_inflection(plateaus.growth, plateaus.after) for plateaus in predicted])
    observed = np.array(
        [
            _steps_and_inflection(np.diff(response.sensitivity.values.T), response.after.values.T)
            for response in measured
        ]
    )
    clear = np.abs(expected) > 1e-5  # of ½‖A‖² = 0.7: a hundred times the integrator's error
    right = int((expected * observed > 0)[clear].sum())
    falls = (expected[..., :-1] < -1e-5).any(axis=-1).mean()
    answer = (
        f"the signs of {right} of {clear.sum()} steps and inflections are right; Δ falls for {falls:.0%} of "
        f"{len(chosen)} tasks × 3 budgets"
    )
    return (
        judge_bound("cost of mapped tasks (D4)", [plateaus.rise for plateaus in predicted], rise, 1e-5, TOLERANCE),
        Check(
            "signs in the forgetting map (D4)", bool(right == clear.sum() > 0), answer, {"signs": float(clear.sum())}
        ),
    )


def _steps_and_inflection(growth: Values, after: Values) -> np.ndarray:
    """By budget: the steps of Δ, and the least loss before the last plateau minus the loss on the last one."""
    loss = np.asarray(after)
    return np.column_stack([growth, loss[:, :-1].min(axis=1) - loss[:, -1]])


def _falls(rise: np.ndarray, tasks: list[np.ndarray], budgets: np.ndarray) -> Check:
    """How often, and from which ‖B‖T on, the cost falls from one plateau to the next."""
    smallest_step = np.diff(rise, axis=1).min(axis=1)  # task × budget
    norms_times_budgets = np.array([np.linalg.norm(task, 2) for task in tasks])[:, None] * budgets
    falls = smallest_step < -1e-6
    least = float(norms_times_budgets[falls].min()) if falls.any() else np.inf
    stolen = ", ".join(f"{cost:.3f}" for cost in rise[-1, :, -1])
    answer = (
        f"the cost falls somewhere for {falls.mean():.0%} of tasks and budgets, at ‖B‖T of at least {least:.2g}; on "
        f"B = [[1, 0.1], [0.1, 2]] and 0.3 at T = {BUDGETS[-1]:g} it is {stolen}"
    )
    numbers = {"share": float(falls.mean()), "least": least}
    return map_limit("where the cost falls from plateau to plateau", answer, numbers)
