"""Refusals: one exception for each kind, which says what was given, why it cannot be, and what to do instead."""

from overtraining.setting import limits


class Refusal(ValueError):
    """A question that this project cannot answer correctly; nothing was computed.

    >>> str(DomainError("sigma = -1.0", "a singular value is not negative", "pass its absolute value"))
    'sigma = -1.0: a singular value is not negative. Instead: pass its absolute value.'
    """

    def __init__(self, what: str, why: str, instead: str) -> None:
        what, why, instead = map(_shortened, (what, why, instead))
        super().__init__(what, why, instead)  # the three parts stay in `args`, so that a refusal survives pickling
        self.what, self.why, self.instead = what, why, instead

    def __str__(self) -> str:
        return f"{self.what}: {self.why}. Instead: {self.instead}."


def _shortened(text: str) -> str:
    return text if len(text) <= limits.MESSAGE else f"{text[: limits.MESSAGE - 1]}…"


class DomainError(Refusal):
    """A number outside the domain of the formula."""


class ShapeError(Refusal):
    """Arrays or dimensions that do not fit each other."""


class NoFormula(Refusal):
    """A valid protocol for which the theory has no formula."""


class NotSolved(Refusal):
    """A numerical solver that did not reach its tolerance."""


class SchemaError(Refusal):
    """A Response or Trajectory that breaks the schema."""
