"""Sites are all that computes, one change at a time; a sample and a site survive edits elsewhere."""

from pathlib import Path

import pytest

from benchmarks.mutation_sites import Site, find_again, mutated, places_of, sample, sites_below

SOURCE = '''
"""Numbers here: 1 + 2."""
SIZE: "Float[Array, '3']" = 4

class Box:
    def fits(self, x: Vector[5], *, tolerance: float = 1e-9) -> Vector[6]:
        """At least 7 + 8."""
        if x == 0:
            raise ValueError(f"not {x + 9}")
        self.why = Refusal("größer", x - 10)
        x **= 2  # „zwei“
        return (-tolerance <= x
                < 3) and not 0.0
'''


@pytest.fixture
def sites(tmp_path: Path) -> list[Site]:
    (tmp_path / "theory").mkdir()
    (tmp_path / "theory/box.py").write_text(SOURCE, encoding="utf-8")
    return sites_below(tmp_path / "theory", tmp_path)


def test_what_computes_is_found_and_what_is_said_is_not(sites: list[Site]) -> None:
    assert {site.file for site in sites} == {"theory/box.py"}
    assert {(s.function, s.kind, s.ordinal, s.before, s.after) for s in sites} == {
        ("", "number", 0, "4", "5"),
        ("Box.fits", "number", 0, "1e-09", "2e-09"),
        ("Box.fits", "number", 1, "0", "1"),
        ("Box.fits", "number", 2, "2", "3"),
        ("Box.fits", "number", 3, "3", "4"),
        ("Box.fits", "number", 4, "0.0", "1.0"),
        ("Box.fits", "operation", 0, "x **= 2", "x *= 2"),
        ("Box.fits", "logic", 0, "-tolerance <= x < 3 and (not 0.0)", "-tolerance <= x < 3 or not 0.0"),
        ("Box.fits", "boundary", 0, "-tolerance <= x < 3", "-tolerance < x < 3"),
        ("Box.fits", "boundary", 1, "-tolerance <= x < 3", "-tolerance <= x <= 3"),
        ("Box.fits", "sign", 0, "-tolerance", "tolerance"),
        ("Box.fits", "condition", 0, "x == 0", "False"),
        ("Box.fits", "condition", 1, "x == 0", "True"),
    }


@pytest.mark.parametrize("operations", [("+", "-"), ("-", "+"), ("*", "/"), ("/", "*"), ("**", "*")])
def test_operations(operations: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f"x = a {operations[0]} b")
    assert [site.after for site in sites_below(tmp_path, tmp_path)] == [f"a {operations[1]} b"]


def test_one_place_changes_and_all_else_stays(sites: list[Site]) -> None:
    """In a text with comments, several lines and letters of two bytes."""
    texts = {"x **= 2": "x **= 2", "1e-09": "1e-9", "-tolerance <= x < 3": "-tolerance <= x\n                < 3"}
    for before, text in texts.items():
        for site in (site for site in sites if site.before == before):
            after = site.after if site.kind == "operation" else f"({site.after})"
            assert mutated(SOURCE, site) == SOURCE.replace(text, after)


def test_a_sample_stays_when_other_sites_come(sites: list[Site]) -> None:
    chosen = sample(sites, 5, key=0)
    assert len(set(chosen)) == 5
    assert chosen != sample(sites, 5, key=1)
    more = [Site("theory/new.py", "f", "number", n, "1", "2") for n in range(5)]
    assert [site for site in sample([*more, *sites], 10, key=0) if site in sites][:3] == chosen[:3]


def test_a_site_is_found_after_edits_or_gone(sites: list[Site]) -> None:
    site = Site("theory/box.py", "Box.fits", "number", 9, "3", "4")
    assert find_again(site, sites) == Site("theory/box.py", "Box.fits", "number", 3, "3", "4")
    for other in (
        Site("theory/box.py", "Box.fits", "number", 3, "5", "6"),
        Site("theory/box.py", "Box", "number", 3, "3", "4"),
    ):
        assert find_again(other, sites) is None


def test_a_change_that_comes_twice_has_a_number(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = [1, 1]")
    assert [change for *_, change in places_of(sites_below(tmp_path, tmp_path)).values()] == ["1 → 2", "1 → 2 [2]"]
