"""A Protocol as canonical JSON text, and back."""

import json
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_args

import cattrs
from cattrs.gen import make_dict_unstructure_fn, override
from cattrs.strategies import configure_tagged_union

from overtraining.setting.arrays import Sequenced
from overtraining.setting.domain import finite, instance, whole
from overtraining.setting.errors import DomainError, Refusal
from overtraining.setting.inputs import Inputs
from overtraining.setting.near_names import near_names
from overtraining.setting.perturbations import FineTuning, Noise, Perturbation, Pruning, Quantization
from overtraining.setting.plain_data import parse_json
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned, Balanced, FanIn, SmallGaussian, Start
from overtraining.setting.tasks import RotatedTeacher, SharedVectors, Task
from overtraining.setting.teachers import Geometric, Matrix, PowerLaw, Spectrum, Teacher
from overtraining.setting.training import GradientDescent, GradientFlow, Pretraining
from overtraining.setting.weights import Weights

RENAMED_KINDS = {"Shared": "SharedVectors", "Turned": "RotatedTeacher"}
RENAMED_FIELDS = {
    "FineTuning": {"replay": "replay_share"},
    "GradientDescent": {"warmup": "warmup_share", "decay": "decay_share"},
}
"""Names in protocols that were written before November 2026, old to new: kinds, and fields by their kind."""


@cache
def _converter() -> cattrs.Converter:
    """Dataclasses to and from plain dictionaries; where several classes are possible, `kind` names the class."""
    converter = cattrs.Converter(forbid_extra_keys=True)
    # the library's own hooks call int() and float(), which turn 2.5 into 2 and "3" into 3.0 without a word
    converter.register_structure_hook(int, lambda value, _: whole("value", value, least=0))
    converter.register_structure_hook(float, lambda value, _: float(finite("value", value)))
    converter.register_structure_hook(bool, _truth)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(Sequenced, lambda value, _: value)  # checked by the class that it belongs to

    def plain(*classes: type) -> None:
        """Defaults are left out, so that a field added later does not change the text of older protocols."""
        for cls in classes:
            hook: Any = make_dict_unstructure_fn(cls, converter, _cattrs_omit_if_default=True)
            converter.register_unstructure_hook(cls, hook)

    plain(
        PowerLaw,
        Geometric,
        Spectrum,
        Matrix,
        SharedVectors,
        RotatedTeacher,
        Network,
        Aligned,
        Balanced,
        SmallGaussian,
        FanIn,
        Weights,
    )
    plain(GradientFlow, GradientDescent, Noise, Quantization, Pruning, Sampling, Inputs)
    for union in (Teacher, Task, Start, Pretraining):
        configure_tagged_union(union, converter, tag_name="kind")
    plain(FineTuning)  # made of the unions before it
    configure_tagged_union(Perturbation, converter, tag_name="kind")
    converter.register_unstructure_hook(
        Protocol,
        make_dict_unstructure_fn(
            Protocol,
            converter,
            _cattrs_omit_if_default=True,
            network=override(omit_if_default=False),
            strengths=override(omit_if_default=False),
        ),
    )
    return converter


def write(protocol: Protocol) -> str:
    """The protocol as canonical JSON: equal protocols have equal texts, and numbers are exact to the last bit.

    >>> protocol = Protocol(PowerLaw(modes=4), lengths=(0, 10), strengths=(0.1,))
    >>> read(write(protocol)) == protocol
    True
    """
    instance("protocol", protocol, Protocol)
    return json.dumps(_converter().unstructure(protocol), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def read(text: str) -> Protocol:
    """The protocol that `write` wrote, now or under older names, or that a person wrote by hand.

    DomainError says what is wrong and where.

    >>> text = write(Protocol(PowerLaw(4), (0, 10), (1.0,), perturbation=FineTuning(RotatedTeacher(0.5))))
    >>> read(text.replace("RotatedTeacher", "Turned")) == read(text)
    True
    """
    instance("text", text, str)
    try:
        plain = parse_json("the protocol", text)
        if not isinstance(plain, dict):
            raise DomainError("the protocol", "it is not a JSON object", "write it with setting.write(protocol)")
        return _converter().structure(_with_new_names(plain), Protocol)
    except cattrs.errors.BaseValidationError as error:
        faults = (fault.rpartition(" @ $") for fault in cattrs.transform_error(error, format_exception=_reason))
        reasons = "; ".join(f"{place.removeprefix('.')}: {why}" if place else why for why, _, place in faults)
        raise DomainError("the protocol", reasons, "compare with setting.write(protocol)") from None


def _with_new_names(plain: Any) -> Any:
    """Plain data in which kinds and fields have their present names."""
    if isinstance(plain, list):
        return [_with_new_names(part) for part in plain]
    if not isinstance(plain, dict):
        return plain
    named = {field: _with_new_names(value) for field, value in plain.items()}
    kind = named.get("kind")
    if not isinstance(kind, str):
        return named
    for old, new in RENAMED_FIELDS.get(kind, {}).items():
        if old in named and new not in named:  # both: the old one is refused as a field that does not exist
            named[new] = named.pop(old)
    return named | {"kind": RENAMED_KINDS.get(kind, kind)}


def _truth(value: Any, _: type) -> bool:
    if not isinstance(value, bool):
        raise DomainError(f"value = {value!r}", "it is neither true nor false", "write true or false")
    return value


def _text(value: Any, _: type) -> str:
    if not isinstance(value, str):
        raise DomainError(f"value = {value!r}", "it is not a text", "write it in quotes")
    return value


def _reason(error: BaseException, kind: Any) -> str:
    """One line for one fault; a Refusal keeps its own words."""
    if isinstance(error, Refusal):
        return f"{error.what}: {error.why} ({error.instead})"
    if isinstance(error, KeyError):
        kinds = sorted(cls.__name__ for cls in get_args(kind) if isinstance(cls, type) and is_dataclass(cls))
        if error.args == ("kind",):
            return f"it has no kind, which is one of {', '.join(kinds)}"
        return f"no kind {error}: {near_names(str(error.args[0]), kinds)}" if kinds else f"{error} is missing"
    if isinstance(error, cattrs.errors.ForbiddenExtraKeysError):
        known = [field.name for field in fields(error.cl)]
        return "; ".join(
            f"{name!r} is not one of its fields: {near_names(name, known)}" for name in sorted(error.extra_fields)[:5]
        )
    if isinstance(error, AttributeError):
        return "it is not a group of fields"
    return cattrs.v.format_exception(error, kind)
