"""Protocols that experiments share with figures and with each other; figures change only grids and draws."""

from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import FineTuning, Noise
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned, SmallGaussian
from overtraining.setting.tasks import RotatedTeacher
from overtraining.setting.teachers import PowerLaw, Spectrum
from overtraining.setting.training import GradientDescent

STUDENTS = ("linear", "tanh", "relu")
NOISES = ((0.3, 0.3), (0.15, 0.4), (0.5, 0.1))  # γ₁, γ₂
ANGLE = 1.5  # of the rotated task, in radians
ROTATED = FineTuning(RotatedTeacher(ANGLE), GradientDescent(0.05, batch=32))


def student(activation: str) -> Protocol:
    """A two-layer student 4→16→4 of a linear teacher: small random weights, 400 examples, noise of scale 0.3.

    >>> student("tanh").network
    Network(d_in=4, h=16, d_out=4, depth=2, activation='tanh', bias=False)
    """
    return Protocol(
        PowerLaw(4, scale=1.5),
        lengths=(0.0, 2.0, 4.0, 10.0, 30.0),
        strengths=(0.3,),
        network=Network(d_in=4, h=16, d_out=4, activation=activation),
        start=SmallGaussian(0.03),
        pretraining=GradientDescent(0.1),
        inputs=Inputs(samples=400),
    )


def unequal_costs(gammas: tuple[float, float]) -> Protocol:
    """Three features in a 5→4→3 network with noise (γ₁, γ₂); the layers have unequal noise costs even where γ₁ = γ₂.

    Learned completely, the weakest feature raises the loss after noise.

    >>> unequal_costs((0.15, 0.4)).perturbation.scales
    (0.15, 0.4)
    """
    return Protocol(
        Spectrum((1.0, 0.6, 0.2)),
        lengths=(1.0, 3.0, 4.0, 5.0, 8.0, 60.0),
        strengths=(1.0,),
        network=Network(d_in=5, h=4, d_out=3),
        start=Aligned(1e-3),
        perturbation=Noise(gammas),
    )


def noisy_steps() -> Protocol:
    """Two features in a 6→2→2 network, for 4,000 steps on noisy labels; here lengths count steps.

    >>> noisy_steps().lengths[-1]
    4000.0
    """
    return Protocol(
        Spectrum((1.0, 0.5)), lengths=(0.0, 4000.0), strengths=(0.0,), network=Network(d_in=6, h=2, d_out=2)
    )
