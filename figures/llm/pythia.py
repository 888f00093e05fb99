"""Responses of unchanged Pythia base models on LAMBADA, as a control (Biderman et al. 2023)."""

from functools import cache
from importlib.resources import as_file, files

import xarray as xr

from overtraining.figures.llm.answers import paired_response
from overtraining.figures.llm.model_curves import MeasuredCurve, measured_curves
from overtraining.figures.llm.readers import read
from overtraining.figures.llm.statistics.decline import p_value


@cache
def _measured() -> dict[str, tuple[MeasuredCurve, MeasuredCurve]]:
    """Every model's curve with the published errors, and with errors from the scatter of neighbouring checkpoints."""
    with as_file(files("overtraining.figures.llm") / "pythia.csv") as path:
        table = read([path]).table
    given, scatter = (measured_curves(table, "tokens", errors=errors)[0] for errors in ("given", "scatter"))
    return {one.model: (one, other) for one, other in zip(given, scatter, strict=True)}


def _model(name: str) -> xr.Dataset:
    given, scatter = _measured()[name]
    data = paired_response(given, None, "tokens")
    return data.assign_attrs(
        p_value_given=p_value(given.series),
        p_value_scatter=p_value(scatter.series),
        scatter=float(scatter.series.stderr[0]),
    )


def pythia_70m() -> xr.Dataset:
    """Pythia-70M."""
    return _model("pythia-70m")


def pythia_70m_deduped() -> xr.Dataset:
    """Pythia-70M on deduplicated text."""
    return _model("pythia-70m-deduped")


def pythia_160m() -> xr.Dataset:
    """Pythia-160M."""
    return _model("pythia-160m")


def pythia_160m_deduped() -> xr.Dataset:
    """Pythia-160M on deduplicated text."""
    return _model("pythia-160m-deduped")


def pythia_410m() -> xr.Dataset:
    """Pythia-410M."""
    return _model("pythia-410m")


def pythia_410m_deduped() -> xr.Dataset:
    """Pythia-410M on deduplicated text."""
    return _model("pythia-410m-deduped")


def pythia_14b() -> xr.Dataset:
    """Pythia-1.4B."""
    return _model("pythia-1.4b")


def pythia_14b_deduped() -> xr.Dataset:
    """Pythia-1.4B on deduplicated text."""
    return _model("pythia-1.4b-deduped")
