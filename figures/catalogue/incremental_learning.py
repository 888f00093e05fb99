"""incremental-learning: singular values and loss against pretraining length (claims A2, A3, A7)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import epsilon, network, protocol_of
from overtraining.figures.recipe import NO_PERTURBATION, Recipe, simulated_trajectory, theory_trajectory
from overtraining.figures.style import COLUMN, canvas, letter
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned, SmallGaussian
from overtraining.setting.teachers import Spectrum

EPSILON = 1e-6


def recipes() -> dict[str, Recipe]:
    """Theory on a fine grid; simulations from an aligned and from a small random start on a coarse one."""
    exact = Protocol(
        Spectrum((1.0, 0.6, 0.4, 0.25)),
        lengths=np.linspace(0, 50, 251),
        strengths=(0.0,),
        network=Network(d_in=6, h=5, d_out=7),
        start=Aligned(EPSILON),
    )
    coarse = replace(exact, lengths=np.linspace(0, 50, 26))
    # entries of variance ε/h give singular values of W2 W1 of order ε
    start = SmallGaussian((EPSILON / exact.network.h) ** 0.5)
    random = replace(coarse, start=start, sampling=Sampling(seeds=5))
    return {
        "theory": theory_trajectory(exact),
        "aligned": simulated_trajectory(coarse, key=0),
        "random": replace(simulated_trajectory(random, key=0), ignores=(*NO_PERTURBATION, "start")),
    }


def follow(recipes: Mapping[str, Recipe]) -> dict[str, Recipe]:
    """The random start has the size of the aligned one."""
    random, exact = recipes["random"], recipes["theory"].protocol
    assert random.protocol is not None
    assert exact is not None
    assert isinstance(exact.start, Aligned)
    start = SmallGaussian((exact.start.epsilon / exact.network.h) ** 0.5)
    return {**recipes, "random": replace(random, protocol=replace(random.protocol, start=start))}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """(a) singular values from an aligned start, (b) from a random start with the same lines, (c) the loss."""
    figure, axes = canvas(COLUMN, 4.6, rows=3, sharex=True)
    aligned, random, loss = axes
    for ax, name in ((aligned, "aligned"), (random, "random")):
        drawing.singular_values(ax, data["theory"], label="mode {}" if ax is aligned else None)
        drawing.singular_values(ax, data[name].isel(mode=slice(data["theory"].sizes["mode"])), label=None)
        ax.set_xlabel("")
    figure.legend(*aligned.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    aligned.set_title("aligned start: exact")
    random.set_title("small random start: only nearly aligned")
    drawing.loss(loss, data["theory"], label="theory")
    drawing.loss(loss, data["aligned"], label="simulation")
    loss.set_title("the loss falls in stages")
    loss.legend()
    letter(axes)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    setup = protocol_of(data["theory"])
    exact = data["theory"].singular_value.sel(pretraining=data["aligned"].pretraining, method="nearest")
    delay = float((exact - data["random"].singular_value.mean("seed")).max())
    gap, far = (abs(data[n].singular_value - exact).max(["mode", "pretraining"]).values for n in ("aligned", "random"))
    return (
        "Student singular values against pretraining length. A feature of strength σ is learned at about t = "
        "ln(σ/ε)/2σ, the strongest first (claims A2, A3, A7; lines: closed form, one mode at a time, ε = "
        f"{epsilon(setup):g}). Points: gradient flow of a {network(setup)} network. (a) From an aligned balanced "
        "start, it follows the "
        f"closed form (largest distance {gap.max():.1g}). (b) From independent Gaussian weights of the same size "
        f"({far.size} starts, mean and standard deviation), it follows the lines only roughly, and later: the mean is "
        f"up to {delay:.2f} below the line, and one start is up to {far.max():.2f} from it. The closed form does not "
        "apply to this start, but stages and their order are the same."
    )
