"""How much optimization a program is worth, and that a compiled function also runs inside another."""

import jax
import jax.numpy as jnp
import pytest

from overtraining.setting.training import GradientDescent, GradientFlow, Pretraining
from overtraining.simulations.compilation import (
    FEW_STEPS,
    LOOP,
    MANY_STEPS,
    ONCE,
    SMALL_STEP,
    CompilerOptions,
    compiled,
    options_of_training,
)
from overtraining.simulations.pretraining import traced_numbers


@pytest.mark.parametrize(
    ("training", "length", "size", "times", "options"),
    [
        (GradientFlow(), 1e9, SMALL_STEP, 10, ONCE),
        (GradientFlow(), 1.0, SMALL_STEP + 1, 1, FEW_STEPS),
        (GradientDescent(1.0), MANY_STEPS, SMALL_STEP, 1, ONCE),
        (GradientDescent(1.0), MANY_STEPS, SMALL_STEP + 1, 1, FEW_STEPS),
        (GradientDescent(1.0), MANY_STEPS + 1, 1, 1, LOOP),
        (GradientDescent(1.0), MANY_STEPS // 2 + 1, 1, 2, LOOP),
    ],
)
def test_a_loop_takes_many_steps_and_small_programs_are_not_optimized(
    training: Pretraining, length: float, size: int, times: int, options: CompilerOptions
) -> None:
    assert options_of_training(training, traced_numbers(training, (0.0, length)), size, times) == options


def test_options_follow_the_arguments_and_are_left_out_inside_another_program() -> None:
    chosen = []

    def options(number: jax.Array) -> CompilerOptions:
        chosen.append(float(number))
        return LOOP if number > 1 else FEW_STEPS

    double = compiled(options)(lambda number: 2 * number)
    assert [float(double(jnp.asarray(x))) for x in (1.0, 2.0, 3.0)] == [2.0, 4.0, 6.0]
    assert double.programs() == 2
    assert float(jax.jit(lambda x: double(x) + 1)(jnp.asarray(5.0))) == 11.0
    assert chosen == [1.0, 2.0, 3.0]
