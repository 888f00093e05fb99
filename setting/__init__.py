"""The setting: Protocols and their parts, Responses, refusals and argument checks. It imports nothing else of ours.

The names of this package are listed, by topic, in the stub file beside this one; each is imported when first used.
"""

from overtraining.setting.near_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
