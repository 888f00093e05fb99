"""Links in the ledger of claims, paper_notes.md, as the site shows it.

In the table of claims the claim links to its section in a chapter of the theory; derivations, functions, experiments
and figures link to their pages. Elsewhere a claim in bold at the beginning of an item links to its section.
"""

import re
from functools import cache
from importlib import import_module

GROUPS = ("learning", "sensitivity", "inflection", "fine_tuning", "remedies")
ROW = re.compile(r"^\| (?:\[)?(?P<claim>[A-G]\d)(?:\]\([^)]*\))? \|(?P<rest>.*)\|$", re.MULTILINE)
TABLE = re.compile(r"^\| claim \| statement .*\n(?:\|.*\n)+", re.MULTILINE)
QUOTED = re.compile(r"`([^`]+)`")


@cache
def public_name(function: str) -> str | None:
    """Where the reference documents `module.function` of the theory, under the short path of its group.

    >>> public_name("noise.expected_increase")
    'overtraining.theory.sensitivity.expected_increase'
    >>> public_name("balanced_mode.unlearned")
    'overtraining.theory.learning.balanced_mode.unlearned'
    """
    module, name = function.split(".")
    for group in GROUPS:
        package = import_module(f"overtraining.theory.{group}")
        thing = getattr(package, name, None)
        if getattr(thing, "__module__", "").endswith(f".{group}.{module}"):
            return f"{package.__name__}.{name}"
        if module in package.__all__:
            return f"{package.__name__}.{module}.{name}"
    return None


def _function(found: re.Match[str]) -> str:
    name = public_name(found[1])
    return f"{{py:obj}}`{found[1]} <{name}>`" if name else found[0]


def _derivation(found: re.Match[str]) -> str:
    claim = found[1].partition("_")[0]
    return f"{{derivation}}`{found[1]} <{claim[0].upper()}{claim[1:]}>`"


def _row(found: re.Match[str]) -> str:
    statement, derivation, engine, experiment, figure, status = found["rest"].split("|")
    cells = (
        f" {{claim}}`{found['claim']}` ",
        statement,
        QUOTED.sub(_derivation, derivation),
        QUOTED.sub(_function, engine),
        QUOTED.sub(r"{experiment}`\1`", experiment),
        QUOTED.sub(r"{picture}`\1`", figure),
        status,
    )
    return f"|{'|'.join(cells)}|"


def linked(text: str) -> str:
    """The text of the ledger with links."""
    text = TABLE.sub(r":::{div} ledger\n\n\g<0>\n:::\n", ROW.sub(_row, text))
    return re.sub(r"^- \*\*([A-F]\d)\*\* ", r"- **{claim}`\1`** ", text, flags=re.MULTILINE)
