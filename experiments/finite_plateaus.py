"""finite-plateaus (D4): what fine-tuning costs on the plateaus of ordinary starts, which are neither long nor deep.

Protocol: a random subset of the rotated tasks of the forgetting map, from starts of 1e-3, 1e-6 and 1e-12, at the
checkpoints of their plateaus, with a short, a medium and a long budget; and the task on which the limit ε → 0 promises
a fall, from 1e-12 and from 1e-30. Prediction: the cost Δ at every checkpoint, and with it whether it falls from one
plateau to the next; its distance from the limit is at most the bound. Refuted if a cost, the sign of a step or the
bound fails. Limit: how many tasks fall as ε → 0, and how many from each start.
"""

from dataclasses import replace

import numpy as np

from overtraining.experiments import Preset
from overtraining.experiments.memoized import respond
from overtraining.experiments.verdict import Check, Outcome, judge_bound, map_limit
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import Matrix
from overtraining.theory.fine_tuning.forgetting_map import rotated_tasks
from overtraining.theory.fine_tuning.plateau_depth import plateau_checkpoints
from overtraining.theory.fine_tuning.plateaus import fine_tune_plateaus, rise_on_plateaus
from overtraining.theory.solvers.exact import respond as predict

SIGMA = 1.0 / np.arange(1, 5)
WIDTHS = Network(d_in=5, h=4, d_out=5)
STARTS = (1e-3, 1e-6, 1e-12)
REACHES = (0.2, 1.0, 5.0)  # ‖B‖T
ANGLES = (0.3, 0.9, 1.5, 2.1)
PAIR, PROMISED = np.array([1.0, 0.5]), np.array([[1.0, 0.1], [0.1, 2.0]])
CLEAR = 1e-4  # a step of Δ whose sign counts, in units of ½‖A‖²
TOLERANCE = "the integrator's tolerance, relative to the largest cost of all tasks"


def protocol(
    task: np.ndarray, budgets: tuple[float, ...], sigma: np.ndarray, epsilon: float, network: Network
) -> Protocol:
    """Lengths at the checkpoints of all plateaus; on the last one every feature is learned to 1e-10."""
    teacher = np.zeros(task.shape)
    teacher[range(sigma.size), range(sigma.size)] = sigma
    lengths = plateau_checkpoints(sigma, epsilon)[0]
    lengths[-1] = max(np.log(sigma / epsilon * 1e10) / (2 * sigma))
    return Protocol(Matrix(teacher), lengths, budgets, network, Aligned(epsilon), perturbation=FineTuning(Matrix(task)))


def run(preset: Preset, key: int) -> Outcome:
    """The cost at every checkpoint, the signs of its steps, the bound on its distance from the limit, and the falls."""
    number = 1 if preset == "quick" else 25
    tasks = np.concatenate(list(rotated_tasks(SIGMA, [1.0], ANGLES, number, key, WIDTHS.d_out, WIDTHS.d_in)[0]))
    budgets = np.array(REACHES)  # ‖B‖ = σ₁ = 1
    measured = np.array([[_measured(protocol(x, REACHES, SIGMA, e, WIDTHS), key) for x in tasks] for e in STARTS])
    limits = fine_tune_plateaus(budgets, SIGMA, tasks[:, None])
    expected = np.array([rise_on_plateaus(budgets, SIGMA, tasks[:, None], e) for e in STARTS])
    bounds = np.array([limits.error(e) for e in STARTS])
    checks = (
        judge_bound("cost at every checkpoint (D4)", expected, measured, 1e-5, TOLERANCE),
        judge_steps(np.diff(expected), np.diff(measured)),
        judge_distance(np.abs(measured - limits.rise), bounds),
        _promised_fall(key),
        _falls(np.diff(np.asarray(limits.rise)), np.diff(measured)),
    )
    shown = protocol(PROMISED, (5.0,), PAIR, 1e-12, Network(2, 2, 2))
    fine = replace(shown, lengths=np.linspace(0, shown.lengths[-1], 201))
    return Outcome(checks, {"theory": predict(fine), "measured": respond(shown, key).isel(seed=0)})


def _measured(setup: Protocol, key: int) -> np.ndarray:
    """Δ, budget × plateau."""
    values: np.ndarray = respond(setup, key).sensitivity.isel(seed=0).transpose("strength", "pretraining").values
    return values


def judge_steps(predicted: np.ndarray, measured: np.ndarray) -> Check:
    """Whether Δ rises or falls from each plateau to the next, where it does so by more than the integrator's error."""
    clear = np.abs(predicted) > CLEAR * (SIGMA**2).sum() / 2
    right = int((np.sign(predicted) == np.sign(measured))[clear].sum())
    answer = f"the signs of {right} of {clear.sum()} steps are right; {(predicted[clear] < 0).sum()} of them are falls"
    return Check("signs of the steps (D4)", bool(right == clear.sum() > 0), answer, {"steps": float(clear.sum())})


def judge_distance(distance: np.ndarray, bounds: np.ndarray) -> Check:
    """Measured costs against those of the limit: nowhere farther away than the bound says."""
    excess, useful = distance - bounds, bounds < (SIGMA**2).sum() / 2
    tightest = float((distance / np.where(bounds > 1e-4, bounds, np.inf)).max())
    answer = (
        f"{int((excess < 1e-5).sum())} of {excess.size} costs are within the bound, which is below ½‖A‖² for "
        f"{useful.mean():.0%} of them; up to {tightest:.0%} of it is reached"
    )
    return Check("distance from the limit (D4)", bool(excess.max() < 1e-5), answer, {"tightest": tightest})


def _promised_fall(key: int) -> Check:
    """On A = diag(1, ½), T = 5 the limit falls from 1.478 to 1.135; from 1e-12 the cost rises all the same."""
    network = Network(2, 2, 2)
    short, deep = (_measured(protocol(PROMISED, (5.0,), PAIR, e, network), key)[0] for e in (1e-12, 1e-30))
    limit = np.asarray(fine_tune_plateaus(5.0, PAIR, PROMISED).rise)
    answer = (
        f"Δ after one feature and after both: {limit[1]:.3f}, {limit[2]:.3f} as ε → 0; {deep[1]:.3f}, {deep[2]:.3f} "
        f"from 1e-30; {short[1]:.3f}, {short[2]:.3f} from 1e-12"
    )
    holds = deep[1] - deep[2] > 0.3 and short[2] - short[1] > 0.1 and abs(deep - limit).max() < 1e-3
    return Check(
        "a fall that only the smallest starts have (D4)", bool(holds), answer, {"step": float(short[2] - short[1])}
    )


def _falls(limit: np.ndarray, measured: np.ndarray) -> Check:
    """How many tasks fall somewhere by more than 1e-4 of ½‖A‖²: task × budget, and start × task × budget."""
    below = lambda steps: (steps < -CLEAR * (SIGMA**2).sum() / 2).any(axis=-1).mean(axis=-2)
    shares = {"ε → 0": below(limit)} | {f"{e:g}": share for e, share in zip(STARTS, below(measured), strict=True)}
    parts = [f"{name}: {', '.join(f'{x:.0%}' for x in share)}" for name, share in shares.items()]
    answer = f"share of tasks whose cost falls, at ‖B‖T = {', '.join(f'{x:g}' for x in REACHES)}; {'; '.join(parts)}"
    numbers = {
        f"{name}, {reach:g}": float(x) for name, s in shares.items() for reach, x in zip(REACHES, s, strict=True)
    }
    return map_limit("falls by start", answer, numbers)
