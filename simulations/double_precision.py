"""Simulations compute in float64 on the processor, whatever JAX is set to, and leave JAX's settings as they are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Computed = TypeVar("Computed")


@contextmanager
def double_precision() -> Iterator[None]:
    """Within it, this thread's JAX has 64 bits and the processor as default device: the same numbers everywhere.

    In float32, JAX's default, every number would be wrong in the eighth digit, in silence. Compiled programs are shared
    with a process in which 64 bits are always on.

    >>> import jax
    >>> with double_precision():
    ...     str(jax.numpy.ones(1).dtype)
    'float64'
    """
    import jax  # not where this module is imported: a driver of workers need not wait for it

    with jax.enable_x64(True), jax.default_device(jax.local_devices(backend="cpu")[0]):
        yield


def in_double_precision(function: Callable[Arguments, Computed]) -> Callable[Arguments, Computed]:
    """A decorator: the function runs in `double_precision`. What users may call needs it, if it touches JAX.

    >>> import jax
    >>> in_double_precision(jax.numpy.ones)(1).dtype.name
    'float64'
    """

    @wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Computed:
        with double_precision():
            return function(*args, **kwargs)

    call.in_double_precision = True  # type: ignore[attr-defined]  # for the test that finds functions without it
    return call
