"""Simulations of networks in JAX, without any formula of the theory."""

from overtraining.setting.near_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
