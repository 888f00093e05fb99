"""Misspelt names: the near ones are proposed, for packages and for the fields of a Protocol and of its parts."""

import copy
import pickle

import pytest

import overtraining as ot
from overtraining.setting.domain import increasing_list
from overtraining.setting.errors import DomainError
from overtraining.setting.near_names import near_names

PROTOCOL = ot.Protocol(ot.PowerLaw(4), (0.0, 1.0), (0.1,))


def test_few_near_names_or_all() -> None:
    assert near_names("Powerlaw", ["PowerLaw", "Noise"]) == "try PowerLaw"
    assert near_names("zzz", ["PowerLaw", "Noise"]) == "try PowerLaw, Noise"


def test_packages_propose_names() -> None:
    for package, misspelt, meant in ((ot, "Powerlaw", "PowerLaw"), (ot.theory, "repsond", "respond")):
        with pytest.raises(AttributeError, match=f"try {meant}"):
            getattr(package, misspelt)


@pytest.mark.parametrize(
    ("part", "misspelt", "meant"),
    [
        (ot.Protocol, "lenghts", "lengths"),
        (ot.PowerLaw, "aplha", "alpha"),
        (ot.Matrix, "entry", "entries"),
        (ot.Aligned, "epsilion", "epsilon"),
        (ot.GradientDescent, "learningrate", "learning_rate"),
        (ot.FineTuning, "anker", "anchor"),
        (ot.SharedVectors, "valeus", "values"),
        (ot.Inputs, "spectra", "spectrum"),
        (ot.Network, "dept", "depth"),
        (ot.Sampling, "seed", "seeds"),
    ],
)
def test_parts_propose_fields(part: type, misspelt: str, meant: str) -> None:
    with pytest.raises(DomainError, match=f"{part.__name__} has no such field. Instead: try .*{meant}"):
        part(**{misspelt: 1})


def test_parts_are_copied_and_pickled_as_before() -> None:
    assert copy.deepcopy(PROTOCOL) == pickle.loads(pickle.dumps(PROTOCOL)) == PROTOCOL
    with pytest.raises(TypeError, match="lengths"):  # what is missing is named by Python
        ot.Protocol(ot.PowerLaw(4))  # type: ignore[call-arg]


def test_numbers_for_lists_and_whole_floats_are_as_documented() -> None:
    loose = ot.read('{"teacher": {"kind": "PowerLaw", "modes": 4.0}, "lengths": [1], "strengths": [0.1]}')
    assert loose == ot.Protocol(ot.PowerLaw(4), lengths=(1.0,), strengths=(0.1,))
    assert increasing_list("strengths", 0.1).tolist() == [0.1]
    assert ot.Protocol(ot.PowerLaw(4), (1, 2), (0.1,)).lengths == (1.0, 2.0)  # need not begin at 0
    with pytest.raises(DomainError, match="whole number"):
        ot.read('{"teacher": {"kind": "PowerLaw", "modes": 3.5}, "lengths": [1], "strengths": [0.1]}')
