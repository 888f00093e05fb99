"""beyond-linear-remedies (D7, E1, E2, E3): remedies that help a linear student, tried on tanh and ReLU students.

Protocol: the students of beyond-linear, with the linear one as the control. Fine-tuning on a rotated task: without a
remedy, for a shorter budget, with an L2 pull to the pretrained weights, with replay, with an update of low rank. Under
weight noise: weight decay in pretraining against the best length. On noisy labels: learning-rate schedules for the same
number of tokens, and for twice as many. Pretraining on a mixture with the task, which for every student on the same
inputs is pretraining on the interpolated teacher. There is no prediction that could be refuted, since no theorem covers
the nonlinear students: the experiment maps what carries over.
"""

from dataclasses import replace

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import respond
from overtraining.experiments.setups import ANGLE, ROTATED, STUDENTS, student
from overtraining.experiments.verdict import Check, Outcome, map_limit
from overtraining.setting.inputs import Inputs
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.resolved import resolve
from overtraining.setting.responses import Objective, Quantity, curve, trajectory
from overtraining.setting.tasks import task_matrix
from overtraining.setting.teachers import Matrix
from overtraining.setting.training import GradientDescent

Estimates = dict[str, tuple[float, float]]  # by name of the remedy: a number and its standard error

PLAIN = replace(ROTATED, anchor=1e-12, replay_share=1e-12)  # no remedy, but compiled to the program of both remedies
REMEDIES = {
    "none": PLAIN,
    "anchor": replace(PLAIN, anchor=1.0),
    "replay": replace(PLAIN, replay_share=0.5),
    "rank 1": replace(ROTATED, rank=1),
}
SHORT, LONG = 0.5, 4.0  # budgets
KAPPA = 0.3**2 * 4  # E1's weight decay for this noise
DECAYS = {"¼κ": KAPPA / 4, "½κ": KAPPA / 2, "κ": KAPPA, "2κ": 2 * KAPPA}
TOKENS = (30.0, 60.0)
LABELS = GradientDescent(0.1, batch=4, horizon="each"), Inputs(label_noise=1.0)  # γ² = ην²/2B = 0.0125
AFTER_LABELS = 0.1  # scale of the noise on weights that were trained on noisy labels
SCHEDULES = {"constant": "constant", "cosine": "cosine", "wsd": "warmup-stable-decay"}
SHARES = (0.0, 0.25, 0.5)


def protocol(activation: str, preset: Preset) -> Protocol:
    """One student; the draws are of noise, and there are just enough fine-tunings per start for a standard error."""
    sampling = Sampling(draws=64, seeds=4 if preset == "quick" else 64)
    return replace(student(activation), lengths=(2.0, 4.0, 6.0, 10.0, 30.0), sampling=sampling)


def run(preset: Preset, key: int) -> Outcome:
    """All remedies for every student; the linear control, for which there are theorems, only in the full preset."""
    data, checks = {}, []
    for i, activation in enumerate(STUDENTS[1:] if preset == "quick" else STUDENTS):
        remedied = measured(protocol(activation, preset), 10 * key + i)
        data[activation] = remedied
        for axis in ("remedy", "decay", "schedule", "share"):
            checks.append(_list_numbers(f"{axis}, {activation}", remedied, axis))
    return Outcome(tuple(checks), data)


def measured(setup: Protocol, key: int) -> xr.Dataset:
    """Everything of one student: a Trajectory at the last length, over remedies, decays, schedules and shares."""
    parts = {
        "remedy": remedies(setup, key),
        "decay": decays(setup, key),
        "schedule": schedules(setup, key),
        "share": shares(setup, key),
    }
    variables, coordinates = {}, {"pretraining": [setup.lengths[-1]]}
    for axis, losses in parts.items():
        coordinates[axis] = list(next(iter(losses.values())))
        for name, estimates in losses.items():
            values, stderrs = zip(*estimates.values(), strict=True)
            variables[name] = (("pretraining", axis), np.array(values)[None])
            variables[f"{name}_stderr"] = (("pretraining", axis), np.array(stderrs)[None])
    return trajectory(
        variables,
        coordinates,
        method="simulation",
        source=f"{setup.sampling.seeds} starts",
        model=f"{setup.network}",
        extra={
            "angle": ANGLE,
            "budgets": [SHORT, LONG],
            "anchor": REMEDIES["anchor"].anchor,
            "replay_share": REMEDIES["replay"].replay_share,
            "rank": REMEDIES["rank 1"].rank,
            "noise_after_labels": AFTER_LABELS,
        },
    )


def remedies(setup: Protocol, key: int) -> dict[str, Estimates]:
    """Both losses after fine-tuning at the last length, and the rise of the pretraining loss from its best length."""
    losses: dict[str, Estimates] = {"forgetting": {}, "downstream": {}, "lost": {}}
    few = replace(setup, sampling=_few_draws(setup))
    for remedy, fine_tuning in REMEDIES.items():
        measured = respond(replace(few, perturbation=fine_tuning, strengths=(SHORT, LONG)), key)
        budgets = {remedy: 1, "early stop": 0} if remedy == "none" else {remedy: 1}
        for name, place in budgets.items():
            after = measured.isel(strength=[place])
            losses["forgetting"][name] = _end(after)
            losses["downstream"][name] = _end(after, "after", "downstream")
            losses["lost"][name] = _rise_from_best(after)
    return losses


def decays(setup: Protocol, key: int) -> dict[str, Estimates]:
    """Loss after noise: after long pretraining, at the best length, and after long pretraining with weight decay."""
    plain = respond(setup, key)
    end = replace(setup, lengths=setup.lengths[-len(TOKENS) :])  # as many as `schedules` has: no other program
    after = curve(plain, "after").isel(strength=0)
    best = int(after.value.argmin("pretraining"))
    estimates = {"none": _end(plain), "best stop": (float(after.value[best]), float(after.stderr[best]))}
    for name, weight_decay in DECAYS.items():
        decayed = replace(end, pretraining=GradientDescent(0.1, weight_decay=weight_decay))
        estimates[name] = _end(respond(decayed, key))
    return {"after_noise": estimates}


def schedules(setup: Protocol, key: int) -> dict[str, Estimates]:
    """Loss before, and cost of noise, at the end of runs with the same number of tokens, and with half as many."""
    losses: dict[str, Estimates] = {"before": {}, "sensitivity": {}}
    training, inputs = LABELS
    for name, schedule in SCHEDULES.items():
        scheduled = replace(training, schedule=schedule)
        noisy = replace(setup, lengths=TOKENS, pretraining=scheduled, inputs=inputs, strengths=(AFTER_LABELS,))
        measured = respond(noisy, key)
        for i, tokens in enumerate(TOKENS):
            for quantity in ("before", "sensitivity"):
                losses[quantity][f"{name} {tokens:g}"] = _end(measured.isel(pretraining=[i]), quantity)
    return losses


def shares(setup: Protocol, key: int) -> dict[str, Estimates]:
    """Both losses after fine-tuning, by the share of the task's data in pretraining.

    The measured Response is that of the mixture's teacher; for whitened inputs
    `L_mix = (1 − q)L_pre + qL_ft − ½q(1 − q)‖A − B‖²`.
    """
    n = setup.network
    teacher = resolve(setup).teacher
    task = task_matrix(ROTATED.task, setup.teacher, n.d_out, n.d_in)
    squared_distance = float(((teacher - task) ** 2).sum())
    losses: dict[str, Estimates] = {"mixed_forgetting": {}, "mixed_downstream": {}}
    for q in SHARES:
        mixture = Matrix(((1 - q) * teacher + q * task).tolist())
        fine_tuning = replace(PLAIN, task=Matrix(task.tolist()))
        # strengths and draws have the shape of `remedies`, so that nothing is compiled again
        strengths, sampling = (SHORT, LONG), _few_draws(setup)
        mixed_setup = replace(setup, teacher=mixture, perturbation=fine_tuning, strengths=strengths, sampling=sampling)
        measured = respond(mixed_setup, key).isel(strength=[0])
        mixed, mixed_stderr = _end(measured)
        downstream, downstream_stderr = _end(measured, "after", "downstream")
        pretraining = (mixed - q * downstream + q * (1 - q) * squared_distance / 2) / (1 - q)
        stderr = float(np.hypot(mixed_stderr, q * downstream_stderr) / (1 - q))
        losses["mixed_forgetting"][f"{q:g}"] = pretraining, stderr
        losses["mixed_downstream"][f"{q:g}"] = downstream, downstream_stderr
    return losses


def _few_draws(setup: Protocol) -> Sampling:
    """As many fine-tunings per start as give a standard error."""
    return replace(setup.sampling, draws=max(2, setup.sampling.draws // 16))


def _end(
    measured: xr.Dataset, quantity: Quantity = "after", objective: Objective = "pretraining"
) -> tuple[float, float]:
    """The quantity at the last length and strength, and its standard error."""
    last = curve(measured, quantity, objective).isel(pretraining=-1)
    last = last.isel(strength=-1) if "strength" in last.dims else last
    return float(last.value), float(last.stderr)


def _rise_from_best(measured: xr.Dataset) -> tuple[float, float]:
    """The rise of the loss from the best length to the last one, and its standard error; 0 if the last is the best."""
    after = curve(measured, "after").squeeze("strength")
    best = int(after.value.argmin("pretraining"))
    rise = float(after.value[-1] - after.value[best])
    return rise, float(np.hypot(after.stderr[-1], after.stderr[best])) if rise else 0.0


def _list_numbers(name: str, remedied: xr.Dataset, axis: str) -> Check:
    """All numbers along one axis, with their standard errors."""
    numbers: dict[str, float] = {}
    lines = []
    for variable in (v for v in remedied if axis in remedied[v].dims and not str(v).endswith("_stderr")):
        values, stderrs = (remedied[v].values[0] for v in (variable, f"{variable}_stderr"))
        rows = list(zip(remedied[axis].values, values, stderrs, strict=True))
        numbers |= {f"{variable}, {label}": float(value) for label, value, _ in rows}
        lines.append(
            f"{variable}: " + ", ".join(f"{label} {value:.3f} ± {stderr:.3f}" for label, value, stderr in rows)
        )
    return map_limit(name, "; ".join(lines), numbers)
