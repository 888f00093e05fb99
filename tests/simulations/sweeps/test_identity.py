"""The identity of the software: versions, and the sources that a measure depends on."""

from pathlib import Path

import pytest

from overtraining.simulations.sweeps.identity import LIBRARIES, processor, software_identity


def test_it_names_versions_and_sources() -> None:
    found = software_identity("response")
    assert {"python", "overtraining", "sources", *LIBRARIES} == found.keys()
    assert found["numpy"][0].isdigit()
    assert len(found["sources"]) == 64
    assert found == software_identity("trajectory")  # of the same module


def test_the_sources_of_a_user_s_measure_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    sources = []
    for name, text in (("measure_one", "x = 1"), ("measure_two", "x = 1"), ("measure_three", "x = 2")):
        (tmp_path / f"{name}.py").write_text(text)
        sources.append(software_identity(f"{name}:X")["sources"])
    assert len({*sources, software_identity("response")["sources"]}) == 4


def test_the_processor_is_named() -> None:
    assert processor() == processor() != ""
