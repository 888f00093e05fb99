"""Derivations to write into a book: one with hostile texts, and one that uses another claim."""

from dataclasses import replace

import numpy as np

from overtraining.theory.derivations.checker.core import Assumption, Counterexample, Curves, Step, Variant
from overtraining.theory.derivations.checker.evidence import examples, identity
from overtraining.theory.derivations.claims.b1_noise import DERIVATION as B1

HOSTILE = """<script>alert("1")</script> & 'quoted' </p> {x} <img src="http://example.org/x.png" onerror='y'>"""


def proved():
    return identity(1, 1, HOSTILE)


def curves():
    return Curves(np.array([1.0, 10, 1e4]), {HOSTILE: np.array([1.0, np.nan, 2])}, f"${HOSTILE}", "_γ₁ ᵀ^")


ATTACK = replace(
    B1,
    claim="../<b>x",
    title=HOSTILE,
    statement=r"\text{" + HOSTILE + "}",
    plain=HOSTILE,
    symbols={HOSTILE: HOSTILE, r"\unknown": HOSTILE, r"\href{javascript:alert(1)}{x}": HOSTILE},
    assumptions=(
        Assumption(HOSTILE, HOSTILE, Counterexample(HOSTILE, proved, curves)),
        Assumption("gradient flow", HOSTILE),
    ),
    steps=(
        Step(r"\frac{1", HOSTILE, proved),
        Step(r"\style{x\"onload=\"y}{z}", HOSTILE, lambda: examples([], HOSTILE)),
    ),
    variants=(*B1.variants, Variant(HOSTILE, lambda f: f), Variant(HOSTILE, lambda f: 3 * f)),
    special_case=replace(B1.special_case, text=HOSTILE),
    link=replace(B1.link, function="theory.<i>", domain=HOSTILE),
    uses=("B1", "<u>"),
    source=HOSTILE,
)


OTHER = replace(B1, claim="B4", uses=("B1",), assumptions=(), link=None)
