"""Simulations of networks in JAX, without any formula of the theory. Importing this package turns on float64."""

import os
import sys

import lazy_loader

# The one piece of work at import in the project: in float32, JAX's default, every number below would be wrong in
# silence. The processor is the default device, so that numbers are the same everywhere and no missing GPU is reported.
# Said by variables, which JAX reads when it is imported: what does without JAX need not wait for it.
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_PLATFORMS"] = os.environ.get("JAX_PLATFORMS") or "cpu"
if "jax" in sys.modules:  # imported before, it has read them already
    sys.modules["jax"].config.update("jax_enable_x64", True)
    sys.modules["jax"].config.update("jax_platforms", os.environ["JAX_PLATFORMS"])

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
