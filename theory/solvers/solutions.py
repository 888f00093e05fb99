"""Which family of exact solutions a protocol belongs to, and by what name it is refused if to none."""

from overtraining.setting.errors import NoFormula
from overtraining.setting.protocol import Protocol
from overtraining.setting.starts import Aligned, Balanced, FanIn, SmallGaussian
from overtraining.setting.training import GradientFlow
from overtraining.theory.solvers.paths import Solution, as_a_whole, by_entries, by_modes

MEASURE = "measure it with simulations.respond or simulations.follow"


def solve(protocol: Protocol) -> Solution:
    """The exact solution of a protocol's pretraining, whatever its perturbation.

    | start                           | depth | inputs                        | weight decay | family       |
    |---------------------------------|-------|-------------------------------|--------------|--------------|
    | Aligned, or Balanced at angle 0 | any   | Σx shares the teacher's axes  | depth 1, 2   | `by_modes`   |
    | Aligned with an imbalance       | 2     | Σx shares the teacher's axes  | none         | `by_modes`   |
    | Balanced, any angle, imbalance  | 2     | Σx = ξI                       | none         | `as_a_whole` |
    | Aligned or Balanced             | 1     | any Σx                        | any          | `by_entries` |

    Common to all: a linear network without biases, gradient flow, the population's loss, in which the labels' noise
    does not show. Raises NoFormula for anything else, with the reason and what to do instead.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> solve(Protocol(PowerLaw(2), lengths=(0, 9), strengths=(0.1,))).claims
    'A3'
    """
    for applies, what, why, instead in _without_formula(protocol):
        if applies:
            raise NoFormula(repr(what), why, f"{instead}, or {MEASURE}")
    if _part(protocol):
        return by_modes(protocol)
    return by_entries(protocol) if protocol.network.depth == 1 else as_a_whole(protocol)


def _part(protocol: Protocol) -> bool:
    """Do start and inputs leave every mode of the teacher by itself (claim A2)?"""
    n, start = protocol.network, protocol.start
    turns = isinstance(start, Balanced) and (start.imbalance != 0 or (start.angle > 0 and max(n.d_in, n.d_out) > 1))
    return not turns and (protocol.inputs.shared or protocol.inputs.isotropic)


def _without_formula(protocol: Protocol) -> tuple[tuple[bool, object, str, str], ...]:
    """Does it apply, what was given, why there is no formula, what to do instead; the first that applies is told."""
    n, start, how, inputs = protocol.network, protocol.start, protocol.pretraining, protocol.inputs
    decays, lopsided = how.weight_decay > 0, isinstance(start, Aligned | Balanced) and start.imbalance != 0
    apart = inputs.shared or inputs.isotropic
    whole = n.depth > 1 and isinstance(start, Balanced) and not _part(protocol)
    return (
        (n.activation != "linear", n, "only linear networks have closed forms", "use activation='linear'"),
        (n.bias, n, "no formula has biases",
         "use bias=False, which is the same: from 0, on inputs of mean 0, a linear network's biases stay 0"),
        (isinstance(start, SmallGaussian | FanIn), start, "random weights are neither aligned nor balanced",
         "use start=Aligned(epsilon) or Balanced(epsilon, angle)"),
        (not isinstance(how, GradientFlow), how, "formulas are for continuous time",
         "use pretraining=GradientFlow(), which plain steps of size η follow to O(η)"),
        (inputs.samples is not None, inputs, "formulas are for the loss over the whole population", "use samples=None"),
        (n.depth > 1 and not apart, inputs, "its axes are not the teacher's, so that modes mix", "use shared=True"),
        (n.depth > 2 and decays, how, "only one and two layers have a formula for weight decay",
         "use weight_decay=0"),
        (n.depth > 2 and whole, start, "the matrix solution is for two layers", "use angle=0"),
        (lopsided and decays, start, "weight decay lets the imbalance decay, and formulas are for one that stays",
         "use imbalance=0 or weight_decay=0"),
        (whole and not inputs.isotropic, inputs, "the matrix solution is for whitened inputs",
         "use spectrum=() or start=Aligned(epsilon)"),
        (whole and decays, how, "the matrix solution is for no weight decay",
         "use weight_decay=0 or start=Aligned(epsilon)"),
    )  # fmt: skip
