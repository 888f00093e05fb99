"""lazy-to-rich: how much sensitivity grows, against the imbalance of the start (claims A4, B4)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import epsilon, features, imbalance, network, protocol_of, word
from overtraining.figures.recipe import NO_PERTURBATION, Recipe, simulated_response, theory_response
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import Spectrum

SOURCE = "overtraining.experiments.lazy_to_rich"
IMBALANCES = (0.0, 0.2, 0.8, 2.0, 5.0)


def protocol() -> Protocol:
    """Three features in a 5→4→3 network, one noise scale."""
    return Protocol(
        Spectrum((1.0, 0.6, 0.3)),
        lengths=np.linspace(0, 12, 13),
        strengths=(0.1,),
        network=Network(d_in=5, h=4, d_out=3),
        start=Aligned(1e-2),
        sampling=Sampling(draws=8192, antithetic=True),
    )


def recipes() -> dict[str, Recipe]:
    """For every λ, theory on a fine grid and simulation on a coarse one; the increase of the norm for many λ."""
    by_label: dict[str, Recipe] = {}
    end = replace(protocol(), lengths=(0.0, 40.0))
    for i, unequal in enumerate(IMBALANCES):
        coarse = replace(protocol(), start=Aligned(1e-2, unequal))
        fine = replace(coarse, lengths=np.linspace(0, 12, 241))
        by_label |= {f"theory {unequal:g}": theory_response(fine)}
        by_label |= {f"simulation {unequal:g}": simulated_response(coarse, key=i)}
    without = (*NO_PERTURBATION, "lengths")  # at the end of a long run
    fixed = ("teacher", "start", "network")
    gain = {"gain theory": Recipe(f"{SOURCE}.gain_predicted", end, ignores=without, fixed=fixed)}
    return by_label | gain | {"gain simulation": Recipe(f"{SOURCE}.gain_measured", end, key=0, ignores=without)}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """(a) sensitivity against length, one colour per λ, (b) the increase of the norm, against λ."""
    figure, (along, against) = canvas(PAGE, 2.5, columns=2)
    for i, name in enumerate(IMBALANCES):
        theory = data[f"theory {name:g}"]
        drawing.curves(along, theory, "sensitivity", label=f"λ = {imbalance(protocol_of(theory)):g}", colour=i)
        drawing.curves(along, data[f"simulation {name:g}"], "sensitivity", label=None, colour=i)
    along.set(
        ylabel="sensitivity Δ (rise of the loss)", title="large imbalance: sensitive from the start", ylim=(0, None)
    )
    along.legend(ncols=2, loc=(0.4, 0.52))  # between the curves
    drawing.against_coordinate(against, data["gain theory"], "norm_gained", "imbalance", label="theory")
    drawing.against_coordinate(against, data["gain simulation"], "norm_gained", "imbalance", label="simulation")
    against.set(
        xscale="log",
        yscale="log",
        ylim=(0.1, 5),
        xlabel="imbalance $\\lambda = w_2^2 - w_1^2$",
        title="… and it grows less",
    )
    against.set_ylabel("growth of $\\|W_1\\|^2 + \\|W_2\\|^2$")
    against.legend(loc="lower left")
    letter([along, against])
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    rise = {x: data[f"theory {x:g}"].sensitivity.values[:, 0] for x in IMBALANCES}
    rich, lazy = rise[IMBALANCES[0]], rise[IMBALANCES[-1]]
    theory, measured = (data[f"gain {x}"].norm_gained.isel(pretraining=-1) for x in ("theory", "simulation"))
    off = float(np.abs(theory.sel(imbalance=measured.imbalance, method="nearest") / measured.values - 1).max())
    decade = 10.0 ** np.ceil(np.log10(off))  # the digits are the integrator's, and not the same on every processor
    setup, far = (protocol_of(data[f"theory {x:g}"]) for x in (IMBALANCES[0], IMBALANCES[-1]))
    tail = np.polyfit(np.log(theory.imbalance[-10:]), np.log(theory[-10:]), 1)[0]
    return (
        "From rich to lazy learning (claims A4, B4). (a) Sensitivity Δ to Gaussian weight noise, γ = "
        f"{setup.strengths[0]:g}, from aligned starts whose layers differ by λ = w2² − w1² in every mode. It grows by "
        f"a factor of {rich[-1] / rich[0]:.1f} at λ = {imbalance(setup):g} and of {lazy[-1] / lazy[0]:.2f} at λ = "
        f"{imbalance(far):g}, where it is {lazy[0] / rich[0]:.0f} times as large already at the start, and where the "
        "features are learned sooner. Lines: closed form; points: simulation with one standard error, "
        f"{data['simulation 0'].attrs['source']}. (b) Increase of the squared norm of all weights until the teacher is "
        f"learned, Σ √(λ² + 4σ²) − √(λ² + 4ε²), measured within {decade:.0e} of it; at the right end it falls as "
        f"λ^{tail:.2f}. {word(features(setup)).capitalize()} features, {network(setup)} network, ε = "
        f"{epsilon(setup):g}. A random start has no single λ: from large random weights, sensitivity can fall; see the "
        "experiment lazy-to-rich."
    )
