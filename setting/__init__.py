"""The setting: Protocols and their parts, Responses, refusals and argument checks. It imports nothing else of ours.

The names of this package are listed, by topic, in the stub file beside this one; each is imported when first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
