"""Protocols: hashable, written and read without loss, refused by name."""

from dataclasses import replace

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.inputs import Inputs, input_axes, input_covariance
from overtraining.setting.perturbations import FineTuning, Noise, Pruning, Quantization
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.serialization import read, write
from overtraining.setting.starts import Aligned, Balanced, FanIn, SmallGaussian
from overtraining.setting.tasks import RotatedTeacher, SharedVectors
from overtraining.setting.teachers import (
    Geometric,
    Matrix,
    PowerLaw,
    Spectrum,
    singular_frames,
    singular_values,
    teacher,
    teacher_matrix,
)
from overtraining.setting.training import GradientDescent, GradientFlow

PLAIN = Protocol(PowerLaw(3), lengths=(0.0, 1.0), strengths=(0.1,))
PROTOCOLS = [
    PLAIN,
    replace(PLAIN, teacher=Spectrum([0.1, 1 / 3, 0.0]), start=Aligned(1e-300), network=Network(5, 2, 4)),
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
    with pytest.raises(DomainError, match="'replay' is none of its fields"):
        read(older.replace('"replay":0.2', '"replay":0.2,"replay_share":0.2'))


GOOD = write(PLAIN)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        (GOOD.replace('"modes":3', '"modes":3.5'), r"teacher\.modes: value = 3.5"),
        (GOOD.replace('"modes":3', '"modes":"3"'), r"teacher\.modes: value = '3'"),
        (
            GOOD.replace("PowerLaw", "Powerlaw"),
            r"teacher: no kind 'Powerlaw'; use Geometric, Matrix, PowerLaw, Spectrum\.",
        ),
        (GOOD.replace('"kind":"PowerLaw",', ""), "teacher: it has no kind, which is one of Geometric, Matrix"),
        (
            GOOD.replace('"modes":3', '"mode":3'),
            r"teacher\.modes: 'modes' is missing; teacher: 'mode' is none of its fields",
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


@pytest.mark.parametrize(
    ("build", "kind"),
    [
        (lambda: Aligned(0.0), DomainError),
        (lambda: SmallGaussian(-1.0), DomainError),
        (lambda: Sampling(draws=1), DomainError),
        (lambda: Network(0, 1, 1), DomainError),
        (lambda: PowerLaw(0), DomainError),
        (lambda: Spectrum([]), ShapeError),
        (lambda: Spectrum([1.0, -1.0]), DomainError),
        (lambda: Matrix([[1.0], [1.0, 2.0]]), ShapeError),
        (lambda: Matrix([1.0]), ShapeError),
        (lambda: replace(PLAIN, perturbation=Noise((1.0, 1.0, 1.0))), ShapeError),
        (lambda: Noise(((1.0, 1.0),)), ShapeError),
        (lambda: FineTuning(RotatedTeacher(-0.1)), DomainError),
        (lambda: FineTuning(RotatedTeacher(0.1), replay_share=1.0), DomainError),
        (lambda: FineTuning(SharedVectors([])), ShapeError),
        (lambda: replace(PLAIN, perturbation=FineTuning(SharedVectors(np.ones(4)))), ShapeError),
        (lambda: replace(PLAIN, perturbation=FineTuning(Matrix(np.eye(4)))), ShapeError),
        (lambda: Noise(law="cauchy"), DomainError),
        (lambda: Noise(convention="percent"), DomainError),
        (lambda: Quantization(per="column"), DomainError),
        (lambda: replace(PLAIN, perturbation=Pruning(), strengths=(0.5, 1.5)), DomainError),
        (lambda: Balanced(angle=-1.0), DomainError),
        (lambda: Balanced(angle=3.15), DomainError),
        (lambda: replace(PLAIN, start=Balanced(imbalance=0.1), network=Network(9, 8, 7)), ShapeError),
        (lambda: replace(PLAIN, start=Aligned(imbalance=0.1), network=Network(3, 3, 3, depth=3)), DomainError),
        (lambda: replace(PLAIN, network=Network(3, 3, 3, activation="relu")), DomainError),
        (lambda: Network(3, 3, 3, activation="swish"), DomainError),
        (lambda: Network(3, 3, 3, depth=3, activation="relu"), DomainError),
        (lambda: replace(PLAIN, inputs=Inputs(spectrum=(1.0,))), ShapeError),
        (lambda: Inputs(spectrum=(1.0, 0.0)), DomainError),
        (lambda: Inputs(samples=0), DomainError),
        (lambda: GradientDescent(schedule="linear"), DomainError),
        (lambda: GradientDescent(momentum=1.0), DomainError),
        (lambda: GradientDescent(warmup_share=0.5, decay_share=0.6), DomainError),
        (lambda: GradientDescent(batch=0), DomainError),
        (lambda: GradientFlow(weight_decay=-1.0), DomainError),
        (lambda: Geometric(3, ratio=1.5), DomainError),
        (lambda: Protocol(PowerLaw(3), (0, 1), (1,), Network(2, 3, 3)), ShapeError),
        (lambda: Protocol(Matrix(np.eye(2)), (0, 1), (1,), Network(3, 3, 3)), ShapeError),
        (lambda: Protocol(PowerLaw(3), [], (1,)), ShapeError),
        (lambda: Protocol(PowerLaw(3), (0, np.inf), (1,)), DomainError),
        (lambda: Protocol(PowerLaw(3), (0, 0), (1,)), DomainError),
    ],
)
def test_building_refuses(build, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        build()


def test_teachers_from_arrays_and_files(tmp_path) -> None:
    matrix = np.random.default_rng(0).normal(size=(3, 2))
    np.save(tmp_path / "a.npy", matrix)
    assert teacher(tmp_path / "a.npy") == teacher(matrix) == teacher(matrix.tolist())
    np.testing.assert_allclose(singular_values(teacher(matrix)), np.linalg.svd(matrix)[1], rtol=1e-14)
    assert (teacher_matrix(teacher(matrix), 3, 2) == matrix).all()
    assert Protocol(teacher(matrix), (0, 1), (1,)).network == Network(d_in=2, h=2, d_out=3)


def test_a_spectrum_is_a_teacher_and_what_is_no_part_is_refused(untyped) -> None:
    build = lambda *given, **named: untyped(Protocol.__init__)(object.__new__(Protocol), *given, **named)
    made = object.__new__(Protocol)
    untyped(Protocol.__init__)(made, [1.0, 0.5], (0, 1), (1,))
    assert made.teacher == Spectrum((1.0, 0.5))
    for name, wrong in (("start", SmallGaussian), ("pretraining", "gd"), ("perturbation", 0.1), ("sampling", 100),
                        ("network", (4, 4, 4))):  # fmt: skip
        with pytest.raises(DomainError, match=f"{name} = .*Instead: pass "):
            build(PowerLaw(3), (0, 1), (1,), **{name: wrong})
    with pytest.raises(ShapeError, match="different lengths"):
        teacher([[1.0, 2.0], [0.0]])


def test_hostile_files(tmp_path) -> None:
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "text.npy").write_text("import os")
    (tmp_path / "empty.npy").write_bytes(b"")
    for name in ("pickled.npy", "text.npy", "empty.npy", "none.npy"):
        with pytest.raises(DomainError, match=name):
            teacher(tmp_path / name)


def test_frames_of_a_matrix_have_fixed_signs() -> None:
    """Libraries disagree about the signs of singular vectors; a start must not depend on that."""
    matrix = np.random.default_rng(1).normal(size=(4, 3))
    left, sigma, right = singular_frames(teacher(matrix), 4, 3)
    np.testing.assert_allclose((left * sigma) @ right, matrix, atol=1e-14)
    assert (left[np.abs(left).argmax(axis=0), range(3)] > 0).all()


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (1, 1)])
def test_spectral_teachers_have_their_spectrum(shape: tuple[int, int]) -> None:
    spectrum = Spectrum(np.linspace(2, 0, min(shape)) if min(shape) > 1 else [2.0], frame_seed=4)
    matrix = teacher_matrix(spectrum, *shape)
    np.testing.assert_allclose(np.linalg.svd(matrix, compute_uv=False), singular_values(spectrum), atol=1e-14)
    assert (matrix == teacher_matrix(spectrum, *shape)).all()
    assert not np.allclose(abs(matrix), abs(teacher_matrix(replace(spectrum, frame_seed=5), *shape))) or shape == (1, 1)


@pytest.mark.parametrize("shared", [True, False])
def test_axes_and_variances_are_those_of_the_covariance(shared: bool) -> None:
    inputs, given = Inputs((4.0, 0.5, 2.0), shared), Spectrum((2.0, 1.0))
    axes, covariance = input_axes(inputs, given, 2, 3), input_covariance(inputs, given, 2, 3)
    np.testing.assert_allclose(covariance @ axes, axes * inputs.variances(3), atol=1e-14)
    right = singular_frames(given, 2, 3)[2]
    assert np.allclose(axes[:, :2], right.T) == shared
    assert not inputs.isotropic
    assert (input_axes(Inputs(), given, 2, 3) == np.eye(3)).all()
    assert Inputs().variances(3).tolist() == [1.0] * 3
