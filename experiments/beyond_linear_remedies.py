"""beyond-linear-remedies (D7, E1, E2, E3): what helps a linear student, on tanh and ReLU students: what survives.

Protocol: the students of beyond-linear, the linear one as the control. Fine-tuned on a turned task: with nothing, for a
shorter budget, with L2 toward the pretrained weights, replay, a low rank. Under weight noise: weight decay in
pretraining against the best length. On noisy labels: schedules at equal tokens, and twice the tokens. Pretrained on a
mixture with the task: which is, for every student on the same inputs, its interpolated teacher. Nothing is at stake:
there is no theorem for the last two.
"""

from dataclasses import replace

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import respond
from overtraining.experiments.setups import STUDENTS, TURNED, student
from overtraining.experiments.verdict import Check, Outcome, map_limit
from overtraining.setting.inputs import Inputs
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.responses import Objective, Quantity, curve, trajectory
from overtraining.setting.tasks import task_matrix
from overtraining.setting.teachers import Matrix, teacher_matrix
from overtraining.setting.training import GradientDescent

Found = dict[str, tuple[float, float]]  # by name of the remedy: a number and its standard error

PLAIN = replace(TURNED, anchor=1e-12, replay_share=1e-12)  # nothing, in the program of anchor and replay: compiled once
REMEDIES = {"none": PLAIN, "anchor": replace(PLAIN, anchor=1.0), "replay": replace(PLAIN, replay_share=0.5),
            "rank 1": replace(TURNED, rank=1)}  # fmt: skip
SHORT, LONG = 0.5, 4.0  # budgets
KAPPA = 0.3**2 * 4  # E1's decay for this noise
DECAYS = {"¼κ": KAPPA / 4, "½κ": KAPPA / 2, "κ": KAPPA, "2κ": 2 * KAPPA}
TOKENS = (30.0, 60.0)
LABELS = GradientDescent(0.1, batch=4, horizon="each"), Inputs(label_noise=1.0)  # γ² = ην²/2B = 0.0125
SCHEDULES = {"constant": "constant", "cosine": "cosine", "wsd": "warmup-stable-decay"}
SHARES = (0.0, 0.25, 0.5)


def protocol(activation: str, preset: Preset) -> Protocol:
    """One student; draws are of noise, and as few fine-tunings from each start as give an error."""
    sampling = Sampling(draws=64, seeds=4 if preset == "quick" else 64)
    return replace(student(activation), lengths=(2.0, 4.0, 6.0, 10.0, 30.0), sampling=sampling)


def run(preset: Preset, key: int) -> Outcome:
    """All remedies of every student; the control, of which there are theorems, is left to the full preset."""
    data, checks = {}, []
    for i, activation in enumerate(STUDENTS[1:] if preset == "quick" else STUDENTS):
        data[activation] = seen = measured(protocol(activation, preset), 10 * key + i)
        checks += [_listed(f"{axis}, {activation}", seen, axis) for axis in ("remedy", "decay", "schedule", "share")]
    return Outcome(tuple(checks), data)


def measured(asked: Protocol, key: int) -> xr.Dataset:
    """Everything of one student: a Trajectory at the last length, over remedies, decays, schedules and shares."""
    parts = {"remedy": remedies(asked, key), "decay": decays(asked, key), "schedule": schedules(asked, key),
             "share": shares(asked, key)}  # fmt: skip
    variables, coordinates = {}, {"pretraining": [asked.lengths[-1]]}
    for axis, found in parts.items():
        coordinates[axis] = list(next(iter(found.values())))
        for name, by in found.items():
            for suffix, values in zip(("", "_stderr"), zip(*by.values(), strict=True), strict=True):
                variables[name + suffix] = (("pretraining", axis), np.array(values)[None])
    seeds = f"{asked.sampling.seeds} starts"
    return trajectory(variables, coordinates, method="simulation", source=seeds, model=f"{asked.network}")


def remedies(asked: Protocol, key: int) -> dict[str, Found]:
    """Both losses after fine-tuning at the last length, and how far the first is above its best length."""
    found: dict[str, Found] = {"forgetting": {}, "downstream": {}, "lost": {}}
    few = replace(asked, sampling=replace(asked.sampling, draws=max(2, asked.sampling.draws // 16)))
    for name, how in REMEDIES.items():
        seen = respond(replace(few, perturbation=how, strengths=(SHORT, LONG)), key)
        for i, called in ((1, name), *(((0, "early stop"),) if name == "none" else ())):
            one = seen.isel(strength=[i])
            found["forgetting"][called], found["downstream"][called] = _end(one), _end(one, "after", "downstream")
            found["lost"][called] = _lost(one)
    return found


def decays(asked: Protocol, key: int) -> dict[str, Found]:
    """Loss after noise: of long pretraining, of the best length, and of long pretraining under weight decay."""
    plain = respond(asked, key)
    best = curve(plain, "after").isel(strength=0)
    at = int(best.value.argmin("pretraining"))
    found = {"none": _end(plain), "best stop": (float(best.value[at]), float(best.stderr[at]))}
    for name, decay in DECAYS.items():
        found[name] = _end(respond(replace(asked, pretraining=GradientDescent(0.1, weight_decay=decay)), key))
    return {"after_noise": found}


def schedules(asked: Protocol, key: int) -> dict[str, Found]:
    """Loss before, and cost of noise, at the end of runs of equally many tokens, and of half as many."""
    found: dict[str, Found] = {"before": {}, "sensitivity": {}}
    training, inputs = LABELS
    for name, schedule in SCHEDULES.items():
        how = replace(training, schedule=schedule)
        seen = respond(replace(asked, lengths=TOKENS, pretraining=how, inputs=inputs, strengths=(0.1,)), key)
        for i, tokens in enumerate(TOKENS):
            for quantity in ("before", "sensitivity"):
                found[quantity][f"{name} {tokens:g}"] = _end(seen.isel(pretraining=[i]), quantity)
    return found


def shares(asked: Protocol, key: int) -> dict[str, Found]:
    """Both losses after fine-tuning, by the share of the task's data in pretraining.

    The Response is about the mixture's teacher: `L_mix = (1 − q)L_pre + qL_ft − ½q(1 − q)‖A − B‖²` for whitened inputs.
    """
    n = asked.network
    teacher = teacher_matrix(asked.teacher, n.d_out, n.d_in)
    task = task_matrix(TURNED.task, asked.teacher, n.d_out, n.d_in)
    apart = float(((teacher - task) ** 2).sum())
    found: dict[str, Found] = {"mixed_forgetting": {}, "mixed_downstream": {}}
    for q in SHARES:
        mixture = Matrix(((1 - q) * teacher + q * task).tolist())
        how = replace(PLAIN, task=Matrix(task.tolist()))
        sampling = replace(asked.sampling, draws=max(2, asked.sampling.draws // 16))
        given = replace(asked, teacher=mixture, perturbation=how, strengths=(SHORT, LONG), sampling=sampling)
        seen = respond(given, key).isel(strength=[0])  # the shape of `remedies`, so that nothing is compiled again
        (mixed, error), (down, down_error) = _end(seen), _end(seen, "after", "downstream")
        base = (mixed - q * down + q * (1 - q) * apart / 2) / (1 - q)
        found["mixed_forgetting"][f"{q:g}"] = base, float(np.hypot(error, q * down_error) / (1 - q))
        found["mixed_downstream"][f"{q:g}"] = down, down_error
    return found


def _end(seen: xr.Dataset, quantity: Quantity = "after", objective: Objective = "pretraining") -> tuple[float, float]:
    """The last of all lengths and strengths, and its error."""
    last = curve(seen, quantity, objective).isel(pretraining=-1)
    last = last.isel(strength=-1) if "strength" in last.dims else last
    return float(last.value), float(last.stderr)


def _lost(seen: xr.Dataset) -> tuple[float, float]:
    """What the last length is above the best: 0 where it is the best."""
    one = curve(seen, "after").squeeze("strength")
    best = int(one.value.argmin("pretraining"))
    rise = float(one.value[-1] - one.value[best])
    return rise, float(np.hypot(one.stderr[-1], one.stderr[best])) if rise else 0.0


def _listed(name: str, seen: xr.Dataset, axis: str) -> Check:
    """All numbers over one axis, with their errors."""
    numbers: dict[str, float] = {}
    told = []
    for variable in (v for v in seen if axis in seen[v].dims and not str(v).endswith("_stderr")):
        values, errors = (seen[v].values[0] for v in (variable, f"{variable}_stderr"))
        each = zip(seen[axis].values, values, errors, strict=True)
        numbers |= {f"{variable}, {at}": float(x) for at, x in zip(seen[axis].values, values, strict=True)}
        told.append(f"{variable}: " + ", ".join(f"{at} {x:.3f} ± {e:.3f}" for at, x, e in each))
    return map_limit(name, "; ".join(told), numbers)
