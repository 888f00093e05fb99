"""Why can training a model for longer make it harder to fine-tune? Exact theory, simulations and figures.

>>> import overtraining as ot
>>> protocol = ot.Protocol(ot.PowerLaw(modes=4), lengths=(0, 10), strengths=(0.1,))
>>> float(ot.theory.respond(protocol).after[1, 0]) > 0
True

The names are listed in the stub file beside this one; each is imported when first used.
"""

from typing import Any

import lazy_loader

__version__ = "0.1.0"

_lazy, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        from overtraining.setting.near_names import near_names

        raise AttributeError(f"module 'overtraining' has no attribute {name!r}: {near_names(name, sorted(__all__))}")
    return _lazy(name)
