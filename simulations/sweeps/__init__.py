"""Sweeps: grids of protocols, measured in chunks that survive being killed, on this machine or on a cluster."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
