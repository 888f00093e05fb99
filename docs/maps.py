"""Write docs/claims.md and docs/vocabulary.md: `make maps`. A test compares them with what this writes."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
GROUPS = ("learning", "sensitivity", "inflection", "fine_tuning", "remedies")
COLUMNS = ("claim", "statement", "derivation", "engine", "experiment", "figure", "status")


def ledger() -> list[dict[str, str]]:
    """The rows of the table of claims in paper_notes.md."""
    lines = (ROOT / "paper_notes.md").read_text(encoding="utf-8").splitlines()
    unlinked = [re.sub(r"^\| \[([A-G]\d)\]\([^)]*\) ", r"| \1 ", line) for line in lines]  # the link to its chapter
    rows = [line.strip("|").split("|") for line in unlinked if re.match(r"\| [A-G]\d \|", line)]
    return [dict(zip(COLUMNS, map(str.strip, row), strict=True)) for row in rows]


def _quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def _link(path: str) -> str:
    return f"[`{path}`](../{path})"


def _formulas(cell: str) -> Iterator[str]:
    """The modules of a claim's functions, each with the names of the functions."""
    functions: dict[str, list[str]] = {}
    for name in _quoted(cell):
        module, function = name.split(".")
        functions.setdefault(module, []).append(function)
    for module, names in functions.items():
        (path,) = (f"theory/{g}/{module}.py" for g in GROUPS if (ROOT / f"theory/{g}/{module}.py").exists())
        yield f"{_link(path)}: {', '.join(names)}"


def _derivation(name: str, verdict: str) -> str:
    path = f"theory/derivations/claims/{name}"
    return f"{_link(path) if (ROOT / path).is_dir() else _link(f'{path}.py')}: {verdict}"


def claims() -> str:
    """Where the parts of each claim are."""
    lines = [
        "# Where the parts of each claim are",
        "",
        "Made from the ledger in `paper_notes.md` by `make maps`. Tests: `tests/theory/<group>/test_<module>.py`.",
        "The word after a derivation is its verdict: proved, certified, tested, assumed or argued, strongest first.",
        "",
        "| claim | formulas | derivation | experiment | figure |",
        "|---|---|---|---|---|",
    ]
    for row in ledger():
        cells = (
            "<br>".join(_formulas(row["engine"])),
            "<br>".join(_derivation(*found) for found in re.findall(r"`(\w+)` (\w+)", row["derivation"])),
            "<br>".join(_link(f"experiments/{name.replace('-', '_')}.py") for name in _quoted(row["experiment"])),
            "<br>".join(_link(f"figures/catalogue/{name.replace('-', '_')}.py") for name in _quoted(row["figure"])),
        )
        lines.append(f"| {row['claim']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def vocabulary() -> str:
    """Symbols and names of arguments."""
    concepts = tomllib.loads((ROOT / "docs/vocabulary.toml").read_text(encoding="utf-8"))["concept"]
    lines = [
        "# Symbols and names of arguments",
        "",
        "Made from `docs/vocabulary.toml` by `make maps`. A test refuses the last column in the public API.",
        "",
        "| symbol | name in code | meaning | not |",
        "|---|---|---|---|",
    ]
    for concept in concepts:
        names = ", ".join(f"`{name}`" for name in concept["names"])
        refused = ", ".join(concept["refused"])
        lines.append(f"| {concept['symbol']} | {names} | {concept['meaning']} | {refused} |")
    lines += [
        "",
        "Arguments stand in this order: what varies along a curve (`length`, `budget` or `time`); the data of the",
        "problem (`sigma`, `sigma_task`, `epsilon`, `imbalance`); the perturbation; then options, by keyword.",
    ]
    return "\n".join(lines) + "\n"


PAGES = {"claims.md": claims, "vocabulary.md": vocabulary}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page(), encoding="utf-8")
