"""In a Jupyter notebook, run by a kernel: a cell shows its last value, and nothing of Matplotlib's changes."""

import base64
from typing import Any

import nbformat
from nbclient import NotebookClient

CELLS = (
    "import warnings; warnings.simplefilter('error')\nimport matplotlib, sys; before = dict(matplotlib.rcParams)",
    "import overtraining as ot\nprotocol = ot.Protocol(ot.PowerLaw(4), range(41), (0.1, 0.2))\nprotocol",
    "theory = ot.theory.respond(protocol)\not.plot(theory, title='A figure', size=(3, 2))",
    "ot.show(theory)",
    "assert dict(matplotlib.rcParams) == before and 'matplotlib.pyplot' not in sys.modules",
)


def test_a_notebook_shows_protocols_figures_and_responses() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    NotebookClient(notebook, timeout=120).execute()  # raises what a cell raises
    _, protocol, figure, response, _ = map(_shown, notebook.cells)
    assert "<table>" in protocol["text/html"]
    assert len(protocol["text/plain"]) < 200
    assert "<img" in response["text/html"]
    assert "inflection point" in response["text/plain"]
    png = base64.b64decode(figure["image/png"])
    assert int.from_bytes(png[16:20]) == 3 * 144  # its width in pixels


def _shown(cell: Any) -> dict[str, str]:
    return {kind: text for output in cell.outputs for kind, text in output.get("data", {}).items()}
