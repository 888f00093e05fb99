"""What can be set in a figure of the catalogue, and its recipes with other settings."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from overtraining.figures.recipe import Recipe
from overtraining.setting import limits
from overtraining.setting.domain import at_most, finite, whole
from overtraining.setting.errors import DomainError
from overtraining.setting.near_names import near_names
from overtraining.setting.perturbations import FineTuning, Noise, Quantization
from overtraining.setting.plain_data import first_repeated, parse_json
from overtraining.setting.protocol import Protocol
from overtraining.setting.training import GradientDescent

GRIDS = ("lengths", "sampling")
"""Fields in which recipes of one figure differ without comparing anything: a fine grid for theory, draws by need."""


@dataclass(frozen=True)
class Setting:
    """A field of a figure's protocols, by dotted path, with its values in them, and why it cannot be set, if so."""

    path: str
    values: tuple[Any, ...]
    unit: str
    why_not: str = ""

    @property
    def has_parts(self) -> bool:
        """Whether it is a whole part, which has fields of its own."""
        return all(is_dataclass(value) for value in self.values)


def settings_of(recipes: Mapping[str, Recipe]) -> dict[str, Setting]:
    """Every field of the protocols of a figure, by dotted path; whole parts, such as `start`, come before their fields.

    >>> from overtraining.figures.catalogue import catastrophic_overtraining
    >>> settings_of(catastrophic_overtraining.recipes())["strengths"]
    Setting(path='strengths', values=((0.05, 0.07, 0.1),), unit='standard deviation of the noise', why_not='')
    """
    found: dict[str, list[tuple[Any, Protocol]]] = {}
    for recipe in recipes.values():
        if recipe.protocol is not None:
            for path, value in _paths(recipe.protocol):
                if not any(_within(path, ignored) for ignored in recipe.ignores):
                    found.setdefault(path, []).append((value, recipe.protocol))
    fixed = {path for recipe in recipes.values() for path in recipe.fixed}
    return {path: _setting(path, pairs, fixed) for path, pairs in found.items()}


def _setting(path: str, pairs: list[tuple[Any, Protocol]], fixed: set[str]) -> Setting:
    values = tuple(dict.fromkeys(value for value, _ in pairs))
    why_not = ""
    if any(_within(path, one) or _within(one, path) for one in fixed):
        why_not = "the experiment behind this figure takes it from itself"
    elif len(values) > 1 and not any(_within(path, grid) for grid in GRIDS):
        why_not = f"this figure compares {len(values)} values of it, {short(values[0])}, {short(values[1])}" + (
            ", …" if len(values) > 2 else ""
        )
    return Setting(path, values, _unit(path, pairs[0][1]), why_not)


def _paths(part: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for field in fields(part):
        path, value = before + field.name, getattr(part, field.name)
        yield path, value
        if is_dataclass(value):
            yield from _paths(value, f"{path}.")


def _within(path: str, whole_part: str) -> bool:
    return path == whole_part or path.startswith(f"{whole_part}.")


def _unit(path: str, protocol: Protocol) -> str:
    match path, protocol.perturbation:
        case "lengths", _:
            flow = not isinstance(protocol.pretraining, GradientDescent)
            return "gradient-flow time" if flow else "learning rate × steps"
        case "strengths", Noise(convention="absolute"):
            return "standard deviation of the noise"
        case "strengths", FineTuning():
            return "gradient-flow time"
        case "strengths", Quantization(per=None):
            return "step of the grid"
        case ("perturbation.task.angle", _):
            return "radians"
    return ""


def changed_recipes(
    module: ModuleType, name: str, changes: Mapping[str, Any], recipes: Mapping[str, Recipe]
) -> dict[str, Recipe]:
    """These recipes of a figure with fields of their protocols changed, by dotted path, in each that has the field.

    What the figure's module computes from other recipes follows, by its function `follow`. Raises DomainError for a
    field that no recipe has, that the figure compares, or that its experiment fixes, and what a Protocol raises.
    """
    known = settings_of(recipes)
    if changes and not known:
        raise DomainError(f"figure {name!r}", "its data come from no protocol: nothing can be set", "leave it as it is")
    for path in changes:
        if path not in known:
            free = [each for each, one in known.items() if not one.why_not]
            raise DomainError(f"field {path!r}", f"no protocol of the figure {name} has it", near_names(path, free))
        if known[path].why_not:
            instead = f"set another field; overtraining figures --show {name} lists them"
            raise DomainError(f"field {path!r} of the figure {name}", known[path].why_not, instead)
    made = {label: _changed(recipe, changes) for label, recipe in recipes.items()}
    follow = getattr(module, "follow", None)
    return dict(follow(made)) if follow else made


def _changed(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    if recipe.protocol is None:
        return recipe
    has = dict(_paths(recipe.protocol))
    mine = {
        path: value
        for path, value in changes.items()
        if path in has and not any(_within(path, ignored) for ignored in recipe.ignores)
    }
    return replace(recipe, protocol=recipe.protocol.replace(mine)) if mine else recipe


def parse_setting(text: str) -> tuple[str, Any]:
    """A path and its value from `path=value`: a number, a text, numbers with commas, `first:last:count`, or JSON.

    >>> parse_setting("start.epsilon=1e-6"), parse_setting("strengths=0.03,0.05"), parse_setting("lengths=0:40:5")
    (('start.epsilon', 1e-06), ('strengths', [0.03, 0.05]), ('lengths', [0.0, 10.0, 20.0, 30.0, 40.0]))
    """
    path, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not path or not value:
        raise DomainError(f"--set {text!r}", "it is not of the form path=value", "write for instance teacher.alpha=2")
    if "," in value and value[0] not in "[{":
        return path, [_value(path, one.strip()) for one in value.split(",")]
    return path, _value(path, value)


def parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """The changes that several such texts ask for. Raises DomainError for a path that is set twice."""
    pairs = [parse_setting(text) for text in texts]
    if again := first_repeated(path for path, _ in pairs):
        raise DomainError(f"--set {again}=…", "it is set twice", "keep one of them")
    return dict(pairs)


def _value(path: str, text: str) -> Any:
    number = r"[^:\[\]{}\"]+"
    if grid := re.fullmatch(rf"({number}):({number}):(\d+)", text):
        first, last, count = (_value(path, one) for one in grid.groups())
        ends = finite(path, [first, last])
        many = at_most(
            f"the number of {path}", whole(f"count of {path}", count), limits.AXIS, "they are computed one by one"
        )
        return np.linspace(float(ends[0]), float(ends[1]), many).tolist()
    try:
        return parse_json(path, text)
    except DomainError:
        if text[0] in '[{"':
            raise
        return text


def short(value: Any) -> str:
    """A value on one line: of many numbers how many they are, and from where to where.

    >>> short((0.05, 0.1)), short(tuple(range(100)))
    ('0.05, 0.1', '100 from 0 to 99')
    """
    if isinstance(value, list | np.ndarray):
        return short(tuple(value))
    if isinstance(value, tuple) and all(isinstance(one, int | float) for one in value):
        if len(value) > 8:
            return f"{len(value)} from {value[0]:g} to {value[-1]:g}"
        return ", ".join(f"{one:g}" for one in value) or "none"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
