"""The reference has every public name, field, command and key of a file, and reads docstrings right."""

import inspect
import json
import pkgutil
import re
import sys
import tomllib
import zlib
from dataclasses import fields
from importlib import import_module
from typing import Any

import pytest

import overtraining as ot
from overtraining.setting.errors import DomainError
from overtraining.setting.protocol import PARTS
from tests import ROOT

sys.path.insert(0, str(ROOT / "docs/extensions"))

import command_line
import docstrings
import protocol_fields
import signatures
from public_names import MODULES, PACKAGES, home_of, listed

PAGES = ROOT / "docs/reference"
INVENTORY = ROOT / "build/docs/objects.inv"


def shown() -> set[str]:
    """The full names that the pages ask for, by their directives."""
    names = set()
    for page in PAGES.glob("*.md"):
        for found in re.finditer(r"\.\. api:: (\S+)\n((?:   :.*\n)*)", page.read_text(encoding="utf-8")):
            package, options = found.groups()
            if "table-only" in options:
                continue
            only = re.search(r":only: (.*)", options)
            chosen = only.group(1).split() if only else [public.name for public in listed(package)]
            names |= {f"{package}.{name}" for name in chosen}
    return names


def test_the_lists_are_read_whole() -> None:
    """Each name of `__all__`, with words beside it, and every package that has a list."""
    for package in PACKAGES:
        assert {public.name for public in listed(package)} == set(import_module(package).__all__), package
        assert all(public.words for public in listed(package)), package
    found = {m.name for m in pkgutil.walk_packages(ot.__path__, "overtraining.") if m.ispkg and ".claims" not in m.name}
    with_lists = {package for package in found if getattr(import_module(package), "__all__", None)}
    assert with_lists <= set(PACKAGES), "enter these in PACKAGES of docs/extensions/public_names.py"


@pytest.mark.parametrize("package", [*PACKAGES, *MODULES])
def test_every_public_name_is_on_a_page(package: str) -> None:
    on_pages = shown()
    missing = [
        public.path
        for public in listed(package)
        if not inspect.ismodule(public.object) and public.home not in on_pages and public.path not in on_pages
    ]
    assert not missing, f"show these on a page below docs/reference: {missing}"


def test_the_built_site_has_every_public_name() -> None:
    if not INVENTORY.exists():
        pytest.skip("the site is not built")
    _, text = INVENTORY.read_bytes().split(b"# The remainder of this file is compressed using zlib.\n")
    known = {line.split(" ")[0] for line in zlib.decompress(text).decode().splitlines() if " py:" in line}
    names = [p for package in (*PACKAGES, *MODULES) for p in listed(package) if not inspect.ismodule(p.object)]
    if INVENTORY.stat().st_mtime < max(path.stat().st_mtime for path in PAGES.glob("*.md")):
        pytest.skip("the site is older than the pages")
    assert not [public.home for public in names if public.home not in known]


def example(first: float, second: float, noise: float = 0.0) -> float:
    """Cost `½x` (claim B1), as |λ| says.

    first: the first, which is described
    over two lines.  second: `q₂`.
    noise: γ >= 0. All arrays broadcast. Raises DomainError outside the
    domain.
    Source: ours.

    >>> example(1.0, 2.0)
    3.0
    """
    return first + second + noise


def test_a_docstring_is_read() -> None:
    text = docstrings.readable((inspect.getdoc(example) or "").splitlines(), example, "overtraining.setting.errors")
    assert text == [
        r"Cost :formula:`½x` (claim :ref:`B1 <claim-b1>`), as \|λ\| says.",
        "",
        ":Arguments:",
        "",
        "   * **first** – the first, which is described over two lines.",
        "",
        "   * **second** – :formula:`q₂`.",
        "",
        "   * **noise** – γ >= 0.",
        "",
        "All arrays broadcast.",
        "",
        ":Raises: :py:obj:`DomainError <overtraining.setting.DomainError>` outside the domain.",
        "",
        ":Source: ours.",
        "",
        ">>> example(1.0, 2.0)",
        "3.0",
        "",
    ]


def test_a_remark_after_the_arguments_is_a_paragraph() -> None:
    """A line that is broken before it is full ends the description of an argument."""

    def one(angle: float) -> None: ...

    lines = ["angle: in radians.", "The planes are random, drawn from the seed."]
    assert docstrings.readable(lines, one, "")[-2:] == ["The planes are random, drawn from the seed.", ""]


def test_quotations_link_to_what_they_mean() -> None:
    assert (
        home_of("noise.mode_cost", "overtraining.theory.remedies.robust") == "overtraining.theory.sensitivity.mode_cost"
    )
    assert home_of("Protocol", "overtraining.theory.solvers.exact") == "overtraining.Protocol"
    assert home_of("Protocol.replace", "overtraining.setting.protocol") == "overtraining.Protocol.replace"
    assert home_of("d_in", "overtraining.setting.protocol") is None
    assert docstrings.marked_up("`teacher`", "overtraining.setting.teachers", {"teacher"}) == "``teacher``"


def test_signatures_name_types_in_few_words() -> None:
    shown, result = signatures.signature_of(ot.theory.sensitivity.expected_increase_at) or ("", "")
    assert shown == (
        "(w1: Float[h, d_in], w2: Float[d_out, h], gamma_1: overtraining.types.Numbers, "
        "gamma_2: overtraining.types.Numbers, input_covariance: Float[d_in, d_in] | None = None)"
    )
    assert result == "overtraining.types.Values"
    assert "start: overtraining.types.Start = Aligned()" in (signatures.signature_of(ot.Protocol) or ("",))[0]


def test_every_alias_is_explained() -> None:
    text = (PAGES / "types.md").read_text(encoding="utf-8")
    assert not [name for name in signatures.ALIASES if f":: overtraining.types.{name}\n" not in text]


ALL_PARTS = [(place, cls) for place, classes in protocol_fields.GROUPS.items() for cls in classes]


@pytest.mark.parametrize(("place", "cls"), ALL_PARTS, ids=[cls.__name__ for _, cls in ALL_PARTS])
def test_every_field_is_described(place: str, cls: Any) -> None:
    for field in fields(cls):
        assert protocol_fields.one_line(cls, field.name), f"say in the docstring of {cls.__name__} what {field.name} is"
    for name, accepted, default, _, answered in protocol_fields.rows(place, cls):
        if name.startswith("``"):
            assert "" not in (accepted, default, answered), name


def test_every_part_of_a_protocol_is_in_the_table() -> None:
    text = (PAGES / "protocol.md").read_text(encoding="utf-8")
    assert re.findall(r"protocol-fields:: (\S+)", text) == [*protocol_fields.GROUPS]
    shown = {cls for _, cls in ALL_PARTS}
    assert {cls for kinds in PARTS.values() for cls in kinds} <= shown


def test_what_theory_answers_is_asked() -> None:
    verdict = protocol_fields.verdict
    assert verdict("perturbation", ot.Noise, "law") == "yes"
    assert verdict("network", ot.Network, "activation").startswith("yes: ``'linear'``; no: ``'tanh'``")
    assert "not with a rotated task: ``3``" in verdict("network", ot.Network, "depth")
    assert verdict("pretraining", ot.GradientDescent, "batch") == "no"


def test_every_choice_is_tried() -> None:
    """Each value of a field that takes one of several texts is an example."""
    for _, cls in ALL_PARTS:
        for field in fields(cls):
            values = re.findall(r"'([\w-]+)'", protocol_fields.accepts(cls, field))
            tried = repr(protocol_fields.EXAMPLES.get(f"{cls.__name__}.{field.name}", ()))
            if cls is not ot.GradientDescent:
                assert not [value for value in values if value not in tried], (cls, field.name)


def test_every_command_has_a_section() -> None:
    text = (PAGES / "command-line.md").read_text(encoding="utf-8")
    assert re.findall(r"\.\. command:: (\w+)", text) == list(command_line.helps())


def test_a_command_is_read_from_its_help() -> None:
    lines = list(command_line.page("sweep"))
    assert "   overtraining sweep [OPTIONS] [[SPEC.toml|NAME]]" in lines
    place = lines.index("   * - ``--workers <int>``")
    assert lines[place + 1 : place + 3] == ["     - Number of worker processes.", "     - ``1``"]


def keys(page: str, heading: str) -> list[str]:
    """What stands in backquotes in the first column of the first table below a heading."""
    _, _, below = (PAGES / page).read_text(encoding="utf-8").partition(f"\n{heading}\n")
    rows = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert rows, heading
    return [key for row in rows.group().splitlines()[2:] for key in re.findall(r"`([^`]+)`", row.split("|")[1])]


def test_keys_of_a_sweep() -> None:
    from overtraining.simulations.sweeps.spec import KNOWN, parse_sweep

    assert set(keys("sweep-files.md", "## Keys")) == KNOWN
    text = (PAGES / "sweep-files.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    sweep = parse_sweep(tomllib.loads(block) | {"axes": {"start.epsilon": {"log": [1e-3, 1e-1], "count": 3}}})
    assert ot.read(json.dumps(dict(sweep.base))).perturbation.task.angle == 0.5  # type: ignore[union-attr]
    with pytest.raises(DomainError) as refusal:
        parse_sweep({"protocol": {}, "axes": {"x": 1}})
    for form in keys("sweep-files.md", "## The table `axes`")[1:]:
        assert re.sub(r"\s", "", form.split("=")[0].strip("{ ")) in refusal.value.instead


def test_keys_of_verdicts() -> None:
    from overtraining.experiments.runner import Result
    from overtraining.theory.derivations import CLAIMS
    from overtraining.theory.derivations.checker.core import check
    from overtraining.theory.derivations.checker.report import as_json
    from overtraining.theory.derivations.checker.run import claim_derivation

    derivation = claim_derivation("A1", CLAIMS)
    (found,) = json.loads(as_json([check(derivation)], [derivation]))
    assert set(keys("file-formats.md", "## Verdicts of derivations")) == set(found)
    assert set(keys("file-formats.md", "## Verdicts of experiments")) == {field.name for field in fields(Result)}


def test_keys_of_a_manifest() -> None:
    from overtraining.figures.catalogue import CATALOGUE
    from overtraining.figures.manifest import new_row

    text = (PAGES / "file-formats.md").read_text(encoding="utf-8")
    table = re.search(r"\| key of a row.*\n(?:\|.*\n)+", text)
    assert table
    named = re.findall(r"^\| `(\w+)`", table.group(), re.MULTILINE)
    assert set(named) == {*new_row(CATALOGUE[0], "paper"), "files"}


def test_files_of_a_sweep() -> None:
    from overtraining.simulations.sweeps import store

    named = {name.rstrip("/") for name in keys("file-formats.md", "## Results of a sweep")}
    assert named == {store.RECIPE, store.LOCK, store.CHUNKS, store.RESULT, store.SUM}


def test_terms_link_to_terms() -> None:
    terms = tomllib.loads((ROOT / "docs/vocabulary.toml").read_text(encoding="utf-8"))["term"]
    names = {term["name"] for term in terms}
    assert len(names) == len(terms)
    for term in terms:
        linked = re.findall(r"(?<![_^])\{(?:[^{}<]*<)?([^{}<>]+)>?\}", re.sub(r"`[^`]*`", "", term["meaning"]))
        assert set(linked) <= names, term["name"]
