"""The Protocol: everything that is done to a network, as one frozen value that can be hashed, written and read."""

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import cattrs
import numpy as np
from cattrs.gen import make_dict_unstructure_fn, override
from cattrs.strategies import configure_tagged_union

from theory.arrays import Numbers, Sequenced
from theory.domain import finite, nonnegative, normal_inverse, positive, settle, whole
from theory.errors import DomainError, Refusal, ShapeError
from theory.teachers import Matrix, PowerLaw, Spectrum, Teacher, check_fits, singular_values, teacher


@dataclass(frozen=True)
class Network:
    """A two-layer linear student `f = W2 W1` with `W1: h × d_in`, `W2: d_out × h`."""

    d_in: int
    h: int
    d_out: int

    def __post_init__(self) -> None:
        for name in ("d_in", "h", "d_out"):
            settle(self, **{name: whole(name, getattr(self, name))})


@dataclass(frozen=True)
class Aligned:
    """Start on the balanced aligned path: every mode that the width can carry begins at `s_i(0) = epsilon`."""

    epsilon: float = 1e-3

    def __post_init__(self) -> None:
        remedy = "start from a small positive number; 0 is a saddle and never leaves"
        settle(self, epsilon=normal_inverse("epsilon", self.epsilon, remedy))


@dataclass(frozen=True)
class SmallGaussian:
    """Start from independent Gaussian weights of standard deviation `std`, neither balanced nor aligned."""

    std: float = 1e-2

    def __post_init__(self) -> None:
        settle(self, std=positive("std", self.std))


@dataclass(frozen=True)
class GradientFlow:
    """Pretraining by `θ̇ = −∇L`; `rtol` is the tolerance of a simulation, theory is exact."""

    rtol: float = 1e-8

    def __post_init__(self) -> None:
        settle(self, rtol=positive("rtol", self.rtol))


@dataclass(frozen=True)
class GradientDescent:
    """Pretraining by full-batch steps; a length t is reached after `t / learning_rate` steps."""

    learning_rate: float = 1e-2

    def __post_init__(self) -> None:
        settle(self, learning_rate=positive("learning_rate", self.learning_rate))


@dataclass(frozen=True)
class GaussianNoise:
    """Independent Gaussian noise on every weight: layer l gets the standard deviation `γ_l = strength · scales[l]`."""

    scales: Sequenced = (1.0, 1.0)

    def __post_init__(self) -> None:
        scales = nonnegative("scales", self.scales)
        if scales.shape != (2,):
            raise ShapeError(f"scales of shape {scales.shape}", "there are two layers", "pass one scale per layer")
        settle(self, scales=scales)


@dataclass(frozen=True)
class Sampling:
    """How often a simulation repeats: `draws` of the perturbation at each of `seeds` starts. Theory ignores it.

    antithetic: use every draw of the noise with both signs, so that what is odd in it cancels exactly; the mean is the
    same for noise that is symmetric, its error much smaller where the gradient is not small.
    """

    draws: int = 1024
    seeds: int = 1
    antithetic: bool = False

    def __post_init__(self) -> None:
        settle(self, draws=whole("draws", self.draws, least=2), seeds=whole("seeds", self.seeds))  # one has no error


Start = Aligned | SmallGaussian
Pretraining = GradientFlow | GradientDescent
Perturbation = GaussianNoise


@dataclass(frozen=True)
class Protocol:
    """Pretrain a network on a teacher for each of `lengths`, then perturb it at each of `strengths`.

    teacher: a teacher, or what `theory.teacher` makes one of: a spectrum, a matrix, the path of a `.npy` file.
    lengths: pretraining lengths in gradient-flow time (learning rate × steps), increasing, from 0.
    strengths: strengths of the perturbation, increasing, from 0 (for noise: its standard deviation).
    network: by default as wide and as high as the teacher needs, `h = min(d_in, d_out)`.

    >>> protocol = Protocol(PowerLaw(modes=4), lengths=(0, 10), strengths=(0.1,))
    >>> protocol.network
    Network(d_in=4, h=4, d_out=4)
    >>> read(write(protocol)) == protocol
    True
    """

    teacher: Teacher
    lengths: Sequenced
    strengths: Sequenced
    network: Network = None  # type: ignore[assignment]  # filled in below, never None once built
    start: Start = field(default_factory=Aligned)
    pretraining: Pretraining = field(default_factory=GradientFlow)
    perturbation: Perturbation = field(default_factory=GaussianNoise)
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        settle(self, teacher=teacher(self.teacher))
        settle(self, lengths=_grid("lengths", self.lengths), strengths=_grid("strengths", self.strengths))
        for name, kinds in (
            ("network", (Network, type(None))), ("start", (Aligned, SmallGaussian)), ("sampling", (Sampling,)),
            ("pretraining", (GradientFlow, GradientDescent)), ("perturbation", (GaussianNoise,)),
        ):  # fmt: skip
            if not isinstance(given := getattr(self, name), kinds):
                known = " or ".join(f"{kind.__name__}(…)" for kind in kinds if kind is not type(None))
                raise DomainError(f"{name} = {given!r}", "it is none that is known", f"pass {known}")
        if self.network is None:
            modes = singular_values(self.teacher).size
            d_out, d_in = self.teacher.shape if isinstance(self.teacher, Matrix) else (modes, modes)
            settle(self, network=Network(d_in=d_in, h=modes, d_out=d_out))
        check_fits(self.teacher, self.network.d_out, self.network.d_in)


def _grid(name: str, values: Numbers) -> np.ndarray:
    grid = np.atleast_1d(nonnegative(name, values))
    if grid.ndim != 1 or grid.size == 0:
        raise ShapeError(f"{name} of shape {grid.shape}", "it is a non-empty list of numbers", "pass a 1-d array")
    if (np.diff(grid) <= 0).any():
        raise DomainError(name, "its values must increase", f"pass sorted(set({name}))")
    return grid


@cache
def _converter() -> cattrs.Converter:
    """Plain dataclasses to and from plain dictionaries; where several kinds are possible, `kind` names it."""
    converter = cattrs.Converter(forbid_extra_keys=True)
    # the library's own hooks call int() and float(), which turn 2.5 into 2 and "3" into 3.0 without a word
    converter.register_structure_hook(int, lambda value, _: whole("value", value, least=0))
    converter.register_structure_hook(float, lambda value, _: float(finite("value", value)))
    kinds = (PowerLaw, Spectrum, Matrix, Network, Aligned, SmallGaussian, GradientFlow, GradientDescent, GaussianNoise)
    converter.register_structure_hook(bool, _truth)
    converter.register_structure_hook(Sequenced, lambda value, _: value)  # checked by the class that it belongs to
    for cls in (*kinds, Sampling):
        # defaults are left out, so that a field added later changes no protocol already written or hashed
        converter.register_unstructure_hook(cls, make_dict_unstructure_fn(cls, converter, _cattrs_omit_if_default=True))
    for union in (Teacher, Start, Pretraining):
        configure_tagged_union(union, converter, tag_name="kind")
    converter.register_unstructure_hook(
        Protocol,
        make_dict_unstructure_fn(
            Protocol, converter, _cattrs_omit_if_default=True, network=override(omit_if_default=False)
        ),
    )
    return converter


def write(protocol: Protocol) -> str:
    """The protocol as canonical JSON: equal protocols give equal text, numbers survive to the last bit."""
    return json.dumps(_converter().unstructure(protocol), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def read(text: str) -> Protocol:
    """The protocol that `write` wrote, or that a person wrote by hand; DomainError says what is wrong and where."""
    try:
        plain: Any = json.loads(text)
        if not isinstance(plain, dict):
            raise DomainError("the protocol", "it is not a JSON object", "write it with theory.write(protocol)")
        return _converter().structure(plain, Protocol)
    except json.JSONDecodeError as error:
        raise DomainError("the protocol", f"it is not JSON ({error})", "write it with theory.write(protocol)") from None
    except cattrs.errors.BaseValidationError as error:
        reasons = "; ".join(cattrs.transform_error(error, format_exception=_reason))
        raise DomainError("the protocol", reasons, "compare with theory.write(protocol)") from None


def _truth(value: Any, _: type) -> bool:
    if not isinstance(value, bool):
        raise DomainError(f"value = {value!r}", "it is neither true nor false", "write true or false")
    return value


def _reason(error: BaseException, kind: Any) -> str:
    """One line for one fault; our own refusals keep their words."""
    if isinstance(error, Refusal):
        return str(error).removesuffix(".")
    if isinstance(error, KeyError) and error.args:
        return f"{error.args[0]!r} is missing or unknown"
    return cattrs.v.format_exception(error, kind)
