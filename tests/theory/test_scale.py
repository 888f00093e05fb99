"""The door of A3–A7: beyond what float64 can multiply every function refuses by name, and inside it none is NaN."""

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, Refusal
from overtraining.theory.learning import balanced_mode, deep_mode, incremental, unbalanced_mode

FUNCTIONS = [
    balanced_mode.singular_value,
    balanced_mode.unlearned,
    lambda t, sigma, epsilon: deep_mode.singular_value(t, sigma, epsilon, 3),
    lambda t, sigma, epsilon: deep_mode.unlearned(t, sigma, epsilon, 5),
    lambda t, sigma, epsilon: unbalanced_mode.product(t, sigma, -epsilon, 0.0),
    lambda t, sigma, epsilon: unbalanced_mode.unlearned(t, sigma, -epsilon, epsilon),
    lambda t, sigma, epsilon: unbalanced_mode.weights(t, sigma, epsilon, -t)[0],
    incremental.feature,
]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("arguments", [(1e80, 1.0, 0.1), (1.0, 1e80, 0.1), (1.0, 1e-80, 0.1)])
def test_refused_by_name(function, arguments):
    with pytest.raises(DomainError, match="units"):
        function(*arguments)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_finite_or_refused(function):
    generator = np.random.default_rng(0)
    for point in 10.0 ** generator.uniform(-307, 80, (300, 3)) * generator.choice([0, 1, 1, 1], (300, 3)):
        try:
            value = function(*point)
        except Refusal:
            continue
        assert np.isfinite(value), point
