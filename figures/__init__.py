"""What people see: figures of theory, simulation and language models, drawn with one vocabulary."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
