"""Figures of theory, simulations and language models, the book of derivations, and the functions that draw them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
