"""What a Response, Trajectory or Protocol is, at a prompt and in a notebook: a table and a small picture.

Responses and Trajectories are plain `xarray.Dataset`s, whose own display lists arrays. A subclass with another display
would be lost when a file is opened or datasets are joined, would stay when what is left is no Response any more, and
would differ from an equal Dataset in `xarray.testing.assert_identical`. A function has none of these faults.
"""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.response_figure import plot
from overtraining.figures.style import canvas, styled
from overtraining.setting.errors import Refusal
from overtraining.setting.inflection import inflection_point
from overtraining.setting.responses import REPETITIONS, objectives, validate
from overtraining.setting.serialization import read
from overtraining.setting.shown import LISTED, shown

SIZE = (3.6, 1.8)
"""Inches of the small picture."""

DIGITS = 1e-5
"""Of a length: what five digits do not show."""


@dataclass(frozen=True)
class Summary:
    """What `show` returns: its text at a prompt, a table and a picture in a notebook."""

    rows: tuple[tuple[str, str], ...]
    picture: bytes | None = None

    def __repr__(self) -> str:
        width = max(len(name) for name, _ in self.rows)
        return "\n".join(f"{name:<{width}}  {text}" for name, text in self.rows)

    def _repr_html_(self) -> str:
        left = "style='text-align:left'"
        rows = (f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(text)}</td></tr>" for name, text in self.rows)
        source = "" if self.picture is None else base64.b64encode(self.picture).decode()
        picture = f"<img alt='thumbnail' width='{96 * SIZE[0]:.0f}' src='data:image/png;base64,{source}'>"
        return f"<table>{''.join(rows)}</table>{picture if source else ''}"


def show(data: xr.Dataset) -> Summary:
    """A Response or Trajectory as a short table of what was done and found, in a notebook with a small picture of it.

    Raises SchemaError for anything else.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> from overtraining.setting.protocol import Protocol
    >>> from overtraining.theory.solvers.exact import respond
    >>> show(respond(Protocol(PowerLaw(3), lengths=range(0, 60, 2), strengths=(0.1, 0.2)))).rows[-1]
    ('inflection point', '12.068, 8.5575')
    """
    validate(data)
    rows = [
        ("kind", f"{data.attrs['kind']}, {data.attrs['method']}: {data.attrs['source']}"),
        ("model", data.attrs["model"]),
        *([("perturbation", data.attrs["perturbation"])] if "perturbation" in data.attrs else []),
        *((_axis(data, str(name)), shown(tuple(data[name].values.tolist()))) for name in data.dims if name != "turn"),
        ("variables", ", ".join(map(str, data.data_vars))),
        *([("protocol", _protocol(data.attrs["protocol"]))] if "protocol" in data.attrs else []),
    ]
    if data.attrs["kind"] == "Response" and _plottable(data):
        for objective in objectives(data):
            name = "inflection point" + ("" if objective == "pretraining" else f", {objective} loss")
            rows.append((name, _list(inflection_point(data, objective))))
    return Summary(tuple(rows), _picture(data))


def _axis(data: xr.Dataset, name: str) -> str:
    if name == "strength":
        return drawing.strength_name(data)
    return f"pretraining length ({data[name].attrs['units']})" if name == "pretraining" else name


def _protocol(text: str) -> str:
    """A protocol in one line; what others have written there, as it is."""
    try:
        return shown(read(text))
    except Refusal:
        return text


def _list(points: xr.Dataset) -> str:
    """The lengths, with their resolution where it shows in five digits."""
    pairs = zip(points.length.values, points.resolution.values, strict=True)
    coarse = [f" ± {resolution:.2g}" if resolution > DIGITS * length else "" for length, resolution in pairs]
    values = points.length.values
    texts = [f"{x:.5g}{more}" if np.isfinite(x) else "none" for x, more in zip(values, coarse, strict=True)]
    return ", ".join(texts) if len(texts) <= LISTED else f"{texts[0]}, {texts[1]}, …, {texts[-1]}: {len(texts)} numbers"


def _picture(data: xr.Dataset) -> bytes | None:
    if data.attrs["kind"] == "Response":
        return _png(plot(data, objective=objectives(data)[0], size=SIZE)) if _plottable(data) else None
    draw: dict[str, Callable[..., None]] = {"singular_value": drawing.singular_values, "loss": drawing.loss}
    name = next((name for name in draw if name in data), None)
    if name is None or not set(data[name].dims) <= {"pretraining", "mode", "seed"}:
        return None
    with styled():
        figure, (ax,) = canvas(*SIZE)
        draw[name](ax, data, label=None)
    return _png(figure)


def _plottable(data: xr.Dataset) -> bool:
    return set(data.dims) <= {"pretraining", "strength", "turn", *REPETITIONS}


def _png(figure: Figure) -> bytes:
    with io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=144)
        return file.getvalue()
