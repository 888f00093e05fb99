"""inflection-scaling: the inflection point against the variance of the noise (claims C3, C5)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import epsilon, features, power, protocol_of, spectrum
from overtraining.figures.recipe import Recipe, all_but
from overtraining.figures.style import COLUMN, canvas
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw

SOURCE = "overtraining.experiments.inflection_scaling"


def recipes() -> dict[str, Recipe]:
    """Minimum of the path and both orders of the law on a fine grid of strengths, and simulations on a coarse one."""
    fine = Protocol(
        PowerLaw(24, 1.0), lengths=(0.0,), strengths=np.sqrt(np.geomspace(0.025, 0.25, 41) / 24), start=Aligned(1e-6)
    )
    coarse = replace(
        fine, strengths=np.sqrt(np.geomspace(0.03, 0.2, 6) / 24), sampling=Sampling(draws=512, antithetic=True)
    )
    rest = all_but("sampling")  # the experiment has spectrum, start and strengths of its own
    return {
        "path": Recipe(f"{SOURCE}.path_minimum", fine, ignores=rest),
        "law": Recipe(f"{SOURCE}.dense_law", fine, ignores=rest),
        "leading": Recipe(f"{SOURCE}.leading_order", fine, ignores=rest),
        "simulation": Recipe(f"{SOURCE}.measured_inflection", coarse, key=0, ignores=rest),
    }


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """Both axes are logarithmic, so that the law to leading order is straight."""
    figure, (ax,) = canvas(COLUMN, 2.6)
    drawing.inflection_against_variance(ax, data["path"], colour=0, label="deepest minimum of the path")
    drawing.inflection_against_variance(ax, data["law"], colour=1, label="dense law, finite start", dashed=True)
    drawing.inflection_against_variance(ax, data["leading"], colour=2, label="dense law, leading order", dashed=True)
    drawing.inflection_against_variance(ax, data["simulation"], colour=0, label="simulation")
    ax.legend()
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    gamma, path = data["path"].turning_strength.values, data["path"].pretraining.values
    law = np.interp(gamma[::-1], data["law"].turning_strength.values[::-1], data["law"].pretraining.values[::-1])[::-1]
    leading = data["leading"]
    first = np.interp(gamma[::-1], leading.turning_strength.values[::-1], leading.pretraining.values[::-1])[::-1]
    setup = protocol_of(data["path"])
    error = (data["simulation"].length_error / data["simulation"].pretraining).values
    return (
        "Pretraining length of the inflection point against the variance γ² of Gaussian weight noise (claims C3, C5). "
        "Solid: the deepest minimum of the loss after noise along the path, exact; its steps are single features, "
        "whose complete learning lowers the loss after noise only if σ > 2c, c = γ²d. Dashed: the law for dense "
        f"spectra, [ln(2c/ε) − (2 − 1/α)]/(4c), here within {np.abs(law / path - 1).max():.0%} of the minimum, and its "
        f"leading order ln(1/ε)/(4c), within {np.abs(first / path - 1).max():.0%}: the inflection point is "
        "proportional to 1/γ² up to a logarithm, whatever the exponent of the spectrum. Points: zero of the sampled "
        f"slope of the loss after noise, {data['simulation'].attrs['source']}; the standard errors are "
        f"{error.min():.1%} to {error.max():.1%} of the length, smaller than the markers. {features(setup)} features σ "
        "= "
        f"{spectrum(setup)}, d = {setup.network.d_in}, aligned start at ε = {power(epsilon(setup))}. Steep spectra are "
        "not dense: they have one minimum per feature."
    )
