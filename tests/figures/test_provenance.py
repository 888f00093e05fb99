"""Fingerprints: what a figure depends on, and what changes them."""

from pathlib import Path

import pytest

from overtraining.figures import provenance
from overtraining.figures.catalogue import CATALOGUE


def test_fingerprints_follow_the_sources() -> None:
    """A figure depends on the style and on what its data are made of, and not on its neighbours."""
    drawn = {p.name for p in provenance.sources("overtraining.figures.catalogue.progressive_sensitivity")}
    assert {"progressive_sensitivity.py", "drawing.py", "style.py", "overtraining.mplstyle"} <= drawn
    assert not {"olmo1b_fine_tuning.py", "noise.py", "measured.py"} & drawn
    assert {"noise.py", "balanced_mode.py"} <= {p.name for p in provenance.sources("overtraining.theory.solvers.exact")}
    assert "pretraining.py" in {p.name for p in provenance.sources("overtraining.simulations.measurements")}
    assert "noise.py" not in {p.name for p in provenance.sources("overtraining.simulations.measurements")}
    assert "published.csv" in {p.name for p in provenance.sources("overtraining.figures.llm.olmo1b")}


def test_a_function_depends_on_what_it_names() -> None:
    """Not on what only its neighbours in the same file use."""
    predicted = provenance.function_sources("overtraining.experiments.label_noise.predicted")
    measured = provenance.function_sources("overtraining.experiments.label_noise.psi_measured")
    assert {"label_noise.py", "products.py"} <= {p.name for p in predicted}
    assert not [p for p in predicted if "simulations" in p.parts]
    assert not [p for p in measured if "theory" in p.parts]
    assert "noisy_labels.py" in {p.name for p in measured}
    assert set(measured) < set(provenance.sources("overtraining.experiments.label_noise"))


EXAMPLE = """
import json
from overtraining.theory.learning.balanced_mode import final_loss
from overtraining.theory.sensitivity import noise as renamed
from overtraining.setting import Protocol
TABLE: dict = {name: renamed for name in "ab"}
if True:
    import overtraining.theory.products
def by_name(): return helper()
def helper(): return TABLE
def inside():
    from overtraining.theory.remedies import mixing
def nothing(): return json
class Kind(Protocol): ...
def of_a_class() -> "int": return Kind
"""


@pytest.mark.parametrize(
    ("function", "modules"),
    [
        ("by_name", {"theory.sensitivity.noise"}),
        ("inside", {"theory.remedies.mixing"}),
        ("nothing", set()),
        ("of_a_class", {"setting"}),
        ("gone", set()),
    ],
)
def test_names_lead_to_modules(
    function: str, modules: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "example.py").write_text(EXAMPLE)
    monkeypatch.setattr(provenance, "_path", lambda module: tmp_path / "example.py")
    needed = provenance._needed_imports("example", function)
    always = {"overtraining.theory.products"}  # imported in a block, which is not a plain definition
    assert needed == {f"overtraining.{module}" for module in modules} | always


def test_measurements_of_figures_do_not_depend_on_theory() -> None:
    """Except two, which place their grid by the prediction; one prediction starts from a measured checkpoint, one has
    optax's schedules in float64."""
    dependent = set()
    for entry in CATALOGUE:
        for recipe in entry.module().recipes().values():
            files = provenance.function_sources(recipe.source)
            if all(any(part in p.parts for p in files) for part in ("theory", "simulations")):
                dependent.add(recipe.source.removeprefix("overtraining.experiments."))
    assert dependent == {
        "annealing.predicted",
        "inflection.slope_predicted",
        "inflection_scaling.measured_inflection",
        "noise_robust.optimum_measured",
    }


def test_a_changed_style_is_another_fingerprint(tmp_path: Path) -> None:
    files = provenance.sources("overtraining.figures.style")
    before = provenance.fingerprint({}, files, ())
    assert provenance.fingerprint({}, files, ()) == before
    style = next(p for p in files if p.suffix == ".mplstyle")
    changed = tmp_path / style.name
    changed.write_text(style.read_text() + "\naxes.grid: True\n")
    assert provenance.fingerprint({}, [changed if p == style else p for p in files], ()) != before
