"""show(): what was done, in a few lines of text, and in a notebook with a picture; whatever a Dataset's texts hold."""

import numpy as np
import pytest
import xarray as xr

import overtraining as ot
from overtraining.figures.summary import Summary, show
from overtraining.setting.errors import SchemaError

PROTOCOL = ot.Protocol(ot.PowerLaw(3), range(0, 60, 2), (0.01, 0.1, 0.2))
TUNED = PROTOCOL.replace(perturbation=ot.FineTuning(ot.RotatedTeacher(1.0)))


def rows(summary: Summary) -> dict[str, str]:
    return dict(summary.rows)


def test_a_response_says_what_was_done_and_where_it_turns() -> None:
    response = ot.theory.respond(PROTOCOL)
    found = rows(show(response))
    assert found["kind"].startswith("Response, theory")
    assert found["pretraining length (gradient-flow time)"] == "(0.0, 2.0, …, 58.0: 30 numbers)"
    assert found["noise scale γ"] == "(0.01, 0.1, 0.2)"
    assert found["protocol"] == repr(PROTOCOL)
    points = [float(point) for point in found["inflection point"].split(", ")]
    np.testing.assert_allclose(points, ot.inflection_point(response).length, rtol=1e-4)
    assert len(repr(show(response)).splitlines()) == len(show(response).rows) < 12


def test_both_objectives_turn_and_a_budget_is_named() -> None:
    found = rows(show(ot.theory.respond(TUNED)))
    assert "fine-tuning budget T (gradient-flow time)" in found
    assert found["inflection point"] != found["inflection point, downstream loss"]
    assert found["inflection point"] == "none, none, none"  # such budgets change little
    assert "none" not in found["inflection point, downstream loss"]


def test_a_notebook_gets_a_table_and_a_picture() -> None:
    for data in (ot.theory.respond(PROTOCOL), ot.theory.respond(TUNED), ot.theory.follow(PROTOCOL)):
        html = show(data)._repr_html_()
        assert html.count("<tr>") == len(show(data).rows)
        assert "data:image/png;base64,iVBOR" in html


def test_without_a_picture_the_table_remains() -> None:
    data = ot.theory.respond(PROTOCOL).expand_dims(task=["a", "b"])
    assert "<img" not in show(data)._repr_html_()
    assert rows(show(data))["task"] == "('a', 'b')"


def test_texts_of_others_are_shown_as_texts(tmp_path) -> None:
    response = ot.theory.respond(PROTOCOL)
    response.attrs |= {"protocol": "as in the paper", "model": "<script>alert(1)</script>"}
    response.to_netcdf(tmp_path / "r.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "r.nc", engine="h5netcdf") as opened:
        summary = show(opened)
    assert rows(summary)["protocol"] == "as in the paper"
    assert "<script>" not in summary._repr_html_()


def test_what_it_refuses() -> None:
    with pytest.raises(SchemaError, match="unknown kind"):
        show(xr.Dataset())
