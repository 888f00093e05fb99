"""Makes figures in a process that checks types as the tests themselves do: slow to start, and for the whole catalogue."""

import multiprocessing
import os
from typing import Any

from jaxtyping import install_import_hook

if multiprocessing.parent_process() is not None:
    install_import_hook(("theory", "simulations", "figures"), "beartype.beartype")
    os.environ |= {"JAX_NUMPY_RANK_PROMOTION": "raise", "JAX_NUMPY_DTYPE_PROMOTION": "strict"}

from figures import making


def make(order: making.Order) -> Any:
    return making.make(order)
