"""Sweeps: grids of protocols, measured in chunks that survive being killed, on this machine or on a cluster."""

from overtraining.setting.near_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
