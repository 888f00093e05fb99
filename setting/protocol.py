"""The Protocol: everything that is done to a network, as one frozen value that can be hashed, written and read."""

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from overtraining.setting.arrays import Numbers, Sequenced
from overtraining.setting.domain import freeze, nonnegative, one_of, truth, whole
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import FineTuning, Noise, Perturbation, Pruning
from overtraining.setting.starts import Aligned, Balanced, Start
from overtraining.setting.tasks import task_matrix
from overtraining.setting.teachers import Matrix, Teacher, check_fits, singular_values, teacher
from overtraining.setting.training import GradientDescent, GradientFlow, Pretraining

Activation = Literal["linear", "tanh", "relu", "gelu"]


@dataclass(frozen=True)
class Network:
    """A student: linear of any depth, `f = W_L … W_1`, all hidden layers h wide; or two layers with an activation.

    depth 1 is `f = W_1: d_out × d_in`, and h has no meaning. Biases (`bias`), one per unit, start at 0.
    """

    d_in: int
    h: int
    d_out: int
    depth: int = 2
    activation: str = "linear"
    bias: bool = False

    def __post_init__(self) -> None:
        for name in ("d_in", "h", "d_out", "depth"):
            freeze(self, **{name: whole(name, getattr(self, name))})
        one_of("activation", self.activation, Activation)
        truth("bias", self.bias)
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
class Sampling:
    """How often a simulation repeats: `draws` of the perturbation at each of `seeds` starts. Theory ignores it.

    antithetic: use every draw of the noise with both signs, so that what is odd in it cancels exactly; the mean is the
    same for noise that is symmetric, its error much smaller where the gradient is not small.
    """

    draws: int = 1024
    seeds: int = 1
    antithetic: bool = False

    def __post_init__(self) -> None:
        freeze(self, draws=whole("draws", self.draws, least=2), seeds=whole("seeds", self.seeds))  # one has no error
        truth("antithetic", self.antithetic)


@dataclass(frozen=True)
class Protocol:
    """Pretrain a network on a teacher for each of `lengths`, then perturb it at each of `strengths`.

    teacher: a teacher, or what `theory.teacher` makes one of: a spectrum, a matrix, the path of a `.npy` file.
    lengths: pretraining lengths in gradient-flow time (learning rate × steps), increasing, from 0.
    strengths: strengths of the perturbation, increasing, from 0 (for noise: its standard deviation).
    network: by default as wide and as high as the teacher needs, two layers, `h = min(d_in, d_out)`.
    inputs: by default whitened, the whole population, labels without noise.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> protocol = Protocol(PowerLaw(modes=4), lengths=(0, 10), strengths=(0.1,))
    >>> protocol.network
    Network(d_in=4, h=4, d_out=4, depth=2, activation='linear', bias=False)
    """

    teacher: Teacher
    lengths: Sequenced
    strengths: Sequenced
    network: Network = None  # type: ignore[assignment]  # filled in below, never None once built
    start: Start = field(default_factory=Aligned)
    pretraining: Pretraining = field(default_factory=GradientFlow)
    perturbation: Perturbation = field(default_factory=Noise)
    sampling: Sampling = field(default_factory=Sampling)
    inputs: Inputs = field(default_factory=Inputs)

    def __post_init__(self) -> None:
        freeze(self, teacher=teacher(self.teacher))
        freeze(self, lengths=_grid("lengths", self.lengths), strengths=_grid("strengths", self.strengths))
        for name, union in (
            ("network", Network | None), ("start", Start), ("sampling", Sampling | None), ("inputs", Inputs | None),
            ("pretraining", Pretraining), ("perturbation", Perturbation),
        ):  # fmt: skip
            kinds = get_args(union)
            given = getattr(self, name)
            if not isinstance(given, kinds) or (given is None and name != "network"):
                known = " or ".join(f"{kind.__name__}(…)" for kind in kinds if kind is not type(None))
                raise DomainError(f"{name} = {given!r}", "it is none that is known", f"pass {known}")
        if self.network is None:
            modes = singular_values(self.teacher).size
            d_out, d_in = self.teacher.shape if isinstance(self.teacher, Matrix) else (modes, modes)
            freeze(self, network=Network(d_in=d_in, h=modes, d_out=d_out))
        check_fits(self.teacher, self.network.d_out, self.network.d_in)
        _check_together(self)


def _check_together(protocol: Protocol) -> None:
    """What each part allows by itself, and the others do not."""
    n, start, how = protocol.network, protocol.start, protocol.perturbation
    if isinstance(start, Aligned | Balanced) and (n.activation != "linear" or (start.imbalance and n.depth != 2)):
        raise DomainError(
            f"{start!r} for {n!r}",
            "it is defined for linear networks, an imbalance for two layers",
            "use SmallGaussian",
        )
    if isinstance(start, Balanced) and start.imbalance and n.h > (n.d_out if start.imbalance > 0 else n.d_in):
        raise ShapeError(
            f"imbalance {start.imbalance:g} with h = {n.h}", "W2ᵀW2 − W1W1ᵀ = λI needs h ≤ d_out (λ > 0) or h ≤ d_in",
            "narrow the hidden layer, or start from Aligned(imbalance=…)",
        )  # fmt: skip
    if isinstance(how, Noise) and how.scales and len(how.scales) != n.depth:
        raise ShapeError(
            f"{len(how.scales)} scales", f"there are {n.depth} layers", "pass one scale per layer, or none"
        )
    if isinstance(how, FineTuning):
        task_matrix(how.task, protocol.teacher, n.d_out, n.d_in)  # refuses what does not fit
    if isinstance(how, Pruning) and protocol.strengths[-1] > 1:
        raise DomainError(f"strength {protocol.strengths[-1]:g}", "the share pruned is at most 1", "pass 0 to 1")
    if protocol.inputs.spectrum and len(protocol.inputs.spectrum) != n.d_in:
        raise ShapeError(
            f"{len(protocol.inputs.spectrum)} eigenvalues of the inputs", f"x has {n.d_in} entries", "pass one for each"
        )
    batch = protocol.pretraining.batch if isinstance(protocol.pretraining, GradientDescent) else None
    if n.activation != "linear" and protocol.inputs.samples is None and batch is None:
        raise DomainError(
            f"{n.activation} on the whole population", "its loss is no polynomial of the weights",
            "pass inputs=Inputs(samples=…), or batches of fresh examples: GradientDescent(batch=…)",
        )  # fmt: skip


def _grid(name: str, values: Numbers) -> np.ndarray:
    grid = np.atleast_1d(nonnegative(name, values))
    if grid.ndim != 1 or grid.size == 0:
        raise ShapeError(f"{name} of shape {grid.shape}", "it is a non-empty list of numbers", "pass a 1-d array")
    if (np.diff(grid) <= 0).any():
        raise DomainError(name, "its values must increase", f"pass sorted(set({name}))")
    return grid
