"""The family of exact solutions that a protocol belongs to, and the refusal if it belongs to none."""

import numpy as np

from overtraining.setting.errors import NoFormula
from overtraining.setting.inputs import Inputs
from overtraining.setting.resolved import ResolvedProtocol
from overtraining.setting.starts import Aligned, Balanced, FanIn, SmallGaussian
from overtraining.setting.training import GradientFlow
from overtraining.setting.weights import Weights
from overtraining.theory.solvers.known_weights import known_weights, nothing_is_trained
from overtraining.theory.solvers.own_weights import own_weights
from overtraining.theory.solvers.paths import MEASURE, Solution, decoupled_modes, matrix_riccati, single_layer
from overtraining.theory.solvers.random_path import MOST_ERROR, error_of_limit, mode_decay, small_random


def solve(resolved: ResolvedProtocol) -> Solution:
    """The exact solution of a protocol's pretraining, whatever its perturbation.

    | start                           | depth | inputs                        | weight decay | family            |
    |---------------------------------|-------|-------------------------------|--------------|-------------------|
    | Aligned, or Balanced at angle 0 | any   | Σx shares the teacher's axes  | depth 1, 2   | `decoupled_modes` |
    | Aligned with an imbalance       | 2     | Σx shares the teacher's axes  | none         | `decoupled_modes` |
    | Balanced, any angle, imbalance  | 2     | Σx = ξI                       | none         | `matrix_riccati`  |
    | Aligned, Balanced or Weights    | 1     | any Σx                        | any          | `single_layer`    |
    | SmallGaussian, FanIn, if small  | 2     | Σx = ξI                       | any          | `small_random`    |
    | Weights, nearly λ-balanced      | 2     | Σx = ξI                       | none         | `own_weights`     |
    | Weights, nearly balanced and as | 2, …  | Σx shares the teacher's axes  | none         | `own_weights`     |
    | the teacher's singular vectors  |       |                               |              |                   |
    | Weights, at length 0 alone      | 2, …  | any Σx                        | any          | `known_weights`   |

    Common to all but the last: a linear network, gradient flow, and the loss over the population, which does not depend
    on the labels' noise. Biases change nothing: from 0, on inputs of mean 0, they stay 0.
    Raises NoFormula for anything else, with the reason and what to do instead.

    >>> from overtraining.setting.protocol import Protocol
    >>> from overtraining.setting.resolved import resolve
    >>> from overtraining.setting.teachers import PowerLaw
    >>> solve(resolve(Protocol(PowerLaw(2), lengths=(0, 9), strengths=(0.1,)))).claims
    'A3'
    """
    start, reasons = resolved.protocol.start, _without_formula(resolved)
    untrained = isinstance(start, Weights) and resolved.protocol.network.depth > 1 and nothing_is_trained(resolved)
    for applies, refused, why, instead in reasons[:1] if untrained else reasons:
        if applies:
            raise NoFormula(repr(refused), why, f"{instead}, or {MEASURE}")
    if isinstance(start, Weights) and untrained:
        return known_weights(resolved, start.matrices)
    if isinstance(start, SmallGaussian | FanIn):
        _check_small(resolved)
        return small_random(resolved)
    if isinstance(start, Weights) and resolved.protocol.network.depth > 1:
        return own_weights(resolved)
    if _decoupled(resolved) and not (resolved.protocol.network.depth == 1 and _decays_unseen(resolved)):
        return decoupled_modes(resolved)
    return single_layer(resolved) if resolved.protocol.network.depth == 1 else matrix_riccati(resolved)


def white(inputs: Inputs) -> str:
    """What to change to have whitened inputs, for a refusal of others.

    >>> white(Inputs((2.0, 1.0)))
    'spectrum=()'
    """
    return "input_covariance=()" if inputs.input_covariance else "spectrum=()"


def _decoupled(resolved: ResolvedProtocol) -> bool:
    """Whether start and inputs decouple the modes of the teacher (claim A2)."""
    n, start = resolved.protocol.network, resolved.protocol.start
    rotates = isinstance(start, Balanced) and start.angle > 0 and max(n.d_in, n.d_out) > 1
    rotates |= isinstance(start, Weights)
    lopsided = isinstance(start, Balanced) and start.imbalance != 0
    return not (rotates or lopsided) and resolved.shares_axes


def _decays_unseen(resolved: ResolvedProtocol) -> bool:
    """Whether weight decay acts on directions in which the inputs do not vary, where no mode has a time of its own."""
    return resolved.protocol.pretraining.weight_decay > 0 and not (resolved.variances > 0).all()


def _check_small(resolved: ResolvedProtocol) -> None:
    """Refuse random starts whose limit says little: no mode, equal ones, or weights that are not small."""
    start, teacher = resolved.protocol.start, resolved.protocol.teacher
    grows = resolved.sigma[resolved.sigma > mode_decay(resolved)]
    if not grows.size:
        raise NoFormula(repr(start), "no mode grows out of these weights", f"use start=Aligned(epsilon), or {MEASURE}")
    if (np.diff(grows[: resolved.protocol.network.h + 1]) == 0).any():
        why = "from random weights equal singular values are not learned one by one"
        raise NoFormula(repr(teacher), why, f"use distinct ones or start=Aligned(epsilon), or {MEASURE}")
    error = error_of_limit(resolved)
    if error > MOST_ERROR:
        given = f"{start!r}, of which the limit of small weights misses about {error:.1g} of the loss"
        why = "the weights are not small enough for the gaps of the teacher's singular values: 0.1 is the most"
        raise NoFormula(given, why, f"use a smaller start or Aligned(epsilon), or {MEASURE}")


def _how_axes_differ(resolved: ResolvedProtocol) -> str:
    mixed = "its axes are not the teacher's, so that modes mix"
    if not resolved.protocol.inputs.input_covariance or resolved.shares_axes:
        return mixed
    return f"{mixed}: there, VᵀΣxV has entries beside the diagonal of {resolved.misalignment:.2g} of its largest"


def _without_formula(resolved: ResolvedProtocol) -> tuple[tuple[bool, object, str, str], ...]:
    """Whether a reason applies, what was given, the reason, what to do instead; the first that applies is told.

    Only the first of them is about more than training.
    """
    n, start, inputs = resolved.protocol.network, resolved.protocol.start, resolved.protocol.inputs
    training = resolved.protocol.pretraining
    decays = training.weight_decay > 0
    random = isinstance(start, SmallGaussian | FanIn)
    lopsided = isinstance(start, Aligned | Balanced) and start.imbalance != 0
    coupled = n.depth > 1 and isinstance(start, Balanced) and not _decoupled(resolved)
    return (
        (n.activation != "linear", n, "only linear networks have closed forms", "use activation='linear'"),
        (not isinstance(training, GradientFlow), training, "formulas are for continuous time",
         "use pretraining=GradientFlow(), which plain steps of size η follow to O(η)"),
        (inputs.samples is not None, inputs, "formulas are for the loss over the whole population", "use samples=None"),
        (random and n.depth != 2, start, "random weights are neither aligned nor balanced, and only two layers of them "
         "have a limit", "use depth=2, start=Aligned(epsilon) or Balanced(epsilon, angle)"),
        (random and not resolved.isotropic, inputs, "the limit of small random weights is for white inputs",
         f"use {white(inputs)} or start=Aligned(epsilon)"),
        (n.depth > 1 and not resolved.shares_axes, inputs, _how_axes_differ(resolved),
         "use depth=1" if inputs.input_covariance else "use shared=True"),
        (n.depth > 1 and _decays_unseen(resolved), inputs, "with weight decay the inputs must vary in every direction",
         "use weight_decay=0 or depth=1"),
        (n.depth > 2 and decays, training, "only one and two layers have a formula for weight decay",
         "use weight_decay=0"),
        (n.depth > 2 and coupled, start, "the matrix solution is for two layers", "use angle=0"),
        (n.depth > 1 and isinstance(start, Weights) and decays, training,
         "with weight decay there is no bound on what the weights' imbalance changes", "use weight_decay=0"),
        (lopsided and decays, start, "weight decay lets the imbalance decay, and formulas are for a constant one",
         "use imbalance=0 or weight_decay=0"),
        (coupled and not resolved.isotropic, inputs, "the matrix solution is for whitened inputs",
         f"use {white(inputs)} or start=Aligned(epsilon)"),
        (coupled and decays, training, "the matrix solution is for no weight decay",
         "use weight_decay=0 or start=Aligned(epsilon)"),
    )  # fmt: skip
