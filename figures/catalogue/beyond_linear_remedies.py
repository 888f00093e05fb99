"""beyond-linear-remedies: what helps linear, tanh and ReLU students against forgetting and noise (D7, E1, E2, E3)."""

from collections.abc import Mapping
from dataclasses import replace

import xarray as xr
from matplotlib.figure import Figure

from overtraining.experiments.setups import STUDENTS, student
from overtraining.figures import drawing
from overtraining.figures.recipe import Recipe
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.protocol import Sampling

SOURCE = "overtraining.experiments.beyond_linear_remedies"
PANELS = (
    ("forgetting", "remedy", "pretraining loss after"),
    ("downstream", "remedy", "downstream loss after"),
    ("lost", "remedy", "lost since the best length"),
    ("after_noise", "decay", "loss after noise"),
    ("sensitivity", "schedule", "cost of noise"),
    ("mixed_downstream", "share", "downstream loss after"),
)


def recipes() -> dict[str, Recipe]:
    """Every student with everything that may help it."""
    found = {}
    for i, name in enumerate(STUDENTS):
        asked = replace(student(name), lengths=(2.0, 4.0, 6.0, 10.0, 30.0), sampling=Sampling(draws=64, seeds=16))
        found[name] = Recipe(f"{SOURCE}.measured", asked, key=10 * i)
    return found


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """One panel per question, students side by side in each."""
    figure, axes = canvas(PAGE, 4.6, rows=2, columns=3)
    for ax, (variable, axis, says) in zip(axes, PANELS, strict=True):
        for i, name in enumerate(STUDENTS):
            drawing.categories(ax, data[name], variable, axis, label=name, colour=i, shift=0.2 * (i - 1))
        ax.set(xlabel="", ylabel=says)
        ax.tick_params(axis="x", rotation=40)
        if axis in ("remedy", "share"):
            ax.set_ylim(bottom=-0.04 * ax.get_ylim()[1])  # 0 with its markers
    axes[5].set_xlabel("share of the task in pretraining")
    axes[0].legend()
    letter(axes)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """What is seen, with the numbers of this run."""

    def told(variable: str, axis: str, *names: str, digits: int = 2) -> str:
        each = []
        for student_, one in data.items():
            at = one.isel(pretraining=-1)
            pairs = ([float(at[v].sel({axis: n})) for v in (variable, f"{variable}_stderr")] for n in names)
            numbers = (f"{value:.{digits}f} ± {error:.{digits}f}" for value, error in pairs)
            each.append(f"{student_} {', '.join(numbers)}")
        return "; ".join(each)

    best = {name: str(one.decay.values[int(one.after_noise.values[0].argmin())]) for name, one in data.items()}
    return (
        "What helps a linear student, on tanh and ReLU students 4→16→4 (simulation, "
        f"{next(iter(data.values())).attrs['source']} each; no theorem for the last two). (a-c) After pretraining for "
        "30 and fine-tuning on a task turned by 1.5 for T = 4: with nothing, early stop (T = ½), L2 toward the "
        "pretrained weights (λ = 1), replay (½), updates of rank 1: all but the low rank keep most of what was learned "
        "and pay for it downstream, as on the linear student (D7). (c) What is lost since the best of five lengths: "
        f"with nothing {told('lost', 'remedy', 'none')}; with replay {told('lost', 'remedy', 'replay')}. "
        "(d) Loss after noise of γ = 0.3: at the end, at the best length, at the end under weight decay from ¼ to 2 "
        "times E1's κ = γ²d. Least: "
        f"{', '.join(f'{name} {at}' for name, at in best.items())}. That κ beats the best stop is what claim E1 says "
        "of the linear one; ReLU, which learns at half its pace, wants half of it, and tanh none (best stop, κ: "
        f"{told('after_noise', 'decay', 'best stop', 'κ')}). (e) Cost of noise of γ = 0.1 after training on "
        "noisy labels, three schedules and two numbers of tokens (30 and 60, in units of time at the peak rate). Decay "
        f"lowers the loss before it on all three (constant and cosine at 60: "
        f"{told('before', 'schedule', 'constant 60', 'cosine 60')}); it raises the cost (E2: "
        f"{told('sensitivity', 'schedule', 'constant 60', 'cosine 60', digits=3)}) beyond its error on tanh alone. "
        "(f) Pretrained on a mixture with the task, then tuned on it for T = ½: the downstream loss falls with the "
        "task's share, and the pretraining loss after rises, from none to one half: "
        f"{told('mixed_forgetting', 'share', '0', '0.5')} (E3)."
    )
