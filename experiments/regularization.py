"""regularization (D7): what holds fine-tuning back delays the inflection, and costs the downstream task.

Measured by gradient flow: aligned features tuned to the end with L2 toward the pretrained weights; where longer
pretraining begins to hurt, with an anchor and with an early stop; replay and low-rank updates on a turned task.
Prediction: the cubic's root, the two inflections, the interpolated target, the frontier that nothing passes, and the
least loss that a rank allows. Where it ends: how near to that least a low rank comes.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import respond
from overtraining.experiments.verdict import Check, Outcome, judge_bound, map_limit
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.responses import Method, response, trajectory
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import RotatedTeacher, SharedVectors, Task, task_matrix
from overtraining.setting.teachers import PowerLaw, Spectrum, singular_values, teacher_matrix
from overtraining.setting.training import GradientFlow
from overtraining.theory.fine_tuning.mixed_target import interpolated
from overtraining.theory.learning import deep_mode
from overtraining.theory.remedies.anchored import anchored_inflection, anchored_weight, stopped_inflection
from overtraining.theory.remedies.tradeoff import least_forgetting, low_rank_floor
from overtraining.theory.solvers.exact import follow

TASK = SharedVectors((1.5, 0.2, -0.4))  # more, less and the reverse of what the teacher asks
ANCHORS = (0.2, 1.0, 5.0)
STOPS = (0.1, 0.3, 1.0)
SHARES = (0.25, 0.5, 0.75)
HELD = (0.1, 0.3, 1.0)  # anchors, and below stops, of the trade between both losses
EARLY = (0.2, 0.5, 1.0, 2.0)
END = 60.0
NEXT_TO_NOTHING = 1e-12  # an anchor and a share: with both in it, every full update is one compiled program


def _tuned(task: Task, anchor: float = NEXT_TO_NOTHING, replay_share: float = NEXT_TO_NOTHING) -> FineTuning:
    return FineTuning(task, anchor=anchor, replay_share=replay_share)


def aligned(preset: Preset) -> Protocol:
    """Three features, from none learned to all. All that follows has these shapes, so that little is compiled."""
    return Protocol(
        Spectrum((1.0, 0.7, 0.5)),
        lengths=np.linspace(0, 12, 5 if preset == "quick" else 25),
        strengths=(END,),
        network=Network(d_in=4, h=4, d_out=5),
        start=Aligned(0.01),
        perturbation=_tuned(TASK, anchor=ANCHORS[0]),
    )


def turned(preset: Preset) -> Protocol:
    """A converged network and a task turned away from its teacher."""
    given = aligned(preset)
    long = np.linspace(40, 60, len(given.lengths))
    return replace(given, teacher=PowerLaw(4), lengths=long, perturbation=_tuned(RotatedTeacher(1.0)))


def run(preset: Preset, key: int) -> Outcome:
    """The anchored end, both inflections, and the trade between the two losses for every remedy."""
    setup = aligned(preset)
    end = _anchored_end(setup, key)
    turns = judge_bound(
        "where pretraining begins to hurt (D7)", *_inflections(setup, key), 2e-3, "a line through ±1% around it"
    )
    return Outcome((end, turns, *_trades(turned(preset), key)), {"measured": respond(setup, key)})


def _anchored_end(setup: Protocol, key: int) -> Check:
    sigma, target = np.array([1.0, 0.7, 0.5]), np.array(TASK.values)
    w, expected, found = np.sqrt(follow(setup).singular_value.values), [], []
    for i, anchor in enumerate(ANCHORS):
        seen = respond(replace(setup, perturbation=_tuned(TASK, anchor=anchor)), key + i).isel(seed=0, strength=0)
        x = np.asarray(anchored_weight(w, target, anchor)) ** 2
        expected.append([((sigma - x) ** 2).sum(1) / 2, ((target - x) ** 2).sum(1) / 2])
        found.append([seen.after.values, seen.downstream_after.values])
    reason = "the integrator's tolerance, and what is left of the flow at its end"
    return judge_bound("both losses where an anchor holds (D7)", expected, found, 1e-5, reason)


def _inflections(shape: Protocol, key: int) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and measured lengths where one mode's pretraining loss after fine-tuning turns: it vanishes there."""
    one = replace(shape, teacher=Spectrum((1.0,)), start=Aligned(1e-3))
    given = [
        (anchored_inflection(1.0, 1.5, a), _tuned(SharedVectors((1.5,)), anchor=a), END) for a in ANCHORS if a > 0.5
    ] + [(stopped_inflection(1.0, 1.5, t), _tuned(SharedVectors((1.5,))), t) for t in STOPS]
    predicted = np.array([float(deep_mode.time_to_reach(float(s), 1.0, 1e-3, 2)) for s, _, _ in given])
    measured = []
    for time, (_, how, budget) in zip(predicted, given, strict=True):
        around = time * np.linspace(0.99, 1.01, len(shape.lengths))
        setup = replace(one, lengths=around, strengths=(budget,), perturbation=how)
        before, after = np.sqrt(2 * respond(setup, key).after.values.ravel()[[0, -1]])  # |σ − x²| on either side of 0
        measured.append(around[0] + (around[-1] - around[0]) * before / (before + after))
    return predicted, np.array(measured)


def _trades(setup: Protocol, key: int) -> tuple[Check, ...]:
    n = setup.network
    teacher = teacher_matrix(setup.teacher, n.d_out, n.d_in)
    task = task_matrix(RotatedTeacher(1.0), setup.teacher, n.d_out, n.d_in)
    apart = float(np.linalg.norm(teacher - task))
    expected, found = [], []
    for share in SHARES:
        seen = _both(replace(setup, perturbation=_tuned(RotatedTeacher(1.0), replay_share=share)), key)
        mixed = np.asarray(interpolated(teacher, task, share))
        expected.append([((mixed - m) ** 2).sum() / 2 for m in (teacher, task)])
        found.append(seen)
    replay = judge_bound("both losses with replay (D7)", expected, found, 1e-5, "what is left of the flow at its end")

    low = FineTuning(RotatedTeacher(1.0), GradientFlow(1e-6), rank=1)
    single = _both(replace(setup, perturbation=low, sampling=Sampling(draws=4)), key)
    trades = [*found, single]
    for how in (_tuned(RotatedTeacher(1.0), anchor=0.3), _tuned(RotatedTeacher(1.0))):
        trades.append(
            _both(replace(setup, perturbation=how, strengths=(END if how.anchor > NEXT_TO_NOTHING else 0.5,)), key)
        )
    above = [base - float(least_forgetting(apart, down)) for base, down in trades]
    floor, pays = float(low_rank_floor(task - teacher, 1)), apart**2 / 2
    kept = min(above) > -1e-5 and single[1] > floor - 1e-6
    answer = f"{len(trades)} remedies end between {min(above):.2g} and {max(above):.2g} above the least forgetting"
    frontier = Check("nothing passes the frontier, nor a rank its floor (D7)", kept, answer, {"nearest": min(above)})
    answer = (
        f"updates of rank 1 end at a downstream loss of {single[1]:.4f}, least {floor:.4f}; the sum of both losses is "
        f"{sum(single):.4f}, at that least {pays:.4f}"
    )
    numbers = {"downstream": single[1], "least": floor, "sum": sum(single), "sum at the least": pays}
    return replay, frontier, map_limit("what low-rank updates reach", answer, numbers)


def _both(setup: Protocol, key: int) -> list[float]:
    """Both losses at the last length."""
    seen = respond(setup, key).isel(seed=0, strength=0, pretraining=-1)
    return [float(seen[name]) for name in ("after", "downstream_after")]


def anchored(setup: Protocol) -> xr.Dataset:
    """The Response of an aligned network tuned to the end on a shared task under an anchor."""
    how, sigma = setup.perturbation, singular_values(setup.teacher)
    assert isinstance(how, FineTuning)
    assert isinstance(how.task, SharedVectors)
    s, target, both = follow(setup).singular_value.values, np.array(how.task.values), ("pretraining", "strength")
    x = np.asarray(anchored_weight(np.sqrt(s), target, how.anchor)) ** 2
    half = lambda wanted, now: ((wanted - now) ** 2).sum(1) / 2
    return response(
        {
            "before": (both[:1], half(sigma, s)),
            "after": (both, half(sigma, x)[:, None]),
            "downstream_before": (both[:1], half(target, s)),
            "downstream_after": (both, half(target, x)[:, None]),
        },
        {"pretraining": list(setup.lengths), "strength": list(setup.strengths[-1:])},
        method="theory",
        source="closed form (claim D7)",
        perturbation="fine-tuning",
        model=f"anchor {how.anchor:g}",
    )


def frontier(setup: Protocol) -> xr.Dataset:
    """The least forgetting at every downstream loss, as a Trajectory at one length."""
    apart = _apart(setup)
    return _trade(
        np.linspace(0, apart**2 / 2, 101), lambda x: np.asarray(least_forgetting(apart, x)), "theory", "claim D7"
    )


def replayed(setup: Protocol, key: int) -> xr.Dataset:
    """Both losses for shares of replay, measured."""
    return _measured(
        [replace(setup, perturbation=FineTuning(RotatedTeacher(1.0), replay_share=share)) for share in SHARES], key
    )


def held(setup: Protocol, key: int) -> xr.Dataset:
    """Both losses under anchors, measured."""
    return _measured([replace(setup, perturbation=FineTuning(RotatedTeacher(1.0), anchor=a)) for a in HELD], key)


def stopped(setup: Protocol, key: int) -> xr.Dataset:
    """Both losses where fine-tuning stops early, measured."""
    return _measured([replace(setup, strengths=(time,)) for time in EARLY], key)


def _measured(each: list[Protocol], key: int) -> xr.Dataset:
    base, down = np.array([_both(one, key) for one in each]).T
    return _trade(down, lambda _: base, "simulation", "gradient flow")


def _trade(down: np.ndarray, base: Callable[[np.ndarray], np.ndarray], method: Method, source: str) -> xr.Dataset:
    return trajectory(
        {"forgetting": (("pretraining", "remedy"), np.asarray(base(down))[None])},
        {"pretraining": [0.0], "remedy": np.arange(down.size), "downstream": ("remedy", down)},
        method=method,
        source=source,
        model="a converged network",
    )


def _apart(setup: Protocol) -> float:
    n = setup.network
    task = task_matrix(RotatedTeacher(1.0), setup.teacher, n.d_out, n.d_in)
    return float(np.linalg.norm(teacher_matrix(setup.teacher, n.d_out, n.d_in) - task))
