"""The whole catalogue: complete, seeds recorded, data readable, numbers and captions as committed."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from overtraining.figures import provenance
from overtraining.figures.catalogue import CATALOGUE
from overtraining.figures.drawn_numbers import compare
from overtraining.setting.responses import validate
from tests import ROOT

GALLERY = ROOT / "gallery"

WITH_KEY = ("overtraining.simulations.", "overtraining.experiments.")  # packages with functions that take a key


def test_everything_is_there(built: Path) -> None:
    manifest = json.loads((built / "manifest.json").read_text())["figures"]
    assert manifest.keys() == {entry.name for entry in CATALOGUE}
    for entry in CATALOGUE:
        row = manifest[entry.name]
        assert row["recipes"]
        assert row["versions"]["numpy"] == np.__version__
        for file, digest in row["files"].items():
            assert provenance.file_hash(built / file) == digest
        assert {f"{entry.name}.{suffix}" for suffix in ("pdf", "svg", "png")} <= row["files"].keys()
        assert len((built / "captions" / f"{entry.name}.txt").read_text()) > 200


def test_simulated_recipes_record_their_seed(built: Path) -> None:
    for name, row in json.loads((built / "manifest.json").read_text())["figures"].items():
        with xr.open_datatree(built / "data" / f"{name}.nc", engine="h5netcdf") as tree:
            for label, recipe in row["recipes"].items():
                simulated = tree[label].attrs["method"] == "simulation"
                assert "key" in recipe or not simulated, f"{name}: {label}"
                assert recipe["source"].startswith(WITH_KEY) or "key" not in recipe, f"{name}: {label}"


def test_data_are_plain_files(built: Path) -> None:
    for entry in CATALOGUE:
        with xr.open_datatree(built / "data" / f"{entry.name}.nc", engine="h5netcdf") as tree:
            for node in tree.children.values():
                assert validate(node.to_dataset()).attrs["source"]


ITERATED = {
    "depth",
    "lazy-to-rich",
    "plasticity-and-forgetting",
    "rates",
    "regularization",
    "scaling-fit",
    "sum-rule-llm",
}
"""Figures with adaptive integration or a fit, whose stopping rules amplify the last bits, in which processors differ.

Between two kinds of processor their numbers differed by 6e-10 to 5e-8 of the largest, and between two levels of the
compiler's optimization by 1e-9 to 1.3e-7 (lazy-to-rich: 2.5e-9); all others by less than 1e-9.
"""


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_the_committed_numbers(built: Path, entry) -> None:
    """The gallery that the README shows is what the code draws now, on any machine."""
    committed, rebuilt = (
        json.loads((place / "numbers" / f"{entry.name}.json").read_text()) for place in (GALLERY, built)
    )
    compare(committed, rebuilt, tolerance=1e-6 if entry.name in ITERATED else 1e-9)
    assert (GALLERY / f"{entry.name}.png").exists()
    assert (GALLERY / "captions" / f"{entry.name}.txt").read_text() == (
        built / "captions" / f"{entry.name}.txt"
    ).read_text()
