"""Starts: what is refused, and the frames of a balanced start."""

import numpy as np
import pytest

from overtraining.setting.errors import DomainError
from overtraining.setting.starts import Aligned, Balanced, FanIn, SmallGaussian, start_frames
from overtraining.setting.teachers import PowerLaw, full_frames


@pytest.mark.parametrize(
    ("build", "kind"),
    [
        (lambda: Aligned(0.0), DomainError),
        (lambda: SmallGaussian(-1.0), DomainError),
        (lambda: Balanced(angle=-1.0), DomainError),
        (lambda: Balanced(angle=3.15), DomainError),
    ],
)
def test_starts_refuse(build, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        build()


def test_start_frames_are_the_teacher_s_frames_rotated() -> None:
    """Orthonormal, at angle 0 the teacher's own, and no vector moves further than the angle."""
    teacher = PowerLaw(2)
    full = full_frames(teacher, 4, 3)
    for frame, same in zip(full, start_frames(Balanced(angle=0.0), teacher, 4, 3), strict=True):
        np.testing.assert_allclose(same, frame, atol=1e-14)
    for frame, rotated in zip(full, start_frames(Balanced(angle=0.7, frame_seed=2), teacher, 4, 3), strict=True):
        np.testing.assert_allclose(rotated.T @ rotated, np.eye(len(frame)), atol=1e-14)
        angles = np.abs(np.angle(np.linalg.eigvals(rotated @ frame.T)))
        assert angles.max() == pytest.approx(0.7, rel=1e-12)


def test_start_frames_depend_on_their_seed_only() -> None:
    one, again, other = (start_frames(Balanced(frame_seed=seed), PowerLaw(3), 3, 3)[0] for seed in (0, 0, 1))
    assert (one == again).all()
    assert not np.allclose(one, other)


def test_equal_numbers_are_equal_starts() -> None:
    assert Aligned(1.0) == Aligned(np.float64(1))
    assert hash(Aligned(1.0)) == hash(Aligned(np.float64(1)))
    assert type(FanIn(np.float64(2)).gain) is float


def test_a_start_of_zero_says_why() -> None:
    with pytest.raises(DomainError, match="0 is a saddle"):
        Balanced(0.0)
