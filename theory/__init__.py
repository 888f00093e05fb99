"""The theory: closed forms by topic, in NumPy and SciPy (float64), and their derivations in SymPy.

`respond` and `follow` answer a Protocol. Formulas are reached through the topic of their claim:
`theory.sensitivity.expected_increase`. The topics are listed in the stub file beside this one.
"""

from overtraining.setting.near_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
