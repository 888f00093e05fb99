"""beyond-linear-remedies: what helps linear, tanh and ReLU students against forgetting and noise (D7, E1, E2, E3)."""

from collections.abc import Mapping
from dataclasses import replace

import xarray as xr
from matplotlib.figure import Figure

from overtraining.experiments.setups import STUDENTS, student
from overtraining.figures import drawing
from overtraining.figures.described import listed, network, protocol_of, word
from overtraining.figures.recipe import Recipe, all_but
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.protocol import Sampling

SOURCE = "overtraining.experiments.beyond_linear_remedies"
PANELS = (
    ("forgetting", "remedy", "pretraining loss after fine-tuning"),
    ("downstream", "remedy", "downstream loss after fine-tuning"),
    ("lost", "remedy", "increase since the best length"),
    ("after_noise", "decay", "loss after noise"),
    ("sensitivity", "schedule", "cost of noise"),
    ("mixed_downstream", "share", "downstream loss after fine-tuning"),
)


def recipes() -> dict[str, Recipe]:
    """Every student with every remedy."""
    by_label = {}
    for i, name in enumerate(STUDENTS):
        setup = replace(student(name), lengths=(2.0, 4.0, 6.0, 10.0, 30.0), sampling=Sampling(draws=64, seeds=16))
        by_label[name] = Recipe(
            f"{SOURCE}.measured", setup, key=10 * i, ignores=all_but("teacher", "start", "sampling")
        )
    return by_label


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """One panel per question, students side by side in each."""
    figure, axes = canvas(PAGE, 4.6, rows=2, columns=3)
    for ax, (variable, coordinate, label) in zip(axes, PANELS, strict=True):
        for i, name in enumerate(STUDENTS):
            drawing.categories(ax, data[name], variable, coordinate, label=name, colour=i, shift=0.2 * (i - 1))
        ax.set(xlabel="", ylabel=label)
        ax.tick_params(axis="x", rotation=40)
        if coordinate in ("remedy", "share"):
            ax.set_ylim(bottom=-0.04 * ax.get_ylim()[1])  # so that markers at 0 are complete
    axes[5].set_xlabel("share of the task in pretraining")
    axes[0].legend()
    letter(axes)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""

    def numbers_of(variable: str, coordinate: str, *names: str, digits: int = 2) -> str:
        texts = []
        for student_, one in data.items():
            last = one.isel(pretraining=-1)
            pairs = ([float(last[v].sel({coordinate: n})) for v in (variable, f"{variable}_stderr")] for n in names)
            numbers = (f"{value:.{digits}f} ± {error:.{digits}f}" for value, error in pairs)
            texts.append(f"{student_} {', '.join(numbers)}")
        return "; ".join(texts)

    best = {name: str(one.decay.values[int(one.after_noise.values[0].argmin())]) for name, one in data.items()}
    control = next(iter(data.values()))
    told, setup = control.attrs, protocol_of(control)
    short, long = (listed([budget], fractions=True) for budget in told["budgets"])
    constant, decayed = ([n for n in control.schedule.values if n.startswith(kind)] for kind in ("constant", "cosine"))
    tokens = [name.partition(" ")[2] for name in constant]
    (none, *_, most), decays = control.share.values, [n for n in control.decay.values if n.endswith("κ")]
    return (
        f"Remedies that help a linear student, applied to tanh and ReLU students {network(setup)} (simulation, "
        f"{told['source']} each; there is no theorem for tanh and ReLU). (a–c) After pretraining for "
        f"{setup.lengths[-1]:g} and fine-tuning on a task rotated by {told['angle']:g} for T = {long}: without a "
        f"remedy, with an early stop (T = {short}), with L2 toward the pretrained weights (λ = {told['anchor']:g}), "
        f"with replay ({listed([told['replay_share']], fractions=True)}), with updates of rank {told['rank']}. All but "
        "the low rank keep most of what was learned, at the cost of a higher downstream loss, as in the linear student "
        f"(D7). (c) Increase since the best of {word(len(setup.lengths))} lengths: without a remedy "
        f"{numbers_of('lost', 'remedy', 'none')}; with replay {numbers_of('lost', 'remedy', 'replay')}. (d) Loss after "
        f"noise of γ = {setup.strengths[-1]:g}: at the end, at the best length, and at the end under weight decay from "
        f"{decays[0]} to {decays[-1]}, where E1's κ is γ²d. The smallest loss is at "
        f"{', '.join(f'{decay} ({name})' for name, decay in best.items())}. Claim E1 says that for the linear student "
        "κ is better than the best length; ReLU, which learns half as fast, needs less decay, and tanh none (best "
        f"length, κ: {numbers_of('after_noise', 'decay', 'best stop', 'κ')}). (e) Cost of noise of γ = "
        f"{told['noise_after_labels']:g} after training on noisy labels, for "
        f"{word(control.sizes['schedule'] // len(tokens))} schedules and {word(len(tokens))} numbers of tokens "
        f"({' and '.join(tokens)}, in units of time at the peak learning rate). Decay lowers the loss before noise in "
        f"all {word(len(data))} students (constant and cosine at {tokens[-1]}: "
        f"{numbers_of('before', 'schedule', constant[-1], decayed[-1])}); it raises the cost of noise (E2: "
        f"{numbers_of('sensitivity', 'schedule', constant[-1], decayed[-1], digits=3)}) by more than the standard "
        f"error only in tanh. (f) After pretraining on a mixture with the task and fine-tuning on it for T = {short}, "
        "the downstream loss falls with the task's share, and the pretraining loss after fine-tuning rises, from a "
        f"share of {none} to one of {most}: {numbers_of('mixed_forgetting', 'share', none, most)} (E3)."
    )
