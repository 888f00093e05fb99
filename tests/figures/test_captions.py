"""Captions read their numbers from the data that are drawn: another protocol is told with its own numbers."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from overtraining.figures.catalogue import CATALOGUE
from overtraining.figures.settings import changed_recipes

ENTRIES = {entry.name: entry for entry in CATALOGUE}
ALIGNED = {"start.epsilon": 0.00025}
WIDTHS = {"network.d_in": 17, "network.d_out": 19}

CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "annealing": ({}, "", "1 and ½"),
    "beyond-linear": (WIDTHS | {"inputs.samples": 401}, r"4→16→4|\b400\b", "17→16→19 .* 401 examples"),
    "catastrophic-overtraining": (
        {"teacher.modes": 23} | ALIGNED,
        r"\b24\b|0\.001\b",
        "23 features .* d = 23, .*0.00025",
    ),
    "conventions": (WIDTHS | ALIGNED | {"teacher.alpha": 2.0}, r"5→4→6|0\.02\b", "17→4→19 .* 1/i\\^2, .* 0.00025"),
    "curvature": (
        WIDTHS | ALIGNED | {"teacher.values": (0.9, 0.8, 0.7)},
        r"4→5→3|0\.01\b|0\.6\b",
        "0.9, 0.8, 0.7 .*17→5→19",
    ),
    "depth": (ALIGNED, r"0\.01\b", "s = 0.00025"),
    "forgetting": ({"teacher.scale": 0.9, "strengths": (2.5,)} | ALIGNED, r"T = 3|1e-3", "T = 2.5, .* 0.9/i .* 2.5e-4"),
    "incremental-learning": (WIDTHS | ALIGNED, r"6→5→7|1e-06", "ε = 0.00025.* 17→5→19"),
    "lazy-to-rich": ({"strengths": (0.15,)}, r"γ = 0\.1\b", "γ = 0.15"),
    "many-minima": ({"strengths": (0.2,)} | ALIGNED, r"γ²d = 0\.1\b|1e-6", "γ²d = 0.12 .* 2.5e-4"),
    "noise-robust-objective": (WIDTHS, "5→4→3", "17→4→19"),
    "noise-universality": (
        {"strengths": (0.25,)} | WIDTHS | ALIGNED,
        r"0\.69|γ = 0\.2\b|5→4→6|0\.05\b",
        "0.87, .* γ = 0.25, 17→4→19",
    ),
    "plasticity-and-forgetting": ({"teacher.scale": 0.9} | WIDTHS, "5→4→5|σ = 1/i", "0.9/i in a 17→4→19"),
    "progressive-sensitivity": (WIDTHS | {"teacher.alpha": 2.0}, "8→6→7", "1/i\\^2, 17→6→19"),
    "regularization": ({"teacher.values": (1.1, 0.8, 0.4)}, r"0\.7, 0\.5", "1.1, 0.8, 0.4 in \\(a, b\\)"),
}
"""By figure: changes, numbers that must be gone from its caption, and what must be there."""


def captioned(folder: Path, name: str, changes: Mapping[str, Any]) -> str:
    """The caption of data that say to come from the changed protocols; what was measured stays as it was built."""
    entry = ENTRIES[name]
    recipes = changed_recipes(entry.module(), name, changes, entry.recipes())
    with xr.open_datatree(folder / "data" / f"{name}.nc", engine="h5netcdf") as tree:
        data = {label: recipe.labelled(tree[label].to_dataset().load()) for label, recipe in recipes.items()}
    return entry.caption(data)


@pytest.mark.parametrize("name", CASES)
def test_the_numbers_of_a_protocol_follow(built: Path, name: str) -> None:
    changes, gone, there = CASES[name]
    caption = captioned(built, name, changes)
    assert not (gone and re.search(gone, caption)), caption
    assert re.search(there, caption), caption
