"""One picture from any Responses, for people at a prompt."""

import xarray as xr
from matplotlib.figure import Figure

from figures import draw
from figures.style import COLUMN, canvas, styled
from theory.errors import SchemaError
from theory.responses import Quantity, validate


def plot(*responses: xr.Dataset, quantity: Quantity = "after") -> Figure:
    """Draw a quantity of one or more Responses of the same strengths over each other: theory, simulation, measurement.

    Returns a Matplotlib figure; `figure.savefig("u.pdf")` writes it. Raises SchemaError for what is no Response.

    >>> from theory import PowerLaw, Protocol, respond
    >>> figure = plot(respond(Protocol(PowerLaw(3), lengths=(0, 5, 50), strengths=(0.1, 0.2))))
    >>> len(figure.axes[0].lines)
    3
    """
    if not responses:
        raise SchemaError("no Response", "there is nothing to draw", "pass what respond() returned")
    with styled():
        figure, (ax,) = canvas(COLUMN, 2.6)
        for i, data in enumerate(map(validate, responses)):
            draw.curves(ax, data, quantity, label="γ = {:g}" if i == 0 else None)
            if quantity == "after":
                draw.base(ax, data, label="before" if i == 0 else "_nolegend_")
                if data.attrs["method"] == "theory":
                    draw.inflections(ax, data)
        ax.set_ylabel(f"loss {quantity}" if quantity != "sensitivity" else "sensitivity Δ")
        ax.legend()
    return figure
