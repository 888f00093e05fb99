"""The citation that the site shows is that of CITATION.cff, and both say what the package says of itself."""

import re
import tomllib

import pytest

from overtraining import __version__
from tests import ROOT
from tests.docs.extensions import citation


def fields(entry: str) -> dict[str, str]:
    """The fields of an entry of BibTeX, without the braces that keep capitals."""
    found = re.findall(r"^  (\w+) = \{(.*)\},$", entry, re.MULTILINE)
    return {name: re.sub(r"\{(\w+)\}", r"\1", value) for name, value in found}


def test_bibtex_says_what_the_cff_says() -> None:
    told = citation.citation()
    software, paper = citation.bibtex().split("\n\n")
    assert software.startswith("@software{overtraining,\n")
    assert fields(software)["title"] == told["title"]
    assert fields(software)["version"] == told["version"] == __version__
    assert "{The overtraining developers}" in software
    reference = told["references"][0]
    assert paper.startswith("@inproceedings{springer2025,\n")
    assert fields(paper)["title"] == reference["title"]
    assert fields(paper)["year"] == str(reference["year"])
    assert fields(paper)["booktitle"] == reference["collection-title"]
    assert fields(paper)["url"] == reference["url"] == f"https://arxiv.org/abs/{fields(paper)['eprint']}"
    assert fields(paper)["author"].split(" and ") == [
        f"{author['family-names']}, {author['given-names']}" for author in reference["authors"]
    ]


def test_fields_of_a_release_are_told() -> None:
    work = {
        "type": "software",
        "title": "A tool for JAX",
        "authors": [{"family-names": "Noether", "given-names": "Emmy"}],
        "version": "1.2.0",
        "date-released": "2027-01-02",
        "doi": "10.5281/zenodo.1",
        "repository-code": "https://example.org/tool",
    }
    entry = citation.entry("tool", work)
    assert fields(entry) == {
        "author": "Noether, Emmy",
        "title": "A tool for JAX",
        "year": "2027",
        "version": "1.2.0",
        "doi": "10.5281/zenodo.1",
        "url": "https://example.org/tool",
    }
    assert "{JAX}" in entry  # BibTeX would write it small


def test_the_cff_is_one() -> None:
    """What version 1.2.0 of the format demands, and that only fields that it knows are there."""
    told = citation.citation()
    assert {"cff-version", "message", "title", "authors"} <= set(told)
    known = {
        *("cff-version", "message", "title", "type", "version", "license", "authors", "keywords", "references"),
        *("abstract", "date-released", "doi", "repository-code", "url", "identifiers"),
    }
    assert set(told) <= known
    assert told["cff-version"] == "1.2.0"
    for reference in told["references"]:
        assert {"type", "title", "authors"} <= set(reference)


@pytest.mark.parametrize("name", ["Repository"])
def test_the_address_of_the_repository_is_the_same_everywhere(name: str) -> None:
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert urls.get(name) == citation.citation().get("repository-code")
