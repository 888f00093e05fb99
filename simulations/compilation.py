"""Compile the programs of simulations: in a third of XLA's usual time, since most of them run for less than that."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from overtraining.setting.errors import DomainError
from overtraining.setting.training import GradientDescent, Pretraining
from overtraining.simulations.double_precision import double_precision

CompilerOptions = dict[str, bool | int]

# LLVM's level 1 gives up nothing that could be measured here against its usual level 3; level 0 takes half the time of
# compilation, and makes random numbers four times as slow, small steps of training by a half. XLA's fusion
# emitters make small steps in a loop twice as fast, and take half the time of compilation.
LOOP: CompilerOptions = {"xla_backend_optimization_level": 1, "xla_cpu_use_fusion_emitters": True}
"""For a program that takes thousands of small steps."""

FEW_STEPS: CompilerOptions = LOOP | {"xla_cpu_use_fusion_emitters": False}
"""For a program that does a few things to arrays."""

MANY_STEPS = 50_000
"""Steps of descent beyond which optimizing them takes less time than it saves."""

ONCE: CompilerOptions = FEW_STEPS | {"xla_backend_optimization_level": 0}
"""For a program that has little to do."""

LITTLE = 2**16
"""Random numbers of a program, up to which optimizing them does not pay in dozens of runs: 0.1 µs saved for each."""

SMALL_STEP = 2**10
"""Numbers that a step of training computes, up to which optimizing it does not pay in hundreds of runs."""


def options_of_size(numbers: int) -> CompilerOptions:
    """The compiler's options for a program that computes so many numbers.

    >>> options_of_size(100) == ONCE, options_of_size(10**9) == FEW_STEPS
    (True, True)
    """
    return ONCE if numbers <= LITTLE else FEW_STEPS


def options_of_training(training: Pretraining, numbers: dict[str, Array], size: int, times: int = 1) -> CompilerOptions:
    """The compiler's options for a program that trains so many times: a loop, if it takes many steps by descent.

    numbers: see `pretraining.traced_numbers`.  size: numbers that a step computes.
    """
    if isinstance(training, GradientDescent) and times * int(np.asarray(numbers["steps"])[-1]) > MANY_STEPS:
        return LOOP
    # whatever the number of its steps: protocols that differ in it share a program
    return ONCE if size <= SMALL_STEP else FEW_STEPS


def compiled(
    options: CompilerOptions | Callable[..., CompilerOptions], *static: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: the function is compiled with these options once for each value of its static arguments, and each
    shape of the others.

    options: may depend on the arguments. Inside another compiled function, that one's options hold.

    >>> @compiled(ONCE, "power")
    ... def raised(x, power):
    ...     return x**power
    >>> float(raised(jax.numpy.asarray(2.0), power=3)), raised.programs()
    (8.0, 1)
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        inside = jax.jit(function, static_argnames=static)  # JAX refuses options there
        by_options: dict[tuple[tuple[str, int], ...], Callable[..., Any]] = {}

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            leaves = jax.tree.leaves((args, kwargs))
            if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
                return inside(*args, **kwargs)
            if any(getattr(leaf, "dtype", None) == np.float32 for leaf in leaves):
                raise DomainError("an array in float32", "it has lost half of its digits", "call in double_precision()")
            chosen = options(*args, **kwargs) if callable(options) else options
            name = tuple(chosen.items())
            if name not in by_options:
                by_options[name] = jax.jit(function, static_argnames=static, compiler_options=chosen)
            with double_precision():
                return by_options[name](*args, **kwargs)

        call.programs = lambda: sum(f._cache_size() for f in (inside, *by_options.values()))  # type: ignore[attr-defined]
        return call

    return decorate
