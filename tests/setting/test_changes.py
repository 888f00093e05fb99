"""Changes of a Protocol by dotted path: all at once, with the network that fits, and refused by near names."""

import pytest

from overtraining.setting.errors import DomainError
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw, Spectrum

PROTOCOL = Protocol(PowerLaw(4), (0.0, 1.0), (0.1,))


def test_fields_change_by_name_and_by_dotted_path() -> None:
    new = PROTOCOL.replace({"start.epsilon": 1e-6, "teacher.alpha": 2.0}, strengths=(0.2, 0.3))
    assert (new.start, new.teacher) == (Aligned(1e-6), PowerLaw(4, 2.0))
    assert new.strengths == (0.2, 0.3)
    assert PROTOCOL.strengths == (0.1,)


def test_a_network_by_default_fits_the_new_teacher_and_a_chosen_one_stays() -> None:
    assert PROTOCOL.replace(teacher=Spectrum((1.0, 0.5))).network == Network(2, 2, 2)
    wide = PROTOCOL.replace(network=Network(9, 9, 9))
    assert wide.replace({"teacher.modes": 2}).network == Network(9, 9, 9)


def test_changes_that_only_fit_together_are_made_together() -> None:
    chosen = PROTOCOL.replace(network=Network(5, 5, 5))
    assert chosen.replace({"teacher.modes": 6, "network.d_in": 6, "network.h": 6, "network.d_out": 6}).network.h == 6


@pytest.mark.parametrize(
    ("path", "near"), [("strenghts", "strengths"), ("teacher.alpa", "alpha"), ("start.epsilon.x", "change the whole")]
)
def test_a_field_that_does_not_exist_is_refused_with_near_names(path: str, near: str) -> None:
    with pytest.raises(DomainError, match=near):
        PROTOCOL.replace({path: 1})
