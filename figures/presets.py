"""How a figure looks: its size for a paper or for slides, and what a user may choose instead."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from overtraining.setting.domain import positive, text
from overtraining.setting.errors import DomainError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

StylePreset = Literal["paper", "slides"]
STYLE_PRESETS: tuple[StylePreset, ...] = ("paper", "slides")
LARGEST = 40.0  # inches


@dataclass(frozen=True)
class Look:
    """Title, size (width and height in inches) and style (text of a Matplotlib style file) of a user's own figure.

    Raises DomainError for a size that is not two positive numbers of at most 40 inches.
    """

    title: str = ""
    size: tuple[float, ...] | None = None
    style: str = ""

    def __post_init__(self) -> None:
        text("title", self.title)
        if self.size is not None:
            inches = positive("size", self.size)
            if inches.shape != (2,) or inches.max() > LARGEST:
                why = f"it is not a width and a height of at most {LARGEST:g} inches"
                raise DomainError(f"size = {self.size}", why, "pass for instance (7, 3)")

    def applied(self, figure: "Figure") -> "Figure":
        """The figure with this title and size."""
        if self.title:
            figure.suptitle(self.title)
        if self.size is not None:
            width, height = self.size
            figure.set_size_inches(width, height)
        return figure

    def plain(self) -> dict[str, Any]:
        """What is chosen, as plain data."""
        return {name: value for name, value in asdict(self).items() if value}


def parse_size(size: str) -> tuple[float, float]:
    """Width and height in inches from a text such as 7x3.

    >>> parse_size("7x3.5")
    (7.0, 3.5)
    """
    width, _, height = size.lower().partition("x")
    try:
        return float(width), float(height)
    except ValueError:
        raise DomainError(f"size {size!r}", "it is not of the form WIDTHxHEIGHT", "write for instance 7x3") from None
