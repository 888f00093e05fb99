"""Inputs: the covariance that a description gives, and what is refused."""

import numpy as np
import pytest

from overtraining.setting.errors import DomainError
from overtraining.setting.inputs import Inputs, input_axes, input_covariance
from overtraining.setting.teachers import Spectrum, singular_frames


@pytest.mark.parametrize(
    ("build", "kind"), [(lambda: Inputs(spectrum=(1.0, 0.0)), DomainError), (lambda: Inputs(samples=0), DomainError)]
)
def test_inputs_refuse(build, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        build()


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
