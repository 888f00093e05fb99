"""The methods that the closed forms replace solve the same problems."""

import numpy as np

from benchmarks import solvers
from benchmarks.matrix import problem
from overtraining.setting.teachers import PowerLaw, singular_values
from overtraining.theory.learning.balanced_mode import singular_value
from overtraining.theory.learning.matrix_solution import matrix_flow
from overtraining.theory.sensitivity.noise import expected_increase_at


def test_solver_on_the_modes_solves_the_same_problem() -> None:
    sigma, t = singular_values(PowerLaw(5)), np.linspace(0, 100, 11)
    solved, evaluations = solvers.modes(t, sigma, 1e-6)
    np.testing.assert_allclose(solved, singular_value(t[:, None], sigma, 1e-6), rtol=1e-8)
    assert evaluations > 100


def test_solver_on_the_weights_solves_the_same_problem() -> None:
    t, (w1, w2, teacher) = np.linspace(0, 10, 5), problem(4)
    np.testing.assert_allclose(solvers.flow(t, w1, w2, teacher)[0], matrix_flow(t, w1, w2, teacher).product, atol=1e-9)


def test_draws_of_noise_have_the_mean_of_the_formula() -> None:
    w1, w2, teacher = problem(4)
    sample = solvers.rises(10 * w1, 10 * w2, teacher, 0.2, 4_000)
    z = (sample.mean() - expected_increase_at(10 * w1, 10 * w2, 0.2, 0.2)) / (sample.std(ddof=1) / np.sqrt(4_000))
    assert abs(z) < 4
