"""Pythia base models on LAMBADA along training, with nothing done to them: a control (Biderman et al. 2023)."""

from functools import cache
from importlib.resources import as_file, files

import xarray as xr

from overtraining.figures.llm.answers import to_response
from overtraining.figures.llm.measures import Measure, measures
from overtraining.figures.llm.readers import read
from overtraining.figures.llm.statistics.decline import chance


@cache
def _measured() -> dict[str, tuple[Measure, Measure]]:
    """Every model's measure with the errors as published, and with those from the scatter of neighbours."""
    with as_file(files("overtraining.figures.llm") / "pythia.csv") as path:
        table, _ = read([path])
    given, scatter = (measures(table, "tokens", errors=errors)[0] for errors in ("given", "scatter"))
    return {one.model: (one, other) for one, other in zip(given, scatter, strict=True)}


def _model(name: str) -> xr.Dataset:
    given, scatter = _measured()[name]
    data = to_response(given, None, "tokens")
    said = {"chance_given": chance(given.series), "chance_scatter": chance(scatter.series)}
    return data.assign_attrs(said | {"scatter": float(scatter.series.stderr[0])})


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
