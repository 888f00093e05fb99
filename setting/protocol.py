"""The Protocol: everything that is done to a network, as one frozen value that can be hashed, written and read back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from overtraining.setting import limits
from overtraining.setting.arrays import Sequenced
from overtraining.setting.changes import changed
from overtraining.setting.domain import at_most, check_fields, freeze, increasing_list, instance, truth, whole
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.inputs import Inputs, check_inputs_fit
from overtraining.setting.near_names import NamedFields
from overtraining.setting.perturbations import FineTuning, Noise, Perturbation, Pruning
from overtraining.setting.shown import shown, table
from overtraining.setting.starts import Aligned, Balanced, Start
from overtraining.setting.tasks import check_task_fits
from overtraining.setting.teachers import Matrix, Teacher, check_fits, mode_count, teacher
from overtraining.setting.training import GradientDescent, GradientFlow, Pretraining
from overtraining.setting.weights import Weights

Activation = Literal["linear", "tanh", "relu", "gelu"]


def _depth(name: str, n: Any) -> int:
    return at_most(name, whole(name, n), limits.DEPTH, "its layers are listed one by one")


@dataclass(frozen=True)
class Network(NamedFields):
    """A student: linear of any depth, `f = W_L … W_1`, all hidden layers of width h; or two layers with an activation.

    d_in, h, d_out: numbers of inputs, of units in every hidden layer, and of outputs.
    depth: number of layers L. At depth 1 `f = W_1` is `d_out × d_in`, and h has no meaning.
    activation: of the hidden layer; "linear" for none.
    bias: whether every unit has a bias, which starts at 0.
    """

    d_in: int
    h: int
    d_out: int
    depth: int = 2
    activation: str = "linear"
    bias: bool = False

    def __post_init__(self) -> None:
        check_fields(self, d_in=whole, h=whole, d_out=whole, depth=_depth, activation=Activation, bias=truth)
        if self.activation != "linear" and self.depth != 2:
            raise DomainError(
                f"{self.activation} of depth {self.depth}", "networks with an activation have two layers", "use depth=2"
            )

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Shapes (out, in) of W_1 … W_L.

        >>> Network(4, 3, 2, depth=3).shapes
        ((3, 4), (3, 3), (2, 3))
        """
        widths = (self.d_in, *(self.h,) * (self.depth - 1), self.d_out)
        return tuple(zip(widths[1:], widths[:-1], strict=True))

    @property
    def width(self) -> int:
        """The largest rank of f: the narrowest of its layers."""
        return min(min(shape) for shape in self.shapes)


@dataclass(frozen=True)
class Sampling(NamedFields):
    """How often a simulation repeats: `draws` of the perturbation at each of `seeds` starts. Theory ignores it.

    draws: of the perturbation, at each seed.
    seeds: starts, each with its own weights; results are averaged over them.
    antithetic: use every draw of the noise with both signs, so that terms odd in the noise cancel exactly. The mean is
    the same for symmetric noise, and its error is much smaller where the gradient is not small.
    """

    draws: int = 1024
    seeds: int = 1
    antithetic: bool = False

    def __post_init__(self) -> None:
        check_fields(self, draws=_at_least_two, seeds=whole, antithetic=truth)


def _at_least_two(name: str, n: Any) -> int:
    return whole(name, n, least=2)  # one draw has no standard error


@dataclass(frozen=True)
class Protocol(NamedFields):
    """Pretrain a network on a teacher for each of `lengths`, then perturb it at each of `strengths`.

    teacher: a teacher, or anything that `setting.teacher` turns into one: a spectrum, a matrix, the path of a `.npy`
    file.
    lengths: pretraining lengths in gradient-flow time (learning rate × steps): increasing numbers >= 0.
    strengths: strengths of the perturbation (for noise: its standard deviation): increasing numbers >= 0;
    by default only 0, which changes nothing: to follow pretraining, no other is needed. One number stands for a list,
    and 3.0 for 3 wherever a whole number is meant.
    network: by default that of a start from `Weights`, else two layers of the smallest widths that fit the teacher,
    `h = min(d_in, d_out)`.
    start: the weights before pretraining.
    pretraining: how the network is trained on the teacher.
    perturbation: what is done to the pretrained network.
    sampling: how often a simulation repeats.
    inputs: by default whitened, the whole population, labels without noise.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> protocol = Protocol(PowerLaw(modes=4), lengths=(0, 10), strengths=(0.1,))
    >>> protocol.network
    Network(d_in=4, h=4, d_out=4, depth=2, activation='linear', bias=False)
    """

    teacher: Teacher
    lengths: Sequenced
    strengths: Sequenced = (0.0,)
    network: Network = None  # type: ignore[assignment]  # filled in below, never None once built
    start: Start = Aligned()
    pretraining: Pretraining = GradientFlow()
    perturbation: Perturbation = Noise()
    sampling: Sampling = Sampling()
    inputs: Inputs = Inputs()

    def __post_init__(self) -> None:
        made = teacher(self.teacher)
        fitting = _fitting_network(made, self.start) if self.network is None else self.network
        freeze(self, teacher=made, network=fitting)
        check_fields(self, lengths=increasing_list, strengths=increasing_list)
        if isinstance(self.start, list | tuple):  # of arrays, which instance() would print
            raise DomainError("start = a list", "a start is named by its class", "pass Weights(W1, W2, …)")
        for name, kinds in PARTS.items():
            if not isinstance(part := getattr(self, name), kinds):
                instance(name, part, *kinds)  # refuses it, in a few words
        _check_parts_fit(self)

    def __repr__(self) -> str:
        return shown(self)

    def _repr_html_(self) -> str:
        return table(self)

    def replace(self, changes: Mapping[str, Any] | None = None, /, **fields: Any) -> "Protocol":
        """The same protocol with other values of these fields, given by name or, in a mapping, by dotted path.

        A network that was left to its default fits the new teacher. Raises DomainError for a field that does not exist,
        and what a Protocol raises.

        >>> from overtraining.setting.teachers import PowerLaw
        >>> protocol = Protocol(PowerLaw(modes=4), lengths=(0, 10), strengths=(0.1,))
        >>> protocol.replace({"teacher.modes": 8}, strengths=(0.2,)).network.h
        8
        """
        new = {**(changes or {}), **fields}
        by_default = self.network == _fitting_network(self.teacher, self.start)
        if by_default and not any(path.split(".")[0] == "network" for path in new):
            new["network"] = None
        return changed(self, new)


PARTS: dict[str, tuple[type, ...]] = {
    "network": (Network,),
    "start": get_args(Start),
    "pretraining": get_args(Pretraining),
    "perturbation": get_args(Perturbation),
    "sampling": (Sampling,),
    "inputs": (Inputs,),
}
"""The parts of a protocol beside its teacher and grids, and their possible classes."""


def _fitting_network(teacher: Teacher, start: object) -> Network:
    if isinstance(start, Weights):
        (h, d_in), d_out = start.shapes[0], start.shapes[-1][0]
        return Network(d_in=d_in, h=h, d_out=d_out, depth=len(start.shapes))
    modes = mode_count(teacher)
    d_out, d_in = teacher.shape if isinstance(teacher, Matrix) else (modes, modes)
    return Network(d_in=d_in, h=modes, d_out=d_out)


def _check_parts_fit(protocol: Protocol) -> None:
    """Refuse parts that are valid by themselves and do not fit each other."""
    n, start, perturbation = protocol.network, protocol.start, protocol.perturbation
    check_fits(protocol.teacher, n.d_out, n.d_in)
    if isinstance(start, Weights) and start.shapes != n.shapes:
        given = f"weights of shapes {shown(start.shapes)} for {n!r}"
        raise ShapeError(given, f"its layers have the shapes {shown(n.shapes)}", "leave out the network")
    if isinstance(start, Aligned | Balanced) and n.activation != "linear":
        why = "it is defined for linear networks"
        raise DomainError(f"{start!r} for {n!r}", why, "use SmallGaussian, or activation='linear'")
    if isinstance(start, Aligned | Balanced) and start.imbalance and n.depth != 2:
        raise DomainError(
            f"{start!r} for {n!r}", "an imbalance is defined for two layers", "use imbalance=0 or depth=2"
        )
    if isinstance(start, Balanced) and start.imbalance and n.h > (n.d_out if start.imbalance > 0 else n.d_in):
        raise ShapeError(
            f"imbalance {start.imbalance:g} with h = {n.h}",
            "W2ᵀW2 − W1W1ᵀ = λI needs h ≤ d_out (λ > 0) or h ≤ d_in",
            "narrow the hidden layer, or start from Aligned(imbalance=…)",
        )
    if isinstance(perturbation, Noise) and perturbation.scales and len(perturbation.scales) != n.depth:
        scales = f"{len(perturbation.scales)} scales"
        raise ShapeError(scales, f"there are {n.depth} layers", "pass one scale per layer, or none")
    if isinstance(perturbation, FineTuning):
        check_task_fits(perturbation.task, n.d_out, n.d_in)
    if isinstance(perturbation, Pruning) and protocol.strengths[-1] > 1:
        raise DomainError(f"strength {protocol.strengths[-1]:g}", "the pruned share is at most 1", "pass 0 to 1")
    check_inputs_fit(protocol.inputs, n.d_in)
    batch = protocol.pretraining.batch if isinstance(protocol.pretraining, GradientDescent) else None
    if n.activation != "linear" and protocol.inputs.samples is None and batch is None:
        raise DomainError(
            f"{n.activation} on the whole population",
            "its loss is not a polynomial of the weights",
            "pass inputs=Inputs(samples=…), or batches of fresh examples: GradientDescent(batch=…)",
        )
