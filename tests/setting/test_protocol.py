"""Protocols: what fits together, and what is refused by name."""

from dataclasses import replace

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import FineTuning, Noise, Pruning
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.serialization import read, write
from overtraining.setting.starts import Aligned, Balanced, SmallGaussian
from overtraining.setting.tasks import SharedVectors
from overtraining.setting.teachers import Matrix, PowerLaw, Spectrum, teacher

PLAIN = Protocol(PowerLaw(3), lengths=(0.0, 1.0), strengths=(0.1,))


@pytest.mark.parametrize(
    ("build", "kind"),
    [
        (lambda: Sampling(draws=1), DomainError),
        (lambda: Network(0, 1, 1), DomainError),
        (lambda: replace(PLAIN, perturbation=Noise((1.0, 1.0, 1.0))), ShapeError),
        (lambda: replace(PLAIN, perturbation=FineTuning(SharedVectors(np.ones(4)))), ShapeError),
        (lambda: replace(PLAIN, perturbation=FineTuning(Matrix(np.eye(4)))), ShapeError),
        (lambda: replace(PLAIN, perturbation=Pruning(), strengths=(0.5, 1.5)), DomainError),
        (lambda: replace(PLAIN, start=Balanced(imbalance=0.1), network=Network(9, 8, 7)), ShapeError),
        (lambda: replace(PLAIN, start=Balanced(imbalance=-0.1), network=Network(7, 8, 9)), ShapeError),
        (lambda: replace(PLAIN, start=Aligned(imbalance=0.1), network=Network(3, 3, 3, depth=3)), DomainError),
        (lambda: replace(PLAIN, network=Network(3, 3, 3, activation="relu")), DomainError),
        (lambda: Network(3, 3, 3, activation="swish"), DomainError),
        (lambda: Network(3, 3, 3, depth=3, activation="relu"), DomainError),
        (lambda: replace(PLAIN, inputs=Inputs(spectrum=(1.0,))), ShapeError),
        (lambda: Protocol(PowerLaw(3), (0, 1), (1,), Network(2, 3, 3)), ShapeError),
        (lambda: Protocol(Matrix(np.eye(2)), (0, 1), (1,), Network(3, 3, 3)), ShapeError),
        (lambda: Protocol(PowerLaw(3), [], (1,)), ShapeError),
        (lambda: Protocol(PowerLaw(3), (0, np.inf), (1,)), DomainError),
        (lambda: Protocol(PowerLaw(3), (0, 0), (1,)), DomainError),
    ],
)
def test_parts_that_do_not_fit_are_refused(build, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        build()


def test_the_side_of_an_imbalance_says_which_layer_must_be_wide() -> None:
    assert replace(PLAIN, start=Balanced(imbalance=0.1), network=Network(7, 8, 9)).network.h == 8
    assert replace(PLAIN, start=Balanced(imbalance=-0.1), network=Network(9, 8, 7)).network.h == 8


def test_a_spectrum_is_a_teacher_and_what_is_no_part_is_refused(untyped) -> None:
    build = lambda *given, **named: untyped(Protocol.__init__)(object.__new__(Protocol), *given, **named)
    made = object.__new__(Protocol)
    untyped(Protocol.__init__)(made, [1.0, 0.5], (0, 1), (1,))
    assert made.teacher == Spectrum((1.0, 0.5))
    for name, wrong in (
        ("start", SmallGaussian),
        ("pretraining", "gd"),
        ("perturbation", 0.1),
        ("sampling", 100),
        ("network", (4, 4, 4)),
    ):
        with pytest.raises(DomainError, match=f"{name} = .*Instead: pass "):
            build(PowerLaw(3), (0, 1), (1,), **{name: wrong})
    with pytest.raises(ShapeError, match="different lengths"):
        teacher([[1.0, 2.0], [0.0]])


def test_pretraining_is_followed_without_strengths() -> None:
    protocol = Protocol(PowerLaw(2), (0.0, 4.0))
    assert protocol.strengths == (0.0,)
    assert read(write(protocol)) == protocol == read(write(protocol).replace('"strengths":[0.0],', ""))
