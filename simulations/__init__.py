"""What happens: networks in JAX that know nothing of the formulas. Importing it turns on float64, here only."""

import os
import sys
from importlib import import_module
from typing import Any

# The one piece of work at import in the project: in float32, JAX's default, every number below would be wrong in
# silence. The processor is the default device, so that numbers are the same everywhere and no missing GPU is reported.
# Said by variables, which JAX reads when it is imported: what does without JAX need not wait for it.
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_PLATFORMS"] = os.environ.get("JAX_PLATFORMS") or "cpu"
if "jax" in sys.modules:  # imported before, it has read them already
    sys.modules["jax"].config.update("jax_enable_x64", True)
    sys.modules["jax"].config.update("jax_platforms", os.environ["JAX_PLATFORMS"])

_HOMES = {  # the names at this door and where they live; JAX, diffrax and optax come with the first that is asked for
    "agreement": ("Agreement", "compare"),
    "batched": ("cached_chunk", "descend"),
    "data": ("Task", "population_loss"),
    "measured": ("follow", "initialize", "moved", "pretrain", "respond"),
    "networks": ("Layer", "Layers"),
    "plan": ("Numbers", "Plan", "planned"),
}
__all__ = [name for names in _HOMES.values() for name in names]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"simulations.{home}"), name)
    raise AttributeError(f"module 'simulations' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
