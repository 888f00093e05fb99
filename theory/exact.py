"""`respond` and `follow`: what the theory says about a protocol, or a refusal that names what it has no formula for."""

import numpy as np
import xarray as xr

from theory.arrays import Values
from theory.balanced_mode import singular_value, unlearned
from theory.errors import NoFormula
from theory.noise import expected_increase
from theory.perturbations import Noise
from theory.protocol import Protocol
from theory.responses import response, trajectory
from theory.starts import Aligned
from theory.teachers import singular_values
from theory.training import GradientFlow
from theory.written import write


def respond(protocol: Protocol) -> xr.Dataset:
    """The exact Response to a protocol: loss before and after noise for every length and strength (claims A3, B1, C1).

    Covers gradient flow from an aligned start, of any shape (a hidden layer narrower than the teacher learns the
    strongest modes only), under independent noise on the weights. Raises NoFormula for anything else.

    >>> from theory.teachers import PowerLaw
    >>> r = respond(Protocol(PowerLaw(modes=3), lengths=(0, 5, 50), strengths=(0.1, 0.2)))
    >>> r.after.dims, r.sensitivity.values[-1].round(4).tolist()
    (('pretraining', 'strength'), [0.0563, 0.2416])
    """
    _covered(protocol)
    assert isinstance(protocol.perturbation, Noise)  # for the type checker: _covered has refused the rest
    s, residual = _modes(protocol)
    before = (residual**2).sum(axis=1) / 2
    strength, network = np.array(protocol.strengths), protocol.network
    gamma_1, gamma_2 = (strength * scale for scale in protocol.perturbation.per_layer(2))
    norm = s.sum(axis=1)[:, None]  # balanced: ‖W1‖² = ‖W2‖² = Σ s_i
    rise = expected_increase(norm, norm, gamma_1, gamma_2, d_in=network.d_in, h=network.h, d_out=network.d_out)
    both = ("pretraining", "strength")
    return response(
        {"before": (both[:1], before), "after": (both, before[:, None] + rise), "sensitivity": (both, rise)},
        {"pretraining": list(protocol.lengths), "strength": strength},
        method="theory",
        source="closed form (claims A3, B1)",
        perturbation="Gaussian noise on every weight",
        strength_name="noise scale γ",
        model=describe(protocol),
        extra={"protocol": write(protocol)},
    )


def follow(protocol: Protocol) -> xr.Dataset:
    """The exact Trajectory: student singular values, loss and squared weight norm along pretraining (claim A3).

    Coverage and errors as in `respond`; `mode` counts from 1, strongest first.
    """
    _covered(protocol)
    s, residual = _modes(protocol)
    return trajectory(
        {
            "singular_value": (("pretraining", "mode"), s),
            "loss": (("pretraining",), (residual**2).sum(axis=1) / 2),
            "weight_norm": (("pretraining",), 2 * s.sum(axis=1)),
        },
        {"pretraining": list(protocol.lengths), "mode": np.arange(1, s.shape[1] + 1)},
        method="theory",
        source="closed form (claim A3)",
        model=describe(protocol),
        extra={"protocol": write(protocol)},
    )


def describe(protocol: Protocol) -> str:
    """The network and its teacher in a few words, for legends and attributes."""
    n, teacher = protocol.network, protocol.teacher
    return f"two-layer linear {n.d_in}→{n.h}→{n.d_out}, teacher {type(teacher).__name__}"


def _covered(protocol: Protocol) -> None:
    for part, covered, instead in (
        (protocol.start, Aligned, "use start=Aligned(epsilon), or measure it with simulations.respond"),
        (protocol.pretraining, GradientFlow, "use pretraining=GradientFlow(), which steps of size η follow to O(η)"),
        (protocol.perturbation, Noise, "use perturbation=Noise()"),
    ):
        if not isinstance(part, covered):
            raise NoFormula(repr(part), "the theory has no exact formula for it", instead)


def _modes(protocol: Protocol) -> tuple[Values, Values]:
    """Student singular values, and σ − s for all modes; both (pretraining, mode).

    The aligned start excites the strongest h modes; a mode that finds no hidden unit stays unlearned for ever.
    """
    sigma, t = singular_values(protocol.teacher), np.array(protocol.lengths)[:, None]
    learned, out_of_reach = np.split(sigma, [protocol.network.h])
    assert isinstance(protocol.start, Aligned)  # for the type checker: _covered has refused the rest
    s = singular_value(t, learned, protocol.start.epsilon)
    residual = unlearned(t, learned, protocol.start.epsilon)
    return s, np.hstack([residual, np.broadcast_to(out_of_reach, (t.size, out_of_reach.size))])
