"""No number of a caption or of a figure's texts is written by hand: each follows the data, or is listed with a reason.

Every number that a figure's data hold, in variables, coordinates, attributes and the protocol, is changed, and so are
their sizes. What a caption tells then must change, too, apart from what is part of a formula or of a name.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from overtraining.figures.catalogue import CATALOGUE, Entry
from overtraining.figures.described import WORDS
from overtraining.figures.style import styled
from overtraining.setting.protocol import Network
from overtraining.setting.serialization import read, write
from overtraining.setting.starts import Balanced
from overtraining.setting.teachers import Matrix

FORMULA = "part of a formula that holds for all parameters"
DRAWN = "counts the curves that the figure's module draws, whatever their parameters"
ZERO = "zero, in every unit"
TWO_LAYERS = "the theory's condition"
INTERVAL = "what `FittedLaw.interval` takes if it is not told"
CONFIDENCE = "what `inflection_point` takes if it is not told"
CONSTANTS: dict[str, dict[str, str]] = {
    "annealing": {"with three schedules": DRAWN, "about 1/σ": FORMULA, "decay to 0": ZERO},
    "any-start": {"+ 2c⟨f": FORMULA, "(d_in + d_out)/2": FORMULA, "first two starts": DRAWN},
    "beyond-linear": {"two-layer": "networks with an activation have no other depth"},
    "beyond-linear-remedies": {"two numbers of tokens": DRAWN, "in all three students": DRAWN},
    "bridge": {"same three questions": "before, cost and after"},
    "control": {"Tukey, 95%": CONFIDENCE, "The other 4 models": "counts p-values, none of which is near 0.05"},
    "conventions": {
        "units of 1,": "the absolute unit",
        "1 (absolute)": "the absolute unit",
        "2×2": "a statement about the smallest network in which it happens",
        "round to 0": ZERO,
    },
    "curvature": {"2σ₁": FORMULA, "½ tr H": FORMULA},
    "forgetting": {"At angle 0,": "a statement about fine-tuning on the same task"},
    "inflection-scaling": {
        "σ > 2c": FORMULA,
        "[ln(2c/ε) − (2 − 1/α)]/(4c)": FORMULA,
        "ln(1/ε)/(4c)": FORMULA,
        "1/γ²": FORMULA,
    },
    "label-noise": {"½γ² tr H": FORMULA, "−½(d_in + d_out)": FORMULA, "1/γ²": FORMULA, "exp(−2σ'T)": FORMULA},
    "lazy-to-rich": {"Σ √(λ² + 4σ²) − √(λ² + 4ε²)": FORMULA},
    "learning-rate": {"two fixed ones": DRAWN, "ν = 0,": ZERO},
    "many-minima": {"½c²": FORMULA},
    "mixing": {"(1 − q)": FORMULA, "rises to 1": "all of the data", "T = 0,": ZERO},
    "noise-robust-objective": {
        "three pairs": DRAWN,
        "in the two layers": TWO_LAYERS,
        "two layer costs": TWO_LAYERS,
        "for two layers": TWO_LAYERS,
    },
    "noise-universality": {"three distributions": DRAWN, "√12 γ": FORMULA},
    "numerical-error": {
        "two precisions": "how the reference is computed",
        "2.2e-16": "the rounding of float64",
        "1e-12": "the target that the project sets itself",
        "100 times": "the target that the project sets itself",
        "1e-17": "the lower end of the axis",
    },
    "plasticity-and-forgetting": {"ε → 0": FORMULA, "½‖A‖²": FORMULA, "three starts": DRAWN},
    "olmo1b-fine-tuning": {"mean of the six": DRAWN, "Tukey, 95%": CONFIDENCE},
    "progressive-sensitivity": {"> 0": FORMULA},
    "random-start": {"std²/2": FORMULA, "½s moves": FORMULA, "½σ": FORMULA},
    "rates": {"β = 2 − 1/α, s = 1/α − 1, β + s = 1": FORMULA, "1/(1 − 1/ℓ)": FORMULA, "approaches 1 only": FORMULA},
    "regularization": {
        "1.2 to 1.4 times": "a ratio, of which this test changes both numbers alike",
        "two losses": "of pretraining and of the task",
        "½(‖A − B‖ − √(2L_ft))²": FORMULA,
    },
    "scaling-fit": {
        "four of the sizes": DRAWN,
        "95% bootstrap": INTERVAL,
        "two empirical laws": "the fitted and the published one",
    },
    "sum-rule-llm": {
        "1 − β": FORMULA,
        "D^(1−β)": FORMULA,
        "not to 1": FORMULA,
        "95% bootstrap": INTERVAL,
        "two exponents": "of the loss and of the cost",
        "0 of": "counts intervals, which this test moves together",
    },
    "the-trap": {"ln[(σ₁/ε − 1)(σ₂/ε − 1)]/2(σ₁ + σ₂)": FORMULA, "in two layers": TWO_LAYERS},
}
"""By figure: words around a number that does not follow the data, and why."""

NAMES = re.compile(r"\b[A-F]\d+[a-z]?–[A-F]?\d+[a-z]?\b|\b\d{4}\.\d{5}\b|\b20[12]\d\b|OLMo-1B|mode \d")
"""Ranges of claims, papers and years, a model, and curves."""

NUMBER = re.compile(
    r"(?<![\w.^_{/])[−-]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?%?|[½¼¾]|\b(?:" + "|".join(WORDS[2:]) + r")\b",
    re.IGNORECASE,
)
PART = re.compile(rf"(?P<number>{NUMBER.pattern})|\w+|\S", re.IGNORECASE)

FACTOR = 1.9
"""Of coordinates, and of the same numbers in protocols."""

DEEPER = ("depth", "bridge")
"""Figures that tell the number of layers. An imbalance, which the others have, is defined for two layers only."""

A_PANEL_EACH = ("olmo1b-fine-tuning", "task")
"""The figure and the dimension of which all entries are needed."""

UNTOLD = ("frame_seed", "momentum", "warmup_share", "decay_share")
"""Fields of protocols that no caption tells, and that not every number suits."""


def stayed(before: str, after: str, constants: Mapping[str, str]) -> list[str]:
    """The numbers of a text, in digits or words, that are at the same place of the other text; without constants."""
    old, new = (
        [(part[0], bool(part["number"])) for part in PART.finditer(_without(text, constants))]
        for text in (before, after)
    )
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    return [part for block in blocks for part, is_number in old[block.a : block.a + block.size] if is_number]


def _without(text: str, constants: Mapping[str, str]) -> str:
    for phrase in constants:
        text = text.replace(phrase, "…")
    return NAMES.sub("…", text)


def altered(data: xr.Dataset, figure: str, seed: int) -> xr.Dataset:
    """Data with other numbers throughout: fewer entries, scaled coordinates, other values, attributes and protocol."""
    data = data.drop_dims("turn", errors="ignore")  # exact turns would be those of other values
    shorter = [name for name, size in data.sizes.items() if size > 2 and (figure, name) != A_PANEL_EACH]
    left_out = {name: 1 if data[name].dtype.kind in "fiu" else 2 for name in shorter}
    few = data.isel({name: np.delete(np.arange(data.sizes[name]), place) for name, place in left_out.items()})
    largest = max(float(np.abs(one).max()) for one in few.data_vars.values())
    return xr.Dataset(
        {name: (one.dims, _other(one.values, largest, seed), one.attrs) for name, one in few.data_vars.items()},
        {name: (one.dims, _scaled(one.values), one.attrs) for name, one in few.coords.items()},
        {name: _attribute(name, value, figure) for name, value in few.attrs.items()},
    )


def _other(values: np.ndarray, largest: float, seed: int) -> np.ndarray:
    """Each number is changed by itself, and so much that it does not round to the same; a zero, too.

    In arrays of one shape the changes are the same, so that an interval still contains its estimate.
    """
    generator = np.random.default_rng([seed, *values.shape])
    factor, more = np.exp(generator.uniform(1, 4, values.shape)), np.exp(generator.uniform(-3, 3, values.shape))
    return values * factor + largest * more


def _scaled(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind in "fiu":
        return values * (FACTOR if values.dtype.kind == "f" else 3)
    return np.array([_text(str(value)) for value in values.ravel()], object)


def _attribute(name: object, value: Any, figure: str) -> Any:
    if name == "protocol":
        deeper = figure in DEEPER
        protocol = _part(read(value), 0.0 if deeper else 0.217)
        return write(protocol.replace({"network.depth": protocol.network.depth + 7}) if deeper else protocol)
    if isinstance(value, str):
        return value if name in ("kind", "method", "perturbation") else _text(value)
    array = np.asarray(value)
    if array.dtype.kind != "f":
        return value + 3
    return (np.delete(array, 1) if array.size > 2 else array)[()] * FACTOR  # shorter, as the data


def _text(text: str) -> str:
    """The text with each of its numbers changed, apart from those of names."""
    return text if NAMES.search(text) else NUMBER.sub(lambda found: _number(found[0]), text)


def _number(text: str) -> str:
    if text.lower() in WORDS:
        return WORDS[WORDS.index(text.lower()) - 1]
    if not text[0].isdigit():
        return "⅛"
    value = float(text.replace(",", "").rstrip("%"))
    return f"{value * FACTOR + 3:,.0f}" if value.is_integer() else f"{value * FACTOR:.4g}"


def _part(part: Any, zero: float, name: str = "") -> Any:  # noqa: PLR0911 — one return per kind of part
    """A protocol, or a part of one, with other numbers, with `zero` for 0.0, and with longer or shorter lists."""
    if isinstance(part, Network):
        return replace(part, d_in=part.d_in + 3, h=part.h + 4, d_out=part.d_out + 5)
    if isinstance(part, Matrix):
        return Matrix(np.pad(part.entries, ((0, 5), (0, 3))) * FACTOR)  # as the network's widths
    if is_dataclass(part):
        zero = 0.0 if isinstance(part, Balanced) else zero  # its imbalance needs narrow hidden layers
        names = (one.name for one in fields(part) if one.name not in UNTOLD)
        return replace(part, **{name: _part(getattr(part, name), zero, name) for name in names})  # type: ignore[type-var]
    if isinstance(part, bool | str | None):
        return part
    if isinstance(part, int | float):
        return part + 3 if isinstance(part, int) else part * FACTOR or zero
    if name in ("lengths", "strengths"):  # as in the data
        return tuple(number * FACTOR for i, number in enumerate(part) if i != 1 or len(part) < 3)
    more = [number / 3 for number in part[-1:] if name != "scales"]  # there is one scale per layer
    return tuple(number * FACTOR for number in (*part, *more))


def texts(entry: Entry, data: Mapping[str, xr.Dataset]) -> Iterator[str]:
    """What a figure says: its caption, titles, names of axes, entries of legends and texts in panels."""
    yield entry.caption(data)
    with styled():
        figure = entry.module().draw(data)
    for ax in figure.axes:
        yield from (ax.get_title(side) for side in ("left", "center", "right"))
        yield from (ax.get_xlabel(), ax.get_ylabel(), *(text.get_text() for text in ax.texts))
    for legend in [*figure.legends, *(ax.get_legend() for ax in figure.axes)]:
        yield from (text.get_text() for text in (legend.get_texts() if legend else ()))


def data_of(folder: Path, name: str) -> dict[str, xr.Dataset]:
    with xr.open_datatree(folder / "data" / f"{name}.nc", engine="h5netcdf") as tree:
        return {label: node.to_dataset().load() for label, node in tree.children.items()}


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_every_number_follows_the_data(built: Path, entry: Entry) -> None:
    constants, data = CONSTANTS.get(entry.name, {}), data_of(built, entry.name)
    before = "\n".join(texts(entry, data))
    remained = Counter(stayed(before, before, constants))
    for seed in (1, 2):  # twice, since a number may be the same by chance
        after = "\n".join(texts(entry, {label: altered(one, entry.name, seed) for label, one in data.items()}))
        remained &= Counter(stayed(before, after, constants))
        assert [phrase for phrase in constants if phrase not in before or phrase not in after] == []
    assert not remained, f"{before}\n\nbecomes\n\n{after}"


def test_a_number_written_by_hand_is_found() -> None:
    before = "At T = 5 the loss is 0.31 for three budgets, ½ of σ₁² (claim D4, arXiv 2408.06663)."
    assert stayed(before, before.replace("0.31", "0.72"), {"½ of": "a formula"}) == ["5", "three"]
    assert stayed(before, "At T = 7 the loss is 0.31 for two budgets, ½ of σ₁²", {"½ of": "a formula"}) == ["0.31"]
