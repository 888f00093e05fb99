"""A replacement for `figure_worker.make_figure` in worker processes that checks types and records measurements."""

import os
from collections.abc import Callable
from typing import Any

from jaxtyping import install_import_hook

from overtraining.runtime.worker_process import is_worker

if is_worker():  # a process that makes figures is as strict as the tests themselves
    install_import_hook(
        ("overtraining.setting", "overtraining.theory", "overtraining.simulations", "overtraining.figures"),
        "beartype.beartype",
    )
    os.environ |= {"JAX_NUMPY_RANK_PROMOTION": "raise", "JAX_NUMPY_DTYPE_PROMOTION": "strict"}

from overtraining.experiments import memoized
from overtraining.figures.figure_worker import Order, make_figure
from tests.figures.breaking import told

ONCE = memoized.memoized_call


def telling(order: Order) -> Any:
    """Build a figure, and write into `out/measured` a line for every call that is not found in a store."""

    def once(function: Callable[..., Any], *given: Any, **named: Any) -> Any:
        return ONCE(told(function, order.out / "measured"), *given, **named)

    memoized.memoized_call = once
    return make_figure(order)
