"""Sizes of a figure: for a paper, or for slides."""

from typing import Literal

StylePreset = Literal["paper", "slides"]
STYLE_PRESETS: tuple[StylePreset, ...] = ("paper", "slides")
