"""The directive `protocol-fields`: every field of a Protocol and its parts, and what theory says to its values.

What a field accepts is read from the checks in its class, its one line from the class's docstring. Whether theory
answers is found out by asking it: each of the EXAMPLES is put into a small protocol, once for every perturbation of
CONTEXTS, and `theory.respond` computes the Response or refuses with a reason.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from functools import cache
from importlib import import_module
from typing import Any, Literal, get_args, get_origin

from docstrings import marked_up, readable
from docutils import nodes
from docutils.statemachine import StringList
from signatures import shown_default
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import overtraining as ot
from overtraining.setting.errors import NoFormula

GROUPS: dict[str, tuple[type, ...]] = {
    "protocol": (ot.Protocol,),
    "teacher": (ot.PowerLaw, ot.Geometric, ot.Spectrum, ot.Matrix),
    "network": (ot.Network,),
    "inputs": (ot.Inputs,),
    "start": (ot.Aligned, ot.Balanced, ot.SmallGaussian, ot.FanIn, ot.Weights),
    "pretraining": (ot.GradientFlow, ot.GradientDescent),
    "perturbation": (ot.Noise, ot.Quantization, ot.Pruning, ot.FineTuning),
    "perturbation.task": (ot.SharedVectors, ot.RotatedTeacher),
    "sampling": (ot.Sampling,),
}
"""Where in a protocol the parts are, and their classes."""

ACCEPTS = {
    "one_nonnegative": "a number ≥ 0",
    "one_positive": "a number > 0",
    "one_finite": "a number of either sign",
    "whole": "a whole number ≥ 1",
    "whole_nonnegative": "a whole number ≥ 0",
    "truth": "True or False",
    "increasing_list": "increasing numbers ≥ 0",
    "nonnegative_list": "numbers ≥ 0",
    "positive_list": "numbers > 0",
    "finite_list": "numbers of either sign",
    "_modes": "a whole number ≥ 1",
    "_depth": "a whole number ≥ 1",
    "_epsilon": "a number > 0",
    "_at_least_two": "a whole number ≥ 2",
    "_covariance": "a symmetric matrix, d_in × d_in",
    "_layers": "arrays, out × in",
}
"""What the checks of the setting accept, by their names."""

SAID = {
    "Protocol.teacher": "a teacher, an array or the path of a `.npy` file",
    "Protocol.network": "a Network",
    "Protocol.start": "one of the starts below",
    "Protocol.pretraining": "GradientFlow or GradientDescent",
    "Protocol.perturbation": "one of the perturbations below",
    "Protocol.sampling": "a Sampling",
    "Protocol.inputs": "an Inputs",
    "Spectrum.values": "numbers ≥ 0, largest first",
    "Matrix.entries": "a matrix, d_out × d_in",
    "Inputs.samples": "a whole number ≥ 1, or None",
    "GradientDescent.batch": "a whole number ≥ 1, or None",
    "Quantization.per": "'tensor', 'row' or None",
    "FineTuning.task": "SharedVectors, RotatedTeacher, or a teacher",
    "FineTuning.training": "GradientFlow or GradientDescent",
    "FineTuning.rank": "a whole number ≥ 1, or None",
    "FineTuning.replay_share": "a number from 0 to below 1",
    "Geometric.ratio": "a number above 0, at most 1",
    "Balanced.angle": "a number from 0 to π",
    "GradientDescent.momentum": "a number from 0 to below 1",
    "GradientDescent.warmup_share": "a number from 0 to below 1",
}
"""What other fields accept."""

STEPS = ot.GradientDescent(0.05)
SAMPLED = {"start": ot.SmallGaussian(1e-3), "inputs": ot.Inputs(samples=20)}
SIGNED = ot.FineTuning(ot.SharedVectors((0.5, -0.2)))
ROTATED = ot.FineTuning(ot.RotatedTeacher(0.5))
TURNED = ((0.9, -0.2), (0.2, 0.4))
SMALL = ((0.1, 0.0), (0.0, 0.1))

EXAMPLES: dict[str, tuple[Any, ...]] = {
    "Protocol.lengths": ((0,), (0, 3)),
    "Protocol.strengths": ((0.0,), (0.1, 0.2)),
    "PowerLaw": (ot.PowerLaw(2),),
    "PowerLaw.modes": (2,),
    "PowerLaw.alpha": (0.0, 2.0),
    "PowerLaw.scale": (2.0,),
    "PowerLaw.frame_seed": (1,),
    "Geometric": (ot.Geometric(2),),
    "Geometric.modes": (2,),
    "Geometric.ratio": (0.5, 1.0),
    "Geometric.scale": (2.0,),
    "Geometric.frame_seed": (1,),
    "Spectrum": (ot.Spectrum((1.0, 0.5)),),
    "Spectrum.values": ((1.0, 1.0), (1.0, 0.0)),
    "Spectrum.frame_seed": (1,),
    "Matrix": (ot.Matrix(TURNED),),
    "Matrix.entries": (TURNED,),
    "Network.d_in": (4,),
    "Network.h": (1, 4),
    "Network.d_out": (4,),
    "Network.depth": (1, 2, 3),
    "Network.activation": (
        "linear",
        *((repr(name), {"network.activation": name} | SAMPLED) for name in ("tanh", "relu", "gelu")),
    ),
    "Network.bias": (False, True),
    "Inputs.spectrum": ((2.0, 2.0), (2.0, 1.0)),
    "Inputs.shared": (("False", {"inputs": ot.Inputs((2.0, 1.0), shared=False)}),),
    "Inputs.samples": (None, 20),
    "Inputs.label_noise": (0.1,),
    "Inputs.frame_seed": (1,),
    "Inputs.input_covariance": (
        ("a multiple of the identity", {"inputs": ot.Inputs(input_covariance=((2.0, 0.0), (0.0, 2.0)))}),
        ("other axes than the teacher's", {"inputs": ot.Inputs(input_covariance=((2.0, 1.0), (1.0, 2.0)))}),
        ("the same at depth 1", {"inputs": ot.Inputs(input_covariance=((2.0, 1.0), (1.0, 2.0))), "network.depth": 1}),
    ),
    "Aligned": (ot.Aligned(),),
    "Aligned.epsilon": (0.1,),
    "Aligned.imbalance": (-0.5, 0.5),
    "Balanced": (ot.Balanced(),),
    "Balanced.epsilon": (0.1,),
    "Balanced.angle": (0.0, 0.5),
    "Balanced.imbalance": (-0.5, 0.5),
    "Balanced.frame_seed": (1,),
    "SmallGaussian.std": (1e-5, 0.3),
    "FanIn.gain": (1e-5, 1.0),
    "Weights.layers": (
        ("balanced weights", {"start": ot.Weights(SMALL, SMALL)}),
        ("other weights", {"start": ot.Weights(SMALL, TURNED)}),
    ),
    "Weights.tolerance": (("0.001", {"start": ot.Weights(SMALL, ((0.1, 0.0), (0.0, 0.10001)), tolerance=1e-3)}),),
    "GradientFlow.rtol": (1e-6,),
    "GradientFlow.weight_decay": (0.05,),
    "GradientDescent": (STEPS,),
    "Noise.scales": ((1.0, 0.0),),
    "Noise.law": ("gaussian", "uniform", "sign"),
    "Noise.convention": ("absolute", "initialization", "relative", "multiplicative"),
    "Quantization.per": (
        *((repr(name), {"perturbation": ot.Quantization(name)}) for name in ("tensor", "row", None)),
        ("'tensor' from a rotated start", {"perturbation": ot.Quantization(), "start": ot.Balanced()}),
    ),
    "Quantization.rounding": (
        ("'nearest'", {"perturbation": ot.Quantization(None, "nearest")}),
        ("'dithered'", {"perturbation": ot.Quantization(None, "dithered")}),
        ("'nearest' at depth 3", {"perturbation": ot.Quantization(None, "nearest"), "network.depth": 3}),
    ),
    "Pruning.per": (
        *((repr(name), {"perturbation": ot.Pruning(name)}) for name in ("tensor", "row")),
        ("'tensor' from a rotated start", {"perturbation": ot.Pruning(), "start": ot.Balanced()}),
    ),
    "FineTuning.task": (
        ("SharedVectors", {"perturbation": ot.FineTuning(ot.SharedVectors((0.5, 1.2)))}),
        ("RotatedTeacher", {"perturbation": ROTATED}),
        ("a matrix", {"perturbation": ot.FineTuning(ot.Matrix(TURNED))}),
        ("RotatedTeacher at depth 3", {"perturbation": ROTATED, "network.depth": 3}),
    ),
    "FineTuning.training": (ot.GradientFlow(), STEPS, ot.GradientFlow(weight_decay=0.1)),
    "FineTuning.anchor": (0.0, 0.1),
    "FineTuning.replay_share": (0.0, 0.2),
    "FineTuning.rank": (None, 1),
    "FineTuning.label_noise": (0.0, 0.1),
    "SharedVectors.values": (
        ("values of either sign", {"perturbation": SIGNED}),
        ("a value below 0 at depth 3", {"perturbation": SIGNED, "network.depth": 3}),
    ),
    "RotatedTeacher.angle": (0.0, 0.5),
    "RotatedTeacher.scale": (2.0,),
    "RotatedTeacher.frame_seed": (1,),
}
"""Values to try of each field: a value, or what it is called and the changes that set it. A class stands for itself."""

CONTEXTS: dict[str, Any] = {
    "noise": ot.Noise(),
    "rounding": ot.Quantization(None, "dithered"),
    "a shared task": ot.FineTuning(ot.SharedVectors((0.5, 1.2))),
    "a rotated task": ROTATED,
}
"""The perturbations with which a field outside them is tried."""

BASE = ot.Protocol(ot.Spectrum((1.0, 0.5)), lengths=(0, 2), strengths=(0.1,))
OF_FINE_TUNING = (ot.FineTuning, ot.SharedVectors, ot.RotatedTeacher)


@cache
def answer(protocol: ot.Protocol) -> str:
    """Why theory does not answer a protocol; empty if it does."""
    try:
        ot.theory.respond(protocol)
    except NoFormula as refusal:
        return refusal.why
    return ""


def tried(place: str, cls: type, name: str) -> list[tuple[str, str, str]]:
    """For every example of a field and every perturbation: the example, the perturbation, and why theory refuses."""
    found = []
    for example in EXAMPLES.get(f"{cls.__name__}.{name}" if name else cls.__name__, ()):
        called, changes = example if _is_named(example) else (shown_default(example), None)
        for context, perturbation in _contexts(place, cls).items():
            protocol = BASE.replace(perturbation=perturbation)
            changed = protocol.replace(_set(place, cls, name, example) if changes is None else changes)
            found.append((called, context, answer(changed)))
    return found


def _is_named(example: Any) -> bool:
    return isinstance(example, tuple) and len(example) == 2 and isinstance(example[1], dict)


def _contexts(place: str, cls: type) -> dict[str, Any]:
    if cls is ot.FineTuning:
        return {name: CONTEXTS[name] for name in ("a shared task", "a rotated task")}
    if cls in OF_FINE_TUNING:
        return {"": CONTEXTS["a rotated task"]}
    return {"": CONTEXTS["noise"]} if place == "perturbation" else CONTEXTS


def _set(place: str, cls: type, name: str, value: Any) -> dict[str, Any]:
    """The changes that give a field of this class a value."""
    if not name or cls is ot.Protocol:
        return {name or place: value}
    if cls in (ot.Network, ot.FineTuning, ot.RotatedTeacher):
        return {f"{place}.{name}": value}
    required = {"modes": 2, "values": (1.0, 0.5)}
    needed = {field.name for field in fields(cls) if field.default is MISSING} - {name}
    part = cls(**{field: required[field] for field in needed}, **{name: value})
    return {place: part}


def verdict(place: str, cls: type, name: str) -> str:
    """What theory says to a field, in words."""
    if cls is ot.Sampling:
        return "only simulations use it"
    found = tried(place, cls, name)
    if not found:
        if cls is ot.Protocol:
            return "see below"
        of_class = verdict(place, cls, "") if name else ""
        return "no" if of_class.startswith("no") else ""
    reasons: dict[str, list[tuple[str, str]]] = {}
    for called, context, why in found:
        if why:
            reasons.setdefault(why, []).append((called, context))
    if not reasons:
        return "yes"
    never = {called for called, _, _ in found if all(why for other, _, why in found if other == called)}
    answered = dict.fromkeys(called for called, _, _ in found if called not in never)
    said = [f"yes: {', '.join(f'``{called}``' for called in answered)}"] if answered else []
    for why, cases in reasons.items():
        refused = dict.fromkeys(called for called, _ in cases)
        contexts = dict.fromkeys(context for called, context in cases if called not in never)
        where = f"not with {' and '.join(contexts)}" if any(contexts) else "no"
        said.append(f"{where}: {', '.join(f'``{called}``' for called in refused)} ({marked_up(why, '', set())})")
    return "; ".join(said)


def accepts(cls: type, field: Field[Any]) -> str:
    """What a field accepts, from the checks in its class."""
    if said := SAID.get(f"{cls.__name__}.{field.name}"):
        return said
    check = _checks(cls).get(field.name, "")
    if check in ACCEPTS:
        return ACCEPTS[check]
    literal = getattr(import_module(cls.__module__), check, None)
    if get_origin(literal) is Literal:
        *most, last = (f"'{value}'" for value in get_args(literal))
        return f"{', '.join(most)} or {last}"
    raise LookupError(f"what {cls.__name__}.{field.name} accepts is said neither by its check nor by SAID")


@cache
def _checks(cls: type) -> dict[str, str]:
    """The names of the checks by field, from the calls of `check_fields`."""
    found = {}
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(cls)))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "check_fields":
            found |= {word.arg: ast.unparse(word.value) for word in node.keywords if word.arg}
    return found


def one_line(cls: type, name: str) -> str:
    """What the class's docstring says of a field."""
    for line in readable((inspect.getdoc(cls) or "").splitlines(), cls, cls.__module__):
        names, dash, text = line.partition("** – ")
        if dash and name in names.strip().removeprefix("* **").split(", "):
            return text
    return ""


def default(field: Field[Any]) -> str:
    return "required" if field.default is MISSING else f"``{shown_default(field.default)}``"


def rows(place: str, cls: type) -> Iterator[tuple[str, str, str, str, str]]:
    """Field, what it accepts, its default, one line, and what theory says; the class itself first."""
    whole = verdict(place, cls, "")
    if cls is not ot.Protocol:
        first = (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " ")
        yield f":py:obj:`~overtraining.{cls.__name__}`", "", "", marked_up(first, cls.__module__, set()), whole
    for field in fields(cls):
        said = verdict(place, cls, field.name)
        yield (
            f"``{field.name}``",
            marked_up(accepts(cls, field), "", set()),
            default(field),
            one_line(cls, field.name),
            said,
        )


class ProtocolFields(SphinxDirective):
    """The directive; its argument is a place of GROUPS."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        lines = [".. list-table::", "   :header-rows: 1", "   :class: reference-table protocol-fields"]
        lines += ["   :widths: 14 17 13 32 24", ""]
        lines += ["   * - field", "     - accepts", "     - default", "     - what it is", "     - theory answers"]
        for cls in GROUPS[self.arguments[0]]:
            self.env.note_dependency(inspect.getsourcefile(cls) or "")
            for row in rows(self.arguments[0], cls):
                for number, cell in enumerate(row):
                    lines.append(f"   {'* -' if number == 0 else '  -'} {cell}")
        return self.parse_text_to_nodes(StringList(lines, source="protocol-fields"))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("protocol-fields", ProtocolFields)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
