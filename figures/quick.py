"""One picture from any Responses, for people at a prompt."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import draw
from overtraining.figures.style import COLUMN, canvas, styled
from overtraining.setting.errors import SchemaError
from overtraining.setting.responses import Objective, Quantity, validate


def plot(*responses: xr.Dataset, quantity: Quantity = "after", objective: Objective = "pretraining") -> Figure:
    """Draw a quantity of one or more Responses of the same strengths over each other: theory, simulation, measurement.

    Lines are theory, points a simulation, joined points a measurement; a star marks the inflection points of theory.
    Returns a Matplotlib figure; `figure.savefig("u.pdf")` writes it. Raises SchemaError for what is no Response, for
    different strengths, and for dimensions besides length, strength and seed (select one task first).

    >>> from overtraining.setting.teachers import PowerLaw

    >>> from overtraining.setting.protocol import Protocol

    >>> from overtraining.theory.solvers.exact import respond
    >>> figure = plot(respond(Protocol(PowerLaw(3), lengths=(0, 5, 50), strengths=(0.1, 0.2))))
    >>> len(figure.axes[0].lines)
    3
    """
    _drawable(responses)
    with styled():
        figure, (ax,) = canvas(COLUMN, 2.6)
        for i, data in enumerate(responses):
            if quantity != "before":
                draw.curves(ax, data, quantity, objective, label="γ = {:g}" if i == 0 else None)
            if quantity != "sensitivity":
                draw.base(ax, data, objective, label="before" if i == 0 else "_nolegend_")
            if quantity == "after" and data.attrs["method"] == "theory":
                draw.inflections(ax, data, objective=objective, label="inflection point" if i == 0 else None)
        ax.set_ylabel("sensitivity Δ" if quantity == "sensitivity" else f"loss {quantity}")
        ax.legend()
    return figure


def _drawable(responses: tuple[xr.Dataset, ...]) -> None:
    if not responses:
        raise SchemaError("no Response", "there is nothing to draw", "pass what respond() returned")
    for data in map(validate, responses):
        if data.attrs["kind"] != "Response":
            raise SchemaError(
                f"a {data.attrs['kind']}", "only Responses are drawn here", "pass what respond() returned"
            )
        if further := set(map(str, data.dims)) - {"pretraining", "strength", "seed"}:
            raise SchemaError(", ".join(sorted(further)), "one picture shows one", "select it with data.sel(...)")
        if not np.array_equal(data.strength, responses[0].strength):
            raise SchemaError("Responses of different strengths", "colours stand for strengths", "plot them apart")
