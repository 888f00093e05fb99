"""Protocols that several tests of the simulations start from."""

from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import Noise
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import FanIn, SmallGaussian
from overtraining.setting.teachers import PowerLaw
from overtraining.setting.training import GradientDescent

RELU = Protocol(
    PowerLaw(3),
    (0.0, 2.0),
    (0.2,),
    Network(4, 8, 3, activation="relu"),
    FanIn(),
    GradientDescent(0.1),
    Noise((0.0, 1.0)),
    Sampling(64),
    Inputs(samples=100, label_noise=0.5),
)

SEEN = Protocol(
    PowerLaw(3),
    (0.0, 0.5),
    (0.0,),
    Network(4, 3, 5),
    SmallGaussian(0.5),
    GradientDescent(0.1),
    inputs=Inputs(spectrum=(2.0, 1.0, 0.5, 0.25)),
)
