"""Fingerprints: what a figure depends on, and what changes them."""

from pathlib import Path

import pytest

from overtraining.figures import provenance


def test_fingerprints_follow_the_sources() -> None:
    """A figure depends on the style and on what its data are made of, and not on its neighbours."""
    drawn = {p.name for p in provenance.sources("overtraining.figures.catalogue.progressive_sensitivity")}
    assert {"progressive_sensitivity.py", "drawing.py", "style.py", "overtraining.mplstyle"} <= drawn
    assert not {"olmo1b_fine_tuning.py", "noise.py", "measured.py"} & drawn
    assert {"noise.py", "balanced_mode.py"} <= {p.name for p in provenance.sources("overtraining.theory.solvers.exact")}
    assert "pretraining.py" in {p.name for p in provenance.sources("overtraining.simulations.measurements")}
    assert "noise.py" not in {p.name for p in provenance.sources("overtraining.simulations.measurements")}
    assert "published.csv" in {p.name for p in provenance.sources("overtraining.figures.llm.olmo1b")}


def test_a_changed_style_is_another_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = provenance.fingerprint({}, "overtraining.figures.style", ())
    style = next(p for p in provenance.sources("overtraining.figures.style") if p.suffix == ".mplstyle")
    changed = tmp_path / style.name
    changed.write_text(style.read_text() + "\naxes.grid: True\n")
    others = [p for p in provenance.sources("overtraining.figures.style") if p != style]
    monkeypatch.setattr(provenance, "sources", lambda module: (*others, changed))
    assert provenance.fingerprint({}, "overtraining.figures.style", ()) != before
