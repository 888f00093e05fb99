"""random-start: which results of the aligned theory hold from random starts and with ReLU (claims A1, A7, A8, B4)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import network as widths, protocol_of
from overtraining.figures.recipe import Recipe, simulated_trajectory, theory_trajectory
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.inputs import Inputs
from overtraining.setting.protocol import Activation, Network, Protocol, Sampling
from overtraining.setting.starts import Aligned, FanIn, SmallGaussian
from overtraining.setting.teachers import Spectrum
from overtraining.setting.training import GradientDescent

SIGMA, H, RELU_H = (1.0, 0.6, 0.3), 8, 16
STDS = (1e-4, 1e-2, 1e-1)
SMALL = STDS[:2]  # whose mean over starts theory answers (A8)
GAINS = (0.3, 1.0, 2.0)
RELU_STD = 1e-2
SEEDS = Sampling(seeds=6)


def network(width: int = H, activation: Activation = "linear") -> Network:
    """A network with more inputs and outputs than there are features."""
    return Network(d_in=6, h=width, d_out=5, activation=activation)


def over(end: float, points: int, sigma: tuple[float, ...] = SIGMA) -> Protocol:
    """Pretraining of the linear network on three features."""
    return Protocol(Spectrum(sigma), np.linspace(0, end, points), (0.0,), network=network())


def aligned(std: float, width: int = H) -> Aligned:
    """The aligned start of the same size: the mean over random starts of the part that grows, `‖W1v + W2ᵀu‖²/4`."""
    return Aligned(width * std**2 / 2)


def recipes() -> dict[str, Recipe]:
    """Small Gaussian starts and their lines, fan-in starts, a ReLU network and two linear networks."""
    by_label = {}
    for i, std in enumerate(STDS):
        random = replace(over(36.0, 25), start=SmallGaussian(std), sampling=SEEDS)
        start = SmallGaussian(std) if std in SMALL else aligned(std)
        by_label[f"theory {std:g}"] = theory_trajectory(replace(over(36.0, 361), start=start))
        by_label[f"random {std:g}"] = simulated_trajectory(random, key=i)
    for i, gain in enumerate(GAINS):
        standard = replace(over(12.0, 19), start=FanIn(gain), sampling=SEEDS)
        by_label[f"fan-in {gain:g}"] = simulated_trajectory(standard, key=10 + i)
    relu = replace(
        over(48.0, 25),
        network=network(RELU_H, "relu"),
        start=SmallGaussian(RELU_STD),
        inputs=Inputs(samples=512),
        pretraining=GradientDescent(0.02),  # the kinks of ReLU slow an adaptive integrator down
        sampling=replace(SEEDS, seeds=4),
    )
    half = over(48.0, 361, tuple(s / 2 for s in SIGMA))
    return by_label | {
        "ReLU": simulated_trajectory(relu, key=20),
        "linear": theory_trajectory(replace(over(48.0, 361), start=aligned(RELU_STD, RELU_H))),
        # where half of the units are active f is W2 W1 x / 2, and ½ s moves as a singular value of a teacher of ½ σ
        "half": theory_trajectory(replace(half, start=aligned(RELU_STD / 2, RELU_H))),
    }


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """(a) tr H from small random starts, (b) from fan-in starts, (c) singular values of a ReLU network."""
    figure, (small, large, relu) = canvas(PAGE, 2.6, columns=3)
    for i, std in enumerate(STDS):
        drawing.against_length(small, data[f"theory {std:g}"], "hessian_trace", colour=i)
        random = data[f"random {std:g}"]
        drawing.against_length(small, random, "hessian_trace", label=f"std {_size(random):g}", colour=i)
    for i, gain in enumerate(GAINS):
        fan_in = data[f"fan-in {gain:g}"]
        drawing.against_length(large, fan_in, "hessian_trace", label=f"gain {_size(fan_in):g}", colour=i)
    drawing.singular_values(relu, data["linear"])
    drawing.against_length(relu, data["half"], "singular_value", by="mode", unit=0.5, dashed=True)
    drawing.singular_values(relu, data["ReLU"].isel(mode=slice(len(SIGMA))), label=None)
    small.set(title="small Gaussian starts", ylabel="trace of the Hessian, tr $H$", ylim=(0, None))
    large.set(title="fan-in starts", ylabel="tr $H$", yscale="log")
    relu.set(title="ReLU, small start")
    for ax in (small, large, relu):
        ax.legend(fontsize="small")
    letter([small, large, relu])
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    far, excess = {}, {}
    for std in STDS:
        measured = data[f"random {std:g}"].hessian_trace.mean("seed")
        line = data[f"theory {std:g}"].hessian_trace.interp(pretraining=measured.pretraining)
        far[std] = float(np.abs(measured - line).max() / line[-1])
        excess[std] = float(measured[-1] / line[-1] - 1)
    stds = {std: _size(data[f"random {std:g}"]) for std in STDS}
    fan_in = (data[f"fan-in {gain:g}"] for gain in GAINS)
    change = {_size(one): one.hessian_trace.mean("seed") for one in fan_in}
    changed = ", ".join(f"× {float(h[-1] / h[0]):.2g} (gain {gain:g})" for gain, h in change.items())
    lowest = min(float(h.min() / h[0]) for h in change.values())
    relu, half = data["ReLU"].singular_value.mean("seed"), 2 * data["half"].singular_value
    away = float(np.abs(relu.sel(mode=half.mode) - half.interp(pretraining=relu.pretraining)).max())
    smallest, largest = min(STDS), max(STDS)
    setup, nonlinear = protocol_of(data[f"random {smallest:g}"]), protocol_of(data["ReLU"])
    seeds = data[f"random {smallest:g}"].sizes["seed"]
    return (
        f"Starts that are not aligned (points: simulation of a {widths(setup)} network, mean and standard deviation of "
        f"{seeds} starts; claims A1, A7, A8, B4). (a) From independent Gaussian weights of standard deviation std, the "
        "trace of the Hessian, and with it the sensitivity, follows the mean over starts that theory has to leading "
        f"order (lines) within {far[smallest]:.1%} of its value at the end for std {stds[smallest]:g}, and "
        f"{far[SMALL[1]]:.1%} for std {stds[SMALL[1]]:g}, with the scatter of {seeds} starts. std {stds[largest]:g} is "
        f"not small (line: aligned closed form with ε = h·std²/2): it is off by up to {far[largest]:.0%}, and the "
        f"imbalance that the flow conserves (A1) keeps it {excess[largest]:.1%} too large. (b) From the usual fan-in "
        f"start there is no such line: until convergence the trace changes by {changed}, and it falls to {lowest:.2f} "
        "of its start on the way. From large weights the network has more to unlearn than to learn, and sensitivity is "
        f"then not progressive. (c) Singular values of the linear part of a ReLU network (h = {nonlinear.network.h}, "
        f"{data['ReLU'].sizes['seed']} starts, {nonlinear.inputs.samples} examples). Order and stages are the same, "
        "but later than in the linear network (lines). Half of the units are active, which halves the speed (dashed: "
        "½s moves as in a linear network whose teacher is ½σ); the random overlap with the features explains the rest "
        f"(up to {away:.2f} from the dashed line). No theorem covers (b) and (c)."
    )


def _size(one: xr.Dataset) -> float:
    """The standard deviation of a small Gaussian start, or the gain of a fan-in start."""
    start = protocol_of(one).start
    assert isinstance(start, SmallGaussian | FanIn)
    return start.std if isinstance(start, SmallGaussian) else start.gain
