"""rates: power laws of loss and norm, their exponents by that of the spectrum, and their sum (claims B7, B8)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import epsilon, features, power, protocol_of
from overtraining.figures.recipe import NO_PERTURBATION, Recipe, all_but
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.protocol import Protocol
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw

SOURCE = "overtraining.experiments.rates"
ALPHAS = (0.6, 1.0, 1.5)
EXPONENTS = {"beta": "loss, β", "norm": "growth of Σs, s", "total": "β + s"}


def protocol(alpha: float) -> Protocol:
    """48 features in a square network, from before the first is learned to after most are."""
    return Protocol(PowerLaw(48, alpha), lengths=np.geomspace(6, 120, 14), strengths=(0.0,), start=Aligned(1e-6))


def recipes() -> dict[str, Recipe]:
    """Curves for three spectra and exponents for many, by theory and by simulation."""
    by_label: dict[str, Recipe] = {}
    for alpha in ALPHAS:
        fine = replace(protocol(alpha), lengths=np.geomspace(6, 120, 200))
        by_label[f"theory {alpha:g}"] = Recipe(
            f"{SOURCE}.curve_predicted", fine, ignores=NO_PERTURBATION, fixed=("teacher", "start", "network")
        )
        by_label[f"simulation {alpha:g}"] = Recipe(
            f"{SOURCE}.curve_measured", protocol(alpha), key=0, ignores=NO_PERTURBATION
        )
    by_label["exponents theory"] = Recipe(f"{SOURCE}.exponents_predicted", protocol(1.0), ignores=all_but())
    return by_label | {
        "exponents simulation": Recipe(
            f"{SOURCE}.exponents_measured", protocol(1.0), key=0, ignores=all_but("pretraining")
        )
    }


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """(a) the loss, (b) the growth of the norm, (c) exponents: measured, limits (dashed), and for a finite start."""
    figure, (loss, norm, exponents) = canvas(PAGE, 2.5, columns=3)
    for ax, name, label in ((loss, "loss", "loss"), (norm, "norm_gained", "growth of Σs")):
        for i, alpha in enumerate(ALPHAS):
            theory = data[f"theory {alpha:g}"]
            drawing.against_length(ax, theory, name, label=f"α = {_alpha(theory):g}", colour=i)
            drawing.against_length(ax, data[f"simulation {alpha:g}"], name, colour=i)
        ax.set(xscale="log", yscale="log", ylabel=label)
    loss.set(title="the loss falls", ylim=(2e-3, 3))
    norm.set(title="sensitivity grows", ylim=(0.1, 20))
    loss.legend(loc="lower left")
    theory, measured = data["exponents theory"], data["exponents simulation"]
    for i, (name, label) in enumerate(EXPONENTS.items(), start=3):
        drawing.against_coordinate(exponents, theory, f"{name}_finite", "alpha", colour=i, label=label)
        drawing.against_coordinate(exponents, theory, name, "alpha", colour=i, dashed=True)
        drawing.against_coordinate(exponents, measured, name, "alpha", colour=i)
    exponents.set(xlabel="exponent of the spectrum, α", title="exponents and their sum", ylim=(-0.6, 2.4))
    exponents.legend(loc="upper left")
    letter([loss, norm, exponents])
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    measured = data["exponents simulation"].isel(pretraining=0)
    theory = data["exponents theory"].isel(pretraining=0).sel(alpha=measured.alpha.values, method="nearest")
    off = max(float(np.abs(measured[n].values - theory[f"{n}_finite"].values).max()) for n in EXPONENTS)
    setup = protocol_of(data[f"theory {ALPHAS[0]:g}"])
    total = measured.total.values
    return (
        "Power-law spectra σ = i^(−α) (claims B7, B8). (a) Loss and (b) growth of Σs, to which the cost of noise is "
        "proportional, against pretraining length: sums over the path, exact (lines), and gradient flow (points), "
        f"{features(setup)} features from ε = {power(epsilon(setup))}; the curves for α = "
        f"{_alpha(data[f'theory {ALPHAS[0]:g}']):g} bend where all {features(setup)} are learned. (c) Exponents of the "
        "loss and of Σs (of its derivative), and their sum, from fits over the lengths at which features "
        f"{measured.attrs['first']} to {measured.attrs['last']} are learned; the features that the network lacks are "
        "added to the loss as a constant. Dashed: limits for a small start, β = 2 − 1/α, s = 1/α − 1, β + s = 1. "
        f"Solid: these limits times 1/(1 − 1/ℓ), ℓ = ln(σ/ε), from which the fits differ by at most {off:.2f} (bars: "
        f"their standard errors). The measured sum is {total.min():.2f} to {total.max():.2f}; it approaches 1 only "
        "logarithmically in the size of the start."
    )


def _alpha(one: xr.Dataset) -> float:
    teacher = protocol_of(one).teacher
    assert isinstance(teacher, PowerLaw)
    return teacher.alpha
