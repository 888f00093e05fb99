"""regularization (D7): remedies that restrain fine-tuning delay the inflection point and raise the downstream loss.

Protocol, by gradient flow: aligned features fine-tuned to the end with an L2 pull to the pretrained weights; the length
at which longer pretraining begins to raise the loss, with an anchor and with an early stop; replay and low-rank updates
on a rotated task. Prediction: the root of the cubic equation, both inflection points, the interpolated task, the
frontier that no remedy passes, and the least loss that a rank allows. Refuted if a loss or an inflection point
deviates, or if a remedy ends below the frontier. Limit: how close low-rank updates come to the least loss of their
rank.
"""

from dataclasses import replace

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import respond
from overtraining.experiments.shared_task import length_of_zero_loss
from overtraining.experiments.verdict import Check, Outcome, judge_bound, map_limit
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.resolved import resolve
from overtraining.setting.responses import Method, response, trajectory
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import RotatedTeacher, SharedVectors, Task, task_matrix
from overtraining.setting.teachers import PowerLaw, Spectrum, singular_values
from overtraining.setting.training import GradientFlow
from overtraining.theory.fine_tuning.mixed_target import interpolated
from overtraining.theory.learning import deep_mode
from overtraining.theory.remedies.anchored import anchored_inflection, anchored_weight, stopped_inflection
from overtraining.theory.remedies.tradeoff import least_forgetting, low_rank_floor
from overtraining.theory.solvers.exact import follow

TASK = SharedVectors((1.5, 0.2, -0.4))  # larger than, smaller than and opposite to the teacher
ROTATED = RotatedTeacher(1.0)
ANCHORS = (0.2, 1.0, 5.0)
STOPS = (0.1, 0.3, 1.0)
REPLAY_SHARES = (0.25, 0.5, 0.75)
TRADED_ANCHORS = (0.1, 0.3, 1.0)  # these anchors and budgets map the trade-off between both losses
TRADED_STOPS = (0.2, 0.5, 1.0, 2.0)
END = 60.0
NEXT_TO_NOTHING = 1e-12  # for an anchor and a share: with both in it, every full update is one compiled program
FLOW_END = "the distance of the flow from its limit at the last budget"


def _fine_tuning(task: Task, anchor: float = NEXT_TO_NOTHING, replay_share: float = NEXT_TO_NOTHING) -> FineTuning:
    return FineTuning(task, anchor=anchor, replay_share=replay_share)


def aligned(preset: Preset) -> Protocol:
    """Three features, from none learned to all. The other protocols have the same shapes, to save compilations."""
    return Protocol(
        Spectrum((1.0, 0.7, 0.5)),
        lengths=np.linspace(0, 12, 5 if preset == "quick" else 25),
        strengths=(END,),
        network=Network(d_in=4, h=4, d_out=5),
        start=Aligned(0.01),
        perturbation=_fine_tuning(TASK, anchor=ANCHORS[0]),
    )


def rotated(preset: Preset) -> Protocol:
    """A converged network and a task rotated away from its teacher."""
    setup = aligned(preset)
    long = np.linspace(40, 60, len(setup.lengths))
    return replace(setup, teacher=PowerLaw(4), lengths=long, perturbation=_fine_tuning(ROTATED))


def run(preset: Preset, key: int) -> Outcome:
    """The end of anchored fine-tuning, both inflection points, and the trade-off between the losses by remedy."""
    setup = aligned(preset)
    checks = (_anchored_end(setup, key), _inflection_points(setup, key), *_trade_offs(rotated(preset), key))
    return Outcome(checks, {"measured": respond(setup, key)})


def _anchored_end(setup: Protocol, key: int) -> Check:
    sigma, sigma_task = np.array([1.0, 0.7, 0.5]), np.array(TASK.values)
    w = np.sqrt(follow(setup).singular_value.values)
    expected, measured = [], []
    for i, anchor in enumerate(ANCHORS):
        variant = replace(setup, perturbation=_fine_tuning(TASK, anchor=anchor))
        tuned = respond(variant, key + i).isel(seed=0, strength=0)
        s = np.asarray(anchored_weight(w, sigma_task, anchor)) ** 2
        expected.append([((sigma - s) ** 2).sum(1) / 2, ((sigma_task - s) ** 2).sum(1) / 2])
        measured.append([tuned.after.values, tuned.downstream_after.values])
    reason = f"the integrator's tolerance, and {FLOW_END}"
    return judge_bound("both losses where an anchor holds (D7)", expected, measured, 1e-5, reason)


def _inflection_points(setup: Protocol, key: int) -> Check:
    """The length at which the pretraining loss of one mode after fine-tuning vanishes, between falling and rising."""
    one_mode = replace(setup, teacher=Spectrum((1.0,)), start=Aligned(1e-3))
    task = SharedVectors((1.5,))
    cases = [
        (anchored_inflection(1.0, 1.5, anchor), _fine_tuning(task, anchor=anchor), END)
        for anchor in ANCHORS
        if anchor > 0.5
    ]
    cases += [(stopped_inflection(budget, 1.0, 1.5), _fine_tuning(task), budget) for budget in STOPS]
    predicted, measured = [], []
    for s, fine_tuning, budget in cases:
        length = float(deep_mode.time_to_reach(float(s), 1.0, 1e-3, 2))
        around = length * np.linspace(0.99, 1.01, len(setup.lengths))
        variant = replace(one_mode, lengths=around, strengths=(budget,), perturbation=fine_tuning)
        loss = respond(variant, key).after.values.ravel()
        predicted.append(length)
        measured.append(length_of_zero_loss(around, loss))
    name = "inflection points with an anchor and an early stop (D7)"
    return judge_bound(name, np.array(predicted), np.array(measured), 2e-3, "a straight line through ±1% around it")


def _trade_offs(setup: Protocol, key: int) -> tuple[Check, ...]:
    """Both losses with replay, the frontier of all remedies, and updates of rank 1."""
    teacher, task = _matrices(setup)
    expected, replay_losses = [], []
    for replay_share in REPLAY_SHARES:
        fine_tuning = _fine_tuning(ROTATED, replay_share=replay_share)
        replay_losses.append(_both_losses(replace(setup, perturbation=fine_tuning), key))
        mixed = np.asarray(interpolated(teacher, task, replay_share))
        expected.append([((mixed - matrix) ** 2).sum() / 2 for matrix in (teacher, task)])
    replay = judge_bound("both losses with replay (D7)", expected, replay_losses, 1e-5, FLOW_END)

    rank_one = FineTuning(ROTATED, GradientFlow(1e-6), rank=1)
    rank_losses = _both_losses(replace(setup, perturbation=rank_one, sampling=Sampling(draws=4)), key)
    anchor_losses = _both_losses(replace(setup, perturbation=_fine_tuning(ROTATED, anchor=0.3)), key)
    stop_losses = _both_losses(replace(setup, perturbation=_fine_tuning(ROTATED), strengths=(0.5,)), key)
    distance, floor = float(np.linalg.norm(teacher - task)), float(low_rank_floor(task - teacher, 1))
    return (
        replay,
        judge_frontier(distance, floor, [*replay_losses, rank_losses, anchor_losses, stop_losses], rank_losses),
        _rank_one(distance, floor, rank_losses),
    )


def judge_frontier(distance: float, floor: float, losses: list[list[float]], rank_losses: list[float]) -> Check:
    """Pretraining and downstream loss of every remedy, and the downstream loss of rank 1 against its least value."""
    above = [pretraining - float(least_forgetting(distance, downstream)) for pretraining, downstream in losses]
    answer = f"{len(losses)} remedies end between {min(above):.2g} and {max(above):.2g} above the least forgetting"
    name = "no remedy is below the frontier, and no rank below its least loss (D7)"
    passed = min(above) > -1e-5 and rank_losses[1] > floor - 1e-6
    return Check(name, passed, answer, {"nearest": min(above)})


def _rank_one(distance: float, floor: float, low_rank: list[float]) -> Check:
    at_least = distance**2 / 2
    answer = (
        f"updates of rank 1 end at a downstream loss of {low_rank[1]:.4f}, where {floor:.4f} is the least; the sum "
        f"of both losses is {sum(low_rank):.4f}, and would be {at_least:.4f} there"
    )
    numbers = {"downstream": low_rank[1], "least": floor, "sum": sum(low_rank), "sum at the least": at_least}
    return map_limit("the loss that low-rank updates reach", answer, numbers)


def _both_losses(setup: Protocol, key: int) -> list[float]:
    """Pretraining and downstream loss after fine-tuning, at the last length."""
    last = respond(setup, key).isel(seed=0, strength=0, pretraining=-1)
    return [float(last[name]) for name in ("after", "downstream_after")]


def _matrices(setup: Protocol) -> tuple[np.ndarray, np.ndarray]:
    """The teacher and the rotated task."""
    n = setup.network
    teacher = resolve(setup).teacher
    return teacher, task_matrix(ROTATED, setup.teacher, n.d_out, n.d_in)


def anchored(setup: Protocol) -> xr.Dataset:
    """The predicted Response of an aligned network, fine-tuned to the end on a shared task with an anchor."""
    fine_tuning, sigma = setup.perturbation, singular_values(setup.teacher)
    assert isinstance(fine_tuning, FineTuning)
    assert isinstance(fine_tuning.task, SharedVectors)
    s, sigma_task = follow(setup).singular_value.values, np.array(fine_tuning.task.values)
    s_tuned = np.asarray(anchored_weight(np.sqrt(s), sigma_task, fine_tuning.anchor)) ** 2

    def loss(goal: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.asarray(((goal - values) ** 2).sum(1) / 2)

    by_length, by_strength = ("pretraining",), ("pretraining", "strength")
    return response(
        {
            "before": (by_length, loss(sigma, s)),
            "after": (by_strength, loss(sigma, s_tuned)[:, None]),
            "downstream_before": (by_length, loss(sigma_task, s)),
            "downstream_after": (by_strength, loss(sigma_task, s_tuned)[:, None]),
        },
        {"pretraining": list(setup.lengths), "strength": list(setup.strengths[-1:])},
        method="theory",
        source="closed form (claim D7)",
        perturbation="fine-tuning",
        model=f"anchor {fine_tuning.anchor:g}",
    )


def frontier(setup: Protocol) -> xr.Dataset:
    """The least forgetting at every downstream loss, as a Trajectory at one length."""
    teacher, task = _matrices(setup)
    distance = float(np.linalg.norm(task - teacher))
    downstream = np.linspace(0, distance**2 / 2, 101)
    return _trade_off(downstream, np.asarray(least_forgetting(distance, downstream)), "theory", "claim D7")


def with_replay(setup: Protocol, key: int) -> xr.Dataset:
    """Both losses measured with several shares of replay."""
    tunings = [_fine_tuning(ROTATED, replay_share=replay_share) for replay_share in REPLAY_SHARES]
    return _measured_trade_off([replace(setup, perturbation=fine_tuning) for fine_tuning in tunings], key)


def with_anchor(setup: Protocol, key: int) -> xr.Dataset:
    """Both losses measured with several anchors."""
    tunings = [_fine_tuning(ROTATED, anchor=anchor) for anchor in TRADED_ANCHORS]
    return _measured_trade_off([replace(setup, perturbation=fine_tuning) for fine_tuning in tunings], key)


def with_early_stop(setup: Protocol, key: int) -> xr.Dataset:
    """Both losses measured where fine-tuning stops early."""
    stopped = replace(setup, perturbation=_fine_tuning(ROTATED))
    return _measured_trade_off([replace(stopped, strengths=(budget,)) for budget in TRADED_STOPS], key)


def _measured_trade_off(setups: list[Protocol], key: int) -> xr.Dataset:
    pretraining, downstream = np.array([_both_losses(setup, key) for setup in setups]).T
    return _trade_off(downstream, pretraining, "simulation", "gradient flow")


def _trade_off(downstream: np.ndarray, forgetting: np.ndarray, method: Method, source: str) -> xr.Dataset:
    return trajectory(
        {"forgetting": (("pretraining", "remedy"), forgetting[None])},
        {"pretraining": [0.0], "remedy": np.arange(downstream.size), "downstream": ("remedy", downstream)},
        method=method,
        source=source,
        model="a converged network",
    )
