"""plasticity-and-forgetting: how each learned feature helps to learn a task, and what it costs (claim D4)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import angle, epsilon, network, power, protocol_of, spectrum, word
from overtraining.figures.recipe import Recipe, simulated_response, theory_response
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import RotatedTeacher
from overtraining.setting.teachers import PowerLaw

MAPS = "overtraining.theory.fine_tuning.forgetting_map"
STARTS = ("1e-12", "1e-6", "1e-3")
GOES_ON = 0.6  # radians: up to here, fine-tuning goes on with pretraining


def recipes() -> dict[str, Recipe]:
    """A network along its plateaus, fine-tuned on a far rotated task; 105,000 tasks over strength, angle and budget."""
    fine = Protocol(
        PowerLaw(4),
        lengths=np.linspace(0, 160, 321),
        strengths=(0.2, 0.5, 1.5),
        network=Network(d_in=5, h=4, d_out=5),
        start=Aligned(1e-10),
        perturbation=FineTuning(RotatedTeacher(1.8, frame_seed=2)),
    )
    reach = replace(fine, lengths=(0.0,), strengths=np.geomspace(0.05, 12.0, 16))
    ignores = ("lengths", "perturbation", "sampling")  # the maps are at plateaus, of tasks of their own
    return {
        "theory": theory_response(fine),
        "simulation": simulated_response(replace(fine, lengths=(0.0, 17.0, 29.0, 40.0, 120.0)), key=0),
        "rotated": Recipe(f"{MAPS}.rotated_task_map", reach, ignores=ignores),
        "shared": Recipe(f"{MAPS}.shared_feature_map", reach, ignores=ignores),
    } | {
        f"from {start}": Recipe(
            f"{MAPS}.finite_start_map", replace(reach, start=Aligned(float(start))), ignores=ignores
        )
        for start in STARTS
    }


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """One loss against the other along pretraining; fractions of tasks by ‖B‖T and angle, strength or features."""
    figure, panels = canvas(PAGE, 7.0, rows=3, columns=3)
    trade, turns, shared, foreseen, strong, limit, *finite = panels
    drawing.trade_off(trade, data["theory"], label="T = {:g}")
    drawing.trade_off(trade, data["simulation"])
    trade.legend()
    as_strong, mean = _as_strong(data["rotated"]), data["rotated"].mean("angle", keep_attrs=True)
    _map(turns, as_strong, "turns", "angle", "an inflection")
    _map(shared, _as_strong(data["shared"]), "turns", "shared", "an inflection")
    _map(foreseen, mean, "foreseen", "size", "order $T^2$ is right")
    _map(strong, mean, "falls", "size", "cost falls, ε → 0", top=0.3)
    strong.plot(mean.safe.values[0], mean["size"], color="white")
    strong.text(1.2 * float(mean.safe[0, 3]), 1.0, "safe", color="white", va="center")
    _map(limit, as_strong, "clear_falls", "angle", "clearly falls, ε → 0")
    for ax, (start, from_start) in zip(finite, _finite(data).items(), strict=True):
        _map(ax, from_start, "clear_falls", "angle", f"clearly falls, {start}")
    for ax in (turns, limit, *finite):
        ax.set_ylabel("angle (radians)")
    for ax in (strong, foreseen):
        ax.set_ylabel("strength $\\|B\\|/\\|A\\|$")
        ax.set_yscale("log")
        ax.set_yticks([0.25, 0.5, 1, 2, 4], ["¼", "½", "1", "2", "4"], minor=False)
        ax.set_yticks([], minor=True)
    shared.set_ylabel("shared features")
    shared.set_yticks(range(4))
    letter(panels)
    return figure


def _map(ax: Axes, data: xr.Dataset, name: str, over: str, title: str, top: float = 1.0) -> None:
    drawing.heat_map(ax, data, name, "strength", over, top=top)
    ax.set_xscale("log")
    ax.set_xlabel("fine-tuning budget $\\|B\\|T$")
    ax.set_title(title, loc="left")


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    theory, rotated, shared = data["theory"], data["rotated"], data["shared"]
    setup = protocol_of(theory)
    late = theory.isel(strength=-1)
    best = late.after.values.min()
    downstream = theory.downstream_after.isel(pretraining=[0, -1]).squeeze()
    fitted = ", ".join(
        f"from {float(one[0]):.2f} to {float(one[1]):.2f} at T = {float(one.strength):g}"
        for one in downstream.transpose("strength", "pretraining")
    )
    both = [(one, one.falls, one.falls > 0) for one in (rotated, shared)]
    first = min(float(one.strength.where(occurs.any(set(occurs.dims) - {"strength"})).min()) for one, _, occurs in both)
    beyond = [one.falls.where(one.strength > one.safe) for one, *_ in both]
    within = max(float(one.falls.where(one.strength <= one.safe).max()) for one, *_ in both)  # 0, as is proved
    monotone = 1 - np.concatenate([x.values[np.isfinite(x.values)] for x in beyond]).mean()
    order = rotated.foreseen.mean(["angle", "size"]).isel(pretraining=0)
    weak, strong = (order.sel(strength=budget, method="nearest") for budget in (0.1, 1.0))
    return (
        "What each learned feature adds to plasticity, and what it costs (claim D4). (a) Pretraining against "
        f"downstream loss after fine-tuning, along pretraining, for {word(len(setup.strengths))} budgets; the dot is "
        f"the end. From none to the longest pretraining, the downstream loss goes {fitted}: what is learned helps to "
        "fit the task if the budget is large enough to change it, with reversals inside the stages, and at the cost of "
        f"forgetting: at T = {float(theory.strength[-1]):g} the pretraining loss after fine-tuning ends "
        f"{float(late.after[-1]) - best:.3f} above its best value. Lines: exact; points: simulation by gradient flow. "
        f"σ = {spectrum(setup)} in a {network(setup)} network from {power(epsilon(setup))}, the task rotated by "
        f"{angle(setup):g}. (b–f) The same teacher from plateau to plateau in the limit ε → 0, for "
        f"{rotated.attrs['source'].removeprefix('claim D4 on ')} that are the teacher rotated and rescaled, and "
        f"{shared.attrs['source'].removeprefix('claim D4 on ')} that are random apart from the features they share, "
        f"each for {rotated.sizes['strength']} budgets. (b) Fraction of tasks as strong as the teacher for which the "
        "loss after fine-tuning is lowest before the last plateau: an inflection. (c) The same for random tasks of the "
        "teacher's strength, by the number of features that they share with it: sharing features delays the inflection "
        "but does not remove it. (d) Fraction of features for which the order T² predicts correctly whether they make "
        f"the loss after fine-tuning worse: averaged over strengths and angles, {float(weak):.1%} at ‖B‖T = "
        f"{float(weak.strength):.2g} and {float(strong):.0%} at {float(strong.strength):.2g}. (e) Fraction for which "
        f"the cost falls from some plateau to the next: first at ‖B‖T = {first:.2g}, at most "
        f"{float(rotated.falls.max()):.0%} of the tasks of a cell, by at most "
        f"{max(float(one.largest_drop.max()) for one, *_ in both):.2f} of ½‖A‖². White: the budget below which the "
        f"cost is proved not to fall for any task; {within:.0%} of the tasks there fall, and beyond it {monotone:.1%} "
        "of tasks and budgets are monotone as well: the worst tasks are rare. (f–i) Fraction of tasks as strong as the "
        f"teacher for which the cost falls by more than {rotated.attrs['clear']:.1%} of ½‖A‖², in the limit and, for "
        f"the same tasks, exactly at the checkpoints of plateaus from {word(len(_finite(data)))} starts. The limit is "
        f"reached slowly: {_by_start(data)}. At small budgets, and on tasks near the teacher, the cost falls because "
        "fine-tuning completes what pretraining has begun, which is of order T, not T²; at long ones the falls of the "
        "limit are missing, because fine-tuning finishes every feature that has begun. The experiments "
        "misaligned-tasks and finite-plateaus train random subsets of these tasks. The theory holds for balanced "
        "weights on plateaus and gradient flow."
    )


def _by_start(data: Mapping[str, xr.Dataset]) -> str:
    """The share of turned tasks whose cost clearly falls, at a short and at a long budget, as ε → 0 and by start."""
    maps = {"ε → 0": _as_strong(data["rotated"])} | _finite(data)
    first = int(np.searchsorted(data["rotated"].angle, GOES_ON, side="right"))
    turned = [one.clear_falls.isel(angle=slice(first, None)) for one in maps.values()]
    at = [turned[0].sel(strength=reach, method="nearest").strength for reach in (0.2, 8.0)]
    short, long = (", ".join(f"{float(falls.sel(strength=reach).mean()):.1%}" for falls in turned) for reach in at)
    return (
        f"of the tasks turned by {float(turned[0].angle[0]):.2g} or more, {short} fall at ‖B‖T = {float(at[0]):.2g} "
        f"for {', '.join(maps)}, and {long} at {float(at[1]):.2g}"
    )


def _as_strong(data: xr.Dataset) -> xr.Dataset:
    """The tasks that are as strong as the teacher."""
    return data.sel(size=1.0, method="nearest")


def _finite(data: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """The maps from finite starts, by the start."""
    maps = [data[f"from {start}"] for start in STARTS]
    return {f"ε = {power(epsilon(protocol_of(one)))}": one.isel(size=0) for one in maps}
