"""D4's atlas: what it says of its own tasks, one at a time, and how many there are."""

import numpy as np
import pytest

from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.teachers import PowerLaw
from overtraining.theory.fine_tuning import forgetting_atlas as module
from overtraining.theory.fine_tuning.forgetting_atlas import partly_shared, tasks, turned
from overtraining.theory.fine_tuning.plateaus import fine_tune_plateaus
from overtraining.theory.fine_tuning.safe_budget import safe_budget

ASKED = Protocol(PowerLaw(3), (0.0,), (0.05, 2.0, 8.0), Network(d_in=4, h=3, d_out=3))
SIGMA = 1 / np.arange(1, 4)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(module, "TRIALS", {"angle": 5, "shared": 5})
    monkeypatch.setattr(module, "ANGLES", (0.0, 1.0, 2.0))


@pytest.mark.parametrize(("axis", "atlas"), [("angle", turned), ("shared", partly_shared)])
def test_a_cell_is_the_mean_over_its_tasks(few, axis, atlas):
    found = atlas(ASKED)
    drawn = tasks(ASKED, axis, found[axis].values)
    assert drawn.shape == (7, 3, 5, 3, 4)
    for size, strength in enumerate(module.STRENGTHS):
        np.testing.assert_allclose(np.linalg.norm(drawn[size], 2, axis=(-2, -1)), strength)
        for place in range(3):
            for i, reach in enumerate(ASKED.strengths):
                each = [fine_tune_plateaus(reach / strength, SIGMA, task) for task in drawn[size, place]]
                cell = found.isel(pretraining=0, size=size, strength=i, **{axis: place})
                assert cell.falls == pytest.approx(np.mean([x.growth.min() < -1e-8 for x in each]))
                assert cell.turns == pytest.approx(np.mean([x.after[:-1].min() < x.after[-1] - 1e-8 for x in each]))
        safe = safe_budget(SIGMA, strength).min()
        assert float(found.safe[0, size]) == pytest.approx(strength * safe)
    assert 0 < float(found.turns.mean()) < 1
    assert 0 < float(found.foreseen.mean()) < 1


def test_the_atlas_is_as_large_as_it_says():
    wide = Protocol(PowerLaw(4), (0.0,), (1.0,), Network(d_in=5, h=4, d_out=5))
    numbers = [tasks(wide, axis, np.arange(float(n)))[..., 0, 0].size for axis, n in (("angle", 15), ("shared", 4))]
    assert numbers == [84_000, 21_000]
    assert len(module.ANGLES) == 15
