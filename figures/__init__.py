"""Figures of theory, simulations and language models, the book of derivations, and the functions that draw them."""

from overtraining.setting.near_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
