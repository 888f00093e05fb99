"""A Protocol as JSON: written and read without loss, refused by name."""

from dataclasses import replace

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import FineTuning, Noise, Pruning, Quantization
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.serialization import read, write
from overtraining.setting.starts import Aligned, Balanced, FanIn, SmallGaussian
from overtraining.setting.tasks import RotatedTeacher, SharedVectors
from overtraining.setting.teachers import Geometric, Matrix, PowerLaw, Spectrum, teacher
from overtraining.setting.training import GradientDescent, GradientFlow
from overtraining.setting.weights import Weights

PLAIN = Protocol(PowerLaw(3), lengths=(0.0, 1.0), strengths=(0.1,))
PROTOCOLS = [
    PLAIN,
    replace(PLAIN, teacher=Spectrum([1 / 3, 0.1, 0.0]), start=Aligned(1e-300), network=Network(5, 2, 4)),
    replace(PLAIN, teacher=teacher(np.array([[1.0, 2.0], [0.1, 1e-17]])), network=Network(2, 7, 2)),
    replace(PLAIN, start=SmallGaussian(0.1), pretraining=GradientDescent(0.3), perturbation=Noise((1, 0))),
    replace(
        PLAIN,
        teacher=Geometric(2, 0.3),
        network=Network(4, 3, 3, depth=4),
        start=Balanced(1e-4, 1.2),
        perturbation=Quantization("row"),
        inputs=Inputs((4, 3, 2, 1), shared=False),
    ),
    replace(
        PLAIN,
        network=Network(3, 9, 3, activation="gelu", bias=True),
        start=FanIn(2.0),
        pretraining=GradientDescent(0.1, 8, "adamw", schedule="cosine", horizon="each", weight_decay=0.1),
        perturbation=Pruning(),
        inputs=Inputs(samples=100, label_noise=0.5),
    ),
    replace(PLAIN, perturbation=FineTuning(RotatedTeacher(0.7, 2.0), anchor=0.1, replay_share=0.2, rank=1)),
    replace(PLAIN, perturbation=FineTuning(SharedVectors((1.0, -2.0)), GradientDescent(0.1, batch=4), label_noise=1.0)),
    replace(PLAIN, perturbation=FineTuning(Matrix(np.eye(3)))),
    replace(PLAIN, pretraining=GradientFlow(weight_decay=0.1), perturbation=Quantization(None)),
    replace(PLAIN, perturbation=Quantization(None, "dithered")),
    replace(PLAIN, start=Weights(np.full((3, 3), 0.1, np.float32), np.eye(3) / 3, tolerance=1e-3)),
    replace(PLAIN, lengths=np.geomspace(1e-3, 1e6, 7), strengths=range(5), sampling=Sampling(10, 3, True)),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_survives_writing(protocol: Protocol) -> None:
    again = read(write(protocol))
    assert again == protocol
    assert hash(again) == hash(protocol)
    assert write(again) == write(protocol)


def test_equal_numbers_are_equal_protocols() -> None:
    given = [PowerLaw(3, 1.0), PowerLaw(modes=3, alpha=np.float64(1)), PowerLaw(3, scale=1.0)]
    assert len({write(replace(PLAIN, teacher=t)) for t in given}) == len(set(given)) == 1
    assert replace(PLAIN, lengths=[0, 1]) == replace(PLAIN, lengths=np.array([0.0, 1.0])) == PLAIN


def test_differences_are_written() -> None:
    assert len({write(p) for p in PROTOCOLS}) == len(PROTOCOLS)
    assert write(replace(PLAIN, start=Aligned(np.nextafter(1e-3, 1)))) != write(PLAIN)


def test_defaults_are_left_out() -> None:
    """So that a field added to the language later does not change a protocol written before."""
    assert write(PLAIN) == (
        '{"lengths":[0.0,1.0],"network":{"d_in":3,"d_out":3,"h":3},"strengths":[0.1],'
        '"teacher":{"kind":"PowerLaw","modes":3}}'
    )


def test_protocols_written_under_older_names_are_read() -> None:
    older = (
        '{"lengths":[0.0,1.0],"network":{"d_in":3,"d_out":3,"h":3},"perturbation":{"anchor":0.1,"kind":"FineTuning",'
        '"replay":0.2,"task":{"angle":0.7,"kind":"Turned"},"training":{"decay":0.5,"kind":"GradientDescent",'
        '"schedule":"warmup-stable-decay","warmup":0.1}},"strengths":[0.1],"teacher":{"kind":"PowerLaw","modes":3}}'
    )
    training = GradientDescent(schedule="warmup-stable-decay", warmup_share=0.1, decay_share=0.5)
    now = replace(PLAIN, perturbation=FineTuning(RotatedTeacher(0.7), training, anchor=0.1, replay_share=0.2))
    assert read(older) == now
    shared = replace(PLAIN, perturbation=FineTuning(SharedVectors((0.5, 0.2))))
    assert read(write(shared).replace("SharedVectors", "Shared")) == shared
    with pytest.raises(DomainError, match="'replay' is not one of its fields"):
        read(older.replace('"replay":0.2', '"replay":0.2,"replay_share":0.2'))


GOOD = write(PLAIN)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        (GOOD.replace('"modes":3', '"modes":3.5'), r"teacher\.modes: value = 3.5"),
        (GOOD.replace('"modes":3', '"modes":"3"'), r"teacher\.modes: value = '3'"),
        (GOOD.replace("PowerLaw", "Powerlaw"), r"teacher: no kind 'Powerlaw': try PowerLaw\."),
        (GOOD.replace('"kind":"PowerLaw",', ""), "teacher: it has no kind, which is one of Geometric, Matrix"),
        (
            GOOD.replace('"modes":3', '"mode":3'),
            r"teacher\.modes: 'modes' is missing; teacher: 'mode' is not one of its fields: try modes\.",
        ),
        (GOOD.replace('{"kind":"PowerLaw","modes":3}', '"PowerLaw"'), "teacher: it is not a group of fields"),
        (GOOD.replace("[0.1]", "[NaN]"), r"strengths\[0\] = nan.*finite"),
        (GOOD.replace("[0.1]", "[-0.1]"), "negative"),
        (GOOD.replace("[0.0,1.0]", "[1.0,0.0]"), "must increase"),
        (GOOD.replace('"d_in":3', '"d_in":2'), "modes"),
        (GOOD.replace('"lengths"', '"length"'), "length"),
    ],
)
def test_reading_refuses(text: str, says: str) -> None:
    with pytest.raises((DomainError, ShapeError), match=says):
        read(text)
